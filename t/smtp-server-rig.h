/* smtp-server-rig.h - a server with services made of memory, and a client that drives it, in one process
 *
 * Server and client share one loop: rig_pump() turns it until the client has what it waits for. So nothing here
 * depends on time, but for a guard that ends a test which would wait for ever.
 */
#ifndef VIADUCT_SMTP_SERVER_RIG_H
#define VIADUCT_SMTP_SERVER_RIG_H

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "conf/conf.h"
#include "systems/smtp/server_inside.h"
#include "systems/smtp/smtp.h"
#include "t/tap.h"

enum { GUARD_TURNS = 20000, RIG_PORTS = 8 };

/* What the services saw and how they are to behave. */
struct rig {
    struct event_base *base;
    struct conf_root root;
    struct conf_connector connectors[2];
    struct smtp_server *server;
    uint16_t ports[RIG_PORTS];
    int n_ports;
    /* behaviour */
    bool hold_commits, full, no_room, ending;
    int commit_result, add_result;
    struct viaduct_reason commit_reason;
    /* what was seen */
    struct buf log;
    int taken, dropped, calls;
    struct buf envelope, body, last_body;
    struct viaduct_intake *held;
    long connections;
};

struct viaduct_intake {
    void (*done)(void *arg, int result, const struct viaduct_reason *reason);
    void *arg;
};

static struct rig rig;

/* ---- services ---- */

static inline struct event_base *
rig_loop(struct viaduct_gateway *gateway)
{
    (void)gateway;
    return rig.base;
}

static inline const void *
rig_root(struct viaduct_gateway *gateway)
{
    (void)gateway;
    return &rig.root;
}

static inline const void *
rig_connector(struct viaduct_gateway *gateway)
{
    (void)gateway;
    return NULL;
}

static inline const char *
rig_node(struct viaduct_gateway *gateway)
{
    (void)gateway;
    return "gw1.test.example";
}

static inline void __attribute__((format(printf, 4, 5)))
rig_say(struct viaduct_gateway *gateway, enum viaduct_log_level level, const char *id, const char *format, ...)
{
    va_list args;
    (void)gateway;
    (void)id;
    if (level == VIADUCT_LOG_DETAIL)
        return;
    va_start(args, format);
    buf_vprintf(&rig.log, format, args);
    va_end(args);
    buf_add_byte(&rig.log, '\n');
}

static inline int
rig_listener(struct viaduct_gateway *gateway, const char *address, struct viaduct_reason *reason)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof in;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)gateway;
    (void)address;
    (void)reason;
    if (bind(fd, (struct sockaddr *)&in, sizeof in) < 0 || listen(fd, 100) < 0 ||
        getsockname(fd, (struct sockaddr *)&in, &size) < 0) {
        printf("Bail out! no loopback socket: %s\n", strerror(errno));
        exit(1);
    }
    rig.ports[rig.n_ports++] = ntohs(in.sin_port);
    return fd;
}

static inline bool
rig_closed(struct viaduct_gateway *gateway, struct viaduct_reason *reason)
{
    (void)gateway;
    if (rig.full)
        *reason = (struct viaduct_reason){"4.3.1", "the spool is full"};
    return rig.full;
}

static inline bool
rig_ending(struct viaduct_gateway *gateway)
{
    (void)gateway;
    return rig.ending;
}

/* unknown*@ is unknown, secret@ is forbidden, later@ cannot be looked up. */
static inline int
rig_recipient_check(struct viaduct_gateway *gateway, struct viaduct_text connector, struct viaduct_text address,
                    struct viaduct_reason *reason)
{
    struct span s = {address.at, address.len};
    (void)gateway;
    (void)connector;
    if (span_starts_nocase(s, SPAN("unknown")))
        *reason = (struct viaduct_reason){"5.1.1", "nobody of that name"};
    else if (span_starts_nocase(s, SPAN("secret")))
        *reason = (struct viaduct_reason){"5.7.1", "not from there"};
    else if (span_starts_nocase(s, SPAN("later")))
        *reason = (struct viaduct_reason){"4.3.0", "the book is being replaced"};
    else
        return 0;
    return reason->status[0] == '5' ? -1 : -2;
}

static inline void
rig_text(const char *key, struct viaduct_text text)
{
    if (text.len > 0)
        buf_printf(&rig.envelope, "%s=%.*s ", key, (int)text.len, text.at);
}

