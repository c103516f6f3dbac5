/* translate.c - what an address becomes on the other side (see translate.h)
 *
 * Both directions read as the design has it: unwrap, book, mapping, one-off. For a plain SMTP address without
 * book and rules nothing is allocated and no system call is made: all mail passes here.
 *
 * What is hostile here: encapsulated addresses. They are opened only in the host's own domains, layer by layer,
 * else anybody could address anybody through us.
 */
#include <errno.h>
#include <stdlib.h>

#include "common/address_form.h"
#include "common/translate_internal.h"

enum { SCRATCH_BYTES = 4 * 1024 * 1024 };

const char *
address_rule_word(enum address_rule rule)
{
    static const char *const words[] = {
        [RULE_SAME] = "same",         [RULE_BOOK] = "book",           [RULE_TABLE] = "table",
        [RULE_TEMPLATE] = "template", [RULE_UNWRAPPED] = "unwrapped", [RULE_ONEOFF] = "one-off",
        [RULE_NONE] = "none",
    };
    BUG_UNLESS((size_t)rule < COUNT_OF(words));
    return words[rule];
}

struct translator *
translator_new(const struct conf_root *root, const struct conf_connector *connector, struct span type,
               struct book *book, struct buf *errors)
{
    struct translator *translator = xcalloc(1, sizeof *translator);
    *translator = (struct translator){root, connector, type, book, NULL, arena_new(SCRATCH_BYTES)};
    if (connector == NULL)
        return translator;
    translator->mapping = mapping_new(&connector->mapping, type, errors);
    if (translator->mapping != NULL)
        return translator;
    translator_free(translator);
    return NULL;
}

void
translator_free(struct translator *translator)
{
    if (translator == NULL)
        return;
    mapping_free(translator->mapping);
    arena_free(translator->scratch);
    free(translator);
}

/* ---- the host's domains ---- */

bool
host_domain_has(const struct conf_root *root, struct span domain)
{
    for (size_t i = 0; domain.len > 0 && i < root->host.domains.n; i++)
        if (domain_equal(span_of(root->host.domains.at[i]), domain))
            return true;
    return false;
}

static struct span
domain_of(struct span mailbox)
{
    const char *sign = mailbox.len > 0 ? memrchr(mailbox.at, '@', mailbox.len) : NULL;
    if (sign == NULL)
        return (struct span){NULL, 0};
    return (struct span){sign + 1, mailbox.len - (size_t)(sign + 1 - mailbox.at)};
}

static bool
looks_wrapped(const struct address *address)
{
    return address_is_smtp(address) && (span_starts_nocase(address->value, SPAN("IMCEA")) ||
                                        span_starts_nocase(address->value, SPAN("\"IMCEA")));
}

int
host_unwrap(const struct conf_root *root, const struct address *address, struct arena *arena,
            struct address *inner, struct why *why)
{
    struct address layer = *address;
    struct why reason;
    unsigned depth = 0;
    while (looks_wrapped(&layer) && host_domain_has(root, domain_of(layer.value))) {
        int err = imcea_decode_once(layer.value, arena, &layer, &reason);
        if (err == -ENOENT)
            break;
        if (err != 0) {
            why_set(why, reason.status, "%s", reason.text);
            return why_is_temporary(&reason) ? -ENOMEM : -EINVAL;
        }
        if (++depth > IMCEA_DEPTH_MAX)
            return why_set(why, "5.1.3", "address encapsulated more than %d deep", IMCEA_DEPTH_MAX);
    }
    if (depth == 0)
        return -ENOENT;
    *inner = layer;
    return 0;
}

int
host_wrap(const struct conf_root *root, const struct address *address, struct arena *arena,
          struct address *made, struct why *why)
{
    struct buf text = {0};
    if (root->host.domains.n == 0) {
        why_set(why, "5.3.5", "the host has no domain to encapsulate addresses in");
        return -ENOENT;
    }
    imcea_encode(address, span_of(root->host.domains.at[0]), &text);
    struct address wrapped = {SPAN("SMTP"), buf_span(&text)};
    int err = address_check(&wrapped, false, why) == 0 ? 0 : -ENOENT;
    if (err == 0) {
        *made = (struct address){SPAN("SMTP"), arena_span(arena, buf_span(&text))};
        err = made->value.at != NULL ? 0 : -ENOMEM;
    }
    buf_clear(&text);
    return err;
}

/* ---- steps that both directions have ---- */

static int
done(struct translation *translation, const struct address *address, enum address_rule rule)
{
    *translation = (struct translation){*address, {NULL, 0}, rule, ""};
    return 0;
}

static int
not_mapped(struct why *why, enum address_role role, const struct address *address, struct span type)
{
    const char *status = role == ROLE_ORIGINATOR ? "5.1.7" : role == ROLE_RESPONSIBLE ? "5.1.1" : "5.1.0";
    why_set(why, status, "%.*s:%.*s has no address of type %.*s, and no mapping rule gives it one",
            (int)address->type.len, address->type.at, (int)address->value.len, address->value.at, (int)type.len,
            type.at);
    return -ENOENT;
}

/* An address of the book with the entry's display. */
static int
done_by_book(struct translation *translation, const struct address *address, const struct book_entry *entry)
{
    *translation = (struct translation){*address, entry->display, RULE_BOOK, ""};
    return 0;
}

static int
find_in_book(struct translator *translator, const struct address *address, struct arena *arena,
             struct book_entry *entry, struct why *why)
{
    if (translator->book == NULL)
        return -ENOENT;
    int err = book_find(translator->book, address, arena, entry);
    if (err == -EAGAIN)
        why_set(why, "4.3.0", "the address book cannot be read now");
    if (err == -ENOMEM)
        why_set(why, "4.3.1", "no memory for an address");
    return err;
}

