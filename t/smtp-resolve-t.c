/* smtp-resolve-t.c - names of next hops: MX in order, hosts without MX, null MX, no answer; against a name
 * server of our own */
#include <arpa/inet.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>

#include "common/buf.h"
#include "systems/smtp/resolve.h"
#include "t/tap.h"

enum { A = 1, MX = 15, AAAA = 28, NXDOMAIN = 3, SERVFAIL = 2 };

static const struct record {
    const char *name;
    int type, preference;
    const char *value;
} records[] = {
    {"a.example", A, 0, "192.0.2.1"},
    {"six.example", AAAA, 0, "2001:db8::1"},
    {"two.example", MX, 20, "far.example"},
    {"two.example", MX, 10, "near.example"},
    {"two.example", MX, 30, "gone.example"},
    {"near.example", A, 0, "192.0.2.10"},
    {"far.example", A, 0, "192.0.2.20"},
    {"null.example", MX, 0, ""},
    {"null.example", A, 0, "192.0.2.66"},
    {"dead.example", MX, 10, "gone.example"},
    {"evil.example", MX, 10, "bad name.example"},
    {"evil.example", MX, 20, "a.example"},
};

/* ---- a name server ---- */

static int server_fd;

static void
put16(struct buf *out, int value)
{
    buf_add_byte(out, (char)(value >> 8));
    buf_add_byte(out, (char)value);
}

static void
put_name(struct buf *out, const char *name)
{
    while (*name != '\0') {
        size_t len = strcspn(name, ".");
        buf_add_byte(out, (char)len);
        buf_add(out, name, len);
        name += len + (name[len] == '.');
    }
    buf_add_byte(out, '\0');
}

static void
put_record(struct buf *out, const struct record *record)
{
    struct buf data = {NULL, 0, 0};
    char bytes[16];
    put16(out, 0xc00c); /* the question's name */
    put16(out, record->type);
    put16(out, 1);
    put16(out, 0);
    put16(out, 300);
    if (record->type == MX) {
        put16(&data, record->preference);
        put_name(&data, record->value);
    } else {
        inet_pton(record->type == A ? AF_INET : AF_INET6, record->value, bytes);
        buf_add(&data, bytes, record->type == A ? 4 : 16);
    }
    put16(out, (int)data.len);
    buf_add_span(out, buf_span(&data));
    buf_clear(&data);
}

static size_t
read_name(const unsigned char *packet, size_t len, char *name, size_t size)
{
    size_t at = 12, n = 0;
    while (at < len && packet[at] != 0 && n + packet[at] + 2 < size) {
        memcpy(name + n, packet + at + 1, packet[at]);
        n += packet[at];
        name[n++] = '.';
        at += packet[at] + 1u;
    }
    name[n > 0 ? n - 1 : 0] = '\0';
    return at + 1;
}

static void
answer(const unsigned char *packet, size_t len, struct buf *out)
{
    char name[300];
    size_t at = read_name(packet, len, name, sizeof name);
    int type = packet[at] << 8 | packet[at + 1], n = 0, rcode = NXDOMAIN;
    struct buf body = {NULL, 0, 0};
    for (size_t i = 0; i < COUNT_OF(records); i++) {
        if (strcasecmp(records[i].name, name) != 0)
            continue;
        rcode = 0;
        if (records[i].type == type) {
            put_record(&body, &records[i]);
            n++;
        }
    }
    if (strcmp(name, "broken.example") == 0)
        rcode = SERVFAIL;
    buf_reset(out);
    buf_add(out, packet, 2);
    put16(out, 0x8180 | rcode);
    put16(out, 1);
    put16(out, n);
    put16(out, 0);
    put16(out, 0);
    buf_add(out, packet + 12, at + 4 - 12);
    buf_add_span(out, buf_span(&body));
    buf_clear(&body);
}

