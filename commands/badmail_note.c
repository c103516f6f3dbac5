/* badmail_note.c - why a message is in Badmail, and what it has in common with others (see badmail.h) */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "commands/badmail.h"
#include "common/log.h"

enum { NOTE_MAX = 4096, SIGNATURE_MAX = 120 };

void
badmail_note_name(const char *stem, char name[QUEUE_NAME_MAX + 8])
{
    snprintf(name, QUEUE_NAME_MAX + 8, "%s.why", stem);
}

static bool
key_is(struct span key, const char *a, const char *b)
{
    return span_equal(key, span_of(a)) || span_equal(key, span_of(b));
}

static void
read_pairs(struct message *message, struct span line)
{
    struct buf value = {0};
    struct span key;
    while (log_next_pair(&line, &key, &value)) {
        if (key_is(key, "by", "stage"))
            message->stage = arena_span(message->arena, buf_span(&value));
        else if (key_is(key, "why", "reason"))
            message->bad_reason = arena_span(message->arena, buf_span(&value));
        else if (span_equal(key, SPAN("signature")))
            message->signature = arena_span(message->arena, buf_span(&value));
    }
    buf_clear(&value);
}

static void
read_note(struct message *message)
{
    char name[QUEUE_NAME_MAX + 8], bytes[NOTE_MAX];
    badmail_note_name(message->parts.stem, name);
    int fd = openat(message->place->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && (errno == EACCES || errno == EPERM))
        command_deny(errno, message->place->path, name);
    ssize_t n = fd < 0 ? -1 : read(fd, bytes, sizeof bytes);
    if (fd >= 0)
        close(fd);
    struct span rest = {bytes, n > 0 ? (size_t)n : 0};
    while (rest.len > 0) { /* pairs may stand on one line or on several */
        const char *end = memchr(rest.at, '\n', rest.len);
        size_t len = end != NULL ? (size_t)(end - rest.at) : rest.len;
        read_pairs(message, (struct span){rest.at, len});
        len += end != NULL;
        rest = (struct span){rest.at + len, rest.len - len};
    }
}

struct last_bad {
    struct message *message;
};

static void
keep_last(const struct journal_entry *entry, void *arg)
{
    struct last_bad *last = arg;
    if (entry->kind != JOURNAL_TRACE || !span_equal(entry->verdict, span_of(verdict_word(VERDICT_BAD))))
        return;
    last->message->stage = arena_span(last->message->arena, entry->by);
    last->message->bad_reason = arena_span(last->message->arena, entry->text);
}

/* What the journal tells, for a message that was moved without its note. */
static void
read_journal(struct message *message)
{
    struct last_bad last = {message};
    struct why why;
    int fd = openat(message->place->fd, message->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return;
    message->file.fd = fd;
    queue_file_history(&message->file, message->arena, keep_last, &last, &why);
    message->file.fd = -1;
    close(fd);
}

void
badmail_explain(struct message *message)
{
    struct buf signature = {0};
    read_note(message);
    if (message->bad_reason.len == 0 && !message->damaged)
        read_journal(message);
    if (message->bad_reason.len == 0 && message->damaged)
        message->bad_reason = arena_span(message->arena, span_of(message->why.text));
    if (message->signature.len > 0) /* the worker's own */
        return;
    badmail_signature(message->bad_reason, &signature);
    message->signature = arena_span(message->arena, buf_span(&signature));
    buf_clear(&signature);
}

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A word is what stands between blanks; it is variable where it holds an '@' or two digits and letters mixed.
 */
static void
add_word(struct span word, struct buf *out)
{
    size_t digits = 0;
    for (size_t i = 0; i < word.len; i++)
        digits += is_digit(word.at[i]);
    if (memchr(word.at, '@', word.len) != NULL) {
        buf_add_text(out, "<address>");
        return;
    }
    if (word.len >= ID_LEN && digits > 3) {
        buf_add_text(out, "<id>");
        return;
    }
    for (size_t i = 0; i < word.len; i++) {
        if (!is_digit(word.at[i]))
            buf_add_byte(out, word.at[i]);
        else if (i == 0 || !is_digit(word.at[i - 1]))
            buf_add_byte(out, 'N');
    }
}

void
badmail_signature(struct span reason, struct buf *out)
{
    size_t start = out->len;
    for (size_t i = 0; i < reason.len && out->len - start < SIGNATURE_MAX;) {
        char c = reason.at[i];
        if (c == ' ') {
            buf_add_byte(out, ' ');
            i++;
            continue;
        }
        const char *end = c == '"' ? memchr(reason.at + i + 1, '"', reason.len - i - 1) : NULL;
        if (end != NULL) {
            buf_add_text(out, "\"...\"");
            i = (size_t)(end - reason.at) + 1;
            continue;
        }
        size_t len = 1;
        while (i + len < reason.len && reason.at[i + len] != ' ' && reason.at[i + len] != '"')
            len++;
        add_word((struct span){reason.at + i, len}, out);
        i += len;
    }
    if (out->len - start > SIGNATURE_MAX) {
        out->len = start + SIGNATURE_MAX;
        out->at[out->len] = '\0';
    }
}