static inline struct viaduct_intake *
rig_intake_new(struct viaduct_gateway *gateway, const struct viaduct_envelope_in *envelope,
               const struct viaduct_recipient_in *recipients, size_t n, struct viaduct_reason *reason)
{
    (void)gateway;
    if (rig.no_room) {
        *reason = (struct viaduct_reason){"4.3.1", "no room"};
        return NULL;
    }
    buf_reset(&rig.envelope);
    buf_reset(&rig.body);
    buf_printf(&rig.envelope, "from=%.*s ", (int)envelope->originator.len, envelope->originator.at);
    rig_text("ret", envelope->ret);
    rig_text("envid", envelope->envid);
    rig_text("client", envelope->client);
    rig_text("helo", envelope->helo);
    rig_text("with", envelope->protocol);
    rig_text("connector", envelope->connector);
    for (size_t i = 0; i < n && i < 3; i++) {
        rig_text("to", recipients[i].address);
        rig_text("orcpt", recipients[i].orcpt);
        if (recipients[i].notify != 0)
            buf_printf(&rig.envelope, "notify=%u ", recipients[i].notify);
    }
    buf_printf(&rig.envelope, "n=%zu", n);
    rig.calls = 0;
    return xcalloc(1, sizeof(struct viaduct_intake));
}

static inline int
rig_intake_add(struct viaduct_intake *intake, const void *bytes, size_t len)
{
    (void)intake;
    rig.calls++;
    if (rig.add_result < 0)
        return rig.add_result;
    if (rig.body.len + len > 4 * 1024 * 1024)
        return -ENOSPC;
    buf_add(&rig.body, bytes, len);
    return 0;
}

static inline void
rig_commit_now(struct viaduct_intake *intake)
{
    rig.taken += rig.commit_result == 0;
    intake->done(intake->arg, rig.commit_result, &rig.commit_reason);
    free(intake);
}

static inline void
rig_intake_commit(struct viaduct_intake *intake, int remove_fd, const char *remove_path,
                  void (*done)(void *arg, int result, const struct viaduct_reason *reason), void *arg)
{
    (void)remove_fd;
    (void)remove_path;
    intake->done = done;
    intake->arg = arg;
    buf_reset(&rig.last_body);
    buf_add_span(&rig.last_body, buf_span(&rig.body));
    if (rig.hold_commits)
        rig.held = intake;
    else
        rig_commit_now(intake);
}

static inline void
rig_intake_drop(struct viaduct_intake *intake)
{
    rig.dropped++;
    free(intake);
}

static inline const char *
rig_intake_id(const struct viaduct_intake *intake)
{
    (void)intake;
    return "ID1";
}

static inline void
rig_count_connection(struct viaduct_gateway *gateway, bool inbound, int delta, bool failed)
{
    (void)gateway;
    (void)inbound;
    (void)failed;
    rig.connections += delta;
}

static const struct viaduct_services rig_services = {
    .size = sizeof rig_services,
    .loop = rig_loop,
    .conf_root = rig_root,
    .conf_connector = rig_connector,
    .say = rig_say,
    .listener = rig_listener,
    .closed = rig_closed,
    .ending = rig_ending,
    .recipient_check = rig_recipient_check,
    .intake_new = rig_intake_new,
    .intake_add = rig_intake_add,
    .intake_commit = rig_intake_commit,
    .intake_drop = rig_intake_drop,
    .intake_id = rig_intake_id,
    .count_connection = rig_count_connection,
    .node = rig_node,
};

/* ---- the server ---- */

static inline struct conf_limits
rig_limits(void)
{
    return (struct conf_limits){.message = 4 * 1024 * 1024,
                                .recipients = 1000,
                                .sessions = 50,
                                .sessions_per_client = 40,
                                .errors = 20,
                                .commands = 10000};
}

static inline struct conf_timeouts
rig_timeouts(void)
{
    return (struct conf_timeouts){.greeting_s = 300, .command_s = 300, .data_s = 180, .session_s = 3600};
}

static inline struct conf_texts
rig_texts(const char **at, size_t n)
{
    return (struct conf_texts){at, n};
}

/* A configuration as the defaults would have it, with one SMTP listener; to be changed before rig_start(). */
static inline void
rig_init(void)
{
    static const char *listen[] = {"127.0.0.1:0"}, *allow[] = {"127.0.0.0/8"}, *domains[] = {"host.example"};
    rig = (struct rig){.base = event_base_new()};
    rig.root.host.smtp = (struct conf_smtp){.listen = rig_texts(listen, 1),
                                            .allow = rig_texts(allow, 1),
                                            .bare_newline = "refuse",
                                            .smtputf8 = "auto",
                                            .tls = {.mode = "may"}};
    rig.root.host.domains = rig_texts(domains, 1);
    rig.root.host.limits = rig_limits();
    rig.root.host.timeouts = rig_timeouts();
    rig.root.connectors = rig.connectors;
}

static inline void
rig_start(void)
{
    struct viaduct_reason reason = {"", ""};
    void *state = NULL;
    int prepared = smtp_inbound_ops.prepare(&rig_services, NULL, &state, &reason);
    if (prepared != 0 || smtp_inbound_ops.begin(state, &reason) != 0) {
        printf("Bail out! the server does not start: %s\n", reason.text);
        exit(1);
    }
    rig.server = state;
}

static inline void
rig_stop(void)
{
    smtp_inbound_ops.finish(rig.server);
    event_base_free(rig.base);
    buf_clear(&rig.log);
    buf_clear(&rig.envelope);
    buf_clear(&rig.body);
    buf_clear(&rig.last_body);
}

