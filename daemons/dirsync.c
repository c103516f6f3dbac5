/* dirsync.c - publishes the address book from files
 *
 *     book.source (CSV) --> Temp/<own>/book.<n> --rename--> book/<n>
 *
 * The sources are looked at every book.check; when one has changed (time, size, inode), a new generation is
 * built of all. A source with errors publishes nothing, nor do sources without anybody in them, as a file that is cut off: the
 * book that is there stays, the errors are told, and `status` shows the first. The part that reads directories (LDAP) takes its place here later: what it publishes is
 * the same book.
 *
 * Hostile here: the files' contents; memory does not grow with them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/worker.h"

struct dirsync {
    int book_fd;
    uint64_t seen;   /* of the sources: a hash of what stat tells; 0: never looked */
    int64_t next_ms; /* monotonic */
};

static uint64_t
mix(uint64_t hash, uint64_t value)
{
    return (hash ^ value) * UINT64_C(1099511628211);
}

/* What the sources look like from outside. A file that is missing is part of it. */
static uint64_t
look(const struct conf_texts *sources)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < sources->n; i++) {
        struct stat st;
        if (stat(sources->at[i], &st) < 0)
            memset(&st, 0, sizeof st);
        hash = mix(mix(mix(hash, (uint64_t)st.st_ino), (uint64_t)st.st_size), (uint64_t)st.st_mtim.tv_sec);
        hash = mix(hash, (uint64_t)st.st_mtim.tv_nsec);
    }
    return hash;
}

/* The number of people in error, or -errno. */
static int
read_source(const char *path, struct book_builder *builder, struct buf *errors)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        int r = -errno;
        buf_printf(errors, "%s: cannot be opened: %s\n", path, strerror(-r));
        return r;
    }
    int n = book_read_csv(fd, path, builder, errors);
    close(fd);
    return n;
}

static void
tell_errors(const struct buf *errors)
{
    struct span rest = buf_span(errors);
    for (int n = 0; rest.len > 0 && n < 20; n++) {
        const char *end = memchr(rest.at, '\n', rest.len);
        size_t len = end != NULL ? (size_t)(end - rest.at) : rest.len;
        log_say(LOG_DIRECTORY, LEVEL_MINIMUM, NULL, "%.*s", (int)len, rest.at);
        rest = (struct span){rest.at + len, rest.len - len};
        if (rest.len > 0)
            rest = (struct span){rest.at + 1, rest.len - 1};
    }
}

/* In `status`: the first of the errors, or what kept the book from being written. */
static void
show_error(struct service *service, const struct buf *errors, const struct why *why)
{
    char text[160];
    size_t len = errors->len > 0 ? strcspn(errors->at, "\n") : 0;
    snprintf(text, sizeof text, "%.*s", len > 0 ? (int)len : (int)strlen(why->text),
             len > 0 ? errors->at : why->text);
    service_error(service, text);
}

static int
build(struct service *service, struct buf *errors, struct why *why)
{
    struct dirsync *dirsync = service->data;
    const struct conf_texts *sources = &service->root->book.source;
    uint64_t generation = book_next_generation(dirsync->book_fd, why);
    struct book_builder *builder =
        generation == 0 ? NULL : book_builder_new(service->temp_fd, generation, sources->at[0], why);
    int in_error = builder == NULL ? -EIO : 0;
    for (size_t i = 0; in_error == 0 && i < sources->n; i++)
        in_error = read_source(sources->at[i], builder, errors);
    bool empty = in_error == 0 && book_builder_entries(builder) == 0;
    if (in_error == 0 && !empty)
        return book_builder_publish(builder, dirsync->book_fd, why);
    book_builder_drop(builder);
    if (empty)
        why_set(why, "5.3.5",
                "the sources are empty, and a book of nobody makes all unknown: the book in use stays");
    if (errors->len > 0)
        why_set(why, "5.3.5", "the sources have errors: the book in use stays");
    return -EINVAL;
}

static void
tick(struct service *service)
{
    struct dirsync *dirsync = service->data;
    struct buf errors = {0};
    struct why why = {"", ""};
    if (service->root->book.source.n == 0 || monotonic_ms() < dirsync->next_ms)
        return;
    dirsync->next_ms = monotonic_ms() + service->root->book.check_s * 1000;
    uint64_t now = look(&service->root->book.source);
    if (now == dirsync->seen)
        return;
    dirsync->seen = now;
    int r = build(service, &errors, &why);
    tell_errors(&errors);
    if (r < 0)
        show_error(service, &errors, &why);
    log_say(LOG_DIRECTORY, r < 0 ? LEVEL_MINIMUM : LEVEL_MEDIUM, NULL,
            r < 0 ? "no new book: %s" : "a new generation of the book is published%s", why.text);
    buf_clear(&errors);
}

static int
prepare(struct service *service)
{
    struct dirsync *dirsync = xcalloc(1, sizeof *dirsync);
    service->data = dirsync;
    dirsync->book_fd = folder_open(service->spool_fd, FOLDER_BOOK, NULL);
    for (size_t i = 0; i < service->root->book.source.n; i++)
        service_allow_parent(service, service->root->book.source.at[i], false);
    return dirsync->book_fd < 0 ? dirsync->book_fd : 0;
}

static int
begin(struct service *service)
{
    tick(service);
    return 0;
}

static struct judgement
take(struct service *service, struct job *job)
{
    (void)service;
    (void)job;
    return judge(VERDICT_BAD, "5.3.3", "answers of a directory are not read by this version");
}

static const struct worker dirsync_worker = {
    .id = WORKER_DIRSYNC, .max_in_hand = 1, .prepare = prepare, .begin = begin, .take = take, .tick = tick};

int
main(int argc, char **argv)
{
    return worker_main(&dirsync_worker, argc, argv);
}
