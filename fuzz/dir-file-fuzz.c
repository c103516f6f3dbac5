/* dir-file-fuzz.c - any octets as a directory in CSV or LDIF, and as an answer of a GroupWise gateway
 *
 * Beside not crashing: what was read of somebody is written as somebody of ours and read as the same.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <utime.h>

#include "directory/side_file.h"
#include "directory/side_gwise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char in_path[400], out_path[400];
static struct conf_dirsync dirsync;
static struct dir_context context;

static void
set_up(void)
{
    char folder[300];
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/viaduct-fuzz-XXXXXX", tmp != NULL ? tmp : "/tmp");
    BUG_UNLESS(mkdtemp(folder) != NULL);
    snprintf(in_path, sizeof in_path, "%s/in", folder);
    snprintf(out_path, sizeof out_path, "%s/out", folder);
    dirsync.title = "d";
    dirsync.connector = "c";
    dirsync.import.set = true;
    dirsync.foreign.read = in_path;
    dirsync.foreign.write = out_path;
    dirsync.foreign.domain = "Exchange";
    dirsync.foreign.alias = "internet";
    context.dirsync = &dirsync;
}

static void
put_file(const char *path, const void *bytes, size_t len)
{
    struct utimbuf times = {1, 1};
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    BUG_UNLESS(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
    close(fd);
    BUG_UNLESS(utime(path, &times) == 0);
}

/* ---- files ---- */

/* What can be written of an entry: not its own id and kind, nor what is broken. */
static bool
make_ours(const struct dir_entry *entry, size_t n, bool ldif, char mark[40], struct dir_entry *ours)
{
    *ours = *entry;
    snprintf(mark, 40, "viaduct:d:%zu", n);
    ours->mark = span_of(mark);
    ours->kind = entry->kind == DIR_GROUP ? DIR_GROUP : DIR_CONTACT;
    if (!ldif) /* members are named anew when a CSV file is read */
        ours->n_members = 0;
    return !entry->broken && entry->target.type.len > 0;
}

static void
write_all(const struct dir_set *set, bool ldif, struct buf *out)
{
    struct dir_room room = {0};
    struct dir_entry entry, ours;
    struct dir_set *nobody = dir_set_new();
    char mark[40];
    if (ldif)
        file_begin_ldif(out);
    else
        file_begin_csv(out);
    for (size_t place = 0; place < dir_set_places(set); place++) {
        if (!dir_set_get(set, place, &room, &entry) || !make_ours(&entry, place, ldif, mark, &ours))
            continue;
        if (ldif)
            file_add_ldif(&ours, out);
        else
            file_add_csv(nobody, &ours, out);
    }
    dir_room_clear(&room);
    dir_set_free(nobody);
}

static void
compare(const struct dir_entry *a, const struct dir_entry *b)
{
    BUG_UNLESS(a->hidden == b->hidden && a->kind == b->kind && a->n_proxies == b->n_proxies &&
               a->n_members == b->n_members);
    BUG_UNLESS(address_equal(&a->target, &b->target));
    for (size_t i = 0; i < DIR_ATTRIBUTES; i++)
        BUG_UNLESS(span_equal(a->value[i], b->value[i]));
    for (size_t i = 0; i < a->n_proxies; i++)
        BUG_UNLESS(address_equal(&a->proxies[i].address, &b->proxies[i].address) &&
                   a->proxies[i].primary == b->proxies[i].primary);
    for (size_t i = 0; i < a->n_members; i++)
        BUG_UNLESS(span_equal(a->members[i], b->members[i]));
}

static void
read_back(struct file_side *side, const struct dir_set *set)
{
    struct why why;
    struct buf text = {0};
    struct dir_room room = {0}, other = {0};
    struct dir_entry entry, ours, there;
    struct dir_set *copies = dir_set_new();
    char mark[40], id[60];
    write_all(set, side->ldif, &text);
    put_file(out_path, text.at, text.len);
    BUG_UNLESS(file_read(side, out_path, NULL, copies, &why) == 0);
    for (size_t place = 0; place < dir_set_places(set); place++) {
        if (!dir_set_get(set, place, &room, &entry) || !make_ours(&entry, place, side->ldif, mark, &ours))
            continue;
        snprintf(id, sizeof id, "export:%zu", place);
        size_t found = dir_set_find_id(copies, span_of(id));
        BUG_UNLESS(found != SIZE_MAX && dir_set_get(copies, found, &other, &there));
        compare(&ours, &there);
    }
    dir_room_clear(&room);
    dir_room_clear(&other);
    dir_set_free(copies);
    buf_clear(&text);
}

static void
fuzz_file(const char *format, const uint8_t *data, size_t size)
{
    struct why why;
    struct dir_set *set = dir_set_new();
    dirsync.foreign.format = format;
    context.deadline_ms = monotonic_ms();
    struct dir_side *side = side_file_new(&context, &dirsync.foreign, &why);
    BUG_UNLESS(side != NULL && side->ops->open(side, &why) == 0);
    struct dir_set *nobody = dir_set_new();
    put_file(in_path, data, size);
    if (file_read((struct file_side *)side, in_path, nobody, set, &why) == 0)
        read_back((struct file_side *)side, set);
    dir_set_free(nobody);
    dir_set_free(set);
    side->ops->close(side);
}

/* ---- answers ---- */

static void
fuzz_answer(const uint8_t *data, size_t size)
{
    static struct conf_connector connector = {.title = "c", .type = "gwise"};
    struct why why;
    struct conf_root root = {.connectors = &connector, .connectors_n = 1};
    struct buf text = {0};
    struct dir_set *set = dir_set_new();
    dirsync.foreign.format = "gwise";
    connector.convert.codepage = "850";
    context.root = &root;
    struct dir_side *side = side_gwise_new(&context, &dirsync.foreign, &why);
    BUG_UNLESS(side != NULL && side->ops->open(side, &why) == 0);
    struct gwise_side *gwise = (struct gwise_side *)side;
    codepage_decode(gwise->codepage, (struct span){(const char *)data, size}, &text);
    if (gwise_take_answer(gwise, buf_span(&text), NULL, set, &why) == 0)
        BUG_UNLESS(dir_set_count(set) > 0);
    buf_clear(&text);
    dir_set_free(set);
    side->ops->close(side);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (in_path[0] == '\0')
        set_up();
    if (size == 0)
        return 0;
    if (data[0] == 'l')
        fuzz_file("ldif", data + 1, size - 1);
    else if (data[0] == 'g')
        fuzz_answer(data + 1, size - 1);
    else
        fuzz_file("csv", data + 1, size - 1);
    return 0;
}
