/* envelope-t.c - records of the envelope and of the journal: what is written is read, and nothing else is
 * believed */
#include "common/envelope.h"

#include <errno.h>

#include "common/crc32c.h"
#include "t/tap.h"

#define ID "0123456789ABCDEFGHIJKLMNOP"
#define S(literal)                                                                                             \
    {                                                                                                          \
        literal, sizeof(literal) - 1                                                                           \
    } /* SPAN() is no constant */
#define RECORD(tag, length, value) tag " " length ":" value "\n"
#define FIRST                      RECORD("id", "26", ID) RECORD("origin", "4", "host")
#define FROM                       RECORD("from", "19", "SMTP:alice@host.exa")
#define RCPT                       RECORD("rcpt", "15", "SMTP:bob@exa.eu")
#define END                        RECORD("end", "0", "")

static struct arena *arena;
static struct why why;

static int
parse(struct span records, struct envelope *envelope)
{
    return envelope_parse(records, 100000, arena, envelope, &why);
}

static struct address
address_of(const char *value)
{
    return (struct address){SPAN("SMTP"), span_of(value)};
}

/* ---- every record of mte.def ---- */

static unsigned serial;

static struct span
value_TEXT(void)
{
    return span_of(arena_printf(arena, "text %u; of = its:own", ++serial));
}

static int64_t
value_NUMBER(void)
{
    return INT64_MAX - ++serial;
}

static bool
value_FLAG(void)
{
    return true;
}

static bool
same_TEXT(struct span a, struct span b)
{
    return span_equal(a, b);
}

static bool
same_NUMBER(int64_t a, int64_t b)
{
    return a == b;
}

static bool
same_FLAG(bool a, bool b)
{
    return a == b;
}

static void
fill_properties(struct envelope_property **properties, size_t *n, char scope)
{
    static const struct {
        const char *tag;
        char scope;
    } known[] = {
#define PROPERTY(tag, id, scope, meaning) {tag, #scope[0]},
#include "common/mte.def"
        {"x-own", 'M'},
        {"x-own", 'R'},
    };
    *properties = arena_alloc(arena, COUNT_OF(known) * sizeof **properties);
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (known[i].scope == scope)
            (*properties)[(*n)++] =
                (struct envelope_property){span_of(known[i].tag), SPAN("any\0byte\n\xff end 0:\n")};
}

static void
fill_envelope(struct envelope *envelope, size_t n_recipients)
{
    memset(envelope, 0, sizeof *envelope);
#define ENVELOPE(member, kind, tag, meaning) envelope->member = value_##kind();
#include "common/mte.def"
    envelope->id = SPAN(ID);
    envelope->originator = address_of("alice@host.example");
    fill_properties(&envelope->properties, &envelope->n_properties, 'M');
    envelope->recipients = arena_alloc(arena, n_recipients * sizeof *envelope->recipients);
    envelope->n_recipients = n_recipients;
    for (size_t i = 0; i < n_recipients; i++) {
        struct recipient *recipient = &envelope->recipients[i];
        recipient->address = address_of(arena_printf(arena, "bob%zu@branch.example", i));
#define RECIPIENT(member, kind, tag, meaning) recipient->member = value_##kind();
#include "common/mte.def"
    }
    if (n_recipients > 0)
        fill_properties(&envelope->recipients[0].properties, &envelope->recipients[0].n_properties, 'R');
}

static bool
same_properties(const struct envelope_property *a, size_t n, const struct envelope_property *b, size_t m)
{
    bool same = n == m;
    for (size_t i = 0; same && i < n; i++)
        same = span_equal(a[i].tag, b[i].tag) && span_equal(a[i].value, b[i].value);
    return same;
}

static bool
same_recipient(const struct recipient *a, const struct recipient *b)
{
    bool same = address_equal(&a->address, &b->address) && b->state == RECIPIENT_PENDING;
#define RECIPIENT(member, kind, tag, meaning) same = same && same_##kind(a->member, b->member);
#include "common/mte.def"
    return same && same_properties(a->properties, a->n_properties, b->properties, b->n_properties);
}

