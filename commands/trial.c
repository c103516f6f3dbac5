/* trial.c - the parent of a conversion for an operator (see trial.h; the child is trial_child.c) */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "commands/trial_inside.h"

enum { LINES_MAX = 1000, FILES_MAX = 5000 };

bool
trial_has_files(const struct viaduct_system *system)
{
    return system->size > offsetof(struct viaduct_system, files) && system->files != NULL;
}

/* A module may ask for an address more than once. */
void
trial_add_once(struct buf *lines, const char *text)
{
    size_t len = strlen(text);
    for (size_t at = 0; at < lines->len;) {
        size_t n = (size_t)((const char *)memchr(lines->at + at, '\n', lines->len - at) - (lines->at + at));
        if (n == len && memcmp(lines->at + at, text, len) == 0)
            return;
        at += n + 1;
    }
    buf_printf(lines, "%s\n", text);
}

/* ---- what the child tells ---- */

static bool
take_number(struct span *rest, uint64_t *number)
{
    const char *blank = memchr(rest->at, ' ', rest->len);
    if (blank == NULL || !span_to_u64((struct span){rest->at, (size_t)(blank - rest->at)}, INT64_MAX, number))
        return false;
    rest->len -= (size_t)(blank + 1 - rest->at);
    rest->at = blank + 1;
    return true;
}

/* "<what> <at> <bytes> <shown at> <shown bytes> <name>" */
static void
take_file(struct trial *trial, const char *text)
{
    static const char *const kinds[] = {"header", "body", "file", "note"};
    struct trial_file file = {.what = NULL};
    struct span rest = span_of(text);
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (strncmp(text, kinds[i], strlen(kinds[i])) == 0 && text[strlen(kinds[i])] == ' ')
            file.what = kinds[i];
    if (file.what == NULL || trial->n_files == FILES_MAX)
        return;
    rest = span_of(text + strlen(file.what) + 1);
    if (!take_number(&rest, &file.at) || !take_number(&rest, &file.bytes) ||
        !take_number(&rest, &file.shown_at) || !take_number(&rest, &file.shown_bytes) || !trial_name_fine(rest))
        return;
    file.name = xstrndup(rest.at, rest.len);
    trial->files = xrealloc(trial->files, (trial->n_files + 1) * sizeof *trial->files);
    trial->files[trial->n_files++] = file;
}

static void
take_line(struct trial *trial, const char *line)
{
    const char *text = line[0] != '\0' && line[1] == ' ' ? line + 2 : "";
    if (line[0] == TELLS_LOST)
        buf_printf(&trial->lost, "%s\n", text);
    else if (line[0] == TELLS_ENVELOPE)
        buf_printf(&trial->envelope, "%s\n", text);
    else if (line[0] == TELLS_ADDRESS)
        trial_add_once(&trial->headers, text);
    else if (line[0] == TELLS_FILE)
        take_file(trial, text);
    else if (line[0] == TELLS_STATUS)
        snprintf(trial->why.status, sizeof trial->why.status, "%.11s", text);
    else if (line[0] == TELLS_REASON)
        snprintf(trial->why.text, sizeof trial->why.text, "%.499s", text);
    else if (line[0] >= '0' && line[0] <= '0' + VIADUCT_CONVERT_ANSWERED)
        trial->answer = line[0] - '0';
}

static void
read_lines(struct trial *trial, int fd)
{
    char line[2000];
    FILE *file = fdopen(fd, "r");
    for (size_t n = 0; file != NULL && fgets(line, sizeof line, file) != NULL; n++) {
        line[strcspn(line, "\n")] = '\0';
        if (n < LINES_MAX || strchr("lhe", line[0]) == NULL)
            take_line(trial, line);
    }
    if (file != NULL)
        fclose(file);
    else
        close(fd);
}

/* ---- the child's life ---- */

static bool
open_files(struct trial *trial)
{
    trial->item_fd = memfd_create("item", MFD_CLOEXEC);
    trial->files_fd = memfd_create("files", MFD_CLOEXEC);
    trial->shown_fd = memfd_create("shown", MFD_CLOEXEC);
    return trial->item_fd >= 0 && trial->files_fd >= 0 && trial->shown_fd >= 0;
}

static void
judge(struct trial *trial, int status)
{
    if (trial->answer >= 0)
        return;
    if (WIFSIGNALED(status))
        why_set(&trial->why, "5.6.0",
                "the conversion passed the limits of the section convert, or crashed (signal %d)",
                WTERMSIG(status));
    else
        why_set(&trial->why, "5.6.0", "the conversion ended without an answer");
}

/* Places beyond the end of a file were no writer's. */
static void
check_files(struct trial *trial)
{
    struct stat files, shown;
    size_t n = 0;
    if (fstat(trial->files_fd, &files) < 0 || fstat(trial->shown_fd, &shown) < 0)
        files.st_size = shown.st_size = 0;
    for (size_t i = 0; i < trial->n_files; i++) {
        struct trial_file *file = &trial->files[i];
        if (file->at <= (uint64_t)files.st_size && file->bytes <= (uint64_t)files.st_size - file->at &&
            file->shown_at <= (uint64_t)shown.st_size &&
            file->shown_bytes <= (uint64_t)shown.st_size - file->shown_at)
            trial->files[n++] = *file;
        else
            free(file->name);
    }
    trial->n_files = n;
}

void
trial_run(struct trial *trial)
{
    int ends[2], status = 0;
    trial->answer = -1;
    trial->why = (struct why){"", ""};
    fflush(NULL);
    if (!open_files(trial) || pipe(ends) < 0) {
        why_set(&trial->why, "4.3.0", "no conversion can be started: %s", strerror(errno));
        return;
    }
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        trial_child(trial, ends[1]);
    }
    close(ends[1]);
    read_lines(trial, ends[0]);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    judge(trial, status);
    check_files(trial);
}

void
trial_clear(struct trial *trial)
{
    const int fds[] = {trial->item_fd, trial->files_fd, trial->shown_fd};
    for (size_t i = 0; i < COUNT_OF(fds); i++)
        if (fds[i] > 0)
            close(fds[i]);
    for (size_t i = 0; i < trial->n_files; i++)
        free(trial->files[i].name);
    free(trial->files);
    buf_clear(&trial->headers);
    buf_clear(&trial->lost);
    buf_clear(&trial->envelope);
}
