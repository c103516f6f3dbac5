/* sandbox.c - which files a worker may still touch, derived from its moves (see worker.h)
 *
 * Landlock: every folder that flow.def lets the worker take from or put into, its own Temp, and a few files to
 * read. All its message folders get the same rights on files, since a rename into a folder with more rights is
 * refused (EXDEV); direction is expressed by REMOVE_FILE (takes), MAKE_REG (puts) and REFER (both). What the
 * kernel's version of Landlock cannot express is left out and said in the worker's status.
 *
 * seccomp: sandbox_calls.c.
 *
 * Not dumpable: keys and mail reach neither a core file nor another process of the same user (/proc/PID/mem,
 * ptrace).
 *
 * A worker started by an ordinary user is confined by the same code; only the change of user is missing.
 *
 * Sources: landlock(7), landlock_create_ruleset(2).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/worker_inside.h"

/* Rights that a Debian 12 header does not know by name; the kernel may. */
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif
#ifndef LANDLOCK_ACCESS_FS_IOCTL_DEV
#define LANDLOCK_ACCESS_FS_IOCTL_DEV (1ULL << 15)
#endif
#define NET_BIND_TCP        (1ULL << 0)
#define NET_CONNECT_TCP     (1ULL << 1)
#define SCOPE_ABSTRACT_UNIX (1ULL << 0)
#define SCOPE_SIGNAL        (1ULL << 1)

#define FILE_RIGHTS (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE)
#define TAKE_RIGHTS                                                                                            \
    (FILE_RIGHTS | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REFER)
#define PUT_RIGHTS     (FILE_RIGHTS | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REFER)
#define OWN_RIGHTS     (TAKE_RIGHTS | LANDLOCK_ACCESS_FS_MAKE_REG) /* takes and puts */
#define READ_RIGHTS    (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FOREIGN_RIGHTS (OWN_RIGHTS | LANDLOCK_ACCESS_FS_MAKE_DIR)

/* The structure of ABI 6; older kernels are given a shorter one. */
struct ruleset_attr {
    uint64_t handled_access_fs, handled_access_net, scoped;
};

struct ruleset {
    int fd, abi;
    uint64_t handled;
};

static uint64_t
fs_rights_of(int abi)
{
    uint64_t all = (1ULL << 13) - 1; /* ABI 1: EXECUTE to MAKE_SYM */
    if (abi >= 2)
        all |= LANDLOCK_ACCESS_FS_REFER;
    if (abi >= 3)
        all |= LANDLOCK_ACCESS_FS_TRUNCATE;
    if (abi >= 5)
        all |= LANDLOCK_ACCESS_FS_IOCTL_DEV;
    return all;
}

static int
ruleset_new(struct service *service, struct ruleset *ruleset)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 2) /* ABI 1 refuses every move between folders: no use here */
        return -ENOSYS;
    ruleset->abi = (int)abi;
    ruleset->handled = fs_rights_of(ruleset->abi);
    struct ruleset_attr attr = {.handled_access_fs = ruleset->handled};
    if (abi >= 4 && service->network != NETWORK_CONNECT)
        attr.handled_access_net = NET_BIND_TCP | NET_CONNECT_TCP;
    if (abi >= 6)
        attr.scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL;
    size_t size = abi >= 6 ? sizeof attr : abi >= 4 ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
    long fd = syscall(SYS_landlock_create_ruleset, &attr, size, 0);
    if (fd < 0)
        return -errno;
    ruleset->fd = (int)fd;
    return 0;
}

static void
allow_fd(struct ruleset *ruleset, int fd, uint64_t rights)
{
    struct landlock_path_beneath_attr attr = {.allowed_access = rights & ruleset->handled, .parent_fd = fd};
    struct stat st;
    if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode))
        attr.allowed_access &= FILE_RIGHTS | LANDLOCK_ACCESS_FS_IOCTL_DEV;
    syscall(SYS_landlock_add_rule, ruleset->fd, LANDLOCK_RULE_PATH_BENEATH, &attr, 0);
}