static bool
same_recipients(const struct envelope *a, const struct envelope *b)
{
    bool same = a->n_recipients == b->n_recipients;
    for (size_t i = 0; same && i < a->n_recipients; i++)
        same = same_recipient(&a->recipients[i], &b->recipients[i]);
    return same;
}

static void
test_round_trip(void)
{
    struct envelope out, in;
    struct buf text = {0};
    fill_envelope(&out, 3);
    envelope_print(&out, &text);
    is_int(parse(buf_span(&text), &in), 0, "an envelope with every record is read");
#define ENVELOPE(member, kind, tag, meaning)                                                                   \
    ok(same_##kind(out.member, in.member), "record %s comes back", tag);
#include "common/mte.def"
    ok(address_equal(&in.originator, &out.originator), "the originator comes back");
    ok(same_recipients(&out, &in), "every recipient with all its records comes back");
    ok(same_properties(out.properties, out.n_properties, in.properties, in.n_properties),
       "every property comes back, whatever bytes it has");
    is_int(in.next_report, 1, "the first report will be the first");
    buf_clear(&text);
    arena_reset(arena);
}

static void
test_many(void)
{
    struct envelope out, in;
    struct buf text = {0};
    fill_envelope(&out, 10000);
    envelope_print(&out, &text);
    is_int(parse(buf_span(&text), &in), 0, "10,000 recipients are read");
    ok(same_recipients(&out, &in), "all as they were");
    is_int(envelope_parse(buf_span(&text), 9999, arena, &in, &why), -EINVAL,
           "one more than allowed is refused");
    is_int(envelope_parse(buf_span(&text), 10000, arena, &in, &why), 0, "as many as allowed are not");
    struct arena *small = arena_new(100000);
    is_int(envelope_parse(buf_span(&text), 10000, small, &in, &why), -ENOMEM,
           "an arena too small is said to be");
    arena_free(small);
    buf_clear(&text);
    arena_reset(arena);
}

static void
test_print_is_safe(void)
{
    struct envelope out, in;
    struct buf text = {0};
    fill_envelope(&out, 1);
    out.helo = SPAN("evil\nrcpt 15:SMTP:bob@exa.eu\n\x7f");
    envelope_print(&out, &text);
    is_int(parse(buf_span(&text), &in), 0, "a newline in a text makes no file that nobody can read");
    is_span(in.helo, "evil?rcpt 15:SMTP:bob@exa.eu??", "and no record");
    is_int(in.n_recipients, 1, "nor a recipient");
    buf_clear(&text);
    arena_reset(arena);
}

/* ---- hostile records ---- */

static void
test_hostile_records(void)
{
    static const struct {
        const char *name;
        struct span records;
    } bad[] = {
        {"nothing", S("")},
        {"no end", S(FIRST FROM RCPT)},
        {"bytes behind the end", S(FIRST FROM RCPT END "x")},
        {"a record behind the end", S(FIRST FROM RCPT END RCPT)},
        {"two ends", S(FIRST FROM RCPT END END)},
        {"no id", S("origin 4:host\n" FROM RCPT END)},
        {"a short id", S("id 25:0123456789ABCDEFGHIJKLMNO\norigin 4:host\n" FROM RCPT END)},
        {"an id that is a path", S("id 26:../../../../../../etc/passw\norigin 4:host\n" FROM RCPT END)},
        {"an id in small letters", S("id 26:0123456789abcdefghijklmnop\norigin 4:host\n" FROM RCPT END)},
        {"no origin", S("id 26:" ID "\n" FROM RCPT END)},
        {"no originator", S(FIRST RCPT END)},
        {"an originator without type", S(FIRST "from 5:alice\n" RCPT END)},
        {"an empty recipient", S(FIRST FROM "rcpt 0:\n" END)},
        {"a recipient with a line end", S(FIRST FROM "rcpt 17:SMTP:bob@exa.eu\r\n\n" END)},
        {"an unknown record", S(FIRST "colour 3:red\n" FROM RCPT END)},
        {"an unknown record of a recipient", S(FIRST FROM RCPT "colour 3:red\n" END)},
        {"a tag that is a beginning", S(FIRST "orig 4:host\n" FROM RCPT END)},
        {"the tag x- alone", S(FIRST "x- 1:a\n" FROM RCPT END)},
        {"an empty tag", S(FIRST " 1:a\n" FROM RCPT END)},
        {"a recipient's record before there is one", S(FIRST "rcpt-notify 1:4\n" FROM RCPT END)},
        {"a message's record behind a recipient", S(FIRST FROM RCPT "envid 1:a\n" END)},
        {"a message's property behind a recipient", S(FIRST FROM RCPT "mts-id 1:a\n" END)},
        {"a recipient's property before there is one", S(FIRST "recipient-number 1:1\n" FROM RCPT END)},
        {"no length", S(FIRST "envid :\n" FROM RCPT END)},
        {"a negative length", S(FIRST "envid -1:\n" FROM RCPT END)},
        {"a length with a sign", S(FIRST "envid +1:a\n" FROM RCPT END)},
        {"a length with a blank", S(FIRST "envid  1:a\n" FROM RCPT END)},
        {"a length past the file", S(FIRST "envid 999:a\n" FROM RCPT END)},
        {"a length that turns over in 32 bits", S(FIRST "envid 4294967297:a\n" FROM RCPT END)},
        {"a length that turns over in 64 bits", S(FIRST "envid 18446744073709551617:a\n" FROM RCPT END)},
        {"a length that ends in the middle", S(FIRST "envid 1:ab\n" FROM RCPT END)},
        {"a text with NUL", S(FIRST "envid 3:a\0b\n" FROM RCPT END)},
        {"a text with a line end", S(FIRST "envid 3:a\nb\n" FROM RCPT END)},
        {"a text with DEL", S(FIRST "envid 3:a\x7f"
                                    "b\n" FROM RCPT END)},
        {"a number that is none", S(FIRST "hops 2:1a\n" FROM RCPT END)},
        {"an empty number", S(FIRST "hops 0:\n" FROM RCPT END)},
        {"a negative number", S(FIRST "hops 2:-1\n" FROM RCPT END)},
        {"a number past its range", S(FIRST "hops 19:9223372036854775808\n" FROM RCPT END)},
        {"a flag that is not set", S(FIRST "utf8 1:0\n" FROM RCPT END)},
        {"a flag that is a word", S(FIRST "utf8 3:yes\n" FROM RCPT END)},
        {"a file with CRLF", S("id 26:" ID "\r\norigin 4:host\r\n")},
    };
    struct envelope envelope;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        why.text[0] = '\0';
        int r = parse(bad[i].records, &envelope);
        ok(r == -EINVAL && strstr(why.text, "damaged envelope") != NULL, "refused, with the reason: %s",
           bad[i].name);
    }
    is_int(parse(SPAN(FIRST FROM RCPT END), &envelope), 0, "while the same without the fault is read");
    is_int(parse(SPAN(FIRST "from 5:SMTP:\n" RCPT END), &envelope), 0, "the null reverse-path too");
    ok(envelope_is_report(&envelope), "and is one");
    arena_reset(arena);
}

