/* kept.c - what is remembered of messages that have left (see kept.h) */
#include "systems/gwise/kept.h"

enum { VALUE_MAX = 16 << 10, ROOM_FOR_WORDS = 2000, UID_MAX = 500 };

static struct viaduct_text
text_of(struct span span)
{
    return (struct viaduct_text){span.at, span.len};
}

/* ---- writing ---- */

/* A value in its line: no line's end, no tab, at most `max` octets. */
static void
add_value(struct buf *out, struct span value, size_t max)
{
    for (size_t i = 0; i < value.len && i < max; i++)
        buf_add_byte(out, (unsigned char)value.at[i] < ' ' ? ' ' : value.at[i]);
}

static void
add_line(struct buf *out, const char *name, struct span value, size_t max)
{
    if (value.len == 0)
        return;
    buf_printf(out, "%s ", name);
    add_value(out, value, max);
    buf_add_byte(out, '\n');
}

static void
add_recipient(struct buf *out, const struct viaduct_recipient_out *recipient)
{
    const struct viaduct_text parts[] = {recipient->address, recipient->original, recipient->orcpt};
    size_t before = out->len;
    buf_add_text(out, "to ");
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        add_value(out, (struct span){parts[i].at, parts[i].len}, 1300);
        buf_add_byte(out, '\t');
    }
    buf_printf(out, "%u\n", recipient->notify);
    if (out->len > VALUE_MAX)
        out->len = before;
}

static int
keep(const struct viaduct_convert_in *in, struct span key, struct span value, struct viaduct_reason *reason)
{
    const struct viaduct_services *services = in->services;
    if (services == NULL || services->size <= offsetof(struct viaduct_services, recall) ||
        services->remember == NULL)
        return 0;
    return services->remember(in->gateway, text_of(key), text_of(value), reason);
}

int
kept_out(const struct viaduct_convert_in *in, struct span id, const struct kept *kept,
         struct viaduct_reason *reason)
{
    struct buf value = {0};
    add_line(&value, "message-id", kept->message_id, 400);
    add_line(&value, "subject", kept->subject, 400);
    add_line(&value, "envid", kept->envid, 200);
    if (kept->asked != 0)
        buf_printf(&value, "asked%s%s\n", (kept->asked & GWISE_ASKED_DELIVERED) != 0 ? " delivered" : "",
                   (kept->asked & GWISE_ASKED_OPENED) != 0 ? " opened" : "");
    if (kept->uid.len > 0 && kept->uid.len <= UID_MAX) { /* half a name is none */
        add_line(&value, "uid", kept->uid, UID_MAX);
        add_line(&value, "organizer", kept->organizer, 320);
        buf_printf(&value, "meeting %d %lld %s\n", kept->sequence, (long long)kept->begin_s,
                   kept->task ? "task" : "event");
    }
    for (size_t i = 0; in->message != NULL && i < in->message->n_recipients; i++)
        if (in->message->recipients[i].responsible)
            add_recipient(&value, &in->message->recipients[i]);
    int r = keep(in, id, buf_span(&value), reason);
    buf_clear(&value);
    return r;
}

static void
in_key(struct span message_id, struct buf *key)
{
    buf_add_text(key, "mid:");
    add_value(key, message_id, 900);
}

int
kept_in(const struct viaduct_convert_in *in, struct span message_id, struct span id, struct span type,
        struct viaduct_reason *reason)
{
    struct buf key = {0}, value = {0};
    in_key(message_id, &key);
    add_line(&value, "id", id, 900);
    add_line(&value, "type", type, 40);
    int r = message_id.len > 0 && id.len > 0 ? keep(in, buf_span(&key), buf_span(&value), reason) : 0;
    buf_clear(&key);
    buf_clear(&value);
    return r;
}

/* ---- reading ---- */

static bool
recall(const struct viaduct_convert_in *in, struct span key, struct arena *arena, struct span *value)
{
    const struct viaduct_services *services = in->services;
    struct viaduct_text found;
    if (services == NULL || services->size <= offsetof(struct viaduct_services, recall) ||
        services->recall == NULL || key.len == 0 || services->recall(in->gateway, text_of(key), &found) <= 0)
        return false;
    const char *copy = arena_copy(arena, (struct span){found.at, found.len});
    *value = (struct span){copy, copy != NULL ? found.len : 0};
    return copy != NULL;
}

