/* client.h - inside the SMTP client: what its chapters share
 *
 *     client.c          the module's operations; jobs in, results out
 *     client_pool.c     which job goes over which session; when sessions are opened
 *     client_hops.c     next hops and their addresses: choice, fail-over, back-off
 *     client_session.c  one connection from connect(2) to QUIT, without mail
 *     client_hello.c    greeting, EHLO, STARTTLS
 *     client_round.c    one message over a session that is open, in as many rounds as the peer needs
 *     client_mail.c     one round: a transaction from MAIL to the answer to its dot
 *     client_outcome.c  whether the peer can take it, and what its answers mean
 *     client_command.c  MAIL and RCPT with their parameters
 *     client_test.c     `connector test`
 *
 * A job is a delivery in the module's hands. It waits in the pool, or belongs to one session; it ends by
 * client_job_end() or client_job_convert() and in no other way.
 *
 * The gateway may hand over a new delivery from inside any call that ends one. Such a job is only put in the
 * queue (`inside`); whoever made the call looks at the queue afterwards, so that nothing recurses.
 */
#ifndef VIADUCT_SMTP_CLIENT_INSIDE_H
#define VIADUCT_SMTP_CLIENT_INSIDE_H

#include "conf/conf.h"
#include "systems/smtp/client_data.h"
#include "systems/smtp/conn.h"
#include "systems/smtp/resolve.h"
#include "systems/smtp/smtp_reply.h"
#include "systems/smtp/smtp_url.h"
#include "systems/smtp/tls.h"
#include "systems/viaduct/system.h"

struct smtp_client;
struct client_session;

struct client_job {
    struct viaduct_delivery *d;
    struct client_job *next;
    struct buf marks; /* a byte for each recipient: how far he is; empty before the first session had it */
    size_t most;      /* recipients that the peer took at once, by its own word; 0: it said nothing */
    bool retried;     /* came back from a connection that had died while idle, without any progress since */
    bool begun;       /* a round is over: some recipients have their answer */
    bool turned;      /* an address opened a session and then turned it away */
};

/* One address of a next hop, and how it fared. */
struct client_target {
    struct resolve_address address;
    unsigned failures;      /* in a row; 0: it is up as far as is known */
    unsigned swept;         /* the sweep in which it failed last */
    bool probing;           /* a session is finding out whether it is up again */
    int64_t failed_ms;      /* monotonic, as all times here */
    int64_t due_ms;         /* left out until then */
    int64_t plain_until_ms; /* TLS failed there lately (mode may only) */
};

struct client_hop {
    struct smtp_client *client;
    struct smtp_url url;
    struct client_target targets[RESOLVE_MAX];
    size_t n;                    /* 0: not looked up yet, or in vain */
    struct client_target lookup; /* stands for the hop while n is 0 */
    bool resolving;
    int64_t refresh_ms;
};

struct smtp_client {
    const struct viaduct_services *services;
    struct viaduct_gateway *gateway;
    struct event_base *base;
    const struct conf_limits *limits;
    const struct conf_timeouts *timeouts;
    struct tls_client *tls;
    struct resolver *resolver;
    const char *node;
    struct client_hop *hops;
    size_t n_hops;

    struct client_job *first, **last; /* waiting */
    struct client_job *spare;         /* for reuse */
    size_t n_waiting;
    struct client_session *sessions;
    size_t n_sessions, n_opening, n_idle;
    size_t most;           /* sessions allowed now: the limit, or less where the peer said so */
    int64_t most_until_ms; /* until then */
    unsigned sweep;        /* counts outages and recoveries, see client_hops.c */
    bool proven;           /* the last session that was tried became one */
    bool told;             /* services->reachable() was called since the last outage */
    bool pumping, draining;
    unsigned inside;
    struct event *kick;
    struct why outage; /* what failed since the last session that worked: the first status, all words */
    char *chunk;       /* CLIENT_CHUNK bytes, for bodies */
};

enum { CLIENT_CHUNK = 64 * 1024, CLIENT_WINDOW = 100 /* commands under way without answer */ };

/* ---- sessions (client_session.c) ----
 *
 *     CONNECT -> [TLS] -> GREETING -> HELLO [-> HELO] [-> STARTTLS -> TLS -> HELLO] -> IDLE
 *     IDLE -> [RSET] -> MAIL -> RCPT... -> DATA -> BODY -> DOT -> IDLE         IDLE -> CLOSING
 *     any state -> CLOSING -> gone
 */
