/* files.c - GroupWise items as files in a folder, for a person who asks what becomes of one (see system.h)
 *
 * Inwards a header file is read from anywhere; what it names lies beside it, or in ATT_OUT beside its folder API_OUT. All that
 * it names must be there with the size it tells, as the carrier wants it (carrier_judge.c). Outwards an item becomes the files
 * that the carrier would write; its base name is the first that it would try.
 *
 * What is hostile here: the header file, and names in it. Only plain names are opened, in these folders, never through a link.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "systems/gwise/api_read.h"
#include "systems/gwise/carrier.h"
#include "systems/gwise/carrier_out.h"
#include "systems/gwise/container.h"
#include "systems/mime/charset.h"

/* ---- gathering ---- */

enum { FOLDER_PATH_MAX = 4096 };

struct gathering {
    int beside, attachments; /* folders; -1: not there */
    struct container_writer writer;
    struct codepage *codepage; /* of names; NULL where it is unknown */
    struct viaduct_reason *reason;
};

/* The folder of the header and, where that is API_OUT, its neighbour. */
static void
open_folders(struct gathering *gathering, const char *path, const char **name)
{
    char folder[FOLDER_PATH_MAX], found[256];
    struct stat status;
    const char *slash = strrchr(path, '/');
    *name = slash != NULL ? slash + 1 : path;
    snprintf(folder, sizeof folder, "%.*s", slash != NULL ? (int)(slash - path) + 1 : 1,
             slash != NULL ? path : ".");
    gathering->beside = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int above =
        gathering->beside < 0 ? -1 : openat(gathering->beside, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    gathering->attachments = above >= 0 && gateway_find(above, SPAN("ATT_OUT"), found, &status)
                                 ? openat(above, found, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
                                 : -1;
    if (above >= 0)
        close(above);
}

/* A file under the octets that the header has, or under their characters. */
static bool
find_in(const struct gathering *gathering, int folder, struct span name, char found[256])
{
    struct stat status;
    struct buf utf8 = {0};
    bool there = folder >= 0 && gateway_find(folder, name, found, &status);
    if (!there && folder >= 0 && gathering->codepage != NULL) {
        codepage_decode(gathering->codepage, name, &utf8);
        there = utf8.len > 0 && gateway_find(folder, buf_span(&utf8), found, &status);
    }
    buf_clear(&utf8);
    return there;
}

/* Copies an open file into a part. 0, or -1 with the reason. */
static int
copy_part(struct gathering *gathering, int fd, enum part_kind kind, const char *name)
{
    static char piece[64 << 10]; /* one item a process */
    ssize_t got;
    container_part(&gathering->writer, kind, span_of(name));
    while ((got = read(fd, piece, sizeof piece)) > 0)
        container_add(&gathering->writer, piece, (size_t)got);
    container_part_end(&gathering->writer);
    if (got == 0 && gathering->writer.error == 0)
        return 0;
    reason_fill(gathering->reason, "4.3.0", "%s cannot be copied: %s", name,
                strerror(got < 0 ? errno : abs(gathering->writer.error)));
    return -1;
}

/* One file that the header names. 0, or -1 with the reason. */
static int
take_named(struct gathering *gathering, struct span name, struct span bytes, enum part_kind kind)
{
    char found[256];
    struct stat status = {0};
    uint64_t want;
    int shown = (int)(name.len < 200 ? name.len : 200), folder = gathering->beside;
    if (!gateway_name_fine(name)) {
        reason_fill(gathering->reason, "5.6.0", "it names a file that is no plain name (%.*s)", shown, name.at);
        return -1;
    }
    bool there = find_in(gathering, folder, name, found);
    if (!there) {
        folder = gathering->attachments;
        there = find_in(gathering, folder, name, found);
    }
    int fd = there ? gateway_open_read(folder, found, &status) : -ENOENT;
    if (fd < 0) {
        reason_fill(gathering->reason, "5.6.0", "its file %.*s is neither beside it nor in ATT_OUT%s%s", shown,
                    name.at, there ? ": " : "", there ? strerror(-fd) : "");
        return -1;
    }
    int result = 0;
    if (span_to_u64(bytes, UINT64_MAX, &want) && want != (uint64_t)status.st_size) {
        reason_fill(gathering->reason, "5.6.0", "its file %.*s has %lld octets, not %llu", shown, name.at,
                    (long long)status.st_size, (unsigned long long)want);
        result = -1;
    }
    if (result == 0)
        result = copy_part(gathering, fd, kind, found);
    close(fd);
    return result;
}

static int
take_files(struct gathering *gathering, const struct api_file *file)
{
    struct span body = api_text(&file->root, "Msg-File");
    int result = body.len > 0 ? take_named(gathering, body, SPAN(""), PART_BODY) : 0;
    const struct api_item *list = api_find(&file->root, "Attach-File");
    for (; list != NULL; list = api_find_next(list))
        for (const struct api_item *e = list->children; e != NULL && result == 0; e = e->next) {
            struct span name = api_text(e, "Current-File");
            if (name.len == 0)
                name = api_text(e, "Original-File");
            if (name.len > 0)
                result = take_named(gathering, name, api_text(e, "Size"), PART_FILE);
        }
    return result;
}

static int
take_header(struct gathering *gathering, const char *name, struct buf *text, struct arena *arena)
{
    struct api_file file;
    struct why why;
    int error = gathering->beside < 0 ? -ENOENT
                                      : gateway_read_file(gathering->beside, name, API_DIRECTORY_MAX + 1, text);
    if (error != 0)
        reason_fill(gathering->reason, "4.3.0", "it cannot be read: %s",
                    error == -ELOOP ? "it is a link" : strerror(-error));
    else if (!api_is_finished(buf_span(text)))
        reason_fill(gathering->reason, "5.6.0",
                    "it is no header file of an API gateway, or not a whole one: "
                    "there is no line -END-");
    else if (api_read(buf_span(text), arena, &file, &why) < 0)
        reason_fill(gathering->reason, "5.6.0", "%s", why.text);
    else {
        container_part(&gathering->writer, PART_HEADER, span_of(name));
        container_add(&gathering->writer, text->at, text->len);
        container_part_end(&gathering->writer);
        return take_files(gathering, &file);
    }
    return -1;
}

static int
files_gather(const struct viaduct_services *services, struct viaduct_gateway *gateway, const char *path,
             int (*write)(void *, const void *, size_t), void *arg, struct viaduct_reason *reason)
{
    struct gathering gathering = {.reason = reason};
    struct buf text = {0};
    struct arena *arena = arena_new(API_ARENA_MAX);
    const char *name, *page = services->option(gateway, "convert.codepage");
    gathering.codepage = codepage_new(page != NULL ? page : "437");
    open_folders(&gathering, path, &name);
    container_begin(&gathering.writer, write, arg);
    int result = take_header(&gathering, name, &text, arena);
    if (result == 0 && container_end(&gathering.writer) != 0) {
        reason_fill(reason, "4.3.0", "the item cannot be kept: %s", strerror(abs(gathering.writer.error)));
        result = -1;
    }
    if (gathering.beside >= 0)
        close(gathering.beside);
    if (gathering.attachments >= 0)
        close(gathering.attachments);
    codepage_free(gathering.codepage);
    arena_free(arena);
    buf_clear(&text);
    return result;
}

/* ---- spreading ---- */

struct spreading {
    const struct viaduct_files_out *out;
    struct codepage *codepage;
    char base[9];
    enum part_kind kind;
    struct buf shown;
};

static int
begin_file(struct spreading *spreading, const struct container_item *part)
{
    static const char *const what[] = {
        [PART_HEADER] = "header", [PART_BODY] = "body", [PART_FILE] = "file", [PART_META] = "note"};
    char name[9 + CONTAINER_NAME_MAX + 1];
    spreading->kind = part->kind;
    snprintf(name, sizeof name, "%s.%s", spreading->base, part->name);
    return spreading->out->file(spreading->out->arg, what[part->kind], name);
}

/* Text in the code page; a file may be anything. */
static int
show(struct spreading *spreading, struct span bytes)
{
    buf_reset(&spreading->shown);
    codepage_decode(spreading->codepage, bytes, &spreading->shown);
    size_t len = 0;
    for (size_t i = 0; i < spreading->shown.len; i++)
        if (spreading->shown.at[i] != '\r')
            spreading->shown.at[len++] = spreading->shown.at[i];
    return len > 0 ? spreading->out->shown(spreading->out->arg, spreading->shown.at, len) : 0;
}

static int
put(struct spreading *spreading, struct span bytes)
{
    int error = spreading->out->data(spreading->out->arg, bytes.at, bytes.len);
    return error == 0 && spreading->kind != PART_FILE ? show(spreading, bytes) : error;
}

/* The base name in place of its mark. */
static int
put_header(struct spreading *spreading, struct span bytes)
{
    int error = 0;
    while (bytes.len > 0 && error == 0) {
        const char *mark = memchr(bytes.at, CONTAINER_BASE_MARK, bytes.len);
        size_t len = mark != NULL ? (size_t)(mark - bytes.at) : bytes.len;
        error = len > 0 ? put(spreading, (struct span){bytes.at, len}) : 0;
        if (mark != NULL && error == 0)
            error = put(spreading, span_of(spreading->base));
        len += mark != NULL;
        bytes = (struct span){bytes.at + len, bytes.len - len};
    }
    return error;
}

static int
spread_all(struct spreading *spreading, const struct viaduct_convert_in *in, struct viaduct_reason *reason)
{
    struct container_reader *reader = xcalloc(1, sizeof *reader);
    struct container_item *part = xcalloc(1, sizeof *part);
    enum container_event event;
    struct why why = {"5.6.0", "the item cannot be read"};
    int error = 0;
    container_open(reader, in->read, in->arg);
    while (error == 0 && (event = container_next(reader, part, &why)) != CONTAINER_END) {
        if (event == CONTAINER_PART)
            error = begin_file(spreading, part);
        else if (event == CONTAINER_DATA)
            error =
                spreading->kind == PART_HEADER ? put_header(spreading, part->data) : put(spreading, part->data);
        else if (event == CONTAINER_BROKEN)
            error = -EBADMSG;
    }
    free(reader);
    free(part);
    if (error != 0)
        reason_fill(reason, "5.6.0", "%s", error == -EBADMSG ? why.text : strerror(abs(error)));
    return error != 0 ? -1 : 0;
}

static int
files_spread(const struct viaduct_convert_in *in, const struct viaduct_files_out *out,
             struct viaduct_reason *reason)
{
    struct spreading spreading = {.out = out};
    const char *page = in->services->option(in->gateway, "convert.codepage");
    spreading.codepage = codepage_new(page != NULL ? page : "437");
    if (spreading.codepage == NULL) {
        reason_fill(reason, "5.3.5", "the code page %s is unknown", page);
        return -1;
    }
    out_name_base(in->id, 0, spreading.base);
    int result = spread_all(&spreading, in, reason);
    codepage_free(spreading.codepage);
    buf_clear(&spreading.shown);
    return result;
}

const struct viaduct_files_ops gwise_files_ops = {
    .size = sizeof gwise_files_ops, .gather = files_gather, .spread = files_spread};
