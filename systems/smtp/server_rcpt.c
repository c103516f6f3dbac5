/* server_rcpt.c - RCPT with its parameters (see server_inside.h)
 *
 * What is hostile here: as in server_mail.c; and the number of recipients, which is bounded by `recipients` and
 * by the transaction's arena. One that is named again is answered as before, and is one recipient: the first's
 * parameters count. Finding him costs the same for any number.
 *
 * Sources: RFC 5321 section 4.1.1.3; RFC 3461 sections 4.1 and 4.2; RFC 6533 section 3.
 */
#include <stdlib.h>

#include "common/address.h"
#include "common/utf8.h"
#include "systems/smtp/server_inside.h"

enum { ORCPT_MAX = 500, KEYS_KEPT = 1024 };

/* ---- who was named before ---- */

/* The hash of what equal addresses have in common; its seed is not known outside. */
static uint64_t
rcpt_hash(const struct session *s, const struct address *address)
{
    static struct buf key; /* lives until the call returns */
    uint64_t hash = s->server->seed;
    if (address_key(address, &key) < 0)
        return hash; /* no such address comes out of path_parse() */
    for (size_t i = 0; i < key.len; i++)
        hash = (hash ^ (unsigned char)key.at[i]) * UINT64_C(0x100000001b3);
    return hash ^ hash >> 32;
}

/* Where the address is, or belongs, in a table with room. */
static struct rcpt_key *
rcpt_place(const struct session *s, const struct address *address, uint64_t hash)
{
    size_t at = (size_t)hash & (s->n_keys - 1);
    for (; s->keys[at].index != 0; at = (at + 1) & (s->n_keys - 1)) {
        if (s->keys[at].hash != hash)
            continue;
        struct viaduct_text known = s->recipients[s->keys[at].index - 1].address;
        const struct address before = {address->type, {known.at, known.len}};
        if (address_equal(address, &before))
            break;
    }
    return &s->keys[at];
}

static void
keys_grow(struct session *s)
{
    size_t n_old = s->n_keys, n = n_old > 0 ? n_old * 2 : 32;
    struct rcpt_key *old = s->keys, *keys = xcalloc(n, sizeof *keys);
    for (size_t i = 0; i < n_old; i++) {
        size_t at = (size_t)old[i].hash & (n - 1);
        if (old[i].index == 0)
            continue;
        while (keys[at].index != 0)
            at = (at + 1) & (n - 1);
        keys[at] = old[i];
    }
    free(old);
    s->keys = keys;
    s->n_keys = n;
}

void
recipients_reset(struct session *s)
{
    if (s->n_keys > KEYS_KEPT) { /* the next message need not wipe what a list of thousands had needed */
        free(s->keys);
        s->keys = NULL;
        s->n_keys = 0;
    } else if (s->n_recipients > 0) {
        memset(s->keys, 0, s->n_keys * sizeof *s->keys);
    }
    s->n_recipients = s->n_refused = s->n_answered = 0;
}

/* ---- parameters ---- */

/* A list of SUCCESS, FAILURE and DELAY, or NEVER alone (RFC 3461 section 4.1). */
static bool
rcpt_notify(struct span value, unsigned *notify)
{
    static const struct {
        const char *word;
        unsigned bit;
    } words[] = {{"NEVER", VIADUCT_NOTIFY_NEVER},
                 {"SUCCESS", VIADUCT_NOTIFY_SUCCESS},
                 {"FAILURE", VIADUCT_NOTIFY_FAILURE},
                 {"DELAY", VIADUCT_NOTIFY_DELAY}};
    for (bool more = true; more;) {
        const char *comma = value.len > 0 ? memchr(value.at, ',', value.len) : NULL;
        struct span word = {value.at, comma ? (size_t)(comma - value.at) : value.len};
        unsigned bit = 0;
        for (size_t i = 0; i < COUNT_OF(words); i++)
            if (span_equal_nocase(word, span_of(words[i].word)))
                bit = words[i].bit;
        if (bit == 0 || (*notify & bit))
            return false;
        *notify |= bit;
        more = comma != NULL;
        if (more)
            value = (struct span){comma + 1, value.len - word.len - 1};
    }
    return !(*notify & VIADUCT_NOTIFY_NEVER) || *notify == VIADUCT_NOTIFY_NEVER;
}