enum session_state {
    SESSION_CONNECT,
    SESSION_TLS,
    SESSION_GREETING,
    SESSION_HELLO,
    SESSION_HELO,
    SESSION_STARTTLS,
    SESSION_IDLE,
    SESSION_RSET,
    SESSION_MAIL,
    SESSION_RCPT,
    SESSION_DATA,
    SESSION_BODY,
    SESSION_DOT,
    SESSION_CLOSING
};

/* Who looks after a session. None of these may free it; it frees itself after `failed` and `closed`. */
struct session_owner {
    void (*opened)(struct client_session *session); /* greeted, TLS as wanted: mail may go; `ready` follows */
    void (*ready)(struct client_session *session);  /* idle: session_start() may be called */
    void (*served)(struct client_session *session); /* the first answer about mail, and no farewell */
    void (*returned)(struct client_session *session,
                     struct client_job *job);                              /* not begun: for another session */
    void (*failed)(struct client_session *session, const struct why *why); /* never opened; gone */
    void (*closed)(struct client_session *session, const struct why *why); /* was opened; gone */
    void (*note)(struct client_session *session, const char *text);        /* each step in words; may be NULL */
};

struct client_session {
    struct smtp_client *client;
    struct event_base *base;
    const struct session_owner *owner;
    void *arg; /* the owner's */
    struct client_session *next, *before;
    struct client_hop *hop;
    struct resolve_address address;
    struct conn *conn;
    enum session_state state;
    enum tls_mode mode;
    bool opened, lmtp, implicit_tls, secured;
    bool plain; /* go on without TLS */
    bool served;
    bool turned; /* 421 in front of all mail: as good as a connection refused */
    bool busy;   /* turned away with a 4xx: there may be too many of us */
    bool ended;  /* the peer said 421, or a last message was sent */
    struct smtp_caps caps;
    struct smtp_reply reply;
    struct why cause; /* why we broke it off */
    char peer[340];   /* "mx.example[192.0.2.1]:25" */
    char remote[270]; /* "dns; mx.example" */
    long messages;    /* handed over */
    int64_t started_ms, since_ms /* idle */, deadline_ms /* of the answer awaited */;

    /* the message under way (client_round.c, client_mail.c) */
    struct client_job *job;
    size_t to_send, to_answer;            /* recipients */
    size_t sent, most;                    /* recipients of this round, and how many it may have */
    size_t awaited;                       /* answers */
    size_t accepted, held;                /* recipients; held: in a row */
    bool progress;                        /* who was accepted in this round is settled, for good */
    int stage;                            /* the next command */
    bool rset_open, mail_open, data_open; /* sent, not answered */
    bool mail_refused, answered, needs_rset, utf8;
    uint64_t offset;
    struct smtp_data data;
};

/* Opens a session to an address of a hop. Returns NULL with `why` where it fails at once; no callback comes
 * then. */
struct client_session *session_open(struct smtp_client *client, struct event_base *base, struct client_hop *hop,
                                    const struct resolve_address *address, bool plain,
                                    const struct session_owner *owner, void *arg, struct why *why);

/* Gives an idle session a job. True: it is under way, and `ready` will come; false: the job has ended already.
 */
bool session_start(struct client_session *session, struct client_job *job);

/* Says QUIT and closes. */
void session_quit(struct client_session *session);

