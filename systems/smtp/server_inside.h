/* server_inside.h - what the chapters of the SMTP server share
 *
 *   server.c          the module's life: listeners, limits, accepting, ending
 *   server_admit.c    who may connect: networks, clients, rates, whose session it is
 *   server_session.c  one session: greeting, lines, PROXY, TLS, the end
 *   server_command.c  the commands but those of a transaction
 *   server_mail.c     MAIL, and what its parameters have in common with those of RCPT
 *   server_rcpt.c     RCPT
 *   server_message.c  DATA, the message, its commit
 *   server_xclient.c  XCLIENT
 *   server_data.c     the end-of-data automaton
 *
 * A session's phases
 *
 *     PROXY ---> (TLS) ---> COMMAND <---> DATA ---> COMMIT ---> COMMAND
 *                              |
 *                              +--> STARTTLS: TLS ---> COMMAND
 *
 * In COMMIT the connection is paused: commands sent ahead stay in its buffer. A session whose client leaves
 * then lives without a connection until intake_commit() has called back.
 *
 * Sessions are pooled with their buffers, arena and recipients, so a command costs no allocation.
 */
#ifndef VIADUCT_SERVER_INSIDE_H
#define VIADUCT_SERVER_INSIDE_H

#include <event2/event.h>
#include <event2/event_struct.h>

#include "common/arena.h"
#include "systems/smtp/conn.h"
#include "systems/smtp/netlist.h"
#include "systems/smtp/server_data.h"
#include "systems/viaduct/system.h"

enum {
    COMMAND_MAX =
        2048, /* octets of a command line with its CRLF; RFC 5321 asks for 512 and room for extensions */
    HELO_MAX = 255,
    REPLY_TEXT_MAX = 400,
    CLIENT_BUCKETS = 1024
};

/* Whose mail a session brings: the gateway's own system, or a connector that says `from`. */
struct peer {
    const char *name; /* "" for the gateway's own */
    struct netlist from;
    const struct conf_limits *limits;
    const struct conf_timeouts *timeouts;
    long n_sessions;
};

/* What is known of one client address while it has sessions or a rate is counted. */
struct client {
    struct client *next; /* in its bucket */
    struct net_address address;
    long n_sessions;
    int64_t window_ms; /* when the minute began (monotonic) */
    long in_window;    /* messages in it */
};

struct listener {
    struct smtp_server *server;
    const char *address;
    bool lmtp, tls;
    int fd;
    struct event event;
};

struct session;

struct rcpt_key {
    uint64_t hash;
    size_t index; /* of the recipient, and 1; 0 free */
};

struct smtp_server {
    const struct viaduct_services *services;
    struct viaduct_gateway *gateway;
    struct event_base *base;
    const struct conf_smtp *conf;
    const char *hostname, *default_domain; /* the latter is that of <postmaster> */
    const char *postmaster;                /* admin-address, who is <postmaster> first; NULL not set */
    bool utf8, normalize, tls_needed, ending, starved;
    SSL_CTX *tls; /* NULL: no certificate, or mode none */
    struct netlist allow, proxy_from, xclient_from;
    struct peer *peers; /* [0] is the gateway's own */
    size_t n_peers;
    struct listener *listeners;
    size_t n_listeners;
    struct session *first, *last; /* oldest first */
    struct session *pool;
    long n_sessions, n_pool, max_sessions; /* the last counts those too that are being refused */
    long n_flooded, max_recipients;
    uint64_t n_started;
    struct client *clients[CLIENT_BUCKETS];
    uint64_t seed;
};

enum phase { PHASE_PROXY, PHASE_TLS, PHASE_COMMAND, PHASE_DATA, PHASE_COMMIT };

struct session {
    struct smtp_server *server;
    const struct listener *listener;
    struct session *prev, *next;
    struct conn *conn; /* NULL: the client left during the commit */
    enum phase phase;
    uint64_t number;
    int64_t start_ms;
    struct net_address origin;  /* of the socket */
    struct net_address address; /* the client's, by PROXY or XCLIENT where given */
    struct peer *peer;          /* NULL until admitted */
    struct client *client;
    struct buf name, helo; /* the client's name (XCLIENT) and what it called itself; "" none */
    bool unknown_client;   /* its proxy could not tell its address: a client in no network */
    bool only_proxy;       /* admitted to say XCLIENT and no more: a proxy that is in no network itself */
    bool welcomed;         /* we have said 220 */
    bool greeted;          /* HELO, EHLO or LHLO was accepted */
    bool extended;         /* EHLO or LHLO */
    bool secure;           /* TLS */
    bool swallowing;       /* an overlong line is being read to its end */
    bool blocked;          /* the client does not read its answers */
    bool committing;       /* within intake_commit() */
    long errors, idle_commands, messages;
    /* the transaction */
    bool mail;
    bool smtputf8;
    struct arena *arena;
    struct span originator, ret, envid;
    struct viaduct_recipient_in *recipients;
    size_t n_recipients, recipients_size, n_refused;
    size_t n_answered;     /* RCPT commands that were taken, repeats among them */
    struct rcpt_key *keys; /* of the recipients, by hash: open addressing, a power of two */
    size_t n_keys;
    /* the message */
    struct smtp_data data;
    struct viaduct_intake *intake;
    char failure[REPLY_TEXT_MAX + 32]; /* the answer that waits for the end of data; "" none */
    char id[64];
};

