/* carrier_judge.c - whether a header file in API_OUT is finished, and what belongs to it (see carrier_in.h)
 *
 * A gateway makes the file first and keeps it locked, and often empty, while it converts. So a file is ready
 * only when it has not changed between two looks, nobody holds a lock on it, it holds a line -END-, and every
 * file it names is in ATT_OUT with the size it tells. What stays unready longer than peer.settle is fetched as
 * it is, with the reason, for a person to look at; only a locked file never is, since its gateway lives.
 *
 * Names in ATT_OUT are not unique: two headers may name the same `Comments`. A file that bears the name of its header goes at
 * once (a removal that waits is forgotten in a kill, and its file lies there for ever); another goes only when no other
 * header that can be read names it, none is being written, and it is still the file that was copied.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "systems/gwise/api_read.h"
#include "systems/gwise/carrier_in.h"

enum { CANDIDATES_MAX = 20000, FILES_MAX = 1000 };

/* ---- looking ---- */

void
in_forget(struct candidate *candidate)
{
    for (char **file = candidate->files; file != NULL && *file != NULL; file++)
        free(*file);
    free(candidate->files);
    free(candidate->name);
    memset(candidate, 0, sizeof *candidate);
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(((const struct candidate *)a)->name, ((const struct candidate *)b)->name);
}

static bool
is_header_name(const char *name)
{
    size_t len = strlen(name);
    return gateway_name_fine(span_of(name)) && len > 4 &&
           span_equal_nocase(span_of(name + len - 4), SPAN(".api"));
}

static bool
same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static void
keep_known(struct candidate *now, struct candidate *before)
{
    now->first_ms = before->first_ms;
    now->warned = before->warned;
    now->same = now->bytes == before->bytes && same_time(now->changed, before->changed);
    if (now->same) {
        now->files = before->files;
        now->tried_ms = before->tried_ms;
        before->files = NULL;
    }
}