/* "type;xtext" (RFC 3461 section 4.2). Of type utf-8 it may hold UTF-8 as it is, in a transaction with SMTPUTF8
 * (RFC 6533 section 3). Postfix writes an address in UTF-8 as rfc822 with each octet in xtext: to refuse that
 * would refuse its mail. */
static bool
rcpt_orcpt(const struct session *s, struct span value)
{
    const char *semicolon = value.len > 0 ? memchr(value.at, ';', value.len) : NULL;
    if (semicolon == NULL || semicolon == value.at || value.len > ORCPT_MAX)
        return false;
    struct span type = {value.at, (size_t)(semicolon - value.at)};
    struct span text = {semicolon + 1, value.len - type.len - 1};
    for (size_t i = 0; i < type.len; i++) {
        unsigned char c = (unsigned char)type.at[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && c != '-')
            return false;
    }
    if (s->smtputf8 && span_equal_nocase(type, SPAN("utf-8")) && has_octets_above_127(text))
        return utf8_printable(text) && text.len > 0;
    struct buf decoded = {0};
    bool good = text.len > 0 && xtext_decode(text, true, &decoded) && utf8_printable(buf_span(&decoded));
    buf_clear(&decoded);
    return good;
}

/* Returns NULL or the answer. */
static const char *
rcpt_parameter(struct session *s, struct viaduct_recipient_in *recipient, struct span parameter)
{
    struct span value, key = split_parameter(parameter, &value);
    if (s->extended && span_equal_nocase(key, SPAN("NOTIFY"))) {
        if (recipient->notify != 0)
            return "501 5.5.4 NOTIFY is given twice";
        return rcpt_notify(value, &recipient->notify) ? NULL : "501 5.5.4 malformed NOTIFY";
    }
    if (s->extended && span_equal_nocase(key, SPAN("ORCPT"))) {
        if (recipient->orcpt.at != NULL)
            return "501 5.5.4 ORCPT is given twice";
        recipient->orcpt = (struct viaduct_text){value.at, value.len};
        return rcpt_orcpt(s, value) ? NULL : "501 5.5.4 malformed ORCPT";
    }
    return "555 5.5.4 unknown parameter";
}

static const char *
rcpt_parameters(struct session *s, struct viaduct_recipient_in *recipient, struct span rest)
{
    for (struct span word = next_parameter(&rest); word.len > 0; word = next_parameter(&rest)) {
        const char *bad = rcpt_parameter(s, recipient, word);
        if (bad != NULL)
            return bad;
    }
    struct span address = {recipient->address.at, recipient->address.len};
    bool utf8 = !s->smtputf8 && has_octets_above_127(address);
    return utf8 ? "553 5.6.7 the address needs SMTPUTF8" : NULL;
}

/* ---- recipients ---- */

/* Keeps the recipient; the spans are copied. Returns false when the transaction's memory is used up. */
static bool
rcpt_keep(struct session *s, struct viaduct_recipient_in recipient)
{
    struct span address = arena_span(s->arena, (struct span){recipient.address.at, recipient.address.len});
    struct span orcpt = {recipient.orcpt.at, recipient.orcpt.len};
    if (orcpt.len > 0)
        orcpt = arena_span(s->arena, orcpt);
    if (address.at == NULL || (recipient.orcpt.len > 0 && orcpt.at == NULL))
        return false;
    if (s->n_recipients == s->recipients_size) {
        s->recipients_size = s->recipients_size > 0 ? s->recipients_size * 2 : 8;
        s->recipients = xrealloc(s->recipients, s->recipients_size * sizeof *s->recipients);
    }
    recipient.address = (struct viaduct_text){address.at, address.len};
    recipient.orcpt = (struct viaduct_text){orcpt.at, orcpt.len};
    s->recipients[s->n_recipients++] = recipient;
    return true;
}

