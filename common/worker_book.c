/* worker_book.c - the address book as workers meet it (see worker.h)
 *
 * A generation that is not whole is told of once: in the log, and as the worker's last error, which `viaduct status`
 * shows. That the one before stays in use must not hide that somebody's changes are in force nowhere.
 */
#include <errno.h>

#include "common/book.h"
#include "common/worker_inside.h"

int
service_refresh_book(struct service *service, struct book *book, bool *told)
{
    struct why why = {"", ""};
    uint64_t before = book_generation(book);
    int r = book_refresh(book, &why);
    if (r == 1 && book_generation(book) < before)
        log_say(
            LOG_DIRECTORY, LEVEL_MINIMUM, NULL,
            "generation %llu of the book, which was in use, is gone from the spool: generation %llu is used",
            (unsigned long long)before, (unsigned long long)book_generation(book));
    bool torn = r == -EAGAIN || (r >= 0 && why.text[0] != '\0');
    if (torn && !*told) {
        log_say(LOG_DIRECTORY, LEVEL_MINIMUM, NULL, r >= 0 ? "%s; generation %llu stays in use" : "%s",
                why.text, (unsigned long long)book_generation(book));
        state_error(service, why.text);
    }
    *told = torn;
    return r;
}
