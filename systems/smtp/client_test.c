/* client_test.c - `connector test`: each next hop and address is connected to and greeted, and no mail is moved
 *
 * On a loop of its own, so that it can be asked for while the gateway's is running or is not.
 */
#include <event2/event.h>
#include <stdio.h>

#include "systems/smtp/client.h"

struct test {
    void (*line)(void *arg, const char *text);
    void *arg;
    struct event_base *base;
    struct client_hop *hop;
    struct resolve_result found;
    bool resolved, over, worked;
    size_t n_worked;
};

static void say(struct test *test, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void
say(struct test *test, const char *format, ...)
{
    char text[700];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    test->line(test->arg, text);
}

/* ---- a session without mail ---- */

static void
on_note(struct client_session *session, const char *text)
{
    say(session->arg, "  %s", text);
}

static void
on_opened(struct client_session *session)
{
    struct test *test = session->arg;
    test->worked = true;
}

static void
on_ready(struct client_session *session)
{
    session_quit(session);
}

static void
on_failed(struct client_session *session, const struct why *why)
{
    struct test *test = session->arg;
    say(test, "  failed: %s (%s)", why->text, why->status);
    test->over = true;
}

static void
on_closed(struct client_session *session, const struct why *why)
{
    struct test *test = session->arg;
    (void)why;
    test->over = true;
}

static const struct session_owner test_owner = {
    .opened = on_opened, .ready = on_ready, .failed = on_failed, .closed = on_closed, .note = on_note};

/* Once a second, for the deadlines. */
static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    session_tick(arg, monotonic_ms());
}

static void
try_address(struct smtp_client *client, struct test *test, const struct resolve_address *address)
{
    struct why why = {"", ""};
    char at[140];
    resolve_print(address, at, sizeof at);
    say(test, "connecting to %s%s%s", address->name, address->name[0] ? " at " : "", at);
    test->over = test->worked = false;
    struct client_session *session =
        session_open(client, test->base, test->hop, address, false, &test_owner, test, &why);
    if (session == NULL) {
        say(test, "  failed: %s (%s)", why.text, why.status);
        return;
    }
    struct event *tick = event_new(test->base, -1, EV_PERSIST, on_tick, session);
    struct timeval second = {.tv_sec = 1};
    event_add(tick, &second);
    while (!test->over && event_base_loop(test->base, EVLOOP_ONCE) >= 0)
        continue;
    event_free(tick);
    if (test->worked)
        say(test, "  ready for mail");
    test->n_worked += test->worked;
}

/* ---- names ---- */

static void
on_resolved(void *arg, const struct resolve_result *result, const struct why *why)
{
    struct test *test = arg;
    test->found = *result;
    test->resolved = true;
    if (result->n == 0)
        say(test, "  failed: %s (%s)", why->text, why->status);
    else if (result->by_mx)
        say(test, "  its mail hosts were looked up (MX)");
}

static void
try_hop(struct smtp_client *client, struct test *test)
{
    const struct smtp_url *url = &test->hop->url;
    char text[400];
    smtp_url_print(url, text, sizeof text);
    say(test, "next hop %s", text);
    test->resolved = false;
    test->found.n = 0;
    if (url->path[0] != '\0') {
        hops_local(url, &test->found.address[0]);
        test->found.n = 1;
    } else {
        struct why why = {"", ""};
        struct resolver *resolver = resolver_new(test->base, &why);
        if (resolver == NULL) {
            say(test, "  failed: %s", why.text);
            return;
        }
        resolver_lookup(resolver, url->host, url->port, smtp_url_wants_mx(url), on_resolved, test);
        while (!test->resolved && event_base_loop(test->base, EVLOOP_ONCE) >= 0)
            continue;
        resolver_free(resolver);
    }
    for (size_t i = 0; i < test->found.n; i++)
        try_address(client, test, &test->found.address[i]);
}

/* 0 where at least one address would take mail; the words tell of the others. */
int
client_test(struct smtp_client *client, void (*line)(void *arg, const char *text), void *arg)
{
    struct test test = {.line = line, .arg = arg, .base = event_base_new()};
    if (test.base == NULL) {
        say(&test, "failed: no event loop");
        return -1;
    }
    for (size_t i = 0; i < client->n_hops; i++) {
        test.hop = &client->hops[i];
        try_hop(client, &test);
    }
    event_base_free(test.base);
    return test.n_worked > 0 ? 0 : -1;
}
