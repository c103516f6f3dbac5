/* recover-t.c - the sweep of Temp where the disk fails: what cannot be read is not taken for torn
 *
 * The source is included for what it keeps to itself. pread() stands in for a disk that has come to fail.
 */
#include "common/worker_recover.c"

#include <dirent.h>
#include <sys/syscall.h>

#include "t/tap.h"

#define ID "0123456789ABCDEFGHIJKLMNOP"

static int reads_left; /* before one fails; -1: none fails */

ssize_t
pread(int fd, void *bytes, size_t size, off_t offset)
{
    if (reads_left == 0) {
        errno = EIO;
        return -1;
    }
    reads_left -= reads_left > 0;
    return syscall(SYS_pread64, fd, bytes, size, offset);
}

static void
make_file(int folder, size_t body)
{
    struct recipient recipient = {.address = {SPAN("SMTP"), SPAN("bob@branch.example")}};
    struct envelope envelope = {.id = SPAN(ID),
                                .origin = SPAN("host"),
                                .originator = {SPAN("SMTP"), SPAN("alice@host.example")},
                                .recipients = &recipient,
                                .n_recipients = 1};
    struct why why;
    char block[1000] = "text";
    struct queue_writer *writer = queue_writer_new(folder, ID, 1000, &why);
    for (size_t at = 0; at < body; at += sizeof block)
        queue_writer_add(writer, block, sizeof block);
    close(queue_writer_finish(writer, &envelope, SPAN(""), &why));
    queue_writer_drop(writer);
}

int
main(void)
{
    const char *path = tap_folder();
    int folder = open(path, O_RDONLY | O_DIRECTORY);
    struct arena *arena = arena_new(1 << 20);
    struct queue_file file;
    make_file(folder, 100000);
    for (int i = 0; i < 4; i++) {
        reads_left = i;
        recover_file(NULL, folder, ID, arena);
        is_int(faccessat(folder, ID, F_OK, 0), 0,
               "a file of which read %d fails may be accepted mail: it is left", i);
    }
    reads_left = -1;
    int fd = openat(folder, ID, O_RDWR);
    is_int(fate_by_contents(NULL, ID, &file, fd, arena), FATE_MOVE, "when it can be read it is complete");
    struct arena *small = arena_new(10000);
    is_int(fate_by_contents(NULL, ID, &file, fd, small), FATE_LEAVE,
           "what memory does not hold is left as well");
    if (ftruncate(fd, 50000) < 0)
        abort();
    close(fd);
    recover_file(NULL, folder, ID, arena);
    ok(faccessat(folder, ID, F_OK, 0) < 0 && errno == ENOENT, "while one that ends early goes");
    arena_free(small);
    arena_free(arena);
    close(folder);
    ok(rmdir(path) == 0, "nothing is left behind");
    return tap_done();
}