void
in_scan(struct carrier_in *carrier)
{
    struct candidate *now = NULL;
    size_t n = 0, room = 0;
    const struct dirent *entry;
    int fd = openat(carrier->tree.fd[API_OUT], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    if (folder == NULL) {
        if (fd >= 0)
            close(fd);
        return;
    }
    while (n < CANDIDATES_MAX && (entry = readdir(folder)) != NULL) {
        struct stat status;
        if (!is_header_name(entry->d_name) || fstatat(fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0 ||
            !S_ISREG(status.st_mode))
            continue;
        if (n == room) {
            room = room > 0 ? room * 2 : 64;
            now = xrealloc(now, room * sizeof *now);
        }
        now[n++] = (struct candidate){.name = xstrdup(entry->d_name),
                                      .bytes = (uint64_t)status.st_size,
                                      .changed = status.st_mtim,
                                      .first_ms = monotonic_ms()};
    }
    closedir(folder);
    if (n > 0)
        qsort(now, n, sizeof *now, by_name);
    for (size_t i = 0, k = 0; i < carrier->n_candidates; i++) {
        struct candidate *before = &carrier->candidates[i];
        while (k < n && strcmp(now[k].name, before->name) < 0)
            k++;
        if (k < n && strcmp(now[k].name, before->name) == 0)
            keep_known(&now[k], before);
        in_forget(before);
    }
    free(carrier->candidates);
    carrier->candidates = now;
    carrier->n_candidates = n;
}

/* ---- judging ---- */

void
in_free_sources(struct source *sources)
{
    while (sources != NULL) {
        struct source *next = sources->next;
        free(sources->name);
        free(sources);
        sources = next;
    }
}

static void
add_source(struct source **sources, enum gateway_folder folder, enum part_kind kind, const char *name,
           const struct stat *status)
{
    struct source **end = sources;
    for (; *end != NULL; end = &(*end)->next)
        if ((*end)->folder == folder && strcmp((*end)->name, name) == 0)
            return; /* named twice, copied once */
    size_t stem = strcspn(name, ".");
    bool own = folder == ATT_OUT && *sources != NULL && stem == strcspn((*sources)->name, ".") &&
               strncasecmp(name, (*sources)->name, stem) == 0;
    *end = xcalloc(1, sizeof **end);
    **end = (struct source){.folder = folder,
                            .kind = kind,
                            .own = own,
                            .name = xstrdup(name),
                            .inode = status->st_ino,
                            .bytes = (uint64_t)status->st_size,
                            .changed = status->st_mtim};
}

/* True while somebody holds a lock, of whichever kind the share hands on. */
static bool
is_locked(int folder_fd, const char *name)
{
    struct stat status;
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    int fd = gateway_open_read(folder_fd, name, &status);
    if (fd < 0)
        return fd == -EACCES || fd == -EBUSY || fd == -EAGAIN || fd == -EPERM || fd == -ETXTBSY;
    bool locked = flock(fd, LOCK_SH | LOCK_NB) < 0 && (errno == EWOULDBLOCK || errno == EACCES);
    if (!locked && fcntl(fd, F_OFD_SETLK, &lock) < 0)
        locked = errno == EAGAIN || errno == EACCES;
    close(fd);
    return locked;
}

/* A file of ATT_OUT: under the octets that the header has, or, where a mount shows names as UTF-8, under their
 * characters. */
static bool
find_file(const struct carrier_in *carrier, struct span name, char found[256], struct stat *status)
{
    struct buf utf8 = {0};
    bool there = gateway_find(carrier->tree.fd[ATT_OUT], name, found, status);
    if (!there && carrier->codepage != NULL) {
        codepage_decode(carrier->codepage, name, &utf8);
        there = !span_equal(buf_span(&utf8), name) &&
                gateway_find(carrier->tree.fd[ATT_OUT], buf_span(&utf8), found, status);
    }
    buf_clear(&utf8);
    return there;
}

/* One file that the header names. False, with the reason, where it is not there, or not whole. */
static bool
take_named(struct carrier_in *carrier, struct candidate *candidate, struct span name, struct span bytes,
           size_t *n, enum part_kind kind, struct source **sources, struct buf *why)
{
    struct stat status;
    char found[256];
    uint64_t want;
    if (!gateway_name_fine(name)) {
        buf_printf(why, "it names a file that is no plain name (%.*s); ",
                   (int)(name.len < 100 ? name.len : 100), name.at);
        return false;
    }
    bool there = find_file(carrier, name, found, &status);
    struct span kept = there ? span_of(found) : name;
    if (*n < FILES_MAX) {
        candidate->files = xrealloc(candidate->files, (*n + 2) * sizeof *candidate->files);
        candidate->files[*n] = xstrndup(kept.at, kept.len);
        candidate->files[++*n] = NULL;
    }
    if (!there || !S_ISREG(status.st_mode)) {
        buf_printf(why, "its file %.*s is not in ATT_OUT; ", (int)name.len, name.at);
        return false;
    }
    add_source(sources, ATT_OUT, kind, found, &status);
    if (span_to_u64(bytes, UINT64_MAX, &want) && want != (uint64_t)status.st_size) {
        buf_printf(why, "its file %.*s has %lld octets, not %llu; ", (int)name.len, name.at,
                   (long long)status.st_size, (unsigned long long)want);
        return false;
    }
    return true;
}

/* Every file that the header names. */
static bool
take_files(struct carrier_in *carrier, struct candidate *candidate, const struct api_file *file,
           struct source **sources, struct buf *why)
{
    bool whole = true;
    size_t n = 0, seen = 0;
    struct span body = api_text(&file->root, "Msg-File");
    for (char **old = candidate->files; old != NULL && *old != NULL; old++)
        free(*old);
    free(candidate->files);
    candidate->files = NULL;
    if (body.len > 0)
        whole = take_named(carrier, candidate, body, (struct span){"", 0}, &n, PART_BODY, sources, why);
    const struct api_item *list = api_find(&file->root, "Attach-File");
    for (; list != NULL; list = api_find_next(list))
        for (const struct api_item *e = list->children; e != NULL; e = e->next) {
            struct span name = api_text(e, "Current-File");
            if (name.len == 0)
                name = api_text(e, "Original-File");
            if (name.len == 0)
                continue;
            if (++seen > FILES_MAX) {
                buf_printf(why, "it names more than %d files; ", FILES_MAX);
                return false;
            }
            if (!take_named(carrier, candidate, name, api_text(e, "Size"), &n, PART_FILE, sources, why))
                whole = false;
        }
    return whole;
}

/* Reads the header; false, with the reason, where it or what it names is not whole. */
static bool
is_whole(struct carrier_in *carrier, struct candidate *candidate, struct source **sources, struct buf *why)
{
    struct buf text = {0};
    struct api_file file;
    struct why reason;
    bool whole = false;
    if (candidate->bytes == 0) {
        buf_add_text(why, "it is empty (is the foreign domain of the right type on the GroupWise side?); ");
        return false;
    }
    if (candidate->bytes > API_DIRECTORY_MAX) {
        buf_printf(why, "it has more than %d octets; ", API_DIRECTORY_MAX);
        return false;
    }
    struct arena *arena = arena_new(API_ARENA_MAX);
    if (gateway_read_file(carrier->tree.fd[API_OUT], candidate->name, API_DIRECTORY_MAX, &text) < 0)
        buf_add_text(why, "it cannot be read; ");
    else if (!api_is_finished(buf_span(&text)))
        buf_add_text(why, "it has no line -END-; ");
    else if (api_is_directory(buf_span(&text)))
        whole = true; /* it names no files; whether it is an answer is judged by dirsync */
    else if (api_read(buf_span(&text), arena, &file, &reason) < 0)
        buf_printf(why, "%s; ", reason.text);
    else
        whole = take_files(carrier, candidate, &file, sources, why);
    arena_free(arena);
    buf_clear(&text);
    return whole;
}

enum in_judgement
in_judge(struct carrier_in *carrier, struct candidate *candidate, struct source **sources, struct buf *why)
{
    struct stat status;
    int64_t age_ms = monotonic_ms() - candidate->first_ms;
    bool old = age_ms > carrier->settle_ms;
    *sources = NULL;
    if (!candidate->same)
        return IN_WAIT;
    if (is_locked(carrier->tree.fd[API_OUT], candidate->name)) {
        if (old && !candidate->warned)
            carrier->services->say(
                carrier->gateway, VIADUCT_LOG_ERROR, NULL,
                "%s in API_OUT has been locked for %lld s: is the foreign domain defined as External "
                "Foreign on the GroupWise side?",
                candidate->name, (long long)(age_ms / 1000));
        candidate->warned = candidate->warned || old;
        return IN_WAIT;
    }
    if (fstatat(carrier->tree.fd[API_OUT], candidate->name, &status, AT_SYMLINK_NOFOLLOW) < 0 ||
        (uint64_t)status.st_size != candidate->bytes || !same_time(status.st_mtim, candidate->changed))
        return IN_WAIT;
    add_source(sources, API_OUT, PART_HEADER, candidate->name, &status);
    if (is_whole(carrier, candidate, sources, why))
        return IN_READY;
    if (old)
        return IN_GIVE_UP;
    in_free_sources(*sources);
    *sources = NULL;
    return IN_WAIT;
}

/* ---- removing ---- */

static bool
is_named(const struct carrier_in *carrier, const char *name, bool own)
{
    for (size_t i = 0; i < carrier->n_candidates; i++) {
        const struct candidate *candidate = &carrier->candidates[i];
        if (!own && candidate->files == NULL && candidate->first_ms + carrier->settle_ms > monotonic_ms())
            return true; /* not read yet: it may name anything */
        for (char **file = candidate->files; file != NULL && *file != NULL; file++)
            if (span_equal_nocase(span_of(*file), span_of(name)))
                return true;
    }
    return false;
}

void
in_remove_attachments(struct carrier_in *carrier)
{
    int fd = carrier->tree.fd[ATT_OUT];
    for (struct source **at = &carrier->removals; *at != NULL;) {
        struct source *source = *at;
        struct stat status;
        if (is_named(carrier, source->name, source->own)) {
            at = &source->next;
            continue;
        }
        if (fstatat(fd, source->name, &status, AT_SYMLINK_NOFOLLOW) == 0 && status.st_ino == source->inode &&
            (uint64_t)status.st_size == source->bytes && same_time(status.st_mtim, source->changed))
            unlinkat(fd, source->name, 0);
        *at = source->next;
        source->next = NULL;
        in_free_sources(source);
    }
}
