/* smtp_downgrade_seal.c - signatures of mail systems in a message's header, and whether they still hold (see
 * smtp_downgrade.h)
 *
 * A DKIM signature covers the body, and the fields that its tag h= names; the one of ARC has the same tags. Bodies
 * and fields are written anew here where a peer takes no others: what covers one of them is broken. Whether it held
 * before is not known here. It stays in the message: it harms nobody, and tells what the message was. A signature
 * of a part of the body only (l=) is taken as one of the whole.
 *
 * What is hostile here: the fields. What is looked at is bounded: so many signatures, so much of h=.
 *
 * Sources: RFC 6376 sections 3.2, 3.5 and 5.4; RFC 8617 section 4.1.2.
 */
#include "common/header_scan.h"
#include "systems/smtp/smtp_downgrade.h"

enum { SEALS_MAX = 20, SEAL_MAX = 8 << 10, FIELDS_MAX = 4 << 10, NAME_MAX_OCTETS = 100 };

/* ---- fields that were changed ---- */

/* ":name:" in lower case. False where no signature would name it so. */
static bool
list_form(struct span name, struct buf *out)
{
    buf_add_byte(out, ':');
    for (size_t i = 0; i < name.len; i++)
        buf_add_byte(out, name.at[i] >= 'A' && name.at[i] <= 'Z' ? (char)(name.at[i] + 32) : name.at[i]);
    buf_add_byte(out, ':');
    return name.len > 0 && name.len <= NAME_MAX_OCTETS;
}

static bool
is_changed(const struct downgrade *d, struct span name)
{
    struct buf key = {0};
    bool found = list_form(name, &key) && d->fields.len > 0 &&
                 memmem(d->fields.at, d->fields.len, key.at, key.len) != NULL;
    buf_clear(&key);
    return found;
}

void
downgrade_field_changed(struct downgrade *d, struct span name)
{
    struct buf key = {0};
    if (list_form(name, &key) && d->fields.len + key.len <= FIELDS_MAX && !is_changed(d, name)) {
        if (d->fields.len > 0)
            d->fields.len--; /* one colon between two */
        buf_add_span(&d->fields, buf_span(&key));
    }
    buf_clear(&key);
}

/* ---- signatures ---- */

/* The value of a tag; empty where there is none. */
static struct span
tag_value(struct span list, char tag)
{
    while (list.len > 0) {
        const char *end = memchr(list.at, ';', list.len);
        size_t len = end != NULL ? (size_t)(end - list.at) : list.len;
        struct span one = span_trim((struct span){list.at, len});
        const char *sign = one.len > 0 ? memchr(one.at, '=', one.len) : NULL;
        struct span name = span_trim((struct span){one.at, sign != NULL ? (size_t)(sign - one.at) : 0});
        if (name.len == 1 && name.at[0] == tag)
            return span_trim((struct span){sign + 1, (size_t)(one.at + one.len - sign - 1)});
        len += end != NULL;
        list = (struct span){list.at + len, list.len - len};
    }
    return SPAN("");
}

static bool
signs_a_change(const struct downgrade *d, struct span names)
{
    while (names.len > 0) {
        const char *end = memchr(names.at, ':', names.len);
        size_t len = end != NULL ? (size_t)(end - names.at) : names.len;
        if (is_changed(d, span_trim((struct span){names.at, len})))
            return true;
        len += end != NULL;
        names = (struct span){names.at + len, names.len - len};
    }
    return false;
}

static void
judge_seal(struct downgrade *d, const char *kind, struct span body)
{
    struct span list = {body.at, body.len < SEAL_MAX ? body.len : SEAL_MAX};
    struct span domain = tag_value(list, 'd');
    bool field = signs_a_change(d, tag_value(list, 'h')) || !downgrade_is_ascii(body);
    if (d->body_changed || field)
        downgrade_broken(d, "the %s signature of %.*s no longer holds: %s had to be written anew", kind,
                         (int)(domain.len < 100 ? domain.len : 100), domain.at,
                         d->body_changed ? "the body" : "a field that it covers");
}

void
downgrade_seals(struct downgrade *d)
{
    struct span header = buf_span(&d->tree.header), name, body;
    size_t n = 0;
    if (!d->body_changed && d->fields.len == 0)
        return;
    while (n < SEALS_MAX && header_next(&header, &name, &body)) {
        bool dkim = span_equal_nocase(name, SPAN("DKIM-Signature"));
        if (!dkim && !span_equal_nocase(name, SPAN("ARC-Message-Signature")))
            continue;
        judge_seal(d, dkim ? "DKIM" : "ARC", body);
        n++;
    }
}