/* ---- server.c ---- */

/* Begins a session on a connected socket, which it takes. */
void server_start_session(struct smtp_server *server, const struct listener *listener, int fd,
                          const struct sockaddr *peer);

/* ---- server_admit.c ---- */

/* Settles whose session it is by s->address and counts it. Returns NULL, or the answer for a client that is
 * refused. May be called again when the address has changed. */
const char *session_admit(struct session *s);
/* Takes the session out of the counts; safe where it was not admitted. */
void session_unadmit(struct session *s);
/* Counts a message; true where the client has sent too many in this minute. */
bool client_is_too_fast(struct session *s);
/* Forgets clients that are gone. */
void clients_tidy(struct smtp_server *server);
void clients_clear(struct smtp_server *server);

/* ---- server_session.c ---- */

extern const struct conn_ops session_conn_ops;

/* Begins to talk (or to wait for PROXY or TLS). */
void session_begin(struct session *s);
/* Says 220, or refuses a client that is not admitted or talks first. */
void session_greet(struct session *s);
/* Works off what is in the buffer, and sends the answers. */
void session_run(struct session *s);
/* Last words and the end. */
void session_hang_up(struct session *s, const char *reply);
/* Nothing is under way that the end would lose. */
bool session_is_idle(const struct session *s);
/* Gives back what a session holds, and the session to its pool. */
void session_end(struct session *s);
/* Ends them all without a word, and empties the pool. A session whose commit is out stays until that calls back
 * (its `server` is then NULL), which is what session_forget() is for. */
void sessions_clear(struct smtp_server *server);
void session_forget(struct session *s);

/* One line of answer, with its CRLF. */
void session_answer(struct session *s, const char *reply);
/* An answer made of parts; bytes that are not printable ASCII become '?'. No CRLF in the format. */
void session_answerf(struct session *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Refuses: an answer, and a line in the log that says who, what and why. BLUNDER counts as an error of the
 * client's program, POLICY does not: a list with many unknown recipients is no broken client. */
enum refusal { BLUNDER, POLICY };
void session_refuse(struct session *s, enum refusal refusal, struct span what, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The line in the log alone. `reply` is the answer given. */
void session_log_refusal(struct session *s, struct span what, const char *reply);

/* "mx.example [192.0.2.1]" or "[192.0.2.1]"; `out` is reset first. */
void session_print_client(const struct session *s, struct buf *out);

/* ---- server_command.c ---- */

void session_command(struct session *s, struct span line);
/* True where a text may stand as a HELO or client name: it goes into Received. */
bool name_is_sane(struct span name);

/* ---- server_mail.c ---- */

void session_mail(struct session *s, struct span args);
/* Forgets the transaction. */
void session_reset(struct session *s);
/* The reply code that goes with an enhanced status. */
int reply_code(const char *status);
/* Undoes xtext (RFC 3461 section 4). Returns false where it is malformed or hides an octet that is no printable
 * ASCII; with `utf8` it may hide octets above 127, which the caller checks. `out` (may be NULL) is reset first. */
bool xtext_decode(struct span text, bool utf8, struct buf *out);
/* Takes the next word off, parted by blanks; empty at the end. */
struct span next_parameter(struct span *rest);
/* Parts "KEY=value" or "KEY"; `*value` has no `at` where there is no "=". Returns the key. */
struct span split_parameter(struct span parameter, struct span *value);
/* Reads "FROM:<path>" or "TO:<path>". Returns false with the answer given. */
struct address;
bool take_path(struct session *s, struct span args, struct span word, struct address *address,
               struct span *rest);
bool has_octets_above_127(struct span s);

/* ---- server_rcpt.c ---- */

void session_rcpt(struct session *s, struct span args);
/* Forgets the recipients. */
void recipients_reset(struct session *s);

/* ---- server_message.c ---- */

void session_data(struct session *s, struct span args);
/* Takes message bytes from the buffer. */
void session_take_data(struct session *s);

/* ---- server_xclient.c ---- */

void session_xclient(struct session *s, struct span args);
bool session_may_xclient(const struct session *s);

#endif
