/* message_show.c - one message for a person (see message_show.h) */
#include "commands/message_show.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "commands/badmail.h"
#include "commands/listing.h"

/* A name and a value; hostile bytes replaced. */
static void
print_span(const char *name, struct span value)
{
    struct buf out = {0};
    if (value.len == 0)
        return;
    text_add_clean(&out, value);
    printf("%-18s %s\n", name, out.at);
    buf_clear(&out);
}

static void
print_number(const char *name, int64_t value)
{
    if (value != 0)
        printf("%-18s %" PRId64 "\n", name, value);
}

static void
print_flag(const char *name, bool value)
{
    if (value)
        printf("%-18s yes\n", name);
}

static void
print_when(const char *name, int64_t ms)
{
    char text[40];
    print_time_ms(ms, text);
    if (ms > 0)
        printf("%-18s %s\n", name, text);
}

static void
print_address(const char *name, const struct address *address)
{
    struct buf out = {0};
    address_print(address, &out);
    print_span(name, address->value.len > 0 ? buf_span(&out) : SPAN("<>"));
    buf_clear(&out);
}

#define PRINT_TEXT(tag, value)   print_span(tag, value)
#define PRINT_NUMBER(tag, value) print_number(tag, value)
#define PRINT_FLAG(tag, value)   print_flag(tag, value)

static void
print_recipient(const struct recipient *recipient)
{
    print_address("rcpt", &recipient->address);
#define RECIPIENT(member, kind, tag, meaning) PRINT_##kind("  " tag, recipient->member);
#include "common/mte.def"
    for (size_t i = 0; i < recipient->n_properties; i++)
        printf("  %.*s (%zu bytes)\n", (int)recipient->properties[i].tag.len, recipient->properties[i].tag.at,
               recipient->properties[i].value.len);
    printf("  %-16s %s\n", "state", recipient_state_word(recipient->state));
    print_span("  status", recipient->status);
    print_span("  reason", recipient->text);
    print_span("  remote", recipient->remote);
    print_when("  since", recipient->state_ms);
}

static int
need_envelope(const struct message *message)
{
    return message->damaged || !message->has_file ? -EBADMSG : 0;
}

int
message_print_envelope(struct message *message)
{
    const struct envelope *envelope = &message->file.envelope;
    if (need_envelope(message) < 0)
        return -EBADMSG;
    print_address("originator", &envelope->originator);
    print_when("accepted", envelope->arrival_ms);
#define ENVELOPE(member, kind, tag, meaning) PRINT_##kind(tag, envelope->member);
#include "common/mte.def"
    for (size_t i = 0; i < envelope->n_properties; i++)
        printf("%.*s (%zu bytes)\n", (int)envelope->properties[i].tag.len, envelope->properties[i].tag.at,
               envelope->properties[i].value.len);
    print_number("attempts", envelope->attempts);
    print_when("delay reported", envelope->warned_ms);
    print_when("requeued", envelope->requeued_ms);
    print_number("parts", envelope->committed);
    for (size_t i = 0; i < envelope->n_recipients; i++)
        print_recipient(&envelope->recipients[i]);
    return 0;
}

int
message_print_report(struct message *message)
{
    const struct envelope *envelope = &message->file.envelope;
    if (message->place->folder == FOLDER_BADMAIL) {
        print_span("stage", message->stage);
        print_span("reason", message->bad_reason);
        print_span("signature", message->signature);
    }
    if (need_envelope(message) < 0)
        return -EBADMSG;
    for (size_t i = 0; i < envelope->n_recipients; i++) {
        const struct recipient *recipient = &envelope->recipients[i];
        print_address(recipient_state_word(recipient->state), &recipient->address);
        print_span("  status", recipient->status);
        print_span("  reason", recipient->text);
        print_span("  remote", recipient->remote);
    }
    print_span("last status", envelope->last_status);
    print_span("last reason", envelope->last_text);
    print_span("last remote", envelope->last_remote);
    return folder_has_envelopes(message->place->folder) ? message_print_conversion(message) : 0;
}

/* ---- the journal ---- */

