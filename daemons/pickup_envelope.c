/* pickup_envelope.c - who sends a dropped message, and to whom (see pickup.h)
 *
 * What is hostile here: all of it; local programs may be anybody's. Work is linear: recipients that stand twice
 * are found by a table of their keys, not by comparing each with each.
 *
 * Sources: RFC 5322 sections 3.6.2, 3.6.3, 3.6.6 (fields), RFC 3461 section 4 (parameters); the drop form of
 * Exchange.
 */
#include "daemons/pickup.h"

#include <errno.h>
#include <stdlib.h>

#include "common/header_scan.h"

enum { KIND_TO = 1, KIND_CC = 2, KIND_BCC = 3 };

/* ---- the list of recipients as it grows ---- */

struct list {
    const struct drop_rules *rules;
    struct arena *arena;
    struct why *why;
    struct recipient *recipients;
    size_t n, size;
    uint64_t *seen; /* keys, open addressing; 0 is free */
    size_t seen_size;
    int64_t kind; /* of those being read from a header */
    const char *field;
    int failed;
};

static uint64_t
address_hash(const struct list *list, const struct address *address)
{
    struct buf key = {0};
    uint64_t hash = list->rules->seed;
    if (address_key(address, &key) < 0)
        buf_add_span(&key, address->value);
    for (size_t i = 0; i < key.len; i++)
        hash = (hash ^ (unsigned char)key.at[i]) * UINT64_C(1099511628211);
    buf_clear(&key);
    return hash != 0 ? hash : 1;
}

static void
seen_put(uint64_t *seen, size_t size, uint64_t hash)
{
    size_t at = (hash >> 16) & (size - 1);
    while (seen[at] != 0)
        at = (at + 1) & (size - 1);
    seen[at] = hash;
}

static void
seen_grow(struct list *list)
{
    size_t size = list->seen_size == 0 ? 64 : list->seen_size * 2;
    uint64_t *seen = xcalloc(size, sizeof *seen);
    for (size_t i = 0; i < list->seen_size; i++)
        if (list->seen[i] != 0)
            seen_put(seen, size, list->seen[i]);
    free(list->seen);
    list->seen = seen;
    list->seen_size = size;
}

/* True where the address is new, and remembers it. */
static bool
is_new(struct list *list, const struct address *address)
{
    if (list->n * 2 >= list->seen_size)
        seen_grow(list);
    uint64_t hash = address_hash(list, address);
    for (size_t at = (hash >> 16) & (list->seen_size - 1); list->seen[at] != 0;
         at = (at + 1) & (list->seen_size - 1))
        if (list->seen[at] == hash)
            return false;
    seen_put(list->seen, list->seen_size, hash);
    return true;
}

static int
list_add(struct list *list, const struct recipient *recipient)
{
    if (!is_new(list, &recipient->address))
        return 0;
    if (list->n == list->rules->max_recipients)
        return why_set(list->why, "5.5.3", "more than %zu recipients, which limits.recipients allows",
                       list->rules->max_recipients);
    if (list->n == list->size) {
        list->size = list->size == 0 ? 16 : list->size * 2;
        list->recipients = xrealloc(list->recipients, list->size * sizeof *list->recipients);
    }
    list->recipients[list->n++] = *recipient;
    return 0;
}

/* Hands the list to the envelope, in the arena; the list is freed in any case. */
static int
list_end(struct list *list, int failed, struct envelope *envelope)
{
    if (failed == 0 && list->n == 0) {
        failed = why_set(list->why, "5.1.0", "no recipients");
    } else if (failed == 0) {
        envelope->recipients = arena_alloc(list->arena, list->n * sizeof *list->recipients);
        envelope->n_recipients = list->n;
        if (envelope->recipients == NULL)
            failed =
                why_set(list->why, "5.3.0", "the envelope is larger than this worker's memory for a message");
        else
            memcpy(envelope->recipients, list->recipients, list->n * sizeof *list->recipients);
    }
    free(list->recipients);
    free(list->seen);
    return failed;
}

/* ---- addresses ---- */

/* A local part that stands alone gets our domain, as programs on this machine expect it ("root"). */
static int
make_address(const struct drop_rules *rules, struct span text, struct arena *arena, struct address *address,
             struct why *why)
{
    struct mailbox_parts parts;
    bool bare = text.len > 0 && memchr(text.at, '@', text.len) == NULL;
    const char *full =
        bare ? arena_printf(arena, "%.*s@%s", (int)text.len, text.at, rules->domain) : arena_copy(arena, text);
    if (full == NULL)
        return why_set(why, "5.3.0", "the envelope is larger than this worker's memory for a message");
    int failed = mailbox_parse(span_of(full), &parts, why);
    if (failed == 0)
        *address = (struct address){SPAN("SMTP"), span_of(full)};
    return failed;
}

static bool
has_utf8(struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.at[i] >= 0x80)
            return true;
    return false;
}