/* ---- the client ---- */

struct peer_end {
    int fd;
    struct buf got;
    bool over;
    int reads; /* that brought something */
};

/* Connects to the listener from a loopback address such as "127.0.0.1". */
static inline struct peer_end
client_from(int listener, const char *source)
{
    struct peer_end c = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    struct sockaddr_in in = {.sin_family = AF_INET};
    inet_pton(AF_INET, source, &in.sin_addr);
    bool good = bind(c.fd, (struct sockaddr *)&in, sizeof in) == 0;
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    in.sin_port = htons(rig.ports[listener]);
    if (!good || connect(c.fd, (struct sockaddr *)&in, sizeof in) < 0) {
        printf("Bail out! cannot connect from %s: %s\n", source, strerror(errno));
        exit(1);
    }
    fcntl(c.fd, F_SETFL, O_NONBLOCK);
    return c;
}

static inline void
client_read(struct peer_end *c)
{
    char bytes[65536];
    ssize_t got = recv(c->fd, bytes, sizeof bytes, 0);
    if (got > 0) {
        buf_add(&c->got, bytes, (size_t)got);
        c->reads++;
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        c->over = true;
    }
}

/* One turn: the server does what it can, then the client reads. */
static inline void
rig_turn(struct peer_end *c)
{
    event_base_loop(rig.base, EVLOOP_NONBLOCK);
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    if (!c->over && poll(&p, 1, 1) > 0)
        client_read(c);
}

/* Turns the loop while `condition` does not hold. */
#define rig_pump(c, condition)                                                                                 \
    for (int rig_turns_ = 0; rig_turns_ < GUARD_TURNS && !(condition); rig_turns_++)                           \
    rig_turn(c)

/* Sends all, turning the loop where the socket is full. */
static inline void
client_send(struct peer_end *c, const char *bytes, size_t len)
{
    for (int turns = 0; len > 0 && turns < GUARD_TURNS && !c->over; turns++) {
        ssize_t put = send(c->fd, bytes, len, MSG_NOSIGNAL);
        if (put > 0) {
            bytes += put;
            len -= (size_t)put;
        } else {
            rig_turn(c);
        }
    }
}

static inline void
client_say(struct peer_end *c, const char *text)
{
    client_send(c, text, strlen(text));
}

/* Where the next whole answer ends; 0 where it has not come yet. Only its last line counts (no '-' behind the
 * code). */
static inline size_t
answer_length(const struct buf *got)
{
    size_t at = 0;
    while (at < got->len) {
        const char *lf = memchr(got->at + at, '\n', got->len - at);
        if (lf == NULL)
            return 0;
        bool last = (size_t)(lf - got->at) < at + 4 || got->at[at + 3] != '-';
        at = (size_t)(lf - got->at) + 1;
        if (last)
            return at;
    }
    return 0;
}

/* Takes the next `n` answers; the text has code and enhanced status of each, parted by commas: "250 2.1.0,354".
 * "end" where the server has closed. */
static inline const char *
client_hear(struct peer_end *c, int n)
{
    static struct buf heard;
    buf_reset(&heard);
    buf_add_text(&heard, "");
    for (int i = 0; i < n; i++) {
        rig_pump(c, answer_length(&c->got) > 0 || c->over);
        size_t len = answer_length(&c->got);
        buf_add_text(&heard, i > 0 ? "," : "");
        if (len == 0) {
            buf_add_text(&heard, c->over ? "end" : "silence");
            break;
        }
        size_t line = len;
        while (line > 1 && c->got.at[line - 2] != '\n')
            line--;
        line = line > 1 ? line - 1 : 0;
        bool enhanced = len - line > 9 && c->got.at[line + 5] == '.' && c->got.at[line + 7] == '.';
        size_t word = enhanced ? strcspn(c->got.at + line + 4, " \r") + 4 : 3;
        buf_add(&heard, c->got.at + line, word);
        buf_consume(&c->got, len);
    }
    return heard.at;
}

static inline const char *
client_ask(struct peer_end *c, const char *text, int n)
{
    client_say(c, text);
    return client_hear(c, n);
}

/* Connected, greeted and EHLO said. */
static inline struct peer_end
client_greeted(int listener)
{
    struct peer_end c = client_from(listener, "127.0.0.1");
    client_hear(&c, 1);
    client_ask(&c, "EHLO client.example\r\n", 1);
    return c;
}

static inline void
client_close(struct peer_end *c)
{
    close(c->fd);
    buf_clear(&c->got);
    for (int i = 0; i < 5; i++)
        event_base_loop(rig.base, EVLOOP_NONBLOCK);
}

static inline bool
log_has(const char *text)
{
    return rig.log.at != NULL && strstr(rig.log.at, text) != NULL;
}

#define MAIL "MAIL FROM:<a@b.example>\r\n"
#define RCPT "RCPT TO:<c@host.example>\r\n"

#endif
