/* side_gwise_ask.c - what was asked of a gateway, and what came (see side_gwise.h)
 *
 *     <dirsync>.asked     "viaduct-asked 1", "since SECONDS", "then run" or "then wait": written before the request is, so that
 *                         no answer comes unasked. A crash in between costs the time-out
 *     <dirsync>.answer    what came, as UTF-8
 *     <connector>.unasked what came last without having been asked for
 *
 * A request is an item like any other of the connector's (systems/gwise/container.h): made in spool/dirsync, synced, renamed into
 * DirOut.
 */
#include "directory/side_gwise.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "directory/status.h"
#include "spool-layout/layout.h"
#include "systems/gwise/container.h"

enum { ITEM_MODE = 0660, NAME_BYTES = 300, ASKED_BYTES_MAX = 1000, ANSWER_BYTES_MAX = API_DIRECTORY_MAX };

static void
name_of(const struct conf_dirsync *dirsync, const char *what, char name[NAME_BYTES])
{
    snprintf(name, NAME_BYTES, "%.200s.%s", dirsync->title, what);
}

/* ---- what was asked ---- */

/* When, and whether the worker goes on by itself; 0: nothing was asked, or what says so is unreadable. */
static int64_t
asked_since(int folder_fd, const struct conf_dirsync *dirsync, bool *goes_on)
{
    char name[NAME_BYTES];
    struct buf text = {0};
    uint64_t since = 0;
    name_of(dirsync, "asked", name);
    if (dir_file_read(folder_fd, name, ASKED_BYTES_MAX, &text) == 0 && text.len > 0) {
        const char *at = memmem(text.at, text.len, "\nsince ", 7);
        size_t n = at != NULL ? strspn(at + 7, "0123456789") : 0;
        if (n == 0 || at[7 + n] != '\n' || !span_to_u64((struct span){at + 7, n}, INT64_MAX, &since))
            since = 0;
        if (goes_on != NULL)
            *goes_on = memmem(text.at, text.len, "\nthen wait\n", 11) == NULL;
    }
    buf_clear(&text);
    return (int64_t)since;
}

/* A time in the future was written by another clock, and says nothing. */
static bool
is_over(int64_t since_s, int64_t answer_s)
{
    int64_t now = time_ms() / 1000;
    return since_s > now || now - since_s >= answer_s;
}

static bool
is_asked(int folder_fd, const struct conf_dirsync *dirsync)
{
    int64_t since = asked_since(folder_fd, dirsync, NULL);
    return since > 0 && !is_over(since, dirsync->foreign.answer_s);
}

/* Another dirsync that waits for the same gateway. */
static const struct conf_dirsync *
other_asker(const struct gwise_side *side)
{
    const struct dir_context *context = side->side.context;
    for (size_t i = 0; i < context->root->dirsyncs_n; i++) {
        const struct conf_dirsync *other = &context->root->dirsyncs[i];
        if (other != context->dirsync &&
            span_equal(span_of(other->connector), span_of(side->connector->title)) &&
            is_asked(context->folder_fd, other))
            return other;
    }
    return NULL;
}

int
gwise_ask(const struct gwise_side *side, struct why *why)
{
    const struct dir_context *context = side->side.context;
    const struct conf_dirsync *other = other_asker(side);
    char name[NAME_BYTES];
    struct buf asked = {0}, request = {0};
    if (other != NULL) {
        why_set(why, "4.3.2", "dirsync \"%s\" waits for an answer of the same gateway; one is asked at a time",
                other->title);
        return -EAGAIN;
    }
    name_of(context->dirsync, "asked", name);
    buf_printf(&asked, "viaduct-asked 1\nsince %lld\nthen %s\n", (long long)(time_ms() / 1000),
               context->goes_on ? "run" : "wait");
    int err = dir_file_write(context->folder_fd, name, buf_span(&asked), false);
    if (err != 0) {
        why_set(why, "4.3.0", "dirsync/%s in the spool cannot be written: %s", name, strerror(-err));
    } else {
        directory_write_get(&request);
        err = gwise_send(side, buf_span(&request), why);
        if (err != 0)
            gwise_forget(side);
    }
    buf_clear(&asked);
    buf_clear(&request);
    if (err == 0)
        why_set(why, "", "the directory was asked for through the gateway of %s; its answer is waited for",
                side->connector->title);
    return err == 0 ? -EINPROGRESS : err;
}

void
gwise_forget(const struct gwise_side *side)
{
    const struct dir_context *context = side->side.context;
    char name[NAME_BYTES];
    name_of(context->dirsync, "answer", name);
    unlinkat(context->folder_fd, name, 0);
    name_of(context->dirsync, "asked", name);
    unlinkat(context->folder_fd, name, 0);
}

/* ---- what came ---- */

