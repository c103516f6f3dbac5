/* server_admit.c - who may connect: networks, clients, rates, whose session it is (see server_inside.h)
 *
 * What is hostile here: many connections from one address, or from many. The table's seed is not known outside,
 * so addresses cannot be chosen to share a bucket.
 */
#include "systems/smtp/server_inside.h"

#include <stdlib.h>

enum { MINUTE_MS = 60 * 1000 };

static size_t
bucket_of(const struct smtp_server *server, const struct net_address *address)
{
    uint64_t hash = server->seed;
    for (size_t i = 0; i < sizeof address->at; i++)
        hash = (hash ^ address->at[i]) * 0x100000001b3u;
    return (size_t)((hash ^ hash >> 32) % CLIENT_BUCKETS);
}

static struct client *
client_get(struct smtp_server *server, const struct net_address *address)
{
    struct client **bucket = &server->clients[bucket_of(server, address)];
    for (struct client *client = *bucket; client != NULL; client = client->next)
        if (net_address_equal(&client->address, address))
            return client;
    struct client *client = xcalloc(1, sizeof *client);
    client->address = *address;
    client->next = *bucket;
    *bucket = client;
    return client;
}

/* A client whose minute is over and who has no session is forgotten. */
static void
bucket_tidy(struct client **link, int64_t now, bool all)
{
    while (*link != NULL) {
        struct client *client = *link;
        if (all || (client->n_sessions == 0 && now - client->window_ms >= MINUTE_MS)) {
            *link = client->next;
            free(client);
        } else {
            link = &client->next;
        }
    }
}

void
clients_tidy(struct smtp_server *server)
{
    int64_t now = monotonic_ms();
    for (size_t i = 0; i < CLIENT_BUCKETS; i++)
        bucket_tidy(&server->clients[i], now, false);
}

void
clients_clear(struct smtp_server *server)
{
    for (size_t i = 0; i < CLIENT_BUCKETS; i++)
        bucket_tidy(&server->clients[i], 0, true);
}

/* The connector that claims the address, else the gateway's own system where its list allows it, else NULL. */
static struct peer *
peer_of(struct smtp_server *server, const struct net_address *address)
{
    for (size_t i = 1; i < server->n_peers; i++)
        if (netlist_has(&server->peers[i].from, address))
            return &server->peers[i];
    return netlist_has(&server->allow, address) ? &server->peers[0] : NULL;
}

/* A proxy that has not named its client yet: it need not be in any network itself. */
static bool
is_waited_for(const struct session *s)
{
    return !s->unknown_client && session_may_xclient(s) && net_address_equal(&s->address, &s->origin);
}

const char *
session_admit(struct session *s)
{
    struct smtp_server *server = s->server;
    session_unadmit(s);
    struct peer *peer = s->unknown_client ? NULL : peer_of(server, &s->address);
    s->only_proxy = peer == NULL && is_waited_for(s);
    if (s->only_proxy)
        peer = &server->peers[0];
    if (peer == NULL)
        return "554 5.7.1 your network is not allowed here";
    struct client *client = client_get(server, &s->address);
    if (peer->n_sessions >= peer->limits->sessions)
        return "421 4.7.0 too many sessions, try again later";
    if (client->n_sessions >= peer->limits->sessions_per_client)
        return "421 4.7.0 too many sessions from your address";
    s->peer = peer;
    s->client = client;
    peer->n_sessions++;
    client->n_sessions++;
    return NULL;
}

void
session_unadmit(struct session *s)
{
    if (s->peer == NULL)
        return;
    s->peer->n_sessions--;
    s->client->n_sessions--;
    s->peer = NULL;
    s->client = NULL;
}

bool
client_is_too_fast(struct session *s)
{
    long rate = s->peer->limits->rate;
    if (rate == 0)
        return false;
    int64_t now = monotonic_ms();
    if (s->client->in_window == 0 || now - s->client->window_ms >= MINUTE_MS) {
        s->client->window_ms = now;
        s->client->in_window = 0;
    }
    if (s->client->in_window >= rate)
        return true;
    s->client->in_window++;
    return false;
}
