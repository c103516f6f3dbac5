/* server_xclient.c - XCLIENT: a proxy in front tells for whom it speaks (see server_inside.h)
 *
 * Only connections from listed networks may use it; they are known by the socket's address, so a client that a
 * proxy has announced cannot announce another. A proxy has no rights of its own from being listed, and lends none
 * to a client whose address it cannot tell: that one is in no network.
 *
 * Source: Postfix, XCLIENT_README.
 */
#include "systems/smtp/server_inside.h"

struct xclient {
    struct buf name, helo;
    struct net_address address;
    bool has_name, has_helo, has_address, unknown_address;
    uint64_t port;
};

bool
session_may_xclient(const struct session *s)
{
    return netlist_has(&s->server->xclient_from, &s->origin);
}

static bool
is_unavailable(struct span value)
{
    return span_equal_nocase(value, SPAN("[UNAVAILABLE]")) || span_equal_nocase(value, SPAN("[TEMPUNAVAIL]"));
}

/* A name; "[UNAVAILABLE]" makes it empty. */
static bool
take_name(struct span value, struct buf *name, bool *has)
{
    *has = true;
    buf_reset(name);
    if (is_unavailable(value))
        return true;
    return xtext_decode(value, false, name) && name_is_sane(buf_span(name));
}

static bool
take_attribute(struct xclient *x, struct span key, struct span value)
{
    if (span_equal_nocase(key, SPAN("NAME")))
        return take_name(value, &x->name, &x->has_name);
    if (span_equal_nocase(key, SPAN("HELO")))
        return take_name(value, &x->helo, &x->has_helo);
    if (span_equal_nocase(key, SPAN("ADDR"))) {
        x->unknown_address = is_unavailable(value);
        x->has_address = !x->unknown_address;
        return x->unknown_address || net_address_read(value, &x->address);
    }
    if (span_equal_nocase(key, SPAN("PORT")))
        return is_unavailable(value) || span_to_u64(value, 65535, &x->port);
    /* Known, and of no use here. */
    return span_equal_nocase(key, SPAN("PROTO")) || span_equal_nocase(key, SPAN("LOGIN")) ||
           span_equal_nocase(key, SPAN("DESTADDR")) || span_equal_nocase(key, SPAN("DESTPORT"));
}

static bool
take_attributes(struct xclient *x, struct span args)
{
    for (struct span word = next_parameter(&args); word.len > 0; word = next_parameter(&args)) {
        const char *equals = memchr(word.at, '=', word.len);
        if (equals == NULL)
            return false;
        size_t len = (size_t)(equals - word.at);
        if (!take_attribute(x, (struct span){word.at, len}, (struct span){equals + 1, word.len - len - 1}))
            return false;
    }
    return true;
}

/* The session begins anew as that client's. */
static void
session_become(struct session *s, const struct xclient *x)
{
    session_reset(s);
    s->greeted = s->extended = false;
    if (x->has_address || x->unknown_address)
        s->unknown_client = x->unknown_address;
    if (x->has_address) {
        s->address = x->address;
        s->address.port = (uint16_t)x->port;
    }
    if (x->has_name) {
        buf_reset(&s->name);
        buf_add_span(&s->name, buf_span(&x->name));
    }
    if (x->has_helo) {
        buf_reset(&s->helo);
        buf_add_span(&s->helo, buf_span(&x->helo));
    }
    const char *refusal = session_admit(s);
    if (refusal != NULL)
        session_hang_up(s, refusal);
    else
        session_answerf(s, "220 %s %s viaduct", s->server->hostname, s->listener->lmtp ? "LMTP" : "ESMTP");
}

void
session_xclient(struct session *s, struct span args)
{
    struct xclient x = {.port = 0};
    if (!session_may_xclient(s))
        session_refuse(s, BLUNDER, SPAN("XCLIENT"), "550 5.7.1 XCLIENT is not allowed from your network");
    else if (s->mail)
        session_refuse(s, BLUNDER, SPAN("XCLIENT"), "503 5.5.1 a message is under way");
    else if (args.len == 0 || !take_attributes(&x, args))
        session_refuse(s, BLUNDER, SPAN("XCLIENT"), "501 5.5.4 malformed or unknown attribute");
    else
        session_become(s, &x);
    buf_clear(&x.name);
    buf_clear(&x.helo);
}