/* An answer that nobody has read for longer than one is waited for is as old news as none. */
static int
read_answer(const struct gwise_side *side, struct buf *text)
{
    const struct dir_context *context = side->side.context;
    char name[NAME_BYTES];
    struct stat st;
    name_of(context->dirsync, "answer", name);
    if (fstatat(context->folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -ENOENT;
    if (is_over(st.st_mtime, context->dirsync->foreign.answer_s)) {
        gwise_forget(side);
        return -ENOENT;
    }
    return dir_file_read(context->folder_fd, name, ANSWER_BYTES_MAX, text);
}

int
gwise_answered(const struct gwise_side *side, struct buf *text, struct why *why)
{
    const struct dir_context *context = side->side.context;
    const struct conf_dirsync *dirsync = context->dirsync;
    int err = read_answer(side, text);
    if (err != -ENOENT) {
        if (err != 0)
            why_set(why, "4.3.0", "dirsync/%s.answer in the spool: %s", dirsync->title, strerror(-err));
        return err;
    }
    int64_t since = asked_since(context->folder_fd, dirsync, NULL);
    if (since == 0)
        return -ENOENT;
    if (is_over(since, dirsync->foreign.answer_s)) {
        gwise_forget(side);
        why_set(why, "4.4.7",
                "the gateway of %s has not answered within %lld minutes: is it running, and is its Directory "
                "Sync/Exchange set to Exchange?",
                side->connector->title, (long long)(dirsync->foreign.answer_s / 60));
        return -ETIMEDOUT;
    }
    why_set(why, "", "the answer of the gateway of %s is waited for since %lld minutes", side->connector->title,
            (long long)((time_ms() / 1000 - since) / 60));
    return -EINPROGRESS;
}

/* ---- an item is opened ---- */

struct opening {
    struct queue_body body;
    struct why why;
};

static ssize_t
read_item(void *arg, uint64_t offset, void *bytes, size_t size)
{
    struct opening *opening = arg;
    BUG_UNLESS(offset == opening->body.at);
    return queue_body_read(&opening->body, bytes, size, &opening->why);
}

/* The header's octets. -EBADMSG where there is none, it is too long, or the item says that it is not whole. */
static int
open_item(const struct queue_file *item, struct buf *out, struct why *why)
{
    struct opening opening;
    struct container_reader reader;
    struct container_item part;
    enum part_kind kind = PART_META;
    bool header = false;
    queue_body_start(&opening.body, item);
    container_open(&reader, read_item, &opening);
    for (;;) {
        enum container_event event = container_next(&reader, &part, why);
        if (event == CONTAINER_BROKEN)
            return -EBADMSG;
        if (event == CONTAINER_END)
            break;
        if (event == CONTAINER_PART) {
            kind = part.kind;
            if (kind == PART_META && strcmp(part.name, "why") == 0)
                return why_set(why, "5.6.0", "the gateway never finished it"), -EBADMSG;
            header = header || kind == PART_HEADER;
        } else if (event == CONTAINER_DATA && kind == PART_HEADER) {
            if (out->len + part.data.len > API_DIRECTORY_MAX)
                return why_set(why, "5.6.0", "it has more than %d octets", API_DIRECTORY_MAX), -EBADMSG;
            buf_add_span(out, part.data);
        }
    }
    return header ? 0 : (why_set(why, "5.6.0", "it has no header"), -EBADMSG);
}

static int
keep(int folder_fd, const char *name, struct span text, struct why *why)
{
    int err = dir_file_write(folder_fd, name, text, false);
    if (err != 0)
        why_set(why, "4.3.0", "dirsync/%s in the spool cannot be written: %s", name, strerror(-err));
    return err;
}

static bool
has_answer(int folder_fd, const struct conf_dirsync *dirsync)
{
    char name[NAME_BYTES];
    struct stat st;
    name_of(dirsync, "answer", name);
    return fstatat(folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           !is_over(st.st_mtime, dirsync->foreign.answer_s);
}

/* The dirsync of this connector that asked, and has no answer yet: a second one is not what it asked for. */
static const struct conf_dirsync *
find_asker(const struct dir_context *context, const char *connector)
{
    for (size_t i = 0; i < context->root->dirsyncs_n; i++) {
        const struct conf_dirsync *dirsync = &context->root->dirsyncs[i];
        if (span_equal(span_of(dirsync->connector), span_of(connector)) &&
            span_equal(span_of(dirsync->foreign.format), SPAN("gwise")) &&
            is_asked(context->folder_fd, dirsync) && !has_answer(context->folder_fd, dirsync))
            return dirsync;
    }
    return NULL;
}

static int
take_text(const struct dir_context *context, const char *connector, struct span text,
          const struct conf_dirsync **whose, struct why *why)
{
    char name[NAME_BYTES], domain[64];
    struct api_file file;
    const struct conf_dirsync *asker = find_asker(context, connector);
    if (asker == NULL || !gwise_own_domain(context->root, asker, domain)) {
        snprintf(name, sizeof name, "%.200s.unasked", connector);
        int err = keep(context->folder_fd, name, text, why);
        if (err != 0)
            return err;
        why_set(why, "", "nobody has asked the gateway of %s for its directory: ignored, kept as dirsync/%s",
                connector, name);
        return -ENOENT;
    }
    struct arena *arena = arena_new(API_DIRECTORY_ARENA_MAX);
    int err = gwise_judge_answer(text, span_of(domain), arena, &file, why);
    arena_free(arena);
    if (err != 0)
        return err;
    name_of(asker, "answer", name);
    err = keep(context->folder_fd, name, text, why);
    if (err == 0)
        *whose = asker;
    return err;
}

int
side_gwise_answer(const struct dir_context *context, const char *connector, const struct queue_file *item,
                  const struct conf_dirsync **whose, bool *goes_on, struct why *why)
{
    struct buf octets = {0}, text = {0};
    const struct conf_connector *conf = conf_connector_find(context->root, connector);
    struct codepage *codepage = codepage_new(conf != NULL ? conf->convert.codepage : NULL);
    int err = codepage == NULL ? why_set(why, "5.3.5", "convert.codepage is no code page known here")
                               : open_item(item, &octets, why);
    if (err == 0) {
        codepage_decode(codepage, buf_span(&octets), &text);
        err = take_text(context, connector, buf_span(&text), whose, why);
    }
    if (err == 0 && asked_since(context->folder_fd, *whose, goes_on) == 0)
        *goes_on = false;
    codepage_free(codepage);
    buf_clear(&octets);
    buf_clear(&text);
    return err;
}

/* ---- a request is sent ---- */

static int
write_item(void *arg, const void *bytes, size_t len)
{
    return queue_writer_add(arg, bytes, len);
}

static int
write_container(const struct gwise_side *side, struct queue_writer *writer, struct span text)
{
    struct container_writer container;
    struct buf octets = {0};
    codepage_encode(side->codepage, text, side->unmappable, &octets);
    container_begin(&container, write_item, writer);
    container_part(&container, PART_HEADER, SPAN("api"));
    for (size_t at = 0; at < octets.len; at += CONTAINER_CHUNK_MAX / 16)
        container_add(&container, octets.at + at,
                      octets.len - at < CONTAINER_CHUNK_MAX / 16 ? octets.len - at : CONTAINER_CHUNK_MAX / 16);
    container_part_end(&container);
    buf_clear(&octets);
    return container_end(&container);
}

/* The carrier must be able to read it. A command's mask may be narrower than a worker's, who may not change modes. */
static int
see_to_mode(int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -1;
    return (st.st_mode & 0777) == ITEM_MODE ? 0 : fchmod(fd, ITEM_MODE);
}

/* A whole file under `name` in spool/dirsync, synced. 0 or -errno. */
static int
make_item(const struct gwise_side *side, const char *id, const char *name, struct span text, struct why *why)
{
    struct envelope envelope = {.id = span_of(id),
                                .arrival_ms = time_ms(),
                                .origin = span_of(side->connector->title),
                                .class = SPAN("ITEM"),
                                .next_report = 1,
                                .originator = {SPAN("SMTP"), SPAN("")}};
    struct queue_writer *writer = queue_writer_new(side->side.context->folder_fd, name, 1200, why);
    if (writer == NULL)
        return errno != 0 ? -errno : -EIO;
    int err = write_container(side, writer, text);
    int fd = err == 0 ? queue_writer_finish(writer, &envelope, SPAN(""), why) : err;
    if (fd >= 0 && (see_to_mode(fd) < 0 || fsync(fd) < 0))
        err = -errno;
    else if (fd < 0)
        err = fd;
    if (fd >= 0)
        close(fd);
    queue_writer_drop(writer);
    return err;
}

/* A worker that is confined may put into the folder, and not look at it. */
static int
open_dir_out(const struct gwise_side *side)
{
    char path[SPOOL_PATH_MAX];
    int err = folder_path(FOLDER_DIR_OUT, side->connector->title, path);
    int fd = err == 0
                 ? openat(side->side.context->spool_fd, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                 : err;
    return err == 0 && fd < 0 ? -errno : fd;
}

int
gwise_send(const struct gwise_side *side, struct span text, struct why *why)
{
    const struct dir_context *context = side->side.context;
    char id[ID_LEN + 1], name[ID_LEN + 8];
    int to = open_dir_out(side);
    if (!id_started()) /* in a command */
        id_start((uint16_t)context->root->node_id, (uint16_t)getpid());
    id_new(id);
    snprintf(name, sizeof name, "%s.item", id);
    int err = to < 0 ? to : make_item(side, id, name, text, why);
    if (err == 0)
        err = spool_move(context->folder_fd, name, to, id);
    if (to >= 0)
        close(to);
    if (err == 0)
        return 0;
    unlinkat(context->folder_fd, name, 0);
    why_set(why, "4.3.0", "a request to the gateway of %s cannot be put into %s: %s", side->connector->title,
            folder_name(FOLDER_DIR_OUT), strerror(-err));
    return err;
}
