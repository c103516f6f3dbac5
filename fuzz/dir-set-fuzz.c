/* dir-set-fuzz.c - any octets as a set's file, and as one record
 *
 * Beside not crashing: what is read is written again and read as the same, and whoever is in a set is found in it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/crc32c.h"
#include "directory/set_inside.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int folder = -1;

static void
folder_make(void)
{
    char path[300];
    const char *tmp = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/viaduct-fuzz-XXXXXX", tmp != NULL ? tmp : "/tmp");
    BUG_UNLESS(mkdtemp(path) != NULL);
    folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int
read_file(const uint8_t *data, size_t size, struct dir_set *set, struct dir_reading *reading)
{
    struct why why;
    int fd = openat(folder, "set", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    BUG_UNLESS(write(fd, data, size) == (ssize_t)size);
    close(fd);
    return dir_set_read(set, reading, folder, "set", &why);
}

/* Who is in the set is found in it: himself, or one before him who has the same. */
static void
ask(const struct dir_set *set)
{
    struct dir_room room = {0};
    struct dir_entry entry;
    bool more;
    for (size_t place = 0; place < dir_set_places(set); place++) {
        if (!dir_set_get(set, place, &room, &entry))
            continue;
        BUG_UNLESS(dir_set_find_id(set, entry.id) == place);
        BUG_UNLESS(entry.name.len == 0 || dir_set_find_name(set, entry.name) <= place);
        BUG_UNLESS(entry.mark.len == 0 || dir_set_find_mark(set, entry.mark) <= place);
        for (size_t i = 0; i < entry.n_proxies; i++)
            BUG_UNLESS(dir_set_find_address(set, &entry.proxies[i].address, &more) <= place);
    }
    dir_room_clear(&room);
}

static void
fuzz_file(const uint8_t *data, size_t size)
{
    struct why why;
    struct dir_set *set = dir_set_new(), *again = dir_set_new();
    struct dir_reading reading = {0}, same = {0};
    if (read_file(data, size, set, &reading) == 0) {
        ask(set);
        BUG_UNLESS(dir_set_write(set, &reading, folder, "set", &why) == 0);
        BUG_UNLESS(dir_set_read(again, &same, folder, "set", &why) == 0);
        BUG_UNLESS(dir_set_count(set) == dir_set_count(again) && same.cookie.len == reading.cookie.len);
    }
    dir_set_free(set);
    dir_set_free(again);
    buf_clear(&reading.cookie);
    buf_clear(&same.cookie);
}

/* A record behind the checksums, which a fuzzer does not find; the first octet says where it is cut in two. */
static void
fuzz_records(const uint8_t *data, size_t size)
{
    struct dir_set *set = dir_set_new();
    struct dir_room room = {0};
    struct dir_entry entry;
    struct why why;
    size_t first = size > 0 ? data[0] % size : 0;
    const char *at = (const char *)data;
    if (size > 1 && set_record_read(at + 1, first, &room, &entry) > 0)
        dir_set_put(set, &entry, &why);
    if (size > 1 && set_record_read(at + 1 + first, size - 1 - first, &room, &entry) > 0)
        dir_set_put(set, &entry, &why);
    ask(set);
    dir_room_clear(&room);
    dir_set_free(set);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (folder < 0)
        folder_make();
    if (size > 0 && data[0] == 'v')
        fuzz_file(data, size);
    else
        fuzz_records(data, size);
    return 0;
}
