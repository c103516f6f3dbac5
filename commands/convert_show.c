/* convert_show.c - what a conversion has made, for people and for programs; and as files (see convert.h)
 *
 * What is hostile here: all text of the message, which is shown with control characters replaced; names of files, which are
 * plain ones (trial.h).
 */
#include "commands/convert.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/json_out.h"

enum { SHOWN_MAX = 256 << 10 }; /* octets of one text */

bool
convert_has_result(const struct conversion *conversion)
{
    int answer = conversion->trial.answer;
    return answer == VIADUCT_CONVERTED || answer == VIADUCT_CONVERT_ANSWERED;
}

/* Whether the result is files; else what the module wrote is one. */
static bool
has_files(const struct conversion *conversion)
{
    return conversion->trial.n_files > 0;
}

/* ---- words ---- */

static void
print_clean(const char *before, struct span line)
{
    struct buf clean = {0};
    if (line.len > 0 && line.at[line.len - 1] == '\r')
        line.len--;
    text_add_clean(&clean, line);
    printf("%s%s\n", before, clean.at != NULL ? clean.at : "");
    buf_clear(&clean);
}

static void
print_lines(const char *before, struct span text)
{
    while (text.len > 0) {
        const char *end = memchr(text.at, '\n', text.len);
        size_t len = end != NULL ? (size_t)(end - text.at) : text.len;
        print_clean(before, (struct span){text.at, len});
        len += end != NULL;
        text = (struct span){text.at + len, text.len - len};
    }
}

/* Octets of a file in memory, as lines. */
static void
print_part(int fd, uint64_t at, uint64_t bytes)
{
    size_t len = bytes < SHOWN_MAX ? (size_t)bytes : SHOWN_MAX;
    char *text = xmalloc(len + 1);
    ssize_t n = pread(fd, text, len, (off_t)at);
    if (n > 0)
        print_lines("    | ", (struct span){text, (size_t)n});
    if (bytes > SHOWN_MAX)
        printf("    ...\n");
    free(text);
}