/* Of a conversion's report one line; --report has all. */
static struct span
shown_text(const struct journal_entry *entry)
{
    const char *end = entry->text.len > 0 ? memchr(entry->text.at, '\n', entry->text.len) : NULL;
    bool cut = message_is_conversion(entry) && end != NULL;
    return cut ? (struct span){entry->text.at, (size_t)(end - entry->text.at)} : entry->text;
}

static void
add_pair(struct buf *out, const char *key, struct span value)
{
    if (value.len == 0)
        return;
    buf_printf(out, " %s=", key);
    text_add_clean(out, value);
}

static void
print_entry(const struct journal_entry *entry, void *arg)
{
    static const char *const words[JOURNAL_KIND_COUNT] = {"move",      "recipients", "attempt",
                                                          "committed", "reported",   "requeued"};
    const struct message *message = arg;
    struct buf out = {0};
    char when[40];
    print_time_ms(entry->time_ms, when);
    buf_printf(&out, "%s %-10s", when, words[entry->kind]);
    add_pair(&out, "by", entry->by);
    add_pair(&out, "verdict", entry->verdict);
    add_pair(&out, "from", entry->from);
    add_pair(&out, "to", entry->to);
    add_pair(&out, "status", entry->status);
    add_pair(&out, "remote", entry->remote);
    if (entry->number != 0)
        buf_printf(&out, " number=%" PRId64, entry->number);
    if (entry->next_s != 0) {
        print_time(entry->next_s, when);
        buf_printf(&out, " next=%s", when);
    }
    add_pair(&out, "why", shown_text(entry));
    puts(out.at);
    for (size_t i = 0; i < entry->n_marks; i++) {
        const struct recipient_mark *mark = &entry->marks[i];
        if (mark->index >= message->file.envelope.n_recipients)
            continue;
        buf_reset(&out);
        buf_printf(&out, "    %s ", recipient_state_word(mark->state));
        text_add_clean(&out, message->file.envelope.recipients[mark->index].address.value);
        add_pair(&out, "status", mark->status);
        add_pair(&out, "remote", mark->remote);
        add_pair(&out, "why", mark->text);
        puts(out.at);
    }
    buf_clear(&out);
}

int
message_print_log(struct message *message)
{
    char when[40];
    if (need_envelope(message) < 0)
        return -EBADMSG;
    print_time_ms(message->file.envelope.arrival_ms, when);
    struct buf out = {0};
    buf_printf(&out, "%s %-10s", when, "accepted");
    add_pair(&out, "from", message->file.envelope.origin);
    add_pair(&out, "client", message->file.envelope.client);
    puts(out.at);
    buf_clear(&out);
    return queue_file_history(&message->file, message->arena, print_entry, message, &message->why);
}

/* ---- the bytes ---- */

/* Lines and tabs stay, other control bytes become '?' when a terminal reads it. */
static void
write_clean(const char *bytes, size_t len)
{
    struct buf out = {0};
    for (size_t i = 0; i < len;) {
        const char *end = bytes + i;
        size_t n = 0;
        while (i + n < len && end[n] != '\n' && end[n] != '\t')
            n++;
        text_add_clean(&out, (struct span){bytes + i, n});
        if (i + n < len)
            buf_add_byte(&out, end[n]);
        i += n + 1;
    }
    if (out.len > 0)
        fwrite(out.at, 1, out.len, stdout);
    buf_clear(&out);
}

/* Prints bytes [from, to) of the body; the CRC is checked along the way. */
static int
print_body_part(struct message *message, uint64_t from, uint64_t to)
{
    struct queue_body body;
    char bytes[64 * 1024];
    bool clean = isatty(STDOUT_FILENO);
    uint64_t at = 0;
    queue_body_start(&body, &message->file);
    while (at < to) {
        ssize_t n = queue_body_read(&body, bytes, sizeof bytes, &message->why);
        if (n <= 0)
            return (int)n;
        uint64_t skip = at < from ? from - at : 0, len = (uint64_t)n;
        if (at + len > to)
            len = to - at;
        if (skip < len && clean)
            write_clean(bytes + skip, len - skip);
        else if (skip < len)
            fwrite(bytes + skip, 1, len - skip, stdout);
        at += (uint64_t)n;
    }
    return 0;
}