/* Closes at once: the cause reaches the job, or the owner. */
void session_break(struct client_session *session, const char *status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Looks at deadlines and idle time; to be called about once a second. */
void session_tick(struct client_session *session, int64_t now_ms);

/* Frees a session without a word to its owner. */
void session_free(struct client_session *session);

/* Goes over to `state`: sets its time-out and deadline. */
void session_await(struct client_session *session, enum session_state state);

/* The message is settled: idle again, or QUIT. */
void session_done(struct client_session *session);

/* True where the session takes no further MAIL. */
bool session_is_used_up(const struct client_session *session);

/* A step in words, for `connector test`. */
void session_note(struct client_session *session, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- opening a session (client_hello.c) ---- */

void hello_connected(struct client_session *session);
void hello_secure(struct client_session *session); /* the handshake is over */
void hello_answer(struct client_session *session); /* session->reply is whole */

/* ---- mail over a session (client_mail.c) ---- */

void mail_begin(struct client_session *session);   /* a round: all who are marked MARK_SEND, or some of them */
void mail_answer(struct client_session *session);  /* session->reply is whole */
void mail_drained(struct client_session *session); /* output was written */
void mail_lost(struct client_session *session, const struct why *why);

/* ---- rounds (client_round.c) ---- */

/* How many recipients the next round may have. */
size_t round_most(const struct client_session *session);

/* A recipient is one too many for now, as session->reply says. */
bool round_is_too_many(const struct client_session *session);
void round_hold(struct client_session *session, size_t index);

/* The round is over: another one, or the job ends. */
void round_end(struct client_session *session);

/* ---- fit and outcomes (client_outcome.c) ---- */

/* job->marks. HELD: too many for this round; there is a result, LATER, unless a further round brings another. */
enum { MARK_SETTLED, MARK_SEND, MARK_SENT, MARK_ACCEPTED, MARK_HELD };

static inline size_t
mail_recipients(const struct client_session *session)
{
    return session->job->d->n_recipients;
}

static inline unsigned char *
mail_mark(const struct client_session *session, size_t index)
{
    return (unsigned char *)session->job->marks.at + index;
}

/* False: the peer cannot take the message, and the job has ended (refused, or gone to the converter). A
 * converted message with a recipient whose address has no ASCII form goes to the others, see
 * mail_mark_recipients(). */
bool mail_peer_can(struct client_session *session, struct client_job *job);

/* Marks who is to be sent, and refuses whose address cannot be. Returns how many are. */
size_t mail_mark_recipients(struct client_session *session);

/* The result of one recipient; of those who were accepted (and where it is LATER, of those who are not asked
 * yet as well: they would fare no better now); of all that have none yet. */
void mail_settle(struct client_session *session, size_t index, enum viaduct_outcome outcome,
                 const struct viaduct_reason *reason);
void mail_settle_accepted(struct client_session *session, enum viaduct_outcome outcome,
                          const struct viaduct_reason *reason);
void mail_settle_all(struct client_session *session, enum viaduct_outcome outcome,
                     const struct viaduct_reason *reason);

/* What session->reply means in the session's state, and in words: "mx.example said: 550 5.1.1 no such user". */
enum viaduct_outcome mail_outcome(const struct client_session *session);
void mail_reason(const struct client_session *session, enum viaduct_outcome outcome,
                 struct viaduct_reason *reason);

/* ---- commands (client_command.c) ---- */

/* True where the address can stand between < and >: no control bytes, no blank or bracket outside of quotes. */
bool command_address_ok(struct viaduct_text address);
bool command_is_ascii(struct viaduct_text text);
/* Whether an address can be written in ASCII, its domain as A-labels. */
bool command_has_ascii_form(struct viaduct_text address);
void command_mail(struct client_session *session, struct buf *out);
void command_rcpt(struct client_session *session, size_t index, struct buf *out);

/* ---- jobs (client.c) ---- */

void client_job_end(struct smtp_client *client, struct client_job *job, bool unreachable,
                    const struct viaduct_reason *reason);
void client_job_convert(struct smtp_client *client, struct client_job *job, const char *need);
void client_job_result(struct smtp_client *client, struct client_job *job, size_t index,
                       enum viaduct_outcome outcome, const struct viaduct_reason *reason, const char *remote);

/* ---- the pool (client_pool.c) ---- */

void pool_add(struct smtp_client *client, struct client_job *job);
void pool_pump(struct smtp_client *client);
void pool_tick(struct smtp_client *client);
void pool_drain(struct smtp_client *client);

/* ---- next hops (client_hops.c) ---- */

enum hop_choice { HOP_CHOSEN, HOP_WAIT /* for a name server */, HOP_NONE };

/* The address to try next. With `desperate` back-off does not count, and each address is given once in a sweep.
 */
enum hop_choice hops_choose(struct smtp_client *client, bool desperate, struct client_hop **hop,
                            struct client_target **target);
void hops_failed(struct client_hop *hop, const struct resolve_address *address, int64_t started_ms);
void hops_worked(struct client_hop *hop, const struct resolve_address *address);
/* The address as the hop knows it; NULL where it is no longer one of the hop's. */
struct client_target *hops_find(struct client_hop *hop, const struct resolve_address *address);
/* Adds to client->outage what failed. */
void hops_note(struct smtp_client *client, const char *who, const struct why *why);
/* A local socket's address. */
void hops_local(const struct smtp_url *url, struct resolve_address *address);

int client_test(struct smtp_client *client, void (*line)(void *arg, const char *text), void *arg);

#endif
