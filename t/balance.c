/* balance.c - prints the books of a spool's tracking logs: what was taken in, what became of it, what must
 * still be there
 *
 *     balance TRACK-FOLDER        one line of name=number pairs, for scenario tests
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "common/track_read.h"

int
main(int argc, char **argv)
{
    struct track_balance balance;
    int fd = argc == 2 ? open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd < 0 || track_balance(fd, &(struct track_range){.since_ms = 0}, &balance) < 0) {
        fprintf(stderr, "usage: balance TRACK-FOLDER\n");
        return 2;
    }
    printf("accepted=%" PRId64 " reports=%" PRId64 " delivered=%" PRId64 " failed=%" PRId64 " badmail=%" PRId64
           " deleted=%" PRId64 " exported=%" PRId64 " imported=%" PRId64 " in_spool=%" PRId64
           " malformed=%" PRIu64 " repeated=%" PRIu64 "\n",
           balance.accepted, balance.reports, balance.delivered, balance.failed, balance.badmail,
           balance.deleted, balance.exported, balance.imported, balance.in_spool, balance.malformed,
           balance.repeated);
    return 0;
}
