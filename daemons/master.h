/* master.h - what the chapters of the master share
 *
 *     master.c            arguments, start, signals, loop, end
 *     master_plan.c       which workers there are by the configuration; the spool's tree
 *     master_listener.c   listening sockets, and those that nobody serves
 *     master_child.c      starting, watching and restarting workers
 *     master_log.c        where the log goes
 *     master_status.c     state/master, sd_notify
 *     master_hold.c       messages in Hold whose time is over
 *     master_tree.c       folders that vanish and come back
 */
#ifndef VIADUCT_MASTER_H
#define VIADUCT_MASTER_H

#include <sys/types.h>

#include "common/ownership.h"
#include "common/worker_state.h"
#include "conf/conf.h"

enum { LISTENERS_MAX = 64, STOP_GRACE_MS = 30000, HANG_MS = 300000 };

enum child_state { CHILD_WAITING, CHILD_RUNNING, CHILD_ENDING, CHILD_GONE };

/* One worker process, or the place of one. */
struct child {
    enum worker_id worker;
    char connector[CONNECTOR_NAME_MAX + 1];
    char instance[100];
    enum child_state state;
    bool ready;    /* seen ready since its start */
    bool stuck;    /* killed because it did not come to work */
    bool optional; /* may find that there is nothing for it to do (WORKER_UNUSED) */
    pid_t pid;
    unsigned generation;
    int64_t started_ms, next_start_ms; /* monotonic */
    unsigned quick_deaths, restarts;   /* deaths soon after the start, in a row; all */
    int last_status;                   /* of waitpid */
    int64_t since_s, last_beat_ms, beat_seen_ms;
    unsigned still;    /* looks in a row that found no other beat */
    int64_t end_by_ms; /* monotonic: ENDING, killed after that: longer than any session (timeouts.session) */
    struct child *next;
};

struct master_listener {
    char address[120];
    int fd;
    bool wanted;
    bool resting;       /* does not listen */
    int64_t served_ms;  /* monotonic: when it was seen served last, or was opened */
    int64_t refusing_s; /* since when connections are refused; 0: it is served, or may be again in a moment */
};

struct master {
    const char *conf_path, *program_folder, *wrapper_instance, *wrapper_command;
    struct conf *conf;
    const struct conf_root *root;
    int snapshot_fd; /* what workers are given */
    int spool_fd, lock_fd, status_fd;
    int stderr_fd; /* stderr as it was at the start, where that outlives who started us; else -1 */
    struct ownership *ownership; /* NULL when not root */
    struct child *children;
    struct master_listener listeners[LISTENERS_MAX];
    size_t n_listeners;
    unsigned generation, next_slot;
    unsigned reloads; /* asked for, those refused as well: `viaduct reload` waits for its own */
    int64_t started_s, loaded_s;
    char conf_error[400]; /* of the last reload; "" for none */
    bool foreground, once, stopping, dirty;
    int64_t stop_deadline_ms, drain_deadline_ms; /* monotonic; 0: none */
    int64_t idle_since_ms;
    struct tree_folder *tree; /* the spool's folders, as they were when the newest workers were started */
    size_t n_tree;
    int64_t tree_look_ms; /* monotonic */
};

/* master_plan.c */
int plan_check_removed(const struct master *master, const struct conf_root *next, struct why *why);
int plan_spool(struct master *master, struct why *why);
void plan_children(struct master *master);
bool plan_road_is_empty(const struct master *master, bool with_drop);

/* master_listener.c */
int listener_plan(struct master *master, struct why *why);
bool listener_is_for(const struct master *master, const struct child *child, const char *address);
/* Makes those of a worker that is about to start listen. 0 or -errno, which was logged. */
int listener_wake(struct master *master, const struct child *child);
/* Once a second: whose connections nobody takes are refused. */
void listener_watch(struct master *master);

/* master_child.c */
void child_start_due(struct master *master);
void child_reap(struct master *master);
void child_end_all(struct master *master, unsigned before_generation, bool inbound_only);
void child_kill_all(struct master *master);
void child_watch(struct master *master);
bool child_any(const struct master *master);
bool child_takes_in(const struct master *master); /* one that brings mail onto the road is not through */
/* Whether it has told that it is through with its start. One under a wrapper counts as ready: its pid is the wrapper's. */
bool child_is_ready(struct master *master, struct child *child);

/* master_status.c */
/* Opens state/master, anew where the folder is another. 0, or -errno with `why`. */
int status_open(struct master *master, struct why *why);
void status_write(struct master *master);
/* Tells the service manager, where there is one: lines of sd_notify(3). */
void status_notify(const char *format, ...) __attribute__((format(printf, 1, 2)));
void status_notify_reloading(void);
void status_notify_ready(const struct master *master);

/* master_tree.c */
/* Notes which folders there are: those that workers to be started will know. */
void tree_remember(struct master *master);
/* True where no folder is missing and one is not that which was noted. A missing one is logged once. Looks once a second. */
bool tree_is_another(struct master *master);

/* master_log.c: opens the log's target as stderr. 0, or -errno after it said why. */
int master_log_open(struct master *master);
/* The same at a reload; where it fails all stays as it is. */
void master_log_reopen(const struct master *master);

/* master_hold.c */
void hold_release_due(struct master *master);

#endif
