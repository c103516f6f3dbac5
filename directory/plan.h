/* plan.h - what would make two directories agree, written down before anything is done
 *
 *     host set x foreign set x configuration x what is pending --> plan --> file --> (a person) --> apply
 *
 * The planner is a pure function: it reads no directory and no clock but those it is given. Who owns what: a recipient belongs
 * to the side where its mailbox is; what that side says of it wins on the other side, each time, save attributes that the
 * configuration names `initial` (set once, then the other side's own). Links are the marks (entry.h); an entry with a
 * stranger's mark is never touched; an unmarked one whose address collides is a conflict, which `adopt` may solve.
 *
 * The plan file is text, meant to be read: see plan_write().
 */
#ifndef VIADUCT_DIRECTORY_PLAN_H
#define VIADUCT_DIRECTORY_PLAN_H

#include "directory/change.h"
#include "directory/policy.h"

enum dir_note { DIR_CONFLICT, DIR_REFUSAL, DIR_REMARK, DIR_NOTE_KINDS };

/* Why something is not done, or was done in another way, for one entry. */
struct dir_notice {
    enum dir_note kind;
    bool host;
    struct span id, name, text;
};

/* What hides since when, and is deleted when it has hidden long enough: kept between runs (spool/dirsync/<name>.pending). */
struct dir_pending; /* of one dirsync: (side, id) --> since */
NEW_MEMORY struct dir_pending *dir_pending_new(void);
void dir_pending_free(struct dir_pending *pending);
/* Reads into an empty one. 0; -ENOENT; -EINVAL with `why` (torn): it is empty then, and what hides waits its time again; -errno. */
int dir_pending_read(struct dir_pending *pending, int folder_fd, const char *name, struct why *why);
int dir_pending_write(const struct dir_pending *pending, int folder_fd, const char *name, struct why *why);
size_t dir_pending_count(const struct dir_pending *pending);
int64_t dir_pending_since(const struct dir_pending *pending, bool host, struct span id); /* 0: is not */
void dir_pending_set(struct dir_pending *pending, bool host, struct span id,
                     int64_t since_s); /* 0: no longer */
/* Forgets those of a side whom a complete reading does not have: their ids may come back as somebody else's. */
void dir_pending_prune(struct dir_pending *pending, bool host, const struct dir_set *set);

struct dir_plan_input {
    const struct conf_root *root;
    const struct conf_dirsync *dirsync;
    const struct dir_policies *policies;
    const struct dir_set *host, *foreign;
    bool host_complete,
        foreign_complete; /* both readings ended well; else nothing is hidden or deleted on the other side */
    bool host_read_only,
        foreign_read_only; /* whatever the configuration says: the side found that it cannot write */
    uint64_t host_before,
        foreign_before; /* entries at the last applied plan; 0: none. A much smaller reading deletes nothing */
    const struct dir_traits *host_traits, *foreign_traits; /* NULL: all is kept, as Active Directory does */
    const struct dir_pending *pending;
    const struct dir_set *given, *added; /* what the plan before left, see struct dir_plan; NULL: nothing */
    int64_t now_s;
    const char *address_type; /* of the foreign system: "GWISE" */
    const char *adopt;        /* NULL, or which unmarked entries may be adopted: "all", or an address */
};

/* A copy that hid because its source was gone, and hides now because its source, which is back, is hidden. */
struct dir_back {
    bool host;
    struct span id;
};

struct dir_plan {
    struct dir_change
        *changes; /* in the order in which they are to be carried out: host before foreign, groups last */
    size_t n_changes;
    struct dir_notice *notices;
    size_t n_notices;
    struct arena *arena; /* all texts */
    char dirsync[128];
    int64_t made_s;
    uint64_t host_entries,
        foreign_entries; /* without our copies; of a reading that is not believed, as at the last one that was */
    uint64_t linked;     /* pairs */
    uint64_t linked_kinds[2][DIR_KINDS]; /* copies by side (1: on the host) and kind */
    char refused[500];                   /* why a guard forbids to carry it out without --force; "" : nothing */
    char hash[65]; /* of the file's text up to its hash line; set by plan_write and plan_read */

    /* What must be kept for the next plan, in files of their own (NULL in a plan that was read). Both may be written as soon as the
     * plan is: they say what will be so or is harmless.
     *     given    proxies that policies made for host entries, where the directory does not keep them (`proxies = book`, or not
     *              writable): by the host's id, for the book. One for each directory of the host
     *     added    which proxies of a copy came from its source, by direction and source: only those are ever removed. One for
     *              each dirsync. Lost, old addresses stay until somebody removes them
     *     back     who waits no longer to be deleted, though nothing changes about him: dir_pending_set(..., 0) */
    struct dir_set *given, *added;
    struct dir_back *back;
    size_t n_back;
};

/* Returns a plan, never NULL; a plan without changes says that both agree. */
struct dir_plan *dir_plan_make(const struct dir_plan_input *input);
void dir_plan_free(struct dir_plan *plan);

/* Counts by side, operation and kind of entry: for limits, `show`, status. */
uint64_t dir_plan_count(const struct dir_plan *plan, bool host, enum dir_operation operation,
                        int kind /* -1: all */);

/* "host 3 add, 1 change; foreign nothing; 2 conflicts": the counts as one line, without its end. */
void dir_plan_summary(const struct dir_plan *plan, struct buf *out);
const char *dir_note_name(enum dir_note kind); /* "conflict" */

/* Whether it has a change for this side. */
bool dir_plan_writes(const struct dir_plan *plan, bool host);

/* The guard: limits.delete and limits.change by number and by share of what is linked, for each side and for each kind of
 * entry; the first that is passed is named in `why`. DELETE, HIDE and DISABLE count as deletions. 0 or -EPERM with `why`. */
int dir_plan_guard(const struct dir_plan *plan, const struct conf_dirsync *dirsync, struct why *why);

/* The file: "viaduct-plan 1", head lines, then for each change a paragraph
 *
 *     change 17: host add contact
 *       name: CN=Ann Beebe,OU=GroupWise,DC=contoso,DC=example
 *       source: GWDOM.PO1.ABEEBE
 *       why: ...
 *       - telephoneNumber: 123
 *       + displayName: Ann Beebe
 *
 * then notices, the summary, and last "hash: <SHA-256 of all before>". A value that is not printable UTF-8, or begins or ends with
 * a blank, stands as ":: base64". See plan_write.c. */
void dir_plan_write(struct dir_plan *plan, struct buf *out);

/* Reads it back; -EINVAL with `why` (line) where it is none; -EBADMSG where the hash does not fit: it was edited or cut. */
int dir_plan_read(struct span text, struct dir_plan **plan, struct why *why);

#endif
