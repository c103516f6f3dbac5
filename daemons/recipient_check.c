/* recipient_check.c - who may be written to, asked at RCPT time: viaduct is never an open relay
 *
 *     from the host     any address that a connector is responsible for; else 5.1.1 or 5.7.1
 *     from a system     the host's own people: the book's, or any in a host domain where there is no book (or host.unknown =
 *                       pass); else 5.1.1. Encapsulated addresses of the host, which are judged by what they hold. Other
 *                       systems' people only with transit = yes; else 5.7.1
 *
 * A local part that names another system (user%outside, outside!user, "user@outside") is taken from a system only where the
 * book has that very address: 5.7.1.
 *
 * The postmaster of a host domain is always taken (RFC 5321 section 4.5.1).
 *
 * Sources: RFC 3463 (5.1.1, 5.1.2, 5.7.1), RFC 5321 section 3.6 (relaying).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemons/intake.h"

enum { ACCEPT = 0, REFUSE = -1, NOT_NOW = -2 };

static int
answer_of(int result, const struct why *why)
{
    if (result == -EAGAIN || result == -ENOMEM || why_is_temporary(why))
        return NOT_NOW;
    return REFUSE;
}

static bool
is_host_domain(const struct conf_root *root, const struct address *address)
{
    struct mailbox_parts parts;
    struct why why;
    if (!span_equal(address->type, SPAN("SMTP")) || mailbox_parse(address->value, &parts, &why) < 0)
        return false;
    for (size_t i = 0; i < root->host.domains.n; i++)
        if (span_equal_nocase(parts.domain, span_of(root->host.domains.at[i])))
            return true;
    return false;
}

/* A local part that names another system, which many hosts still route by: user%outside, outside!user, "user@outside". The host
 * trusts us, and might send on from us what it would refuse from the one who asks. Encapsulated addresses are opened here, not
 * there. */
static bool
is_routed_by_sender(const struct conf_root *root, const struct address *address, struct arena *arena)
{
    struct mailbox_parts parts;
    struct address inner;
    struct why why;
    if (!address_is_smtp(address) || mailbox_parse(address->value, &parts, &why) < 0 ||
        host_unwrap(root, address, arena, &inner, &why) == 0)
        return false;
    return memchr(parts.local.at, '%', parts.local.len) != NULL ||
           memchr(parts.local.at, '!', parts.local.len) != NULL ||
           memchr(parts.local.at, '@', parts.local.len) != NULL;
}

/* Held connectors take mail all the same (they are always up), unless their operator set `hold = refuse` and no other connector
 * is as good; the router passes over such a one as well. */
static int
check_from_host(struct viaduct_gateway *gateway, const struct address *address, struct arena *arena,
                struct why *why)
{
    const struct conf_root *root = gateway->service->root;
    struct route_answer answer;
    struct route_choice choice = {0, service_connector_refuses, gateway->service};
    int r = route_find_open(root, gateway->book, address, &choice, arena, &answer, why);
    bool nobody_else = r == -ENOENT || (r == 0 && strcmp(answer.connector, "host") == 0);
    if (nobody_else && route_is_host_postmaster(root, address))
        return ACCEPT;
    if (r < 0 && strcmp(why->status, "5.1.2") == 0)
        why_set(why, "5.7.1", "relaying not permitted: no connector is responsible for %.*s",
                (int)address->value.len, address->value.at);
    if (r < 0)
        return answer_of(r, why);
    if (strcmp(answer.connector, "host") == 0 && address_equal(&answer.target, address)) {
        why_set(why, "5.4.6", "%.*s is an address of the host itself: this connector would send it back",
                (int)address->value.len, address->value.at);
        return REFUSE;
    }
    if (service_connector_refuses(gateway->service, answer.connector)) {
        why_set(why, "4.3.2", "connector \"%s\" is on hold, try again later", answer.connector);
        return NOT_NOW;
    }
    return ACCEPT;
}

/* An SMTP address encapsulated in the host's domain is judged as that address: taken at its outer domain, it would be a way
 * through the host to anybody. Other types come back to a person on our side. */
static int
check_from_system(struct viaduct_gateway *gateway, const char *origin, const struct address *outer,
                  struct arena *arena, struct why *why)
{
    const struct conf_root *root = gateway->service->root;
    struct address inner;
    bool wrapped = host_unwrap(root, outer, arena, &inner, why) == 0 && address_is_smtp(&inner);
    const struct address *address = wrapped ? &inner : outer;
    const struct conf_connector *connector = conf_connector_find(root, origin);
    struct route_answer answer;
    struct book_entry entry;
    int known = book_find(gateway->book, address, arena, &entry);
    if (known == -EAGAIN) {
        why_set(why, "4.3.0", "the address book cannot be read now, try again later");
        return NOT_NOW;
    }
    if ((known == 0 && span_equal(entry.side, SPAN("host"))) || route_is_host_postmaster(root, address))
        return ACCEPT;
    if (is_routed_by_sender(root, address, arena)) {
        why_set(why, "5.7.1", "relaying not permitted: the local part names another system: %.*s",
                (int)address->value.len, address->value.at);
        return REFUSE;
    }
    bool open_domain = book_generation(gateway->book) == 0 || strcmp(root->host.unknown, "pass") == 0;
    int r = route_find(root, gateway->book, address, 0, arena, &answer, why);
    if (r == 0 && strcmp(answer.connector, "host") != 0 && strcmp(answer.connector, origin) != 0 &&
        connector != NULL && connector->transit)
        return ACCEPT;
    if (r < 0 && (r == -EAGAIN || why_is_temporary(why)))
        return NOT_NOW;
    if (is_host_domain(root, address) && (open_domain || (r == 0 && strcmp(answer.connector, "host") != 0 &&
                                                          strcmp(answer.connector, origin) != 0)))
        return ACCEPT;
    bool ours = is_host_domain(root, address);
    why_set(why, ours ? "5.1.1" : "5.7.1", "%s: %.*s",
            ours ? "no such person in the host organisation"
                 : "relaying not permitted, not in the host organisation",
            (int)address->value.len, address->value.at);
    return REFUSE;
}

int
recipient_check(struct viaduct_gateway *gateway, const char *origin, struct translator *translator,
                struct span text, struct arena *arena, struct why *why)
{
    struct address address = {span_of(gateway->system->address_type), text};
    struct translation translation;
    why->status[0] = why->text[0] = '\0';
    if (strcmp(origin, "host") == 0)
        return check_from_host(gateway, &address, arena, why);
    int r = translate_in(translator, &address, ROLE_RESPONSIBLE, arena, &translation, why);
    if (r < 0)
        return answer_of(r, why);
    return check_from_system(gateway, origin, &translation.address, arena, why);
}