/* Takes the next word, quoted parts of an address included, off a line. */
static struct span
next_word(struct span *line)
{
    size_t n = 0;
    bool quoted = false;
    *line = span_trim(*line);
    while (n < line->len && (quoted || (line->at[n] != ' ' && line->at[n] != '\t'))) {
        if (line->at[n] == '\\' && quoted && n + 1 < line->len)
            n++;
        else if (line->at[n] == '"')
            quoted = !quoted;
        n++;
    }
    struct span word = {line->at, n};
    line->at += n;
    line->len -= n;
    return word;
}

/* ---- envelope lines ---- */

static int
read_notify(struct span value, int64_t *notify, struct why *why)
{
    static const struct {
        struct span word;
        int64_t flag;
    } words[] = {{{"NEVER", 5}, NOTIFY_NEVER},
                 {{"SUCCESS", 7}, NOTIFY_SUCCESS},
                 {{"FAILURE", 7}, NOTIFY_FAILURE},
                 {{"DELAY", 5}, NOTIFY_DELAY}};
    int64_t sum = 0;
    while (value.len > 0) {
        const char *comma = memchr(value.at, ',', value.len);
        struct span word = {value.at, comma != NULL ? (size_t)(comma - value.at) : value.len};
        int64_t flag = 0;
        for (size_t i = 0; i < COUNT_OF(words); i++)
            if (span_equal_nocase(word, words[i].word))
                flag = words[i].flag;
        if (flag == 0)
            return why_set(why, "5.5.4", "NOTIFY is NEVER, or some of SUCCESS,FAILURE,DELAY");
        sum |= flag;
        value.at += word.len + (comma != NULL);
        value.len -= word.len + (comma != NULL);
    }
    if (sum == 0 || (sum & NOTIFY_NEVER && sum != NOTIFY_NEVER))
        return why_set(why, "5.5.4", "NOTIFY is NEVER, or some of SUCCESS,FAILURE,DELAY");
    *notify = sum;
    return 0;
}

/* Values are kept as they came, and are one printable word. */
static int
keep_value(struct span value, struct arena *arena, struct span *kept, struct why *why)
{
    bool good = value.len > 0 && value.len <= 500;
    for (size_t i = 0; good && i < value.len; i++)
        good = (unsigned char)value.at[i] > ' ' && value.at[i] != 0x7f;
    if (!good)
        return why_set(why, "5.5.4", "a parameter's value is 1 to 500 printable characters");
    *kept = arena_span(arena, value);
    return kept->at != NULL ? 0 : why_set(why, "5.3.0", "the envelope is larger than this worker's memory");
}

static int
read_parameter(struct span word, struct envelope *envelope, struct recipient *recipient, struct arena *arena,
               struct why *why)
{
    const char *equals = memchr(word.at, '=', word.len);
    struct span key = {word.at, equals != NULL ? (size_t)(equals - word.at) : word.len};
    struct span value = {word.at + key.len + 1, equals != NULL ? word.len - key.len - 1 : 0};
    if (recipient != NULL && span_equal_nocase(key, SPAN("NOTIFY")))
        return read_notify(value, &recipient->notify, why);
    if (recipient != NULL && span_equal_nocase(key, SPAN("ORCPT")))
        return keep_value(value, arena, &recipient->orcpt, why);
    if (recipient != NULL)
        return 0;
    if (span_equal_nocase(key, SPAN("ENVID")))
        return keep_value(value, arena, &envelope->envid, why);
    if (span_equal_nocase(key, SPAN("RET"))) {
        if (!span_equal_nocase(value, SPAN("FULL")) && !span_equal_nocase(value, SPAN("HDRS")))
            return why_set(why, "5.5.4", "RET is FULL or HDRS");
        envelope->ret = span_equal_nocase(value, SPAN("FULL")) ? SPAN("FULL") : SPAN("HDRS");
    }
    if (span_equal_nocase(key, SPAN("SMTPUTF8")))
        envelope->utf8 = true;
    return 0;
}

/* An address and its parameters; `recipient` NULL for the sender's line. */
static int
read_line(struct span line, struct list *list, struct envelope *envelope, struct recipient *recipient)
{
    struct span word = next_word(&line);
    struct address *address = recipient != NULL ? &recipient->address : &envelope->originator;
    if (word.len >= 2 && word.at[0] == '<' && word.at[word.len - 1] == '>')
        word = (struct span){word.at + 1, word.len - 2};
    int failed = 0;
    if (recipient == NULL && word.len == 0)
        *address = (struct address){SPAN("SMTP"), SPAN("")};
    else
        failed = make_address(list->rules, word, list->arena, address, list->why);
    while (failed == 0 && (word = next_word(&line)).len > 0)
        failed = read_parameter(word, envelope, recipient, list->arena, list->why);
    envelope->utf8 = envelope->utf8 || has_utf8(address->value);
    return failed;
}

/* What the line is: 1 the sender's, 2 a recipient's, 0 another; `value` is what follows the name. */
static int
envelope_line(struct span line, struct span *value)
{
    static const struct span names[] = {{"X-Sender:", 9}, {"X-Receiver:", 11}};
    for (int i = 0; i < 2; i++) {
        if (span_starts_nocase(line, names[i])) {
            *value = (struct span){line.at + names[i].len, line.len - names[i].len};
            return i + 1;
        }
    }
    return 0;
}

