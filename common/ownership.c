/* ownership.c - users and groups of the spool (see ownership.h)
 *
 * SECURITY: runs as root in the master, in a tree whose folders belong to others. Folders are opened step by
 * step without following links, and changed by descriptor.
 */
#include "common/ownership.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/looking.h"
#include "common/worker_state.h"

static const char owners_file[] = "owners";

enum { NUMBER_UNKNOWN = INT_MAX }; /* of a name that has none yet, while nothing is changed */

struct owner {
    char name[SPOOL_PATH_MAX];
    unsigned number;
};

struct ownership {
    int spool_fd;
    const struct conf_root *root;
    unsigned first, last;
    struct owner *owners;
    size_t n_owners;
    bool changed, used_up;
    ownership_fault *fault; /* not NULL: nothing is changed, faults are told */
    void *fault_arg;
};

/* ---- numbers ---- */

static int
parse_range(struct ownership *ownership, struct why *why)
{
    const char *text = ownership->root->privileges.uids;
    const char *dash = strchr(text, '-');
    uint64_t first, last;
    if (dash == NULL || !span_to_u64((struct span){text, (size_t)(dash - text)}, 2000000000, &first) ||
        !span_to_u64(span_of(dash + 1), 2000000000, &last) || first < 100 || last < first + 50)
        return why_set(why, "5.3.5",
                       "privileges.uids = \"%s\" is no range of at least 50 numbers, as 62000-62999", text);
    ownership->first = (unsigned)first;
    ownership->last = (unsigned)last;
    return 0;
}

static void
add_owner(struct ownership *ownership, const char *name, unsigned number)
{
    ownership->owners = xrealloc(ownership->owners, (ownership->n_owners + 1) * sizeof *ownership->owners);
    struct owner *owner = &ownership->owners[ownership->n_owners++];
    snprintf(owner->name, sizeof owner->name, "%s", name);
    owner->number = number;
}

/* The number of a name; a new one gets the next that is free. 0 where the range is used up. */
static unsigned
number_of(struct ownership *ownership, const char *name)
{
    unsigned next = ownership->first;
    for (size_t i = 0; i < ownership->n_owners; i++) {
        if (strcmp(ownership->owners[i].name, name) == 0)
            return ownership->owners[i].number;
        if (ownership->owners[i].number >= next)
            next = ownership->owners[i].number + 1;
    }
    if (ownership->fault != NULL)
        return NUMBER_UNKNOWN;
    if (next > ownership->last) {
        ownership->used_up = true;
        return 0;
    }
    add_owner(ownership, name, next);
    ownership->changed = true;
    return next;
}

static int
state_folder(struct ownership *ownership)
{
    return folder_open(ownership->spool_fd, FOLDER_STATE, NULL);
}

