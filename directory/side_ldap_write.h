/* side_ldap_write.h - the chapters that write, among themselves (see side_ldap_write.c) */
#ifndef VIADUCT_SIDE_LDAP_WRITE_H
#define VIADUCT_SIDE_LDAP_WRITE_H

#include "directory/side_ldap.h"

/* Modifications of one request, in its order; or attributes of a new entry. Values are pointed to, not copied. */
struct side_mods {
    LDAPMod **at; /* NULL-terminated once something was added */
    size_t n, size;
};

enum side_request_kind { SIDE_ADD, SIDE_MODIFY, SIDE_MEMBERS, SIDE_RENAME, SIDE_DELETE };

struct side_request {
    struct side_request *next;
    enum side_request_kind kind;
    struct side_mods mods;
    int op;                     /* SIDE_MEMBERS: LDAP_MOD_ADD or LDAP_MOD_DELETE */
    const struct span *members; /* SIDE_MEMBERS */
    size_t n_members;
    const char *rdn, *parent; /* SIDE_RENAME; parent NULL: stays */
};

/* One change on its way: requests one after the other. */
struct side_job {
    struct side_job *next;
    struct ldap_side *side;
    const struct dir_change *change;
    void (*done)(void *arg, const struct dir_change *change, enum dir_result result, const struct why *why);
    void *arg;
    struct arena *arena;
    const char *dn;
    struct span mark_before, mark_after; /* what the entry bears, and shall bear; empty: nobody's mark */
    struct side_request *requests;
    unsigned tries;     /* of account names */
    bool settled;       /* made anew from what the server has */
    bool written;       /* something was done */
    bool found;         /* by the look */
    struct buf unknown; /* members that are not there */
    size_t n_unknown;
    struct why why; /* why it is stale or refused; set with `verdict` */
    enum dir_result verdict;
    int code; /* of the last answer */
    char text[300];
};

enum { SIDE_MEMBERS_A_REQUEST = 1000 };

/* ---- side_ldap_mods.c ---- */

void side_mods_add(struct side_job *job, struct side_mods *mods, int op, const char *name,
                   const struct span *values, size_t n);
void side_mods_text(struct side_job *job, struct side_mods *mods, int op, const char *name, const char *value);
/* A request at the end of the job's. */
struct side_request *side_job_request(struct side_job *job, enum side_request_kind kind);
/* Members in requests of SIDE_MEMBERS_A_REQUEST at most. */
void side_job_members(struct side_job *job, int op, const struct span *members, size_t n);

/* The attribute of a delta on this server; "" and *slot -1 where such an entry has none. */
const char *side_delta_attribute(const struct ldap_side *side, const struct dir_change *change,
                                 const struct dir_delta *delta, int *slot);
const struct dir_delta *side_delta_find(const struct dir_change *change, struct span name);

/* The values by which a delta is told on this server: a NOTES address is two attributes, a target may be `mail`. At most
 * SIDE_PARTS_MAX of them. */
enum { SIDE_PARTS_MAX = 4 };
struct side_part {
    int slot;
    struct span remove, add; /* empty: none */
};
size_t side_delta_parts(const struct ldap_side *side, const struct dir_change *change,
                        const struct dir_delta *delta, struct side_part parts[SIDE_PARTS_MAX]);

/* Adds the request that gives the entry its new name. */
void side_job_rename(struct side_job *job);

/* Requests of a change, from what the plan saw. */
void side_job_plan(struct side_job *job);

/* Finds the marks of a change: as its delta says, else as its source asks for. */
void side_job_marks(struct side_job *job);

/* What comes of a change besides its deltas: `mail` beside the primary SMTP address, hidden or not. */
bool side_mail_follows(const struct ldap_side *side, const struct dir_change *change, struct span *mail);
bool side_hiding(const struct dir_change *change, bool *hidden);
/* Whether DIR_DISABLE takes away all that makes a recipient, whatever the deltas say: these attributes. */
bool side_strips(const struct side_job *job);
size_t side_mail_slots(const struct ldap_side *side, int slots[SLOTS]);

/* ---- side_ldap_add.c: the request that makes the entry, and those for members that it cannot hold ---- */

void side_job_add(struct side_job *job);
/* The next account name after one that was taken; false: there were enough. */
bool side_job_another_account(struct side_job *job);

/* ---- side_ldap_differ.c ---- */

struct settling {
    struct side_job *job;
    struct side_raw raw;
    bool found, replaces; /* `replaces`: some attribute knows no equality: all values are written anew */
};

/* Add to `mods` (members: to the job's requests) what makes of the values there the wanted ones. False where a value is neither what
 * the plan saw nor what it wants: the job is stale. */
bool settle_part(struct settling *settling, struct side_mods *mods, const struct side_part *part);
void settle_proxies(struct settling *settling, struct side_mods *mods, const struct dir_delta *delta);
void settle_members(struct settling *settling, const struct dir_delta *delta);

/* ---- side_ldap_settle.c ---- */

/* Makes the job's requests anew from what the server has. -errno with `why` where it cannot be asked; else 0, with
 * job->verdict DIR_DONE where requests are left or DIR_DONE_BEFORE, DIR_STALE (with job->why). */
int side_job_settle(struct side_job *job, struct why *why);
/* Says that a job is stale, since something has another value; returns false. And that its entry is not there. */
bool side_job_stale(struct side_job *job, const char *what, struct span have);
void side_job_missing(struct side_job *job);

/* ---- side_ldap_prove.c ---- */

/* Looks at the entries of jobs that nothing in their request proves: found where they should be, and nobody's. */
int side_jobs_prove(struct ldap_side *side, struct side_job *jobs, struct why *why);

/* ---- side_ldap_result.c ---- */

/* What an answer means for its change; fills job->why. */
enum dir_result side_result(struct side_job *job, enum side_request_kind kind);

#endif