int
drop_envelope_lines(struct span *text, const struct drop_rules *rules, struct arena *arena,
                    struct envelope *envelope, struct why *why)
{
    struct list list = {.rules = rules, .arena = arena, .why = why};
    bool sender = false;
    int failed = 0, what, lines = 0;
    for (; failed == 0; lines++) {
        const char *end = text->len > 0 ? memchr(text->at, '\n', text->len) : NULL;
        struct span line = {text->at, end != NULL ? (size_t)(end - text->at) : text->len}, value;
        if ((what = envelope_line(line, &value)) == 0)
            break;
        struct recipient recipient = {.kind = KIND_TO};
        if (what == 1 && sender)
            failed = why_set(why, "5.5.4", "a second X-Sender line");
        else
            failed = read_line(value, &list, envelope, what == 1 ? NULL : &recipient);
        if (failed == 0 && what == 2)
            failed = list_add(&list, &recipient);
        sender = sender || what == 1;
        text->at += line.len + (end != NULL);
        text->len -= line.len + (end != NULL);
    }
    if (failed == 0 && lines == 0)
        return 0;
    if (failed == 0 && text->len > 0 && (text->at[0] == ' ' || text->at[0] == '\t'))
        failed = why_set(why, "5.5.4", "an envelope line is continued; each address has one line");
    if (failed == 0 && !sender)
        failed = why_set(why, "5.5.4", "X-Receiver lines without an X-Sender line");
    failed = list_end(&list, failed, envelope);
    return failed < 0 ? failed : 1;
}

/* ---- header fields ---- */

static void
add_element(const struct header_address *element, void *arg)
{
    struct list *list = arg;
    struct recipient recipient = {.kind = list->kind};
    struct span text = element->mailbox.len > 0 ? element->mailbox : span_trim(element->whole);
    if (list->failed < 0 || text.len == 0)
        return;
    struct why why;
    list->failed = make_address(list->rules, text, list->arena, &recipient.address, &why);
    if (list->failed < 0)
        list->failed = why_set(list->why, "5.1.3", "%s holds what is no address: %.*s: %s", list->field,
                               (int)(text.len < 100 ? text.len : 100), text.at, why.text);
    else
        list->failed = list_add(list, &recipient);
}

static void
take_first(const struct header_address *element, void *arg)
{
    struct span *first = arg;
    if (first->len == 0)
        *first = element->mailbox.len > 0 ? element->mailbox : span_trim(element->whole);
}

/* Sender, else From; what is no address there leaves the message without an originator it can be returned to:
 * refused. */
static int
find_originator(struct span header, bool resent, const struct drop_rules *rules, struct arena *arena,
                struct envelope *envelope, struct why *why)
{
    static const struct span names[] = {{"Resent-Sender", 13}, {"Resent-From", 11}, {"Sender", 6}, {"From", 4}};
    for (size_t i = resent ? 0 : 2; i < COUNT_OF(names); i++) {
        struct span body, first = {NULL, 0};
        if (!header_find(header, names[i], &body))
            continue;
        header_addresses(body, take_first, &first);
        if (first.len > 0)
            return make_address(rules, first, arena, &envelope->originator, why);
    }
    return why_set(why, "5.1.7", "neither an X-Sender line nor a From field says who sends it");
}

int
drop_envelope_header(struct span header, const struct drop_rules *rules, struct arena *arena,
                     struct envelope *envelope, struct why *why)
{
    static const struct {
        struct span name;
        int64_t kind;
    } fields[] = {{{"Resent-To", 9}, KIND_TO}, {{"Resent-Cc", 9}, KIND_CC}, {{"Resent-Bcc", 10}, KIND_BCC},
                  {{"To", 2}, KIND_TO},        {{"Cc", 2}, KIND_CC},        {{"Bcc", 3}, KIND_BCC}};
    struct list list = {.rules = rules, .arena = arena, .why = why};
    struct span rest = header, name, body;
    bool resent = false;
    for (size_t i = 0; i < 3; i++)
        resent = resent || header_find(header, fields[i].name, &body);
    while (list.failed == 0 && header_next(&rest, &name, &body)) {
        for (size_t i = resent ? 0 : 3; i < (resent ? 3u : 6u); i++) {
            if (!span_equal_nocase(name, fields[i].name))
                continue;
            list.kind = fields[i].kind;
            list.field = fields[i].name.at;
            header_addresses(body, add_element, &list);
        }
    }
    int failed = list_end(&list, list.failed, envelope);
    if (failed == 0)
        failed = find_originator(header, resent, rules, arena, envelope, why);
    for (size_t i = 0; failed == 0 && i < envelope->n_recipients; i++)
        envelope->utf8 = envelope->utf8 || has_utf8(envelope->recipients[i].address.value);
    if (failed == 0)
        envelope->utf8 = envelope->utf8 || has_utf8(envelope->originator.value);
    return failed;
}