static uint64_t
item_bytes(const struct conversion *conversion)
{
    struct stat st;
    return fstat(conversion->trial.item_fd, &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* Those of one kind: a header names the others, and stands in front. */
static void
print_files(const struct conversion *conversion, bool headers, bool written)
{
    const struct trial *trial = &conversion->trial;
    for (size_t i = 0; i < trial->n_files; i++) {
        const struct trial_file *file = &trial->files[i];
        if ((strcmp(file->what, "header") == 0) != headers)
            continue;
        printf("%s %s, %llu bytes\n", file->what, file->name, (unsigned long long)file->bytes);
        if (file->shown_bytes > 0 && !written)
            print_part(trial->shown_fd, file->shown_at, file->shown_bytes);
    }
}

static void
print_result(const struct conversion *conversion)
{
    const struct trial *trial = &conversion->trial;
    bool written = command_has(conversion->command, OPTION_OUT);
    print_files(conversion, true, written);
    print_files(conversion, false, written);
    if (has_files(conversion))
        return;
    printf("%s, %llu bytes\n", conversion->to_host ? "message" : "item",
           (unsigned long long)item_bytes(conversion));
    if (!written)
        print_part(trial->item_fd, 0, item_bytes(conversion));
}

static void
print_answer(const struct conversion *conversion)
{
    static const char *const words[] = {
        [VIADUCT_CONVERTED] = "converted",
        [VIADUCT_CONVERT_REFUSED] = "it cannot be expressed there, and goes back to its sender",
        [VIADUCT_CONVERT_DIRECTORY] = "no message, but an answer of the directory",
        [VIADUCT_CONVERT_BAD] = "it cannot be converted, and would be Badmail",
        [VIADUCT_CONVERT_NOTHING] = "understood, and nobody gets anything",
        [VIADUCT_CONVERT_ANSWERED] = "a question, which is answered"};
    const struct trial *trial = &conversion->trial;
    struct buf clean = {0};
    const char *word = words[trial->answer < 0 ? VIADUCT_CONVERT_BAD : trial->answer];
    if (trial->answer != VIADUCT_CONVERTED && why_is_temporary(&trial->why))
        word = "it cannot be converted now, and would wait";
    text_add_clean(&clean, span_of(trial->why.text));
    printf("%s%s%s%s%s\n", word, trial->why.text[0] != '\0' ? ": " : "", trial->why.status,
           trial->why.text[0] != '\0' ? " " : "", clean.at != NULL ? clean.at : "");
    buf_clear(&clean);
}

void
convert_print(const struct conversion *conversion)
{
    const struct trial *trial = &conversion->trial;
    printf("%s connector %s (%s)\n", conversion->to_host ? "from" : "to", conversion->connector->title,
           trial->system->name);
    print_lines("  ", buf_span(&trial->envelope));
    if (convert_has_result(conversion))
        print_result(conversion);
    print_answer(conversion);
    if (!command_has(conversion->command, OPTION_REPORT))
        return;
    if (trial->lost.len > 0)
        printf("lost or changed:\n");
    else if (convert_has_result(conversion))
        printf("nothing is lost or changed\n");
    print_lines("  ", buf_span(&trial->lost));
    if (trial->headers.len > 0)
        printf("addresses:\n");
    print_lines("  ", buf_span(&trial->headers));
}

/* ---- JSON ---- */

static void
add_lines(struct json *json, const char *key, struct span text)
{
    json_begin_array(json, key);
    while (text.len > 0) {
        const char *end = memchr(text.at, '\n', text.len);
        size_t len = end != NULL ? (size_t)(end - text.at) : text.len;
        json_add_span(json, NULL, (struct span){text.at, len});
        len += end != NULL;
        text = (struct span){text.at + len, text.len - len};
    }
    json_end_array(json);
}

void
convert_print_json(const struct conversion *conversion)
{
    static const char *const words[] = {
        [VIADUCT_CONVERTED] = "converted",         [VIADUCT_CONVERT_REFUSED] = "refused",
        [VIADUCT_CONVERT_DIRECTORY] = "directory", [VIADUCT_CONVERT_BAD] = "bad",
        [VIADUCT_CONVERT_NOTHING] = "nothing",     [VIADUCT_CONVERT_ANSWERED] = "answered"};
    const struct trial *trial = &conversion->trial;
    struct buf out = {0};
    struct json json;
    json_start(&json, &out);
    json_begin_object(&json, NULL);
    json_add_text(&json, "connector", conversion->connector->title);
    json_add_text(&json, "result", words[trial->answer < 0 ? VIADUCT_CONVERT_BAD : trial->answer]);
    json_add_text(&json, "code", trial->why.status);
    json_add_text(&json, "reason", trial->why.text);
    json_begin_array(&json, "files");
    for (size_t i = 0; i < trial->n_files; i++) {
        json_begin_object(&json, NULL);
        json_add_text(&json, "what", trial->files[i].what);
        json_add_text(&json, "name", trial->files[i].name);
        json_add_number(&json, "bytes", (int64_t)trial->files[i].bytes);
        json_end_object(&json);
    }
    json_end_array(&json);
    add_lines(&json, "envelope", buf_span(&trial->envelope));
    add_lines(&json, "lost", buf_span(&trial->lost));
    add_lines(&json, "addresses", buf_span(&trial->headers));
    json_end_object(&json);
    puts(out.at);
    buf_clear(&out);
}

/* ---- files ---- */

/* Copies octets of a file in memory into a new file. 0, or an exit code after saying why. */
static int
write_file(const struct conversion *conversion, int folder, const char *name, int from, uint64_t at,
           uint64_t bytes)
{
    const char *out = conversion->command->values[OPTION_OUT];
    char piece[64 << 10];
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd < 0)
        return command_fail_errno(errno, "%s/%s", out, name);
    int error = 0;
    for (uint64_t done = 0; done < bytes && error == 0;) {
        size_t want = bytes - done < sizeof piece ? (size_t)(bytes - done) : sizeof piece;
        ssize_t n = pread(from, piece, want, (off_t)(at + done));
        if (n <= 0)
            error = n < 0 ? errno : EIO;
        else if (write(fd, piece, (size_t)n) != n)
            error = errno != 0 ? errno : ENOSPC;
        else
            done += (uint64_t)n;
    }
    if (close(fd) < 0 && error == 0)
        error = errno;
    return error != 0 ? command_fail_errno(error, "%s/%s", out, name) : 0;
}

/* The name of a message from an item: the item's, .eml. */
static void
message_name(const char *path, char name[260])
{
    const char *base = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
    size_t stem = strcspn(base, ".");
    snprintf(name, 260, "%.*s.eml", stem > 0 && stem < 200 ? (int)stem : 7,
             stem > 0 && stem < 200 ? base : "message");
}

int
convert_write(const struct conversion *conversion)
{
    const struct trial *trial = &conversion->trial;
    const char *path = conversion->command->values[OPTION_OUT];
    char name[260] = "item";
    int r = 0;
    if (mkdir(path, 0777) < 0 && errno != EEXIST)
        return command_fail_errno(errno, "%s", path);
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return command_fail_errno(errno, "%s", path);
    for (size_t i = 0; i < trial->n_files && r == 0; i++)
        r = write_file(conversion, folder, trial->files[i].name, trial->files_fd, trial->files[i].at,
                       trial->files[i].bytes);
    if (conversion->to_host)
        message_name(conversion->command->operands[0], name);
    if (!has_files(conversion))
        r = write_file(conversion, folder, name, trial->item_fd, 0, item_bytes(conversion));
    close(folder);
    return r;
}
