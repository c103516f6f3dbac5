/* server_mail.c - MAIL, and what its parameters have in common with those of RCPT (see server_inside.h)
 *
 * What is hostile here: paths and parameters. Paths are made addresses by path_parse() alone. ENVID and ORCPT
 * end up in headers of reports: their xtext must be well-formed and must hide nothing but printable ASCII (a CR
 * LF in an ORCPT that was decoded too trustingly has been a root exploit elsewhere).
 *
 * Sources: RFC 5321 section 4.1.1.2; RFC 1870; RFC 6152; RFC 6531 section 3.4; RFC 3461 sections 4.3 to 4.5.
 */
#include "common/address.h"
#include "common/hex.h"
#include "systems/smtp/server_inside.h"

enum { ENVID_MAX = 100 };

/* ---- words ---- */

struct span
next_parameter(struct span *rest)
{
    size_t start = 0, end;
    while (start < rest->len && (rest->at[start] == ' ' || rest->at[start] == '\t'))
        start++;
    for (end = start; end < rest->len && rest->at[end] != ' ' && rest->at[end] != '\t'; end++)
        ;
    struct span word = {rest->at + start, end - start};
    *rest = (struct span){rest->at + end, rest->len - end};
    return word;
}

struct span
split_parameter(struct span parameter, struct span *value)
{
    const char *equals = parameter.len > 0 ? memchr(parameter.at, '=', parameter.len) : NULL;
    *value = (struct span){NULL, 0};
    if (equals == NULL)
        return parameter;
    size_t len = (size_t)(equals - parameter.at);
    *value = (struct span){equals + 1, parameter.len - len - 1};
    return (struct span){parameter.at, len};
}

bool
xtext_decode(struct span text, bool utf8, struct buf *out)
{
    if (out != NULL)
        buf_reset(out);
    for (size_t i = 0; i < text.len; i++) {
        int byte = (unsigned char)text.at[i];
        if (byte <= ' ' || byte > '~' || byte == '=')
            return false;
        if (byte == '+') {
            bool lower =
                i + 2 < text.len && (text.at[i + 1] >= 'a' || text.at[i + 2] >= 'a'); /* not in xtext */
            byte = i + 2 < text.len && !lower ? hex_octet(text.at + i + 1) : -1;
            if (byte < ' ' || byte == 127 || (byte > '~' && !utf8))
                return false;
            i += 2;
        }
        if (out != NULL)
            buf_add_byte(out, (char)byte);
    }
    return true;
}

int
reply_code(const char *status)
{
    static const struct {
        const char *status;
        int code;
    } codes[] = {{"4.3.1", 452}, {"4.5.3", 452}, {"4.2.2", 452}, {"5.3.4", 552}, {"5.2.2", 552},
                 {"5.1.3", 553}, {"5.6.7", 553}, {"5.1.7", 553}, {"5.5.4", 555}};
    for (size_t i = 0; i < COUNT_OF(codes); i++)
        if (strcmp(status, codes[i].status) == 0)
            return codes[i].code;
    return status[0] == '4' ? 451 : 550;
}

/* ---- the path ---- */

bool
has_octets_above_127(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.at[i] > 127)
            return true;
    return false;
}

/* Blanks after the colon, which RFC 5321 forbids, are common. */
bool
take_path(struct session *s, struct span args, struct span word, struct address *address, struct span *rest)
{
    bool from = word.at[0] == 'F';
    struct why why = {.text = ""};
    if (!span_starts_nocase(args, word)) {
        session_refuse(s, BLUNDER, args, "501 5.5.2 syntax: %s<address>", word.at);
        return false;
    }
    args = span_trim((struct span){args.at + word.len, args.len - word.len});
    if (path_parse(args, from, s->server->default_domain, s->arena, address, rest, &why) == 0 &&
        (rest->len == 0 || rest->at[0] == ' ' || rest->at[0] == '\t'))
        return true;
    session_refuse(s, BLUNDER, args, "501 %s %s", from ? "5.1.7" : "5.1.3",
                   why.text[0] ? why.text : "malformed address");
    return false;
}

/* ---- MAIL ---- */

struct mail_parameters {
    struct span ret, envid;
    uint64_t size;
    bool smtputf8;
    unsigned seen;
};

/* Each returns NULL, or the answer for a value that will not do. */

static const char *
mail_size(struct session *s, struct mail_parameters *p, struct span value)
{
    if (value.len > 20 || !span_to_u64(value, UINT64_MAX, &p->size))
        return "501 5.5.4 SIZE is not a number";
    return p->size > s->peer->limits->message ? "552 5.3.4 message too big" : NULL;
}

static const char *
mail_body(struct session *s, struct mail_parameters *p, struct span value)
{
    (void)s;
    (void)p;
    bool known = span_equal_nocase(value, SPAN("7BIT")) || span_equal_nocase(value, SPAN("8BITMIME"));
    return known ? NULL : "501 5.5.4 BODY is 7BIT or 8BITMIME";
}

static const char *
mail_smtputf8(struct session *s, struct mail_parameters *p, struct span value)
{
    if (!s->server->utf8)
        return "555 5.5.4 SMTPUTF8 is not offered";
    p->smtputf8 = true;
    return value.at == NULL ? NULL : "501 5.5.4 SMTPUTF8 takes no value";
}