/* Asks whether it may be taken: 0, or the answer of recipient_check(). */
static int
rcpt_ask(struct session *s, struct viaduct_text address, struct viaduct_reason *reason)
{
    const struct smtp_server *server = s->server;
    struct viaduct_text connector = {s->peer->name, strlen(s->peer->name)};
    *reason = (struct viaduct_reason){"", ""};
    return server->services->recipient_check(server->gateway, connector, address, reason);
}

/* Returns false with the answer given. */
static bool
rcpt_is_welcome(struct session *s, const struct address *address)
{
    struct viaduct_reason reason;
    int result = rcpt_ask(s, (struct viaduct_text){address->value.at, address->value.len}, &reason);
    if (result == 0)
        return true;
    bool fits = reason.status[0] == (result == -1 ? '5' : '4');
    const char *status = fits ? reason.status : result == -1 ? "5.1.1" : "4.3.0";
    session_refuse(s, POLICY, address->value, "%d %s %s", reply_code(status), status,
                   reason.text[0] ? reason.text : "recipient refused");
    s->n_refused++;
    return false;
}

/* <postmaster> without a domain is whoever admin-address names, where mail for him goes somewhere; else
 * postmaster at the host, as path_parse() has made it (RFC 5321 sections 2.3.5 and 4.5.1). */
static void
find_postmaster(struct session *s, struct span args, struct address *address)
{
    struct span path = span_trim((struct span){args.at + 3, args.len - 3}); /* behind TO: */
    const char *admin = s->server->postmaster;
    struct viaduct_reason reason;
    if (admin != NULL && span_starts_nocase(path, SPAN("<postmaster>")) &&
        rcpt_ask(s, (struct viaduct_text){admin, strlen(admin)}, &reason) == 0)
        address->value = span_of(admin);
}

static void
rcpt_take(struct session *s, struct span args, const struct address *address,
          const struct viaduct_recipient_in *recipient)
{
    if (2 * s->n_recipients >= s->n_keys)
        keys_grow(s);
    uint64_t hash = rcpt_hash(s, address);
    struct rcpt_key *place = rcpt_place(s, address, hash);
    if (place->index == 0) {
        if (!rcpt_is_welcome(s, address))
            return;
        if (!rcpt_keep(s, *recipient)) {
            session_refuse(s, POLICY, args, "452 4.5.3 too many recipients, send them the message again");
            return;
        }
        *place = (struct rcpt_key){hash, s->n_recipients};
    }
    s->n_answered++;
    session_answer(s, "250 2.1.5 recipient taken");
}

void
session_rcpt(struct session *s, struct span args)
{
    struct address address;
    struct span rest = {NULL, 0};
    struct viaduct_recipient_in recipient = {.size = sizeof recipient};
    if (!s->mail) {
        session_refuse(s, BLUNDER, SPAN("RCPT"), "503 5.5.1 say MAIL first");
        return;
    }
    if (!take_path(s, args, SPAN("TO:"), &address, &rest))
        return;
    find_postmaster(s, args, &address);
    recipient.address = (struct viaduct_text){address.value.at, address.value.len};
    const char *bad = rcpt_parameters(s, &recipient, rest);
    if (bad != NULL)
        session_refuse(s, BLUNDER, args, "%s", bad);
    else if (s->n_answered >= (size_t)s->peer->limits->recipients) /* repeats too: LMTP answers each */
        session_refuse(s, POLICY, args, "452 4.5.3 too many recipients, send them the message again");
    else
        rcpt_take(s, args, &address, &recipient);
}