/* Answers until a datagram shorter than a question tells it to end. */
static void *
serve(void *arg)
{
    unsigned char packet[1500];
    struct sockaddr_in from;
    struct buf out = {NULL, 0, 0};
    (void)arg;
    for (;;) {
        socklen_t from_len = sizeof from;
        ssize_t got = recvfrom(server_fd, packet, sizeof packet, 0, (struct sockaddr *)&from, &from_len);
        if (got < 17)
            break;
        answer(packet, (size_t)got, &out);
        sendto(server_fd, out.at, out.len, 0, (struct sockaddr *)&from, from_len);
    }
    buf_clear(&out);
    return NULL;
}

/* ---- lookups ---- */

static struct event_base *base;
static struct resolver *resolver;
static struct resolve_result result;
static struct why why;
static int times;

static void
on_done(void *arg, const struct resolve_result *found, const struct why *reason)
{
    (void)arg;
    result = *found;
    why = *reason;
    times++;
}

static void
look(const char *host, bool mx)
{
    int64_t end = monotonic_ms() + 30000;
    times = 0;
    resolver_lookup(resolver, host, 25, mx, on_done, NULL);
    while (times == 0 && monotonic_ms() < end)
        event_base_loop(base, EVLOOP_ONCE);
    is_int(times, 1, "%s: there is one answer", host);
}

static void
is_address(size_t index, const char *name, const char *want)
{
    char text[200] = "none";
    if (index < result.n)
        resolve_print(&result.address[index], text, sizeof text);
    ok(strcmp(text, want) == 0 && (index >= result.n || strcmp(result.address[index].name, name) == 0),
       "%s: %s", want, text);
}

static void
fails(const char *host, bool mx, const char *status)
{
    look(host, mx);
    ok(result.n == 0 && strcmp(why.status, status) == 0, "%s fails with %s: %s", host, status, why.text);
}

static void
lookups(void)
{
    look("127.0.0.1", false);
    is_address(0, "127.0.0.1", "127.0.0.1:25");
    look("localhost", false);
    is_address(0, "localhost", "127.0.0.1:25");
    is_address(1, "localhost", "[::1]:25");
    look("a.example", false);
    is_address(0, "a.example", "192.0.2.1:25");
    is_int(result.n, 1, "one address");
    look("six.example", false);
    is_address(0, "six.example", "[2001:db8::1]:25");
    look("a.example", true);
    is_address(0, "a.example", "192.0.2.1:25");
    ok(!result.by_mx, "a host without MX records is its own mail host");
    look("two.example", true);
    is_address(0, "near.example", "192.0.2.10:25");
    is_address(1, "far.example", "192.0.2.20:25");
    ok(result.n == 2 && result.by_mx,
       "mail hosts come in the order of preference, and one that is gone is left out");
    ok(result.ttl_s == 300, "an answer is good for its time to live");
    look("evil.example", true);
    is_address(0, "a.example", "192.0.2.1:25");
    is_int(result.n, 1, "a mail host whose name is none is left out");
    fails("null.example", true, "4.4.4");
    fails("dead.example", true, "4.4.4");
    fails("nowhere.example", true, "4.4.4");
    fails("nowhere.example", false, "4.4.4");
    fails("broken.example", true, "4.4.3");
    fails("broken.example", false, "4.4.3");
}

int
main(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    pthread_t thread;
    char servers[60];
    server_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (bind(server_fd, (struct sockaddr *)&at, sizeof at) < 0 ||
        getsockname(server_fd, (struct sockaddr *)&at, &len) < 0)
        printf("Bail out! no loopback port\n"), exit(1);
    pthread_create(&thread, NULL, serve, NULL);
    base = event_base_new();
    resolver = resolver_new(base, &why);
    snprintf(servers, sizeof servers, "127.0.0.1:%d", ntohs(at.sin_port));
    is_int(resolver_use(resolver, servers), 0, "a name server can be named");
    lookups();
    resolver_lookup(resolver, "a.example", 25, true, on_done, NULL);
    times = 0;
    resolver_free(resolver);
    is_int(times, 0, "lookups that are under way are forgotten at the end");
    event_base_free(base);
    sendto(server_fd, "", 0, 0, (struct sockaddr *)&at, sizeof at);
    pthread_join(thread, NULL);
    close(server_fd);
    return tap_done();
}
