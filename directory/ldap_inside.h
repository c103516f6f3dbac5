/* ldap_inside.h - what the chapters of an LDAP link share (see ldap.h)
 *
 *     ldap_link.c      servers, TLS, who we are
 *     ldap_patience.c  how long a handshake may take
 *     ldap_certificate.c   which certificate was refused, pins
 *     ldap_keytab.c    the key table of one principal
 *     ldap_server.c    what a server says of itself
 *     ldap_answer.c    one entry of an answer, values that came in ranges
 *     ldap_read.c      searches, page by page
 *     ldap_changes.c   what changed since a cookie, by update numbers; ldap_dirsync.c, ldap_syncrepl.c
 *     ldap_write.c     changes, several on their way
 *     ldap_words.c     ids, names, what result codes mean
 */
#ifndef VIADUCT_DIRECTORY_LDAP_INSIDE_H
#define VIADUCT_DIRECTORY_LDAP_INSIDE_H

#include "directory/ldap.h"

/* libldap takes without const what it only reads. */
static inline char *
only_read(const char *text)
{
    union {
        const char *in;
        char *out;
    } both = {text};
    return both.out;
}

static inline char **
only_read_list(const char *const *list)
{
    union {
        const char *const *in;
        char **out;
    } both = {list};
    return both.out;
}

/* A request that was sent, whose result is awaited. */
struct ldap_sent {
    int id;
    ldap_done *done;
    void *arg;
};

struct ldap_link {
    const struct conf_directory *directory;
    int64_t deadline_ms;
    void (*note)(void *arg, const char *text);
    void *arg;
    LDAP *ld;                    /* NULL: not connected */
    struct ldap_conncb callback; /* of its sockets */
    int64_t patience_ms;         /* monotonic: how long a handshake may take; 0: not limited here */
    bool impatient;              /* one took longer */
    struct ldap_server server;
    struct buf password;
    int keytab_fd, key_fd; /* of copies in memory; -1: none */
    char key_path[48];
    char **known; /* names of the schema, lower case, sorted */
    size_t n_known;
    bool schema_read;
    struct ldap_sent *sent;
    size_t n_sent;
    bool lost; /* while requests were on their way */
};

/* An attribute of an entry, without options; its values begin at `first`. */
struct ldap_attribute {
    struct span name;
    size_t first, count;
    bool optional; /* it came with options (";lang-de") */
};

struct ldap_answer {
    struct ldap_link *link;
    struct span dn;
    struct ldap_attribute *attributes;
    size_t n_attributes, attributes_size;
    struct span *values;
    size_t n_values, values_size;
    BerVarray *vectors; /* of libldap, to be freed */
    size_t n_vectors, vectors_size;
    BerElement *ber;
    struct buf extra; /* values that were fetched behind the first range */
};

/* Takes an entry apart; values point into the message. 0, or -EBADMSG, -EAGAIN (a range could not be fetched) with `why`. */
int answer_take(struct ldap_answer *answer, struct ldap_link *link, LDAPMessage *entry, const char *ranged,
                struct why *why);
/* Makes it ready for the next; and frees all. */
void answer_reset(struct ldap_answer *answer);
void answer_clear(struct ldap_answer *answer);

/* Waits for the next message of a request (or, id LDAP_RES_ANY, of any). 0 with `*message` to be freed; -ETIMEDOUT at the
 * deadline or after the directory's time-out without a whole message, -EAGAIN where the connection is lost; with `why`. The link is
 * closed then. */
int link_next(struct ldap_link *link, int id, LDAPMessage **message, struct why *why);

/* The options of a session. An LDAP result code. */
int link_set_options(LDAP *ld, const struct ldap_link *link);

/* Whether the server that could not be reached shows a certificate to whoever does not verify it, and none that verifies, so that
 * this is the trouble.
 * `text` says whose it is, who issued it, and until when it is valid. Nothing else is said to the server. */
bool link_sees_certificate(struct ldap_link *link, char text[300]);

/* Puts that layer below every session of the link. */
void link_limit_sockets(struct ldap_link *link);
/* What is done next without a time-out of its own may take so long, and not beyond the deadline; 0: that is over. */
void link_be_patient(struct ldap_link *link, int64_t seconds);

/* Of a session over TLS whose certificate was verified: whether its key is one of tls.pins. 0, or -EACCES with `why`. */
int link_check_pins(const struct ldap_link *link, struct why *why);

/* What is left of a key table (MIT Kerberos' file, version 2) when only the keys of one principal are kept: NAME@REALM, or NAME
 * in any realm; components of the name are parted by '/'. Parses `table`, which is hostile only as far as a file of root's is. 0;
 * -EBADMSG for what is no key table; -ENOENT where the principal has no key in it. */
int keytab_of(struct span table, struct span principal, struct buf *out);

/* Closes after a failure: -EAGAIN with `why`, which names the server. */
int link_lose(struct ldap_link *link, int code, const char *what, struct why *why);
void link_close(struct ldap_link *link);

/* One search to its end, `each` for every entry. Without pages, unless `paged`. Results: see ldap_read(). */
struct link_search {
    const char *base, *filter;
    int scope;
    const char *const *attributes;
    const char *ranged;
    bool paged, deleted;
};
int link_search(struct ldap_link *link, const struct link_search *search,
                bool (*each)(void *arg, const struct ldap_answer *answer), void *arg, struct why *why);

/* ---- what changed: ldap_changes.c, ldap_dirsync.c, ldap_syncrepl.c ---- */

enum { ID_BYTES = 16 };

/* Ids of 16 octets, each once when they are used. */
struct ids {
    unsigned char (*at)[ID_BYTES];
    size_t n, size;
};
void ids_add(struct ids *ids, struct span value);

struct changes_found {
    struct ldap_link *link;
    struct ids changed, gone;
    struct buf cookie; /* the next one, with its word */
    bool stale;
};

/* For link_search(): adds an answer's objectGUID to the `struct ids` that `arg` is. */
bool changes_take_guid(void *arg, const struct ldap_answer *answer);

/* Fill `found` with what changed since a cookie (without its word; DirSync: empty for everything). 0; -ESTALE with `why`; else as
 * ldap_read(). */
int dirsync_find(struct changes_found *found, struct span cookie, const char *const *attributes,
                 struct why *why);
int syncrepl_find(struct changes_found *found, struct span cookie, struct why *why);

/* The cookie of now. 0 or -errno with `why`. */
int syncrepl_begin(struct ldap_link *link, struct buf *cookie, struct why *why);

/* rootDSE, capabilities, identity. 0 or -errno with `why`. */
int server_ask(struct ldap_link *link, struct why *why);
/* The update number of Active Directory now; 0: none. */
int server_usn(struct ldap_link *link, uint64_t *usn, struct why *why);

#endif
