/* worker.h - the skeleton that every worker lives in
 *
 * A worker is one `struct worker` and a main() of one line. It judges; the skeleton acts:
 *
 *     start      reads its arguments and configuration snapshot, opens its folders, enters its sandbox, sweeps
 * its own Temp, then scans its folders; loop       sleeps on inotify, sockets and timers; takes names in
 * batches; for each one claims the file (open, flock, check that the name still has that inode), reads and
 * checks it, and calls take(); act        for each verdict finds the one move that flow.def declares, writes
 * the log line and tracking records of the whole batch, then makes the moves; end        on SIGTERM stops
 * taking, lets what is in hand finish, and exits.
 *
 * take() may answer at once (verdict_of()) or keep the job (JUDGED_LATER) and call job_settle() when its
 * session is through; at most `max_in_hand` jobs are kept at a time.
 *
 * Recovery: what is in hand stands in the worker's state file (a shared mapping, so writing it costs no system
 * call and outlives a crash). After a crash those messages are taken alone, one by one; what was alone in hand
 * at three crashes goes to Badmail with the reason. What a file damaged beyond reading holds goes to Badmail
 * without troubling the worker.
 *
 * What is hostile here: every byte of a queue file. A worker that was taken over can move what its row in
 * flow.def lets it move, and write such files; nothing else.
 *
 * SECURITY: no worker runs as root when the master does; see common/sandbox.h.
 */
#ifndef VIADUCT_WORKER_H
#define VIADUCT_WORKER_H

#include "common/book.h"
#include "common/commit.h"
#include "common/log.h"
#include "common/queue_file.h"
#include "conf/conf.h"
#include "spool-layout/layout.h"

struct event_base;
struct service;
struct job;

/* What take() says of a job. */
struct judgement {
    enum verdict verdict; /* VERDICT_NONE with `later`: job_settle() will follow */
    bool later;
    bool sync; /* the journal was appended to: fdatasync before the move (not needed when it is unlinked) */
    const char *connector; /* where the move leads to a connector's folder: which; else NULL (the job's own) */
    int64_t next_s;        /* DEFER: when it is due */
    struct why why;        /* the reason; status "" and text "" for none */
};

#define JUDGED_LATER ((struct judgement){.later = true})

