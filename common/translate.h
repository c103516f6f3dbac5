/* translate.h - what an address becomes on the other side, and which connector is responsible for it
 *
 * Translation (design of the Exchange connectors, in this order):
 *   1. the recipient's proxy of the target type, from the book;
 *   2. a rule of the connector's mapping (table or template);
 *   3. a one-off: towards the host an IMCEA encapsulation in the host's first domain; towards a foreign system
 * its module's own form (smtp: the address itself; gwise: WPD our domain, WPPO SMTP, WPU "user@host"). An
 * encapsulated address that comes back is unwrapped before anything else, so replies reach the person; only in
 * the host's domains, at each layer, since other people's encapsulation is none of ours.
 *
 * A translator without connector (the host) changes nothing: the host form is its own form.
 *
 * Roles decide what a failure means (the three mapping rules): see enum address_role.
 */
#ifndef VIADUCT_TRANSLATE_H
#define VIADUCT_TRANSLATE_H

#include "common/address.h"
#include "common/book.h"
#include "conf/conf.h"

enum address_role {
    ROLE_ORIGINATOR,  /* cannot be mapped: a report for every recipient the connector is responsible for */
    ROLE_RESPONSIBLE, /* cannot be mapped: a report for this recipient */
    ROLE_LISTED       /* only in the header: never a report; encapsulated, or kept as text */
};

enum address_rule { RULE_SAME, RULE_BOOK, RULE_TABLE, RULE_TEMPLATE, RULE_UNWRAPPED, RULE_ONEOFF, RULE_NONE };

/* The word for a rule: "book", "table \"partners\"" needs the title beside it. */
const char *address_rule_word(enum address_rule rule);

/* Spans point into the arena, into the address that was given, or are the translator's. */
struct translation {
    struct address address;
    struct span display; /* from the book; may be empty */
    enum address_rule rule;
    const char *rule_title; /* of the mapping rule; "" else */
};

struct translator;

/* For one connector (NULL: the host). Loads tables named by mapping rules; errors go to `errors` as FILE:LINE
 * lines and give NULL. `book` is kept, not owned; NULL is a book with nobody in it. `root` is kept, so is
 * `type`: the address type of the system ("SMTP", "GWISE"), upper case. */
struct translator *translator_new(const struct conf_root *root, const struct conf_connector *connector,
                                  struct span type, struct book *book, struct buf *errors);
void translator_free(struct translator *translator);

/* Host form to the system's form. Returns 0; -ENOENT with `why` (5.1.x) where it cannot be mapped; -EAGAIN
 * where the book cannot be read; -ENOMEM where the arena is full. The null reverse-path stays what it is.
 *
 * An SMTP system's own recipients get their entry's primary address, everybody else the address under which the
 * host knows them; an originator needs no proxy: who is in no book stays what he is. For other types an
 * originator without proxy or rule is not mapped (-ENOENT), a recipient neither, unless it is an encapsulated
 * address of the type; one that is only listed, and a sender from beyond the host's domains, gets the system's one-off
 * form where it has one, else -ENOENT: a listed one is kept as text. */
int translate_out(struct translator *translator, const struct address *address, enum address_role role,
                  struct arena *arena, struct translation *translation, struct why *why);

/* The system's form to host form. Never -ENOENT for originators and listed ones: a one-off is made (but for an
 * address so long that no mailbox can hold it, and without a host domain). A recipient in no book: SMTP ones
 * stay what they are; others are a one-off of ours (unwrapped), or mapped by rule, else -ENOENT. -EAGAIN and
 * -ENOMEM as above. */
int translate_in(struct translator *translator, const struct address *address, enum address_role role,
                 struct arena *arena, struct translation *translation, struct why *why);

/* Rewrites the addresses of From, Sender, Reply-To, To, Cc, Bcc, Resent-*, Disposition-Notification-To in a
 * header block (LF line ends, the last line included). What needs no change stays byte for byte; a changed
 * field is re-folded at 78 columns. `out` gets the whole header, added. An address that cannot be mapped stays
 * what it is.
 *
 * A header holds mailboxes only: what becomes an address of another type is written encapsulated in the host's
 * first domain, and read back so on the way in. Memory does not grow with the number of addresses. Returns how
 * many were changed, or -EAGAIN (then `out` is as it was). The field count is bounded by the header alone: no
 * arena is needed. */
int translate_header(struct translator *translator, bool outwards, struct span header, struct buf *out);

/* True where the domain is one of the host's. */
bool host_domain_has(const struct conf_root *root, struct span domain);

/* Unwraps an address encapsulated in one of the host's domains, layer by layer. Returns 0; -ENOENT where it is
 * none; -EINVAL with `why` where it is malformed; -ENOMEM. */
int host_unwrap(const struct conf_root *root, const struct address *address, struct arena *arena,
                struct address *inner, struct why *why);

/* ---- routing ---- */

struct route_answer {
    const char *connector; /* "host" or a connector's name; owned by the configuration */
    struct address target; /* the address that decided: the entry's primary, the unwrapped one, or as given */
    const char *reason; /* one phrase for `viaduct route`: "book entry, side groupwise", "address space ..." */
    const struct conf_address_space *space; /* NULL where no space decided */
    bool host_domain;                       /* the address lies in one of the host's domains */
};

/* Which connector is responsible for a recipient in host form: an encapsulated one is unwrapped; the book's
 * entry names the side; else the address spaces decide by best pattern, then cost; `spread` chooses among
 * equals (any number, e.g. of the queue id); else a host domain means the host.
 *
 * A host domain counts as an exact pattern: a connector's wildcard does not take mail from it, an exact pattern
 * for the same domain does (a domain shared with the connector's system). An entry whose side is no longer
 * configured is routed by the address spaces. `book` may be NULL.
 *
 * Returns 0; -ENOENT with `why`: 5.1.1 unknown in a host domain (where a book is in use and host.unknown is
 * "refuse"; the postmaster is always known), 5.1.2 no connector has the address space, 5.1.3 no address;
 * -EAGAIN where the book cannot be read; -ENOMEM where the arena is full. */
int route_find(const struct conf_root *root, struct book *book, const struct address *address, uint32_t spread,
               struct arena *arena, struct route_answer *answer, struct why *why);

/* How to choose among equals. `spread` is any number; `closed`, where it is not NULL, says of a connector that it takes no mail
 * now: it is passed over while one of its equals is open. Where all are closed, or it is the only one, it is chosen all the
 * same: only who is asked for new mail may refuse it (service_connector_refuses()). */
struct route_choice {
    uint32_t spread;
    bool (*closed)(void *context, const char *connector);
    void *context;
};

/* route_find() with that choice; the same results. */
int route_find_open(const struct conf_root *root, struct book *book, const struct address *address,
                    const struct route_choice *choice, struct arena *arena, struct route_answer *answer,
                    struct why *why);

/* True for an SMTP address in one of the host's domains. */
bool route_is_host_domain(const struct conf_root *root, const struct address *address);

/* True for postmaster at a host domain: always taken, from anybody, and sent to the host where nobody else is
 * responsible, even what the host itself has sent (RFC 5321 section 4.5.1). Hops are counted, so no loop lasts. */
bool route_is_host_postmaster(const struct conf_root *root, const struct address *address);

#endif