static uint64_t
header_end(const struct message *message)
{
    int64_t header = message->file.envelope.header_bytes;
    return header > 0 && (uint64_t)header <= message->file.body_bytes ? (uint64_t)header : 0;
}

int
message_print_header(struct message *message)
{
    return need_envelope(message) < 0 ? -EBADMSG : print_body_part(message, 0, header_end(message));
}

/* Without a length of the header in the envelope the whole message is the body. */
int
message_print_body(struct message *message)
{
    return need_envelope(message) < 0 ? -EBADMSG : print_body_part(message, header_end(message), UINT64_MAX);
}

int
message_print_raw(struct message *message)
{
    char bytes[64 * 1024];
    off_t at = 0;
    for (ssize_t n; (n = pread(message->file.fd, bytes, sizeof bytes, at)) != 0; at += n) {
        if (n < 0)
            return -errno;
        fwrite(bytes, 1, (size_t)n, stdout);
    }
    return 0;
}

/* ---- all at a glance ---- */

static bool
is_listed_apart(const char *name)
{
    return strcmp(name, "rcpt") == 0 || strcmp(name, "domain") == 0;
}

/* As JSON: all fields, and the recipients one by one. */
int
message_print_json(struct message *message)
{
    struct buf out = {0};
    struct json json;
    json_start(&json, &out);
    json_begin_object(&json, NULL);
    json_add_text(&json, "path", message->place->path);
    for (size_t i = 0; i < message_field_count; i++) {
        const struct field *field = &message_fields[i];
        struct field_value value = {0};
        if (is_listed_apart(field->name) || !message_get(message, i, 0, &value) || value.unknown)
            continue;
        if (field->kind == FIELD_TEXT || field->kind == FIELD_CODE)
            json_add_span(&json, field->name, value.text);
        else if (field->kind == FIELD_TIME)
            json_add_time(&json, field->name, value.number * 1000);
        else
            json_add_number(&json, field->name, value.number);
    }
    json_begin_array(&json, "recipients");
    for (size_t i = 0; message->has_file && !message->damaged && i < message->file.envelope.n_recipients; i++) {
        const struct recipient *recipient = &message->file.envelope.recipients[i];
        json_begin_object(&json, NULL);
        json_add_span(&json, "type", recipient->address.type);
        json_add_span(&json, "address", recipient->address.value);
        json_add_text(&json, "state", recipient_state_word(recipient->state));
        json_add_bool(&json, "listed", recipient->listed);
        json_add_span(&json, "status", recipient->status);
        json_add_span(&json, "reason", recipient->text);
        json_add_span(&json, "remote", recipient->remote);
        json_end_object(&json);
    }
    json_end_array(&json);
    if (message->has_file && !message->damaged && folder_has_envelopes(message->place->folder))
        message_add_conversion(message, &json);
    json_end_object(&json);
    puts(out.at);
    buf_clear(&out);
    return 0;
}

void
message_print_summary(struct message *message, const struct command *command)
{
    char age[24], size[24], when[32];
    print_age(message->now_s - id_time_ms(message->parts.id) / 1000, age);
    print_bytes(message->has_stat ? (uint64_t)message->stat.st_size : message->file.size, size);
    printf("%s%s%s in %s%s%s\n", colour_on(COLOUR_BOLD), message->parts.stem, colour_on(COLOUR_NONE),
           message->place->path, message->locked ? ", in transfer" : "", command_offline(command));
    printf("%-18s %s, %s\n", "age, size", age, size);
    if (message->parts.has_time && message->parts.time_s > 0) {
        print_time(message->parts.time_s, when);
        printf("%-18s %s\n", message->place->folder == FOLDER_HOLD ? "held until" : "next attempt", when);
    }
    if (message->damaged || !message->has_file) {
        print_span("damaged", span_of(message->why.text));
        return;
    }
    print_address("originator", &message->file.envelope.originator);
    print_span("msgid", message->file.envelope.msgid);
    print_span("subject", message->file.envelope.subject);
    print_span("from", message->file.envelope.origin);
    message_print_report(message);
}