bool
ownership_known(int state_fd)
{
    return faccessat(state_fd, owners_file, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

static int
read_owners(struct ownership *ownership, struct why *why)
{
    if (ownership->spool_fd < 0)
        return 0;
    int folder = state_folder(ownership);
    int fd = folder < 0 ? -1 : openat(folder, owners_file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    int error = fd < 0 ? errno : 0;
    if (folder >= 0)
        close(folder);
    if (error != 0 && error != ENOENT) /* numbers must not be dealt out anew */
        return why_set(why, "4.3.0", "cannot read state/%s: %s", owners_file, strerror(error));
    FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
    char line[SPOOL_PATH_MAX + 40];
    int n = 0;
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        uint64_t number;
        char *blank = strchr(line, ' ');
        n++;
        if (blank == NULL || !span_to_u64((struct span){line, (size_t)(blank - line)}, 2000000000, &number)) {
            fclose(file);
            return why_set(why, "5.3.5", "%s of the spool, line %d: not \"<number> <name>\"", owners_file, n);
        }
        blank[1 + strcspn(blank + 1, "\n")] = '\0';
        add_owner(ownership, blank + 1, (unsigned)number);
    }
    if (file != NULL)
        fclose(file);
    return 0;
}

/* Appended to: a line, once written, stays true. */
static int
write_owners(struct ownership *ownership, struct why *why)
{
    struct buf text = {0};
    int folder = state_folder(ownership);
    int fd = folder < 0 ? -1 : openat(folder, owners_file, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
    for (size_t i = 0; i < ownership->n_owners; i++)
        buf_printf(&text, "%u %s\n", ownership->owners[i].number, ownership->owners[i].name);
    ssize_t n = fd < 0 ? -1 : pwrite(fd, text.at, text.len, 0);
    int r = n < 0 ? -errno : (size_t)n < text.len ? -EIO : 0;
    if (r == 0 && (ftruncate(fd, (off_t)text.len) < 0 || fsync(fd) < 0))
        r = -errno;
    if (r < 0)
        why_set(why, "4.3.0", "cannot write state/%s: %s", owners_file, strerror(-r));
    if (fd >= 0)
        close(fd);
    if (folder >= 0)
        close(folder);
    buf_clear(&text);
    ownership->changed = false;
    return r;
}

int
ownership_keep(struct ownership *ownership, struct why *why)
{
    return write_owners(ownership, why);
}

struct ownership *
ownership_open(int spool_fd, const struct conf_root *root, struct why *why)
{
    struct ownership *ownership = xcalloc(1, sizeof *ownership);
    ownership->spool_fd = spool_fd;
    ownership->root = root;
    if (parse_range(ownership, why) == 0 && read_owners(ownership, why) == 0)
        return ownership;
    ownership_free(ownership);
    return NULL;
}

void
ownership_free(struct ownership *ownership)
{
    if (ownership == NULL)
        return;
    free(ownership->owners);
    free(ownership);
}

/* ---- names ---- */

static unsigned
worker_uid(struct ownership *ownership, enum worker_id worker, const char *connector)
{
    char name[SPOOL_PATH_MAX];
    snprintf(name, sizeof name, "worker %s%s%s", worker_table[worker].program, *connector ? "-" : "",
             connector);
    return number_of(ownership, name);
}

static unsigned
folder_gid(struct ownership *ownership, enum folder folder, const char *connector)
{
    char path[SPOOL_PATH_MAX], name[SPOOL_PATH_MAX + 10];
    folder_path(folder, connector, path);
    snprintf(name, sizeof name, "folder %s", path);
    return number_of(ownership, name);
}

static unsigned
common_gid(struct ownership *ownership)
{
    return number_of(ownership, "common");
}

/* ---- applying ---- */

struct rights {
    unsigned uid, gid;
    mode_t mode;
};

static int
compare_rights(struct ownership *ownership, const char *path, const struct rights *rights, struct why *why)
{
    char what[160];
    struct stat st = {0};
    int fd = openat(ownership->spool_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int r = fd < 0 || fstat(fd, &st) < 0 ? -errno : 0;
    if (r == 0 && rights->uid != NUMBER_UNKNOWN && rights->gid != NUMBER_UNKNOWN) {
        mode_t mode = looking_mode(fd, &st);
        snprintf(what, sizeof what, "owner %u, group %u, mode %04o; declared are owner %u, group %u, mode %04o",
                 (unsigned)st.st_uid, (unsigned)st.st_gid, (unsigned)mode, rights->uid, rights->gid,
                 (unsigned)rights->mode);
        if (st.st_uid != rights->uid || st.st_gid != rights->gid || mode != rights->mode)
            ownership->fault(path, what, ownership->fault_arg);
    }
    if (fd >= 0)
        close(fd);
    if (r == 0 || r == -ENOENT || r == -ENOTDIR ||
        r == -ELOOP) /* no folder: whoever compares the tree says so */
        return 0;
    why_set(why, "4.3.0", "cannot look at the spool folder %s: %s", path, strerror(-r));
    return r;
}

static int
set_rights(struct ownership *ownership, const char *path, const struct rights *rights, enum looking what,
           struct why *why)
{
    if (ownership->fault != NULL)
        return compare_rights(ownership, path, rights, why);
    int fd = openat(ownership->spool_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int r = fd < 0 || fchown(fd, rights->uid, rights->gid) < 0 || fchmod(fd, rights->mode) < 0 ? -errno : 0;
    if (r < 0)
        why_set(why, "4.3.0", "cannot set owner and mode of the spool folder %s: %s", path, strerror(-r));
    else
        looking_allow(fd, rights->mode, ownership->root->privileges.admin_group, what);
    if (fd >= 0)
        close(fd);
    return r;
}

static struct rights
rights_of(struct ownership *ownership, enum folder folder, const char *connector)
{
    unsigned common = common_gid(ownership);
    enum worker_id taker = flow_taker(folder);
    switch (folder) {
    case FOLDER_DROP:
        return (struct rights){worker_uid(ownership, WORKER_PICKUP, ""), folder_gid(ownership, folder, NULL),
                               03733};
    case FOLDER_TRACK: /* the observer removes old logs */
        return (struct rights){worker_uid(ownership, WORKER_OBSERVER, ""), common, 01770};
    case FOLDER_STATE:
    case FOLDER_COUNTERS:
        return (struct rights){0, common, 01770};
    case FOLDER_TEMP:
    case FOLDER_CONTROL:
        return (struct rights){0, common, 0750};
    case FOLDER_BOOK:
        return (struct rights){worker_uid(ownership, WORKER_DIRSYNC, ""), common, 0750};
    case FOLDER_DIRSYNC: /* what is known of people is no other worker's business */
        return (struct rights){worker_uid(ownership, WORKER_DIRSYNC, ""), common, 0700};
    case FOLDER_CORRELATION: /* both converters write, the outbound one removes what is old */
        return (struct rights){worker_uid(ownership, WORKER_OUTBOUND_CONVERTER, connector),
                               folder_gid(ownership, folder, connector), 01770};
    case FOLDER_HOLD:
        return (struct rights){0, 0, 0700};
    default:
        break;
    }
    const char *of = taker != WORKER_COUNT && worker_table[taker].per == PER_ONE ? "" : connector;
    unsigned uid = taker == WORKER_COUNT ? 0 : worker_uid(ownership, taker, of != NULL ? of : "");
    return (struct rights){uid, folder_gid(ownership, folder, connector), 01770};
}

static int
apply_folder(struct ownership *ownership, enum folder folder, const char *connector, struct why *why)
{
    char path[SPOOL_PATH_MAX];
    struct rights rights = rights_of(ownership, folder, connector);
    folder_path(folder, connector, path);
    if (ownership->used_up)
        return why_set(why, "5.3.5", "privileges.uids has no number left for %s: widen the range", path);
    /* drop is full of strangers' files, which are theirs */
    return set_rights(ownership, path, &rights, folder == FOLDER_DROP ? LOOKING_FOLDER : LOOKING_FILES, why);
}

/* mailbox/ and mailbox/<connector>: names of connectors are no secret. */
static int
apply_mailboxes(struct ownership *ownership, const char *const *connectors, size_t n, struct why *why)
{
    static const struct rights walk = {0, 0, 0755};
    char path[SPOOL_PATH_MAX];
    int r = 0;
    for (size_t i = 0; r == 0 && i < n; i++) {
        folder_path(FOLDER_MTS_IN, connectors[i], path);
        for (char *slash; r == 0 && (slash = strrchr(path, '/')) != NULL;) {
            *slash = '\0';
            r = set_rights(ownership, path, &walk, LOOKING_FOLDER, why);
        }
    }
    return r;
}

/* A worker's own folders: all lanes of Temp, and control. */
static int
make_own(struct ownership *ownership, enum worker_id worker, const char *connector, struct why *why)
{
    char base[SPOOL_PATH_MAX], path[SPOOL_PATH_MAX + 120], instance[100];
    struct rights mine = {worker_uid(ownership, worker, connector), common_gid(ownership), 0700};
    struct rights roots = {0, common_gid(ownership), 0750};
    snprintf(instance, sizeof instance, "%s%s%s", worker_table[worker].program, *connector ? "-" : "",
             connector);
    if (mine.uid == 0)
        return why_set(why, "5.3.5", "privileges.uids has no number left for %s: widen the range", instance);
    int r = 0;
    for (int lane = 0; r == 0 && lane < STATE_LANES; lane++) {
        folder_path(FOLDER_TEMP, NULL, base);
        snprintf(path, sizeof path, "%s/%s.%d", base, instance, lane);
        if (ownership->fault == NULL && mkdirat(ownership->spool_fd, path, 0700) < 0 && errno != EEXIST)
            r = -errno;
        if (r == 0)
            r = set_rights(ownership, path, &mine, LOOKING_FILES, why);
    }
    folder_path(FOLDER_CONTROL, NULL, base);
    snprintf(path, sizeof path, "%s/%s", base, instance);
    if (r == 0 && ownership->fault == NULL && mkdirat(ownership->spool_fd, path, 0750) < 0 && errno != EEXIST)
        r = -errno;
    return r < 0 ? r : set_rights(ownership, path, &roots, LOOKING_FILES, why);
}

static const char **
all_connectors(const struct conf_root *root, size_t *n)
{
    const char **names = xcalloc(root->connectors_n + 1, sizeof *names);
    names[0] = "host";
    for (size_t i = 0; i < root->connectors_n; i++)
        names[i + 1] = root->connectors[i].title;
    *n = root->connectors_n + 1;
    return names;
}

int
ownership_apply(struct ownership *ownership, struct why *why)
{
    size_t n;
    const char **connectors = all_connectors(ownership->root, &n);
    static const struct rights top = {0, 0, 0755};
    int r = set_rights(ownership, ".", &top, LOOKING_FOLDER, why);
    if (r == 0)
        r = apply_mailboxes(ownership, connectors, n, why);
    for (unsigned folder = 0; r == 0 && folder < FOLDER_COUNT; folder++)
        for (size_t i = 0; r == 0 && i < (folder_table[folder].per == PER_ONE ? 1 : n); i++)
            r = apply_folder(ownership, (enum folder)folder,
                             folder_table[folder].per == PER_ONE ? NULL : connectors[i], why);
    for (unsigned worker = 0; r == 0 && worker < WORKER_COMMAND; worker++)
        for (size_t i = 0; r == 0 && i < (worker_table[worker].per == PER_ONE ? 1 : n); i++)
            r = make_own(ownership, (enum worker_id)worker,
                         worker_table[worker].per == PER_ONE ? "" : connectors[i], why);
    if (r == 0 && ownership->changed)
        r = write_owners(ownership, why);
    free(connectors);
    return r;
}

int
ownership_check(struct ownership *ownership, ownership_fault *fault, void *arg, struct why *why)
{
    ownership->fault = fault;
    ownership->fault_arg = arg;
    int r = ownership_apply(ownership, why);
    ownership->fault = NULL;
    return r;
}

/* ---- identity ---- */

static void
add_group(struct identity *identity, unsigned gid)
{
    identity->groups = xrealloc(identity->groups, (identity->n_groups + 1) * sizeof *identity->groups);
    identity->groups[identity->n_groups++] = gid;
}

/* Who is in a folder's group: those who put into it, pickup for drop (whose files have drop's group), converters for
 * what they remember, and the observer, who counts names; its sandbox lets it do no more. */
static bool
is_in_group(enum worker_id worker, enum folder folder)
{
    return flow_puts(worker, folder) ||
           (worker == WORKER_OBSERVER && folder_table[folder].kind != KIND_OTHER && folder != FOLDER_HOLD) ||
           (worker == WORKER_PICKUP && folder == FOLDER_DROP) ||
           (folder == FOLDER_CORRELATION &&
            (worker == WORKER_INBOUND_CONVERTER || worker == WORKER_OUTBOUND_CONVERTER));
}

/* The host's inbound gateway also takes sessions of connectors with `from`, into their MTS-IN. */
static bool
puts_for(const struct ownership *ownership, enum worker_id worker, enum folder folder, const char *own,
         const char *connector)
{
    if (worker_table[worker].per == PER_ONE || strcmp(own, connector) == 0)
        return true;
    const struct conf_connector *other = conf_connector_find(ownership->root, connector);
    return worker == WORKER_INBOUND && folder == FOLDER_MTS_IN && strcmp(own, "host") == 0 && other != NULL &&
           other->from.n > 0;
}

/* The system's folders belong to somebody else: the gateways get the group that the configuration names. */
static int
add_group_of_system(const struct ownership *ownership, enum worker_id worker, const char *connector,
                    struct identity *identity, struct why *why)
{
    const struct conf_connector *conf = conf_connector_find(ownership->root, connector);
    const char *name = conf != NULL ? conf->group : ownership->root->host.group;
    if ((worker != WORKER_INBOUND && worker != WORKER_OUTBOUND) || name == NULL)
        return 0;
    const struct group *group = getgrnam(name);
    if (group == NULL || group->gr_gid == 0)
        return why_set(why, "5.3.5",
                       group == NULL ? "the group \"%s\" of connector \"%s\" does not exist"
                                     : "the group \"%s\" of connector \"%s\" is root's",
                       name, connector);
    add_group(identity, group->gr_gid);
    return 0;
}

int
ownership_identity(struct ownership *ownership, enum worker_id worker, const char *connector,
                   struct identity *identity, struct why *why)
{
    size_t n;
    const char **connectors = all_connectors(ownership->root, &n);
    *identity =
        (struct identity){.uid = worker_uid(ownership, worker, connector), .gid = common_gid(ownership)};
    for (unsigned folder = 0; folder < FOLDER_COUNT; folder++) {
        if (!is_in_group(worker, (enum folder)folder))
            continue;
        if (folder_table[folder].per == PER_ONE)
            add_group(identity, folder_gid(ownership, (enum folder)folder, NULL));
        for (size_t i = 0; folder_table[folder].per != PER_ONE && i < n; i++)
            if (puts_for(ownership, worker, (enum folder)folder, connector, connectors[i]))
                add_group(identity, folder_gid(ownership, (enum folder)folder, connectors[i]));
    }
    free(connectors);
    int r = ownership->changed ? write_owners(ownership, why) : 0;
    bool used_up = identity->uid == 0 || identity->gid == 0;
    for (size_t i = 0; i < identity->n_groups; i++)
        used_up = used_up || identity->groups[i] == 0;
    if (used_up)
        return why_set(why, "5.3.5", "privileges.uids has no number left: widen the range");
    return r < 0 ? r : add_group_of_system(ownership, worker, connector, identity, why);
}

static void
no_fault(const char *path, const char *what, void *arg)
{
    (void)path;
    (void)what;
    (void)arg;
}

int
ownership_foresee(struct ownership *ownership, enum worker_id worker, const char *connector,
                  struct identity *identity, struct why *why)
{
    ownership->fault = no_fault;
    int r = ownership_identity(ownership, worker, connector, identity, why);
    ownership->fault = NULL;
    return r;
}