static struct span
next_line(struct span *text)
{
    const char *end = memchr(text->at, '\n', text->len);
    struct span line = {text->at, end != NULL ? (size_t)(end - text->at) : text->len};
    size_t whole = line.len + (end != NULL);
    *text = (struct span){text->at + whole, text->len - whole};
    return line;
}

static bool
line_is(struct span line, const char *name, struct span *value)
{
    size_t len = strlen(name);
    if (line.len <= len || memcmp(line.at, name, len) != 0 || line.at[len] != ' ')
        return false;
    *value = (struct span){line.at + len + 1, line.len - len - 1};
    return true;
}

static struct span
next_word(struct span *text)
{
    const char *blank = memchr(text->at, ' ', text->len);
    struct span word = {text->at, blank != NULL ? (size_t)(blank - text->at) : text->len};
    size_t whole = word.len + (blank != NULL);
    *text = (struct span){text->at + whole, text->len - whole};
    return word;
}

static void
read_meeting(struct span value, struct kept *kept)
{
    uint64_t number = 0;
    if (span_to_u64(next_word(&value), INT32_MAX, &number))
        kept->sequence = (int)number;
    if (span_to_u64(next_word(&value), (uint64_t)1 << 40, &number))
        kept->begin_s = (int64_t)number;
    kept->task = span_equal(value, SPAN("task"));
}

bool
kept_find(const struct viaduct_convert_in *in, struct span id, struct arena *arena, struct kept *kept)
{
    struct buf key = {0};
    struct span text, value;
    *kept = (struct kept){.recipients = {"", 0}};
    for (size_t i = 0; i < id.len; i++)
        if (id.at[i] != ' ' && id.at[i] != '\t')
            buf_add_byte(&key, id.at[i]);
    bool known = recall(in, buf_span(&key), arena, &text);
    buf_clear(&key);
    while (known && text.len > 0) {
        struct span rest = text, line = next_line(&text);
        if (line_is(line, "message-id", &value))
            kept->message_id = value;
        else if (line_is(line, "subject", &value))
            kept->subject = value;
        else if (line_is(line, "envid", &value))
            kept->envid = value;
        else if (line_is(line, "asked", &value))
            kept->asked = (memmem(value.at, value.len, "delivered", 9) != NULL ? GWISE_ASKED_DELIVERED : 0U) |
                          (memmem(value.at, value.len, "opened", 6) != NULL ? GWISE_ASKED_OPENED : 0U);
        else if (line_is(line, "uid", &value))
            kept->uid = value;
        else if (line_is(line, "organizer", &value))
            kept->organizer = value;
        else if (line_is(line, "meeting", &value))
            read_meeting(value, kept);
        else if (line_is(line, "to", &value) && kept->recipients.len == 0)
            kept->recipients = rest;
    }
    return known;
}

static struct span
next_field(struct span *line)
{
    const char *tab = memchr(line->at, '\t', line->len);
    struct span field = {line->at, tab != NULL ? (size_t)(tab - line->at) : line->len};
    size_t whole = field.len + (tab != NULL);
    *line = (struct span){line->at + whole, line->len - whole};
    return field;
}

bool
kept_recipient(const struct kept *kept, struct span address, struct kept_recipient *recipient)
{
    struct span text = kept->recipients, line;
    while (text.len > 0) {
        uint64_t notify = 0;
        if (!line_is(next_line(&text), "to", &line) || !span_equal_nocase(next_field(&line), address))
            continue;
        recipient->original = next_field(&line);
        recipient->orcpt = next_field(&line);
        recipient->notify = span_to_u64(line, 15, &notify) ? (unsigned)notify : 0;
        return true;
    }
    return false;
}

bool
kept_find_in(const struct viaduct_convert_in *in, struct span message_id, struct arena *arena, struct span *id,
             struct span *type)
{
    struct buf key = {0};
    struct span text, value;
    in_key(message_id, &key);
    bool known = message_id.len > 0 && recall(in, buf_span(&key), arena, &text);
    buf_clear(&key);
    *id = *type = (struct span){"", 0};
    while (known && text.len > 0) {
        struct span line = next_line(&text);
        if (line_is(line, "id", &value))
            *id = value;
        else if (line_is(line, "type", &value))
            *type = value;
    }
    return known && id->len > 0;
}