/* Cut anywhere, an envelope is refused; no byte may be read behind the cut, which the sanitizer would see. */
static void
test_cut(void)
{
    struct envelope out, in;
    struct buf text = {0};
    size_t taken = 0;
    fill_envelope(&out, 2);
    envelope_print(&out, &text);
    for (size_t len = 0; len < text.len; len++) {
        char *copy = xmalloc(len > 0 ? len : 1);
        memcpy(copy, text.at, len);
        taken += parse((struct span){copy, len}, &in) != -EINVAL;
        taken +=
            parse((struct span){text.at, len}, &in) != -EINVAL; /* what would be right stands behind the cut */
        free(copy);
        arena_reset(arena);
    }
    is_int(taken, 0, "an envelope cut anywhere is refused");
    buf_clear(&text);
}

static void
test_many_properties(void)
{
    struct buf text = {0};
    struct envelope envelope;
    buf_add_text(&text, FIRST);
    for (int i = 0; i < 2000; i++)
        buf_add_text(&text, "x-a 1:b\n");
    buf_add_text(&text, FROM RCPT END);
    ok(parse(buf_span(&text), &envelope) < 0, "no end of properties is refused, not copied over and over");
    buf_clear(&text);
    arena_reset(arena);
}

/* ---- journal ---- */