/* A judgement with a reason (printf). */
struct judgement judge(enum verdict verdict, const char *status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* One claimed message. Its memory, arena and descriptor live until it is settled. */
struct job {
    struct service *service;
    enum folder folder;
    const char *connector;     /* whose folder it lies in; "" for folders there is one of */
    char name[QUEUE_NAME_MAX]; /* in that folder */
    struct queue_name parts;
    int fd;                 /* locked, read and write; for DROP folders read only */
    struct queue_file file; /* read and checked; zero in a DROP folder */
    struct arena *arena;
    void *data;       /* the worker's */
    int64_t taken_ms; /* monotonic */
    /* the skeleton's: */
    unsigned slot;
    struct judgement judgement;
    bool poison; /* it ended the worker before: raw workers must put it aside without looking into it */
    bool told, closed, kept, waits;
    const char *true_name; /* of a stranger's file; NULL else */
    struct job *next;
};

/* What a worker may do with the network once it is confined. Nobody opens a door: listeners come from the
 * master. */
enum network {
    NETWORK_NONE,   /* no sockets */
    NETWORK_ACCEPT, /* answers those who connect, and connects to nobody */
    NETWORK_CONNECT /* talks to other systems over IP and local sockets */
};

struct worker {
    enum worker_id id;
    unsigned
        max_in_hand;  /* 1 to 512; how many jobs are claimed at a time, those judged in one batch included */
    unsigned threads; /* of the commit pool; 0: none */
    bool raw; /* take() gets files unread (DROP): job->data is then the file's true name (const char *) */
    enum network network;

    /* Called once, before the sandbox closes: open listeners, load tables, keys, modules. 0, or -errno after it
     * said why; -EOPNOTSUPP: there is nothing for this worker to do. */
    int (*prepare)(struct service *service);
    /* Called once inside the sandbox, after recovery, when the loop is about to run. May be NULL. */
    int (*begin)(struct service *service);
    /* Looks at one message. Called with a message that cannot be read only by workers with `raw`. */
    struct judgement (*take)(struct service *service, struct job *job);
    /* A stranger's file that could not be opened (raw workers): `name` is hostile, `error` an errno. May be
     * NULL. */
    void (*refused)(struct service *service, const char *name, int error);
    /* Called about once a second. May be NULL. */
    void (*tick)(struct service *service);
    /* Called when the worker shall end: stop listening, close what is idle. May be called more than once. May
     * be NULL. */
    void (*drain)(struct service *service);
    /* True while something is unfinished that is no job (sessions): the worker waits for it when ending. May be
     * NULL. */
    bool (*busy)(struct service *service);
    /* Called last. May be NULL. */
    void (*finish)(struct service *service);
    /* Recovery of a complete file of the worker's own Temp whose row needs more than the general rules
     * (worker_recover.c): returns true where it did all, or false to let those go on. May be NULL. */
    bool (*recover)(struct service *service, const char *name, struct queue_file *file);
};

/* The process around a worker. Members are read by workers; only `data` is theirs to write. */
struct service {
    const struct worker *worker;
    const struct conf *conf;
    const struct conf_root *root;
    const struct conf_connector *connector; /* NULL for workers there is one of, and for the host's gateways */
    const char *connector_name;             /* "host", a connector's name, or "" */
    struct event_base *base;
    struct commit_pool *pool; /* NULL where worker->threads is 0 */
    int spool_fd, temp_fd;
    char instance[80];    /* "outbound-gateway-branch": names its Temp, state, counters, tracking log */
    bool once;            /* --once: run until idle, then end */
    bool ending;          /* no new work */
    bool full;            /* the spool has too little room: take nothing from outside (4.3.1) */
    bool on_hold;         /* an operator holds this worker's direction */
    bool resting;         /* the worker's to set: takes nothing now (its schedule is closed) */
    unsigned max_in_hand; /* the worker's to lower in prepare() */
    enum network network; /* the worker's to lower in prepare() */
    void *data;           /* the worker's */
    struct service_inside *inside; /* the skeleton's */
};

/* What a worker's main() returns. Arguments (given by the master, or by hand for one worker):
 *     -c FILE            configuration file, or          --conf-fd N     snapshot made by the master
 *     --connector NAME   for workers per connector       --slot N        number of the process, for ids
 *     --listen A=FD      a listening socket, repeated    --once          run until idle, then exit 0
 * Exit status: 0 ended as asked; 3 configuration; 70 a bug; 71 the system refused something needed (the master
 * waits before it starts the worker again); 72 there is nothing for it to do (WORKER_UNUSED). */
int worker_main(const struct worker *worker, int argc, char **argv);

/* ---- for workers ---- */

/* Settles a job kept by JUDGED_LATER. Its move is made at the end of this turn of the loop; the job is gone
 * then. */
void job_settle(struct job *job, struct judgement judgement);

/* The job only waits from now on, perhaps long, for the other side: a crash meanwhile is not its fault, and after one the
 * next suspect need not wait for it. Until job_settle(), which may be called then as ever. */
void job_waits(struct job *job);

/* In a child that a converter forked: takes from it what is left of signals to others, its parent among them. */
void sandbox_refuse_signals(void);

/* book_refresh(), which see; what is torn is told of, in the log and in the worker's status, once (`told` keeps that). */
struct book;
int service_refresh_book(struct service *service, struct book *book, bool *told);

/* A descriptor of a folder that the worker's moves name (or Temp); opened once. BUG where flow.def does not let
 * it. */
int service_folder(struct service *service, enum folder folder, const char *connector);

/* A listening socket that the master opened for `address`, or one opened now (by hand as a user). -errno with
 * why. */
int service_listener(struct service *service, const char *address, struct why *why);

/* In prepare(): a file or folder outside the spool that the sandbox shall leave to the worker. */
void service_allow_path(struct service *service, const char *path, bool write);

/* The same for the folder that a file lies in, since a file may be replaced by renaming. */
void service_allow_parent(struct service *service, const char *path, bool write);

/* Names in a folder are looked at again soon (all of them). */
void service_rescan(struct service *service, enum folder folder);
void service_rescan_in(struct service *service, enum folder folder, int64_t ms);

/* An error that `status` shows as the worker's last one. */
void service_error(struct service *service, const char *text);

/* True where the connector takes no mail now: an operator holds its outward direction, and its configuration says `hold =
 * refuse`. Any other connector takes mail while it is held. `service` is a struct service *: the shape is that of `closed` in
 * struct route_choice. */
bool service_connector_refuses(void *service, const char *connector);

/* Everything deferred so far becomes due (an outage is over, an operator asks): each message once. */
void service_run_deferred(struct service *service);

/* Writes a new file's record of the road: the log line `id=... verdict=... from=... to=... why=...`. */
void service_log_move(struct service *service, const char *id, enum folder from, const char *connector,
                      enum verdict verdict, enum folder to, const char *to_connector, const struct why *why);

/* ---- for those who make files ----
 * A maker writes one queue file in Temp and commits it by a REWRITE move: intake of gateways and pickup, parts
 * of a split, reports and report requests. */

struct maker;

/* Begins a file. `envelope` is kept by reference until maker_commit() or maker_drop(); its id must be set.
 * `stem` names the file: the id itself, a part "<id>.2", a request "<id>.r1". `reserve`: see queue_writer_new.
 * NULL with why: 4.3.1 disk full, 4.3.0 else. */
struct maker *maker_new(struct service *service, const char *stem, struct envelope *envelope, size_t reserve,
                        struct why *why);

/* Adds body bytes (LF line ends). -errno on failure: the caller refuses the message and drops the maker. */
int maker_add(struct maker *maker, const void *bytes, size_t len);
uint64_t maker_bytes(const struct maker *maker);

/* A journal entry that the new file carries from its beginning. */
void maker_journal(struct maker *maker, const struct journal_entry *entry);

/* Completes the file, writes its tracking records (`track` for each recipient; TRACK_COUNT: none) and log line,
 * makes it durable, removes `source` where given (a file in a folder of a stranger, or what it replaces), and
 * moves it to where the worker's REWRITE move for (from, verdict) leads. `done` is called in the loop with 0 or
 * -errno; the file is then accepted or removed. The maker is freed before `done`. With service->pool NULL all
 * happens during the call. */
struct maker_goal {
    enum folder from;
    enum verdict verdict;
    const char *connector; /* of the folder it goes to; NULL: the worker's own */
    enum track_event track;
    int source_fd; /* -1: none */
    const char *source_name;
    ino_t source_inode; /* 0, or which file that is, where others may put another in its place */
    struct why why;     /* for the log line */
};
void maker_commit(struct maker *maker, const struct maker_goal *goal, void (*done)(void *arg, int result),
                  void *arg);

/* Gives up; removes what was written. NULL is allowed. */
void maker_drop(struct maker *maker);

/* ---- splits and report requests, made from a job (they keep the promise that parts exist only when committed)
 * ---- */

/* Report request for the recipients whose state is FAILED, RELAYED with success asked for, or DELAYED, leaving
 * the job where it is: writes id.rN (header, and body up to reports.return), fsyncs, appends *reported rN* to
 * the job's journal (their state becomes REPORTED; delayed ones stay pending and warned_ms is set), moves it to
 * Bounce. Synchronous. `marks` name the recipients. Returns 0 or -errno with why (the job is then deferred by
 * the caller). */
int job_request_report(struct job *job, const struct recipient_mark *marks, size_t n_marks, struct why *why);

/* The same for all recipients that are FAILED or RELAYED and were not reported: what an earlier try owed, too. */
int job_request_owed(struct job *job, struct why *why);

/* Appends recipient marks, whose texts must live as long as the job, and applies them to job->file.envelope. The judgement's `sync` must be set then. */
int job_mark(struct job *job, const struct recipient_mark *marks, size_t n_marks, struct why *why);

/* Marks all pending recipients that this message is responsible for FAILED with this reason, and tracks it. The
 * judgement to return is FAIL (with `sync`), or NONE where the journal could not be written (the message is
 * taken again). */
struct judgement job_fail(struct job *job, const struct why *why);

/* One tracking record for a recipient. */
void job_track(const struct job *job, enum track_event event, const struct recipient *recipient,
               struct span translated, const struct why *why, const char *remote);

/* Appends an entry and applies it. */
int job_journal(struct job *job, const struct journal_entry *entry, struct why *why);

/* Splits a message: for each part the recipients (indexes) and the connector. Writes all parts, fsyncs them,
 * appends *committed* to the parent and fsyncs it, moves the parts into their MTS-OUT. The caller then judges
 * DONE (SPLIT). On error the message stays where it is, and is split again or, where *committed* was reached,
 * goes on from there (job_split_resume: moves what is left in Temp). */
struct split_part {
    const char *connector;
    const uint32_t *recipients;
    size_t n_recipients;
};
int job_split(struct job *job, const struct split_part *parts, size_t n_parts, struct why *why);
int job_split_resume(struct job *job, struct why *why);

#endif
