/* mapping.h - the rules of a connector's mapping: tables and templates, tried in the order of the file
 *
 * A table is a file with one line per pair: foreign address, blanks, host address. The host address is the last
 * word, so a foreign one may hold blanks. '#' at the start of a line or behind a blank begins a comment. Types
 * (GWISE:, SMTP:) may stand before the addresses. With one '*' in each, both stand for the same run of
 * characters, not empty. Within a table lines without '*' are tried first, then the others in the order of the
 * file. A foreign address may stand once; of several lines with one host address the first is the way out.
 *
 * A template makes an address of parts (config.def). One for the way out that names neither %d nor %0 forgets
 * the domain, and is applied only to addresses in the host's own domains: else a stranger's address would
 * become that of a colleague with the same name.
 *
 * A result that is no address of its type makes the rule not apply; a local part that needs quotes gets them.
 */
#ifndef VIADUCT_MAPPING_H
#define VIADUCT_MAPPING_H

#include "common/address.h"
#include "conf/conf.h"

struct mapping;

struct mapping_answer {
    struct address address;
    const char *title; /* of the rule; owned by the configuration */
    bool table;
};

/* Reads the tables and checks the templates. `type` is kept. Errors are added to `errors` (may be NULL) as
 * "FILE:LINE: ..." and give NULL. */
struct mapping *mapping_new(const struct conf_mapping *conf, struct span type, struct buf *errors);
void mapping_free(struct mapping *mapping);

/* A host (SMTP) address to the foreign type. `in_host_domain` as told above. Returns 0 with the result in the
 * arena or owned by the mapping; -ENOENT where no rule applies; -ENOMEM. */
int mapping_out(struct mapping *mapping, const struct address *address, bool in_host_domain,
                struct arena *arena, struct mapping_answer *answer);

/* A foreign address to its host (SMTP) address; the same. */
int mapping_in(struct mapping *mapping, const struct address *address, struct arena *arena,
               struct mapping_answer *answer);

#endif
