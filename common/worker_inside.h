/* worker_inside.h - what the chapters of the skeleton share; workers include worker.h only
 *
 *     worker.c           arguments, start, loop, end
 *     worker_names.c     folders, inotify, scans, names that wait for their time
 *     worker_jobs.c      claiming, judging, acting
 *     worker_state.c     the state file, suspects after a crash
 *     worker_recover.c   the sweep of Temp
 *     worker_control.c   operators' commands: holds, levels, runs
 *     maker.c, parts.c   new queue files; parts and report requests
 *     sandbox.c          confinement, derived from the moves; sandbox_calls.c: of system calls
 */
#ifndef VIADUCT_WORKER_INSIDE_H
#define VIADUCT_WORKER_INSIDE_H

#include "common/worker.h"
#include "common/worker_state.h"

struct event;

/* A folder that the worker takes from, and the names seen in it. */
struct source {
    enum folder folder;
    const char *connector; /* "" for folders there is one of */
    int fd, watch;
    bool rescan;           /* names may be there that are not in the ring */
    int64_t rescan_ms;     /* monotonic: when to look again in any case; 0: not planned */
    int64_t busy_until_ms; /* monotonic: until then a locked name is not waited for */
    int64_t cursor;        /* where in the folder a run goes on */
    size_t stride;         /* of the ring's names: strangers' names are longer */
    char *ring;
    size_t ring_size, ring_first, ring_count;
};

struct opened {
    enum folder folder;
    const char *connector;
    int fd;
};

/* A name that waits for its time (Deferred). */
struct waiting {
    int64_t time_s;
    uint32_t source;
    char name[QUEUE_NAME_MAX];
};

/* A file or folder outside the spool that the sandbox leaves to the worker. */
struct allowed_path {
    const char *path;
    bool write;
};

struct listener {
    const char *address;
    int fd;
};

/* A committed file in Temp whose move failed: the tick tries again. */
struct stuck_move {
    char stem[QUEUE_NAME_MAX];
    int to_fd;
    struct stuck_move *next;
};

struct service_inside {
    struct source *sources;
    size_t n_sources, next_source; /* whose turn it is */
    struct opened *opened;
    size_t n_opened;
    int notify_fd;
    struct event *notify_event, *tick_event, *term_event, *int_event, *hup_event;
    struct waiting *heap; /* earliest first */
    size_t n_heap;
    int64_t horizon_s; /* names due at or after this may not be in the heap; INT64_MAX: all are */
    struct job *free_jobs, *settled, **settled_end;
    size_t settled_bytes; /* memory of what is judged and not yet acted on */
    struct job *jobs;
    unsigned n_jobs, in_hand, n_waiting; /* of those in hand: which job_waits() was said of */
    struct state_page *state;
    struct state_entry *entries; /* behind the page */
    unsigned n_entries;          /* that the file has room for */
    int state_fd;                /* until the number of jobs is known */
    int lane, lane_fd;           /* Temp/<instance>.<lane>, locked */
    bool lane_busy[STATE_LANES]; /* others' lanes, at the last look */
    char lane_name[96];          /* "<instance>.<lane>" */
    int control_fd, control_watch;
    struct listener *listeners;
    size_t n_listeners;
    struct allowed_path *paths;
    size_t n_paths;
    const char **connectors; /* "host" and all of the configuration */
    size_t n_connectors;
    int64_t run_ms;         /* wall clock: a run of everything deferred began; 0: none */
    int64_t run_obeyed_ns;  /* which one */
    int64_t pause_until_ms; /* the spool refused a move: wait */
    int64_t hold_until_s;   /* 0: no end */
    int exit_status;
    uint64_t idle_moves; /* --once: 1 + the number of moves at the last look at all folders */
    bool suspects_running;
    struct source *suspect_source;
    char suspect_name[STATE_NAME_MAX];
    struct stuck_move *stuck_moves;
    struct maker *stuck; /* committed files whose last move failed: tried again by tick */
};

/* Its whole name in its folder. */
static inline const char *
job_name_there(const struct job *job)
{
    return job->true_name != NULL ? job->true_name : job->name;
}

/* worker_names.c */
int names_open(struct service *service);
void names_scan_planned(struct service *service, bool all);
bool names_next(struct service *service, struct source **source, char name[256]);
bool names_pending(const struct service *service);
void names_put(struct source *source, const char *name);
void names_wait(struct service *service, struct source *source, const char *name, int64_t time_s);
bool names_due(const struct service *service, int64_t now_s);
void names_make_due(struct service *service, int64_t now_s, size_t most);
struct source *names_source(struct service *service, enum folder folder, const char *connector);

/* worker_folders.c: opens a lane of the worker's Temp, by path, since Temp itself is nobody's to open in a sandbox. A
 * descriptor, or -errno. */
int lane_open(struct service *service, int lane);

/* worker_jobs.c */
void jobs_init(struct service *service);
void jobs_take(struct service *service);
void jobs_act(struct service *service);

/* worker_state.c */
int state_open(struct service *service);
int state_reserve(struct service *service); /* room for all jobs; 0, or -errno after it said why */
void state_begin_suspects(struct service *service);
bool state_next_suspect(struct service *service);
void state_hold_slot(struct service *service, struct job *job);
void state_free_slot(struct service *service, struct job *job);
unsigned state_crashes_of(struct service *service, const struct job *job);
void state_suspect_passed(struct service *service, const char *name);
void state_error(struct service *service, const char *text);
void state_close(struct service *service);

/* worker_recover.c */
int recover_temp(struct service *service);
void recover_own_lane(struct service *service); /* between conversions: what a child left */
void recover_other_lanes(struct service *service,
                         bool all); /* or of processes that have ended since the last look */

/* worker_control.c */
int control_open(struct service *service);
void control_read(struct service *service);
void control_tick(struct service *service);

void badmail_note(struct service *service, const char *stem, enum folder from, const char *connector,
                  const struct why *why, int badmail_fd);

/* maker.c */
void makers_retry(struct service *service);
void stuck_add(struct service *service, const char *stem, int to_fd);
/* The records of a file that was made: one for each recipient that this system is responsible for. */
void track_made(const struct service *service, const char *stem, const struct envelope *envelope,
                uint64_t bytes, enum track_event event);

/* sandbox.c: 0, or -errno where not even no_new_privs can be set; `told` says in words how the process is
 * confined and what the kernel could not give (then a line at level minimum says so too). */
int sandbox_enter(struct service *service, char *told, size_t size);
/* sandbox_calls.c: 0, or -errno where the kernel has no filter of calls. */
int sandbox_refuse_calls(const struct service *service);

#endif
