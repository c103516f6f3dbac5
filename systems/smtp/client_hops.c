/* client_hops.c - next hops and their addresses: choice, fail-over, back-off
 *
 * Hops are tried in the order of the configuration, the addresses of a hop in the order of the name server. One
 * that failed is left out for 5 seconds, then twice as long each time up to 5 minutes; then one session at a
 * time may find out. So a preferred hop is used again soon after it is back, and a dead one costs one
 * connection now and then.
 *
 * Where all are left out, back-off would only delay: somebody wants mail delivered now. Then every address is
 * tried once, one after the other (a sweep). If none takes the connection, that is an outage. `sweep` counts
 * outages and recoveries, and `swept` holds the count at which an address failed: equal means it had its
 * chance.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/un.h>

#include "systems/smtp/client.h"

enum { BACK_OFF_FIRST_MS = 5000, BACK_OFF_MOST_MS = 300000 };

static void
target_fail(struct client_target *target, unsigned sweep)
{
    int64_t wait = BACK_OFF_FIRST_MS;
    for (unsigned i = 0; i < target->failures && wait < BACK_OFF_MOST_MS; i++)
        wait *= 2;
    target->failures++;
    target->failed_ms = monotonic_ms();
    target->due_ms = target->failed_ms + (wait < BACK_OFF_MOST_MS ? wait : BACK_OFF_MOST_MS);
    target->swept = sweep;
    target->probing = false;
}

static bool
same_address(const struct resolve_address *a, const struct resolve_address *b)
{
    return a->len == b->len && memcmp(&a->at, &b->at, a->len) == 0;
}

struct client_target *
hops_find(struct client_hop *hop, const struct resolve_address *address)
{
    for (size_t i = 0; i < hop->n; i++)
        if (same_address(&hop->targets[i].address, address))
            return &hop->targets[i];
    return NULL;
}

/* ---- names ---- */

void
hops_local(const struct smtp_url *url, struct resolve_address *address)
{
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    memset(address, 0, sizeof *address);
    snprintf(local.sun_path, sizeof local.sun_path, "%s", url->path);
    memcpy(&address->at, &local, sizeof local);
    address->len = sizeof local;
}

/* The new addresses take over what is known of those that stay. */
static void
hop_take(struct client_hop *hop, const struct resolve_result *result)
{
    struct client_target fresh[RESOLVE_MAX];
    memset(fresh, 0, sizeof fresh);
    for (size_t i = 0; i < result->n; i++) {
        const struct client_target *known = hops_find(hop, &result->address[i]);
        if (known != NULL)
            fresh[i] = *known;
        fresh[i].address = result->address[i];
    }
    memcpy(hop->targets, fresh, sizeof fresh);
    hop->n = result->n;
}

static void
on_resolved(void *arg, const struct resolve_result *result, const struct why *why)
{
    struct client_hop *hop = arg;
    struct smtp_client *client = hop->client;
    hop->resolving = false;
    int64_t ttl_s = result->n > 0 ? result->ttl_s : 30;
    hop->refresh_ms = monotonic_ms() + ttl_s * 1000;
    if (result->n > 0) {
        hop_take(hop, result);
        hop->lookup.failures = 0;
    } else if (hop->n == 0) { /* else the old addresses serve on */
        target_fail(&hop->lookup, client->sweep);
        hops_note(client, hop->url.host, why);
        client->services->say(client->gateway, VIADUCT_LOG_INFO, NULL, "%s", why->text);
    }
    pool_pump(client);
}

static void
hop_resolve(struct client_hop *hop)
{
    if (hop->resolving)
        return;
    if (hop->url.path[0] != '\0') {
        hops_local(&hop->url, &hop->targets[0].address);
        hop->n = 1;
        hop->refresh_ms = INT64_MAX;
        return;
    }
    hop->resolving = true;
    resolver_lookup(hop->client->resolver, hop->url.host, hop->url.port, smtp_url_wants_mx(&hop->url),
                    on_resolved, hop);
}

/* ---- choice ---- */

static bool
may_try(const struct client_target *target, bool desperate, unsigned sweep, int64_t now)
{
    if (desperate)
        return target->failures == 0 || target->swept != sweep;
    return target->failures == 0 || (target->due_ms <= now && !target->probing);
}

enum hop_choice
hops_choose(struct smtp_client *client, bool desperate, struct client_hop **hop, struct client_target **target)
{
    int64_t now = monotonic_ms();
    for (size_t i = 0; i < client->n_hops; i++) {
        struct client_hop *at = &client->hops[i];
        if (at->n == 0 && !at->resolving && may_try(&at->lookup, desperate, client->sweep, now))
            hop_resolve(at);
        else if (at->n > 0 && at->refresh_ms <= now)
            hop_resolve(at);
        if (at->n == 0 && at->resolving)
            return HOP_WAIT;
        for (size_t k = 0; k < at->n; k++) {
            if (!may_try(&at->targets[k], desperate, client->sweep, now))
                continue;
            *hop = at;
            *target = &at->targets[k];
            (*target)->probing = (*target)->failures > 0;
            return HOP_CHOSEN;
        }
    }
    return HOP_NONE;
}

/* Who waits for all hops in vain wants to know what is wrong with each, and first of all with the preferred
 * one. */
void
hops_note(struct smtp_client *client, const char *who, const struct why *why)
{
    struct why *outage = &client->outage;
    char part[420];
    size_t len = strlen(outage->text);
    snprintf(part, sizeof part, "%.150s: %.250s", who, why->text);
    if (len == 0)
        snprintf(outage->status, sizeof outage->status, "%s", why->status);
    if (strstr(outage->text, part) == NULL)
        snprintf(outage->text + len, sizeof outage->text - len, "%s%s", len ? "; " : "", part);
}

/* Sessions that were opened side by side fail side by side: that is one failure. */
void
hops_failed(struct client_hop *hop, const struct resolve_address *address, int64_t started_ms)
{
    struct smtp_client *client = hop->client;
    struct client_target *target = hops_find(hop, address);
    if (target == NULL)
        return;
    if (target->failures == 0 || target->failed_ms <= started_ms)
        target_fail(target, client->sweep);
    target->swept = client->sweep;
    target->probing = false;
}

void
hops_worked(struct client_hop *hop, const struct resolve_address *address)
{
    struct client_target *target = hops_find(hop, address);
    hop->client->outage = (struct why){"", ""};
    if (target == NULL)
        return;
    if (target->failures > 0) {
        char text[140];
        resolve_print(address, text, sizeof text);
        hop->client->services->say(hop->client->gateway, VIADUCT_LOG_INFO, NULL, "%s works again", text);
    }
    target->failures = 0;
    target->probing = false;
}