static struct recipient_mark marks[2] = {
    {.index = 0,
     .state = RECIPIENT_FAILED,
     .status = S("5.1.1"),
     .text = S("no such user"),
     .remote = S("dns; mx")},
    {.index = 2, .state = RECIPIENT_DELIVERED, .status = S("2.0.0"), .text = S("ok")},
};

static const struct journal_entry full_entry = {.kind = JOURNAL_ATTEMPT,
                                                .time_ms = 1764054000123,
                                                .by = S("outbound-gateway-branch"),
                                                .from = S("MTS-OUT"),
                                                .to = S("Deferred"),
                                                .verdict = S("defer"),
                                                .status = S("4.4.1"),
                                                .text = S("cannot connect"),
                                                .remote = S("dns; mx.branch.example"),
                                                .number = 3,
                                                .next_s = 1764054300,
                                                .marks = marks,
                                                .n_marks = 2};

static int64_t
journal(struct span bytes, struct journal_entry *entry)
{
    return journal_parse(bytes, arena, entry, &why);
}

static bool
same_entry(const struct journal_entry *a, const struct journal_entry *b)
{
    bool same = a->kind == b->kind && a->time_ms == b->time_ms && span_equal(a->by, b->by) &&
                span_equal(a->from, b->from) && span_equal(a->to, b->to) &&
                span_equal(a->verdict, b->verdict) && span_equal(a->status, b->status) &&
                span_equal(a->text, b->text) && span_equal(a->remote, b->remote) && a->number == b->number &&
                a->next_s == b->next_s && a->n_marks == b->n_marks;
    for (size_t i = 0; same && i < a->n_marks; i++)
        same = a->marks[i].index == b->marks[i].index && a->marks[i].state == b->marks[i].state &&
               span_equal(a->marks[i].status, b->marks[i].status) &&
               span_equal(a->marks[i].text, b->marks[i].text) &&
               span_equal(a->marks[i].remote, b->marks[i].remote);
    return same;
}

static void
test_journal_round_trip(void)
{
    struct buf text = {0};
    struct journal_entry in, entry = full_entry;
    size_t wrong = 0;
    for (unsigned kind = 0; kind < JOURNAL_KIND_COUNT; kind++)
        for (unsigned state = 0; state < RECIPIENT_STATE_COUNT; state++) {
            buf_reset(&text);
            entry.kind = (enum journal_kind)kind;
            marks[1].state = (enum recipient_state)state;
            journal_print(&entry, &text);
            wrong += journal(buf_span(&text), &in) != (int64_t)text.len || !same_entry(&entry, &in);
        }
    marks[1].state = RECIPIENT_DELIVERED;
    is_int(wrong, 0, "every kind of entry with every state comes back whole");
    size_t first = text.len;
    journal_print(&(struct journal_entry){.kind = JOURNAL_COMMITTED, .number = 2}, &text);
    is_int(journal(buf_span(&text), &in), (int64_t)first, "an entry ends where the next begins");
    is_int(journal((struct span){text.at + first, text.len - first}, &in), (int64_t)(text.len - first),
           "which is read next");
    is_int(journal(SPAN(""), &in), 0, "no bytes are the end");
    buf_clear(&text);
    arena_reset(arena);
}

static void
test_torn(void)
{
    struct buf text = {0}, copy = {0};
    struct journal_entry in;
    size_t taken = 0, zero_taken = 0;
    journal_print(&full_entry, &text);
    for (size_t len = 0; len < text.len; len++) {
        char *cut = xmalloc(len > 0 ? len : 1);
        memcpy(cut, text.at, len);
        taken += journal((struct span){cut, len}, &in) != 0;
        free(cut);
        for (size_t zeroes = 0; zeroes <= 4096; zeroes = zeroes * 2 + 1) {
            buf_reset(&copy);
            buf_add(&copy, text.at, len);
            while (copy.len < text.len + zeroes)
                buf_add_byte(&copy, '\0');
            zero_taken += journal(buf_span(&copy), &in) != 0;
        }
        arena_reset(arena);
    }
    is_int(taken, 0, "an entry cut anywhere is a torn tail");
    is_int(zero_taken, 0, "and one whose rest is zero bytes, as a power cut leaves it");
    buf_clear(&text);
    buf_clear(&copy);
}

