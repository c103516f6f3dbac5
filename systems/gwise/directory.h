/* directory.h - GroupWise's directory through the files of its API gateway: requests written, answers read
 *
 * There is no connection to ask: a request is an ADMIN file in API_IN, its answer, if it has one, an ADMIN file in API_OUT
 * some time later. Files carry no number that ties an answer to its request, and a gateway sends some unasked. Exchange's
 * connector told answers apart by their order; when that changed, it took the whole directory for the answer to a List and
 * deleted every GroupWise user. So:
 *
 *   - one request at a time and gateway (the caller's to keep);
 *   - directory_read() takes an answer only for what it can be: one to a List names nothing but the domain and post office
 *     that were asked for; one that ends early is no answer at all, never a shorter directory;
 *   - directory_write_entry() writes nothing that adds, changes or deletes outside of our own foreign domain.
 *
 *     request                      answer
 *     List of a post office        its entries; none at all where it has none (the gateway's log says so, no file comes)
 *     -GET-DIRECTORY-              every entry of every domain, our own among them
 *     Add, Modify, Delete          none, whether they did anything or not
 *
 * What is hostile here: answers. Text is UTF-8 on both sides; the caller converts the file (codepage.h) before it is read and
 * after it was written.
 *
 * Sources: Microsoft KB articles Q222506 (files of all four kinds), Q222186, Q229821, Q241086; files/tables of Exchange's
 * connector.
 */
#ifndef VIADUCT_GWISE_DIRECTORY_H
#define VIADUCT_GWISE_DIRECTORY_H

#include "common/buf.h"
#include "systems/gwise/api_read.h"

enum directory_attribute {
#define ATTRIBUTE(symbol, keyword, characters) DIRECTORY_##symbol,
#include "systems/gwise/directory.def"
    DIRECTORY_ATTRIBUTES
};

enum directory_kind { DIRECTORY_USER, DIRECTORY_RESOURCE, DIRECTORY_GROUP, DIRECTORY_OFFICE, DIRECTORY_KINDS };
enum directory_operation {
    DIRECTORY_LIST,
    DIRECTORY_ADD,
    DIRECTORY_MODIFY,
    DIRECTORY_DELETE,
    DIRECTORY_OPERATIONS
};

enum { DIRECTORY_ALIASES_MAX = 8 };

struct directory_alias {
    struct span type, name; /* the gateway's alias type ("exchange"), the address */
};

struct directory_entry {
    enum directory_kind kind;
    struct span domain, office, object; /* of an office the object is empty */
    struct span visibility;             /* "System", "Domain", "Post Office", "None"; empty: System */
    struct span time_zone;              /* of an office */
    struct span values[DIRECTORY_ATTRIBUTES];
    bool has[DIRECTORY_ATTRIBUTES]; /* written: to be set (an empty value clears); read: was there */
    struct directory_alias aliases[DIRECTORY_ALIASES_MAX];
    size_t n_aliases;
};

/* The keyword of an attribute ("Last-Name"). */
const char *directory_keyword(enum directory_attribute attribute);

/* ---- requests; each is a whole file but for what stands between begin and end ---- */

/* "List" of all users with their aliases in one post office. */
void directory_write_list(struct buf *out, struct span domain, struct span office);
/* Everything. */
void directory_write_get(struct buf *out);

/* A file of changes: begin, entries, end. */
void directory_write_begin(struct buf *out);
/* Adds a change. False, and nothing is added, where the entry does not lie in `own_domain` (ASCII case ignored), has no
 * office, or, other than an office, no object; or where the operation is List. A value longer than its attribute may be is
 * cut between characters. In Add, attributes without value are left out; in Modify they clear. */
bool directory_write_entry(struct buf *out, enum directory_operation operation,
                           const struct directory_entry *entry, struct span own_domain);
void directory_write_end(struct buf *out);

/* ---- answers ---- */

struct directory_scope {
    bool everything; /* the answer to -GET-DIRECTORY-; else to a List of: */
    struct span domain, office;
};

/* Reads an answer: calls each(arg, entry) for every entry, whose spans live as long as the file's, until it returns false.
 * Returns how many there were; -EBADMSG with `why` where the file is no answer to what was asked (another scope, no list,
 * not ended, an entry without key): each() was not called then, not once. */
int directory_read(const struct api_file *file, const struct directory_scope *scope,
                   bool (*each)(void *arg, const struct directory_entry *entry), void *arg, struct why *why);

#endif