static void
allow_path(struct ruleset *ruleset, int at, const char *path, uint64_t rights)
{
    int fd = openat(at, path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return;
    allow_fd(ruleset, fd, rights);
    close(fd);
}

/* A folder of the spool, for one connector or for all. */
static void
allow_folder(struct service *service, struct ruleset *ruleset, enum folder folder, uint64_t rights, bool all)
{
    char path[SPOOL_PATH_MAX];
    struct service_inside *in = service->inside;
    if (folder_table[folder].per == PER_ONE) {
        folder_path(folder, NULL, path);
        allow_path(ruleset, service->spool_fd, path, rights);
        return;
    }
    for (size_t i = 0; i < in->n_connectors; i++) {
        if (!all && strcmp(in->connectors[i], service->connector_name) != 0)
            continue;
        folder_path(folder, in->connectors[i], path);
        allow_path(ruleset, service->spool_fd, path, rights);
    }
}

/* The worker's row of flow.def. A gateway of one connector gets that connector's folders. */
static void
allow_moves(struct service *service, struct ruleset *ruleset)
{
    enum worker_id id = service->worker->id;
    bool all = worker_table[id].per == PER_ONE;
    for (unsigned i = 0; i < FOLDER_COUNT; i++) {
        enum folder folder = (enum folder)i;
        /* drop: what somebody put in the place of the file that was taken is put back (spool_remove_file) */
        uint64_t back = folder_table[i].kind == KIND_DROP ? LANDLOCK_ACCESS_FS_MAKE_REG : 0;
        if (flow_takes(id, folder))
            allow_folder(service, ruleset, folder,
                         TAKE_RIGHTS | back | (flow_puts(id, folder) ? PUT_RIGHTS : 0), all);
        else if (flow_puts(id, folder))
            allow_folder(service, ruleset, folder, PUT_RIGHTS, all);
    }
}

/* The host's inbound gateway also takes sessions of connectors with `from`: into their MTS-IN. */
static void
allow_doors(struct service *service, struct ruleset *ruleset)
{
    char path[SPOOL_PATH_MAX];
    for (size_t i = 0; i < service->root->connectors_n; i++) {
        if (service->root->connectors[i].from.n == 0)
            continue;
        folder_path(FOLDER_MTS_IN, service->root->connectors[i].title, path);
        allow_path(ruleset, service->spool_fd, path, PUT_RIGHTS);
    }
}

/* The observer lists every folder, reads counters and states, and removes old tracking logs; it opens no
 * message. */
static void
allow_observer(struct service *service, struct ruleset *ruleset)
{
    char path[SPOOL_PATH_MAX];
    allow_path(ruleset, service->spool_fd, ".", LANDLOCK_ACCESS_FS_READ_DIR);
    folder_path(FOLDER_COUNTERS, NULL, path);
    allow_path(ruleset, service->spool_fd, path, READ_RIGHTS);
    folder_path(FOLDER_STATE, NULL, path);
    allow_path(ruleset, service->spool_fd, path, READ_RIGHTS);
    folder_path(FOLDER_TRACK, NULL, path);
    allow_path(ruleset, service->spool_fd, path, LANDLOCK_ACCESS_FS_REMOVE_FILE);
}

/* dirsync publishes the book: it builds a folder where it keeps what it knows, and renames that. */
static void
allow_dirsync(struct service *service, struct ruleset *ruleset)
{
    char folder[SPOOL_PATH_MAX], path[SPOOL_PATH_MAX + 100];
    uint64_t rights = FOREIGN_RIGHTS | LANDLOCK_ACCESS_FS_REMOVE_DIR;
    folder_path(FOLDER_BOOK, NULL, path);
    allow_path(ruleset, service->spool_fd, path, rights);
    folder_path(FOLDER_DIRSYNC, NULL, path);
    allow_path(ruleset, service->spool_fd, path, rights);
    folder_path(FOLDER_TEMP, NULL, folder);
    for (int lane = 0; lane < STATE_LANES; lane++) {
        snprintf(path, sizeof path, "%s/%s.%d", folder, service->instance, lane);
        allow_path(ruleset, service->spool_fd, path, rights);
    }
}

/* What the converters of one connector remember. Only the outbound one forgets. */
static void
allow_converter(struct service *service, struct ruleset *ruleset)
{
    char path[SPOOL_PATH_MAX];
    uint64_t rights = READ_RIGHTS | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG;
    if (service->worker->id == WORKER_OUTBOUND_CONVERTER)
        rights |= LANDLOCK_ACCESS_FS_REMOVE_FILE;
    folder_path(FOLDER_CORRELATION, service->connector_name, path);
    allow_path(ruleset, service->spool_fd, path, rights);
}

/* Its own Temp (all lanes), control, tracking log; the book for all. */
static void
allow_common(struct service *service, struct ruleset *ruleset)
{
    char folder[SPOOL_PATH_MAX], path[SPOOL_PATH_MAX + 100];
    folder_path(FOLDER_TEMP, NULL, folder);
    for (int lane = 0; lane < STATE_LANES; lane++) {
        snprintf(path, sizeof path, "%s/%s.%d", folder, service->instance, lane);
        allow_path(ruleset, service->spool_fd, path, OWN_RIGHTS);
    }
    folder_path(FOLDER_CONTROL, NULL, folder);
    allow_path(ruleset, service->spool_fd, folder, READ_RIGHTS);
    folder_path(FOLDER_BOOK, NULL, folder);
    allow_path(ruleset, service->spool_fd, folder, READ_RIGHTS);
    folder_path(FOLDER_TRACK, NULL, folder);
    allow_path(ruleset, service->spool_fd, folder,
               LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG);
    for (size_t i = 0; i < service->inside->n_paths; i++) {
        const struct allowed_path *allowed = &service->inside->paths[i];
        allow_path(ruleset, AT_FDCWD, allowed->path, allowed->write ? FOREIGN_RIGHTS : READ_RIGHTS);
    }
}

void
service_allow_path(struct service *service, const char *path, bool write)
{
    struct service_inside *in = service->inside;
    in->paths = xrealloc(in->paths, (in->n_paths + 1) * sizeof *in->paths);
    in->paths[in->n_paths++] = (struct allowed_path){xstrdup(path), write};
}

void
service_allow_parent(struct service *service, const char *path, bool write)
{
    char *folder = xstrdup(path);
    char *slash = strrchr(folder, '/');
    if (slash != NULL)
        *slash = '\0';
    service_allow_path(service, slash == NULL ? "." : folder[0] == '\0' ? "/" : folder, write);
    free(folder);
}

static int
enter_landlock(struct service *service, struct ruleset *ruleset)
{
    int r = ruleset_new(service, ruleset);
    if (r < 0)
        return r;
    allow_moves(service, ruleset);
    allow_common(service, ruleset);
    if (service->worker->id == WORKER_INBOUND && service->connector == NULL)
        allow_doors(service, ruleset);
    if (service->worker->id == WORKER_OBSERVER)
        allow_observer(service, ruleset);
    if (service->worker->id == WORKER_DIRSYNC)
        allow_dirsync(service, ruleset);
    if (worker_table[service->worker->id].per == PER_CONVERTER)
        allow_converter(service, ruleset);
    if (syscall(SYS_landlock_restrict_self, ruleset->fd, 0) < 0)
        r = -errno;
    close(ruleset->fd);
    return r;
}

/* What the kernel's version of Landlock has no word for. */
static void
add_missing_rules(int abi, struct buf *missing)
{
    static const struct {
        int since;
        const char *what;
    } rules[] = {{3, "truncation"}, {4, "TCP"}, {5, "devices"}, {6, "signals"}};
    const char *before = "Landlock's rules on ";
    for (size_t i = 0; i < COUNT_OF(rules); i++) {
        if (abi >= rules[i].since)
            continue;
        buf_printf(missing, "%s%s", before, rules[i].what);
        before = ", ";
    }
}

/* Enters what there is and says in words what there is not. */
static void
confine(struct service *service, struct buf *has, struct buf *missing)
{
    struct ruleset ruleset = {.fd = -1};
    int landlock = enter_landlock(service, &ruleset);
    int seccomp = sandbox_refuse_calls(service);
    if (landlock < 0) {
        buf_printf(missing, "Landlock (%s)", strerror(-landlock));
    } else {
        buf_printf(has, ", Landlock ABI %d", ruleset.abi);
        add_missing_rules(ruleset.abi, missing);
    }
    if (seccomp < 0)
        buf_printf(missing, "%sseccomp (%s)", missing->len > 0 ? ", " : "", strerror(-seccomp));
    else
        buf_add_text(has, ", seccomp");
    if (missing->len > 0)
        log_say(LOG_SECURITY, LEVEL_MINIMUM, NULL, "confined only in part: the kernel has no %s", missing->at);
}

int
sandbox_enter(struct service *service, char *told, size_t size)
{
    struct buf has = {0}, missing = {0};
    tzset(); /* reads its file while it may */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    buf_printf(&has, "uid %u%s, no new privileges", geteuid(),
               geteuid() == 0 ? " (root: started without master)" : "");
    if (service->root->privileges.sandbox) {
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
        confine(service, &has, &missing);
    } else {
        buf_add_text(&missing, "Landlock, seccomp (sandbox = no)");
    }
    snprintf(told, size, "%s%s%s", has.at, missing.len > 0 ? STATE_SANDBOX_WITHOUT : "",
             missing.len > 0 ? missing.at : "");
    buf_clear(&has);
    buf_clear(&missing);
    return 0;
}