static const char *
mail_ret(struct session *s, struct mail_parameters *p, struct span value)
{
    (void)s;
    p->ret = span_equal_nocase(value, SPAN("FULL")) ? SPAN("FULL") : SPAN("HDRS");
    return p->ret.at[0] == 'F' || span_equal_nocase(value, SPAN("HDRS")) ? NULL
                                                                         : "501 5.5.4 RET is FULL or HDRS";
}

static const char *
mail_envid(struct session *s, struct mail_parameters *p, struct span value)
{
    (void)s;
    p->envid = value;
    bool good = value.len > 0 && value.len <= ENVID_MAX && xtext_decode(value, false, NULL);
    return good ? NULL : "501 5.5.4 ENVID is not 1 to 100 octets of xtext";
}

static const struct {
    const char *key;
    const char *(*take)(struct session *s, struct mail_parameters *p, struct span value);
} mail_keys[] = {{"SIZE", mail_size},
                 {"BODY", mail_body},
                 {"SMTPUTF8", mail_smtputf8},
                 {"RET", mail_ret},
                 {"ENVID", mail_envid}};

static const char *
mail_parameter(struct session *s, struct mail_parameters *p, struct span parameter)
{
    struct span value, key = split_parameter(parameter, &value);
    for (size_t i = 0; s->extended && i < COUNT_OF(mail_keys); i++) {
        if (!span_equal_nocase(key, span_of(mail_keys[i].key)))
            continue;
        if (p->seen & 1u << i)
            return "501 5.5.4 a parameter is given twice";
        p->seen |= 1u << i;
        return mail_keys[i].take(s, p, value);
    }
    return "555 5.5.4 unknown parameter";
}

/* What must be true before any transaction. Returns NULL or the answer. */
static const char *
mail_is_out_of_turn(const struct session *s)
{
    if (!s->greeted)
        return s->listener->lmtp ? "503 5.5.1 say LHLO first" : "503 5.5.1 say EHLO first";
    if (s->only_proxy)
        return "554 5.7.1 your network is not allowed here";
    if (s->server->tls_needed && !s->secure)
        return "530 5.7.0 say STARTTLS first";
    return s->mail ? "503 5.5.1 a message is under way, say RSET" : NULL;
}

/* Whether mail is taken at all now. Returns false with the answer given. A session that was accepted before the end was asked
 * for (a reload, most often: the next generation listens already) brings its first message still. */
static bool
mail_is_welcome(struct session *s)
{
    const struct smtp_server *server = s->server;
    struct viaduct_reason reason = {"4.3.1", "no mail is taken now"};
    bool ending = server->ending || server->services->ending(server->gateway);
    bool last = ending && s->messages == 0;
    if (ending && !last) {
        session_hang_up(s, "421 4.3.2 going down, try again later");
        return false;
    }
    bool closed = server->services->closed(server->gateway, &reason);
    if (closed && !(last && strcmp(reason.status, "4.3.2") == 0)) {
        const char *status = reason.status[0] == '4' ? reason.status : "4.3.1";
        session_refuse(s, POLICY, SPAN("MAIL"), "%d %s %s", reply_code(status), status, reason.text);
        return false;
    }
    if (client_is_too_fast(s)) {
        session_refuse(s, POLICY, SPAN("MAIL"), "450 4.7.1 too many messages in this minute, try again later");
        return false;
    }
    return true;
}

/* Returns NULL or the answer. */
static const char *
mail_parameters(struct session *s, const struct address *address, struct span rest)
{
    struct mail_parameters p = {.size = 0};
    for (struct span word = next_parameter(&rest); word.len > 0; word = next_parameter(&rest)) {
        const char *bad = mail_parameter(s, &p, word);
        if (bad != NULL)
            return bad;
    }
    if (!p.smtputf8 && has_octets_above_127(address->value))
        return "553 5.6.7 the address needs SMTPUTF8";
    s->smtputf8 = p.smtputf8;
    s->ret = p.ret;
    s->envid = p.envid.len > 0 ? arena_span(s->arena, p.envid) : SPAN("");
    s->originator = address->value.len > 0 ? arena_span(s->arena, address->value) : SPAN("");
    return s->envid.at && s->originator.at ? NULL : "452 4.3.1 out of memory for this message";
}

void
session_mail(struct session *s, struct span args)
{
    struct address address;
    struct span rest = {NULL, 0};
    const char *bad = mail_is_out_of_turn(s);
    if (bad != NULL) {
        session_refuse(s, BLUNDER, SPAN("MAIL"), "%s", bad);
        return;
    }
    arena_reset(s->arena);
    if (!take_path(s, args, SPAN("FROM:"), &address, &rest))
        return;
    bad = mail_parameters(s, &address, rest);
    if (bad != NULL) {
        session_refuse(s, strncmp(bad, "552", 3) == 0 ? POLICY : BLUNDER, args, "%s", bad);
        return;
    }
    if (!mail_is_welcome(s))
        return;
    s->mail = true;
    session_answer(s, "250 2.1.0 originator taken");
}

void
session_reset(struct session *s)
{
    if (s->intake != NULL)
        s->server->services->intake_drop(s->intake);
    s->intake = NULL;
    s->mail = s->smtputf8 = false;
    recipients_reset(s);
    s->originator = s->ret = s->envid = (struct span){NULL, 0};
    s->failure[0] = '\0';
    arena_reset(s->arena);
}
