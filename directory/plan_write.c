/* plan_write.c - a plan as text, for a person to read and for apply to carry out (see plan.h)
 *
 *     viaduct-plan 1
 *     dirsync: groupwise
 *     made: 1711111111
 *     host-entries: 812
 *     foreign-entries: 305
 *     linked: 300
 *     copies: host contact 290                 a line for each side and kind that has some
 *     refused: ...                             where a guard refuses it
 *     changes: 2
 *     notices: 1
 *
 *     change 1: host add contact
 *       name: CN=Ann Beebe,OU=GroupWise,DC=contoso,DC=example
 *       source: GWDOM.PO1.ABEEBE
 *       why: GWDOM.PO1.ABEEBE is new in groupwise
 *       + displayName: Ann Beebe
 *
 *     conflict 1: foreign
 *       id: ...
 *       name: ...
 *       text: ...
 *
 *     summary: host 1 add, 1 change; foreign nothing
 *     hash: <SHA-256 of all before, in hex>
 *
 * A value that a line cannot hold as it is stands as ":: base64" instead of ": value".
 */
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>

#include "common/base64.h"
#include "common/utf8.h"
#include "directory/plan_inside.h"

static const char *const note_names[DIR_NOTE_KINDS] = {"conflict", "refusal", "remark"};

const char *
dir_note_name(enum dir_note kind)
{
    return note_names[kind];
}

/* ---- lines ---- */

static bool
is_plain(struct span value)
{
    return value.len == 0 || (value.at[0] != ' ' && value.at[value.len - 1] != ' ' && value.at[0] != ':' &&
                              utf8_printable(value));
}

/* "  + displayName: Ann" */
static void
add_value(struct buf *out, const char *before, struct span name, struct span value)
{
    buf_add_text(out, before);
    buf_add_span(out, name);
    if (is_plain(value)) {
        buf_add_text(out, value.len > 0 ? ": " : ":");
        buf_add_span(out, value);
    } else {
        buf_add_text(out, ":: ");
        base64_add(value, out);
    }
    buf_add_byte(out, '\n');
}

/* Left out where it is empty. */
static void
add_member(struct buf *out, const char *name, struct span value)
{
    if (value.len > 0)
        add_value(out, "  ", span_of(name), value);
}

/* ---- parts ---- */

static void
add_head(struct buf *out, const struct dir_plan *plan)
{
    buf_add_text(out, "viaduct-plan 1\n");
    add_value(out, "", SPAN("dirsync"), span_of(plan->dirsync));
    buf_printf(out,
               "made: %" PRId64 "\nhost-entries: %" PRIu64 "\nforeign-entries: %" PRIu64 "\nlinked: %" PRIu64
               "\n",
               plan->made_s, plan->host_entries, plan->foreign_entries, plan->linked);
    for (int host = 1; host >= 0; host--)
        for (unsigned kind = 0; kind < DIR_KINDS; kind++)
            if (plan->linked_kinds[host][kind] > 0)
                buf_printf(out, "copies: %s %" PRIu64 " %s\n", host ? "host" : "foreign",
                           plan->linked_kinds[host][kind], dir_kind_name((enum dir_kind)kind));
    if (plan->refused[0] != '\0')
        add_value(out, "", SPAN("refused"), span_of(plan->refused));
    buf_printf(out, "changes: %zu\nnotices: %zu\n", plan->n_changes, plan->n_notices);
}

static void
add_change(struct buf *out, const struct dir_change *change, size_t number)
{
    buf_printf(out, "\nchange %zu: %s %s %s\n", number, change->host ? "host" : "foreign",
               dir_operation_name(change->operation), dir_kind_name(change->kind));
    add_member(out, "id", change->id);
    add_member(out, "name", change->name);
    add_member(out, "new-name", change->new_name);
    add_member(out, "source", change->source);
    add_member(out, "why", change->why);
    for (size_t i = 0; i < change->n_deltas; i++) {
        const struct dir_delta *delta = &change->deltas[i];
        for (size_t j = 0; j < delta->n_remove; j++)
            add_value(out, "  - ", delta->name, delta->remove[j]);
        for (size_t j = 0; j < delta->n_add; j++)
            add_value(out, "  + ", delta->name, delta->add[j]);
    }
}

static void
add_notice(struct buf *out, const struct dir_notice *notice, size_t number)
{
    buf_printf(out, "\n%s %zu: %s\n", note_names[notice->kind], number, notice->host ? "host" : "foreign");
    add_member(out, "id", notice->id);
    add_member(out, "name", notice->name);
    add_member(out, "text", notice->text);
}

static bool
add_side(struct buf *out, const struct dir_plan *plan, bool host)
{
    bool any = false;
    for (unsigned i = 0; i < DIR_OPERATIONS; i++) {
        uint64_t n = dir_plan_count(plan, host, (enum dir_operation)i, -1);
        if (n > 0)
            buf_printf(out, "%s%" PRIu64 " %s", any ? ", " : "", n, dir_operation_name((enum dir_operation)i));
        any |= n > 0;
    }
    if (!any)
        buf_add_text(out, "nothing");
    return any;
}

void
dir_plan_summary(const struct dir_plan *plan, struct buf *out)
{
    uint64_t notes[DIR_NOTE_KINDS] = {0};
    buf_add_text(out, "host ");
    add_side(out, plan, true);
    buf_add_text(out, "; foreign ");
    add_side(out, plan, false);
    for (size_t i = 0; i < plan->n_notices; i++)
        notes[plan->notices[i].kind]++;
    for (unsigned i = 0; i < DIR_NOTE_KINDS; i++)
        if (notes[i] > 0)
            buf_printf(out, "; %" PRIu64 " %s%s", notes[i], note_names[i], notes[i] > 1 ? "s" : "");
}

/* ---- the whole ---- */

void
plan_hash(struct span text, char hash[65])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    BUG_UNLESS(EVP_Digest(text.at, text.len, digest, &len, EVP_sha256(), NULL) == 1 && len == 32);
    for (unsigned i = 0; i < len; i++)
        snprintf(hash + 2 * (size_t)i, 3, "%02x", digest[i]);
}

void
dir_plan_write(struct dir_plan *plan, struct buf *out)
{
    size_t begin = out->len;
    add_head(out, plan);
    for (size_t i = 0; i < plan->n_changes; i++)
        add_change(out, &plan->changes[i], i + 1);
    for (size_t i = 0; i < plan->n_notices; i++)
        add_notice(out, &plan->notices[i], i + 1);
    buf_add_text(out, "\nsummary: ");
    dir_plan_summary(plan, out);
    buf_add_byte(out, '\n');
    plan_hash((struct span){out->at + begin, out->len - begin}, plan->hash);
    buf_printf(out, "hash: %s\n", plan->hash);
}