static void
test_flips(void)
{
    struct buf text = {0};
    struct journal_entry in;
    size_t other = 0;
    journal_print(&full_entry, &text);
    size_t whole = text.len;
    for (int more = 0; more < 2; more++) { /* the last entry, and one with another behind it */
        for (size_t bit = 0; bit < whole * 8; bit++) {
            text.at[bit / 8] = (char)(text.at[bit / 8] ^ (1 << bit % 8));
            other += journal(buf_span(&text), &in) != -EBADMSG;
            text.at[bit / 8] = (char)(text.at[bit / 8] ^ (1 << bit % 8));
        }
        journal_print(&full_entry, &text);
        arena_reset(arena);
    }
    is_int(other, 0, "a complete entry with any bit turned is damage, never a tail and never another entry");
    buf_clear(&text);
}

/* An entry whose checksums are right: what stands in it is still not believed. */
static void
frame(struct span records, struct buf *text)
{
    char digits[9];
    snprintf(digits, sizeof digits, "%08x", (unsigned)records.len);
    buf_printf(text, "+ %s %08x %08x\n", digits, crc32c(0, digits, 8), crc32c(0, records.at, records.len));
    buf_add_span(text, records);
}

/* Else a message whose journal does not fit would go to Badmail as damaged. */
static void
test_large_entry(void)
{
    enum { MARKS = 10000 };
    struct recipient_mark *many = xcalloc(MARKS, sizeof *many);
    struct arena *small = arena_new(10000);
    struct journal_entry in;
    struct buf text = {0};
    for (size_t i = 0; i < MARKS; i++)
        many[i] = (struct recipient_mark){.index = (uint32_t)i, .state = RECIPIENT_FAILED};
    journal_print(&(struct journal_entry){.kind = JOURNAL_MARK, .marks = many, .n_marks = MARKS}, &text);
    is_int(journal_parse(buf_span(&text), small, &in, &why), -ENOMEM,
           "an entry that memory does not suffice for is no damage");
    arena_free(small);
    buf_clear(&text);
    free(many);
}

static void
test_hostile_entries(void)
{
    static const char *const bad[] = {
        "",
        "kind 4:mark\n",
        "kind 4:evil\nend 0:\n",
        "kind 4:mark\nend 0:\nx",
        "kind 4:mark\nmark 1:0\nend 0:\n",
        "kind 4:mark\nmark 6:0 evil\nend 0:\n",
        "kind 4:mark\nmark 9:-1 failed\nend 0:\n",
        "kind 4:mark\nmark 17:4294967296 failed\nend 0:\n",
        "kind 4:mark\nmark-text 1:a\nend 0:\n",
        "kind 4:mark\nnumber 2:-1\nend 0:\n",
        "kind 4:mark\ntext 2:a\n\nend 0:\n",
        "kind 4:mark\nrcpt 1:a\nend 0:\n",
        "kind 4:mark\ntext 99:a\nend 0:\n",
    };
    struct journal_entry in;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct buf text = {0};
        frame(span_of(bad[i]), &text);
        is_int(journal(buf_span(&text), &in), -EBADMSG, "a hostile entry is damage (%zu)", i);
        buf_clear(&text);
    }
    is_int(journal(SPAN("rcpt 15:SMTP:bob@exa.eu\nrcpt 15:SMTP:bob@exa.eu\n"), &in), -EBADMSG,
           "what is no entry is damage");
    arena_reset(arena);
}

