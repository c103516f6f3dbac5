/* ldap.h - an LDAP server: connected with care, read whole or by what changed, written in a window
 *
 * libldap, asynchronously: requests are sent and answers taken as they come, waiting in poll() until a deadline. Certificates
 * are always verified; no password is sent before they were, and none without TLS. Referrals are not chased.
 *
 * What is hostile here: the server's answers (a wrong server that has the right certificate is none).
 *
 * Sources: RFC 4511, RFC 2696 (pages), RFC 4533 (syncrepl), MS-ADTS (DirSync, show deleted, ranges, domain scope), ldap(3).
 */
#ifndef VIADUCT_DIRECTORY_LDAP_H
#define VIADUCT_DIRECTORY_LDAP_H

#include <ldap.h>

#include "common/buf.h"
#include "conf/conf.h"

struct ldap_link; /* a connection, or the means to make one */

/* What a server says of itself (rootDSE and its schema). */
struct ldap_server {
    char url[300]; /* the one in use */
    bool active_directory;
    bool pages, dirsync, usn, syncrepl, show_deleted, domain_scope;
    char naming_context[600]; /* that holds the base */
    char identity[300];   /* dsServiceName's invocationId, or the server's name: what a cookie is bound to */
    uint64_t highest_usn; /* before anything is read; 0: none */
};

/* From configuration. Nothing is connected yet. `deadline_ms` is monotonic. NULL with `why`: a URL that cannot be, an unreadable
 * secret. */
struct ldap_link *ldap_link_new(const struct conf_directory *directory, int64_t deadline_ms,
                                void (*note)(void *arg, const char *text), void *arg, struct why *why);
void ldap_link_free(struct ldap_link *link);

/* What a confined process must be let read for sessions of such a directory: certificates, the resolver's and Kerberos'
 * configuration. And what must be loaded before it is confined: libraries load their plugins when first asked. */
void ldap_link_paths(const struct conf_directory *directory, void (*each)(void *arg, const char *path),
                     void *arg);
void ldap_link_preload(const struct conf_directory *directory);

/* Connects to the first server that answers, in the order of the configuration, binds, and reads what it can. 0; -EACCES
 * (password or certificate: no other server is asked where credentials were refused); -ENOTCONN (nobody answers), each with
 * `why` naming server and remedy. May be called again after a connection was lost. */
int ldap_link_open(struct ldap_link *link, struct why *why);
const struct ldap_server *ldap_link_server(const struct ldap_link *link);

/* Whether the schema knows an attribute or class (read once; without a readable schema: true). */
bool ldap_link_knows(struct ldap_link *link, const char *name);

/* One entry of an answer, as libldap has it; values by ldap_entry_values(). Lives until the callback returns. */
struct ldap_answer;
struct span ldap_answer_dn(const struct ldap_answer *answer);
/* The n-th value of an attribute, false behind the last. Names without case; options (";binary") do not count, what stands without
 * comes first; ranges are joined. */
bool ldap_answer_value(const struct ldap_answer *answer, const char *name, size_t n, struct span *value);
/* The same for who looks at all of them, once each: how many attributes it has, the i-th one's name without options, how many
 * values, and the n-th of these (n below the number). An attribute without values is one that was removed. */
size_t ldap_answer_attributes(const struct ldap_answer *answer);
struct span ldap_answer_name(const struct ldap_answer *answer, size_t i);
size_t ldap_answer_count(const struct ldap_answer *answer, size_t i);
struct span ldap_answer_at(const struct ldap_answer *answer, size_t i, size_t n);

/* Reads all entries under `base` (subtree) that match: in pages where the server has them, attributes with ranges fetched whole
 * (`ranged` names those). Calls each() until it returns false (then -ECANCELED). Returns 0 only where the server said success
 * and the last page's cookie was empty; -EAGAIN with `why` where the connection was lost in the midst (read anew), -EMSGSIZE
 * where a size limit cut the answer and pages are not to be had, -ETIMEDOUT at the deadline, -errno else. */
struct ldap_question {
    const char *base, *filter;
    const char *const *attributes; /* NULL-terminated */
    const char *ranged;            /* "member", or NULL */
    bool deleted;                  /* tombstones as well */
};
int ldap_read(struct ldap_link *link, const struct ldap_question *question,
              bool (*each)(void *arg, const struct ldap_answer *answer), void *arg, struct why *why);

/* What changed since a cookie. The source is chosen from what the server offers and `directory->changes` asks for. */
enum ldap_changes { LDAP_CHANGES_NONE, LDAP_CHANGES_DIRSYNC, LDAP_CHANGES_USN, LDAP_CHANGES_SYNCREPL };
enum ldap_changes ldap_changes_of(const struct ldap_link *link);

/* The cookie from which changes can be asked for later: to be taken before a full reading begins. 0 or -errno with `why`. */
int ldap_changes_begin(struct ldap_link *link, struct buf *cookie, struct why *why);

/* Reports each changed entry whole (`changed`, as ldap_read() would) and each that is gone by its id (`gone`: objectGUID or
 * entryUUID as text); entries that left the filter are reported by `gone` as well, where the source can tell. `cookie` is
 * replaced on success. 0; -ESTALE with `why` where the cookie is not good any more (all must be read); else as ldap_read(). */
int ldap_changes(struct ldap_link *link, const struct ldap_question *question, struct buf *cookie,
                 bool (*changed)(void *arg, const struct ldap_answer *answer),
                 bool (*gone)(void *arg, struct span id), void *arg, struct why *why);

/* An immutable id as printable text: GUIDs and UUIDs as 8-4-4-4-12 in lower case (objectGUID in its mixed byte order), other
 * values as they are where printable, else in hex. */
void ldap_id_print(const char *attribute, struct span value, struct buf *out);

/* ---- writing: at most `window` requests are on their way; results come by the callback, in any order ----
 *
 * A callback makes no requests itself: it notes what is to be done next, and whoever called ldap_write_*() or ldap_write_flush()
 * does it after that returned. ldap_read() may be called while requests are on their way; it loses none of their results. */

struct ldap_result {
    int code;         /* LDAP_SUCCESS ...; LDAP_SERVER_DOWN where the connection was lost before the answer */
    struct span text; /* the server's diagnostic message, control octets replaced */
};
typedef void ldap_done(void *arg, const struct ldap_result *result);

void ldap_write_add(struct ldap_link *link, const char *dn, LDAPMod **mods, ldap_done *done, void *arg);
void ldap_write_modify(struct ldap_link *link, const char *dn, LDAPMod **mods, ldap_done *done, void *arg);
void ldap_write_rename(struct ldap_link *link, const char *dn, const char *rdn, const char *parent,
                       ldap_done *done, void *arg);
void ldap_write_delete(struct ldap_link *link, const char *dn, ldap_done *done, void *arg);
/* Waits until all results are there. */
void ldap_write_flush(struct ldap_link *link);

/* What an LDAP result means for one object, in words with a remedy ("the container does not exist: ..."), from a table that knows
 * Active Directory's and OpenLDAP's ways. */
const char *ldap_advice(int code, bool adding);

/* True where `dn` is `base` or lies below it: compared as RFC 4514 DNs without case, not as text. */
bool ldap_dn_below(struct span dn, struct span base);

#endif