static int
done_by_rule(struct translation *translation, const struct mapping_answer *answer, int err)
{
    if (err == 0)
        *translation = (struct translation){
            answer->address, {NULL, 0}, answer->table ? RULE_TABLE : RULE_TEMPLATE, answer->title};
    return err;
}

/* ---- towards the system ---- */

/* Own recipients of an SMTP system have their delivery address there; everybody else is known to it as to the
 * host, so that its replies come back through the host. */
static const struct address *
entry_address_out(const struct translator *translator, const struct book_entry *entry)
{
    bool own = span_equal(entry->side, span_of(translator->connector->title));
    if (own || !span_equal(translator->type, SPAN("SMTP")))
        return book_entry_address(entry, translator->type);
    return book_entry_host_address(entry);
}

/* Whether an address in neither book nor rules is carried in the system's own form: those that are only listed, and senders from
 * beyond the host, whom a reply must reach. The host's own people must be known to be senders: without a proxy address their
 * mail goes back to them (the first mapping rule), so that somebody notices. */
static bool
may_be_oneoff(const struct translator *translator, const struct address *address, enum address_role role)
{
    if (role == ROLE_LISTED)
        return true;
    return role == ROLE_ORIGINATOR && address_is_smtp(address) &&
           !host_domain_has(translator->root, domain_of(address->value));
}

/* The end of the line for an address in neither book nor rules. */
static int
oneoff_out(struct translator *translator, const struct address *address, enum address_role role,
           struct arena *arena, struct translation *translation, struct why *why)
{
    const struct address_form *form = address_form_find(translator->type);
    struct address made;
    if (!may_be_oneoff(translator, address, role) || form->oneoff_out == NULL)
        return not_mapped(why, role, address, translator->type);
    int err = form->oneoff_out(translator->connector->peer.domain, address, arena, &made);
    if (err == -EINVAL)
        return not_mapped(why, role, address, translator->type);
    return err == 0 ? done(translation, &made, RULE_ONEOFF) : err;
}

int
translate_out(struct translator *translator, const struct address *address, enum address_role role,
              struct arena *arena, struct translation *translation, struct why *why)
{
    struct address inner = *address;
    struct book_entry entry;
    struct mapping_answer answer;
    if (translator->connector == NULL || address_is_null(address))
        return done(translation, address, RULE_SAME);
    int err = host_unwrap(translator->root, address, arena, &inner, why);
    if (err == -ENOMEM)
        return err;
    /* A malformed encapsulation is a mailbox like others: its owner may exist. */
    bool unwrapped = err == 0;
    bool smtp = address_is_smtp(&inner), same_type = span_equal(inner.type, translator->type);
    if (same_type && !smtp)
        return done(translation, &inner, unwrapped ? RULE_UNWRAPPED : RULE_SAME);
    err = find_in_book(translator, &inner, arena, &entry, why);
    const struct address *found = err == 0 ? entry_address_out(translator, &entry) : NULL;
    if (found != NULL)
        return done_by_book(translation, found, &entry);
    if (err != 0 && err != -ENOENT)
        return err;
    err = smtp ? mapping_out(translator->mapping, &inner,
                             host_domain_has(translator->root, domain_of(inner.value)), arena, &answer)
               : -ENOENT;
    if (err != -ENOENT)
        return done_by_rule(translation, &answer, err);
    if (smtp && same_type)
        return done(translation, &inner, unwrapped ? RULE_UNWRAPPED : RULE_SAME);
    /* An address of a third type stays encapsulated: that is how it comes back to us. */
    if (span_equal(address->type, translator->type))
        return done(translation, address, RULE_SAME);
    return oneoff_out(translator, address, role, arena, translation, why);
}

/* ---- towards the host ---- */

/* One who is in the book without an SMTP address is encapsulated, recipients too: he is known. */
static int
entry_in(struct translator *translator, const struct book_entry *entry, struct arena *arena,
         struct translation *translation, struct why *why)
{
    const struct address *found = book_entry_host_address(entry);
    struct address wrapped;
    if (found != NULL)
        return done_by_book(translation, found, entry);
    int err = host_wrap(translator->root, &entry->primary, arena, &wrapped, why);
    if (err == 0) {
        done_by_book(translation, &wrapped, entry);
        translation->rule = RULE_ONEOFF;
    }
    return err;
}

int
translate_in(struct translator *translator, const struct address *address, enum address_role role,
             struct arena *arena, struct translation *translation, struct why *why)
{
    struct address inner = *address;
    struct book_entry entry;
    struct mapping_answer answer;
    if (translator->connector == NULL || address_is_null(address))
        return done(translation, address, RULE_SAME);
    const struct address_form *form = address_form_find(address->type);
    bool unwrapped = form->oneoff_in != NULL && form->oneoff_in(address, arena, &inner) == 0;
    int err = find_in_book(translator, &inner, arena, &entry, why);
    if (err == 0)
        return entry_in(translator, &entry, arena, translation, why);
    if (err != -ENOENT)
        return err;
    err = mapping_in(translator->mapping, &inner, arena, &answer);
    if (err != -ENOENT)
        return done_by_rule(translation, &answer, err);
    if (address_is_smtp(&inner))
        return done(translation, &inner, unwrapped ? RULE_UNWRAPPED : RULE_SAME);
    if (role == ROLE_RESPONSIBLE)
        return not_mapped(why, role, &inner, SPAN("SMTP"));
    err = host_wrap(translator->root, &inner, arena, &inner, why);
    return err == 0 ? done(translation, &inner, RULE_ONEOFF) : err;
}