static void
test_apply(void)
{
    struct envelope envelope;
    fill_envelope(&envelope, 3);
    envelope.next_report = 1;
    struct journal_entry entry = full_entry;
    is_int(envelope_apply(&envelope, &entry, &why), 0, "an entry is applied");
    is_int(envelope.recipients[0].state, RECIPIENT_FAILED, "a marked recipient has its state");
    is_span(envelope.recipients[0].text, "no such user", "and reason");
    is_int(envelope.recipients[1].state, RECIPIENT_PENDING, "the others have theirs");
    is_int(envelope.attempts, 1, "an attempt counts");
    is_span(envelope.last_status, "4.4.1", "and says why it failed");
    struct recipient_mark delayed = {.index = 1, .state = RECIPIENT_DELAYED};
    entry = (struct journal_entry){
        .kind = JOURNAL_REPORTED, .time_ms = 77, .number = 4, .marks = &delayed, .n_marks = 1};
    envelope_apply(&envelope, &entry, &why);
    ok(envelope.next_report == 5 && envelope.warned_ms == 77, "a warning is given once");
    is_int(envelope.recipients[1].state, RECIPIENT_PENDING, "and leaves its recipient to be delivered");
    entry = (struct journal_entry){.kind = JOURNAL_COMMITTED, .number = 2};
    envelope_apply(&envelope, &entry, &why);
    is_int(envelope.committed, 2, "a split is committed");
    entry = (struct journal_entry){.kind = JOURNAL_REQUEUED, .time_ms = 99};
    envelope_apply(&envelope, &entry, &why);
    ok(envelope.attempts == 0 && envelope.hops == 0 && envelope.loops == 0 && envelope.warned_ms == 0 &&
           envelope.requeued_ms == 99,
       "sent again, everything counts from zero");
    is_int(envelope.recipients[0].state, RECIPIENT_PENDING, "who failed and was not reported is tried again");
    ok(envelope.recipients[0].status.len == 0 && envelope.recipients[0].text.len == 0 &&
           envelope.recipients[0].state_ms == 0,
       "with nothing left of how he failed");
    for (unsigned state = RECIPIENT_DELIVERED; state < RECIPIENT_STATE_COUNT; state++) {
        if (state == RECIPIENT_FAILED || state == RECIPIENT_DELAYED)
            continue;
        struct recipient_mark settled = {.index = 2, .state = (enum recipient_state)state};
        entry = (struct journal_entry){.kind = JOURNAL_MARK, .marks = &settled, .n_marks = 1};
        envelope_apply(&envelope, &entry, &why);
        entry = (struct journal_entry){.kind = JOURNAL_REQUEUED, .time_ms = 100};
        envelope_apply(&envelope, &entry, &why);
        is_int(envelope.recipients[2].state, state, "who is settled otherwise stays so");
    }
    delayed.index = 2;
    entry = (struct journal_entry){.kind = JOURNAL_MARK, .marks = &delayed, .n_marks = 1};
    envelope_apply(&envelope, &entry, &why);
    is_int(envelope.recipients[2].state, RECIPIENT_DELAYED, "a request's own marks say who is delayed");
    struct recipient_mark nobody = {.index = 3, .state = RECIPIENT_FAILED};
    entry = (struct journal_entry){.kind = JOURNAL_MARK, .marks = &nobody, .n_marks = 1};
    is_int(envelope_apply(&envelope, &entry, &why), -EBADMSG, "a mark of nobody is damage");
    nobody.index = UINT32_MAX;
    is_int(envelope_apply(&envelope, &entry, &why), -EBADMSG, "however far away");
    entry = (struct journal_entry){.kind = JOURNAL_COMMITTED, .number = 4};
    is_int(envelope_apply(&envelope, &entry, &why), -EBADMSG,
           "a split of three recipients into four is damage");
    entry = (struct journal_entry){.kind = JOURNAL_REPORTED, .number = INT64_MAX};
    is_int(envelope_apply(&envelope, &entry, &why), -EBADMSG, "and a report that no name can number");
    is_int(envelope.next_report, 5, "neither changes anything");
    arena_reset(arena);
}

int
main(void)
{
    arena = arena_new(256 << 20);
    test_round_trip();
    test_many();
    test_print_is_safe();
    test_hostile_records();
    test_cut();
    test_many_properties();
    test_journal_round_trip();
    test_torn();
    test_flips();
    test_hostile_entries();
    test_large_entry();
    test_apply();
    arena_free(arena);
    return tap_done();
}
