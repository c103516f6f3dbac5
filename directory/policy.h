/* policy.h - which proxy addresses a recipient gets: filters, templates, types
 *
 * A recipient policy has an LDAP filter, a priority and templates, one for each proxy. The policy with the lowest priority whose
 * filter matches decides alone, later ones are not looked at (as Exchange's Recipient Update Service did it). A template is
 * "TYPE:text"; a type in upper case makes the primary address of its type, in lower case another one. In the text stand
 *
 *     %m alias  %g given name  %s surname  %i initials (of the middle name)  %d display name  %% a percent sign
 *     %3s       the first three characters (NOTES, SNADS, PROFS: &s3 too, & is as % there)
 *     %rxy      from here on x becomes y in values; x = y: x is deleted (SMTP: a dot so named is kept)
 *
 * An SMTP template without user part gets %m. What exists is kept: an address of the type that an entry has already is never
 * taken away, and one that fits the policy is not made anew.
 *
 * Sources: Exchange's documentation of recipient policies and proxy generators (Inproxy, Ntspxgen, Gwxpxgen, X400prox, Pcproxy).
 */
#ifndef VIADUCT_DIRECTORY_POLICY_H
#define VIADUCT_DIRECTORY_POLICY_H

#include "conf/conf.h"
#include "directory/entry.h"

/* ---- filters (RFC 4515) ---- */

struct dir_filter;

/* Parses a filter: & | ! = ~= >= <= presence, substrings, \XX, and the rules 1.2.840.113556.1.4.803 and .804 (bits). NULL with
 * `why`, which names the offset. Nesting 100 deep at most, without recursion on the input. */
struct dir_filter *dir_filter_new(struct span text, struct why *why);
void dir_filter_free(struct dir_filter *filter);

/* The attributes it asks for, each once: what a reader must request. `each` gets names as written, without options. */
void dir_filter_names(const struct dir_filter *filter, void (*each)(void *arg, struct span name), void *arg);

/* Whether it matches. `value(arg, name, n, &span)` gives the n-th value of an attribute, false behind the last; options and
 * case of names do not matter. Values compare without ASCII case, numbers for >= and <= where both are such (else as text); ~= is
 * as =. An attribute that is not there equals nothing and has no bits, so that (!(x=a)) matches, as Active Directory does it;
 * only >= and <= are undefined then, and neither they nor their negations match (RFC 4511 section 4.5.1.7). */
bool dir_filter_matches(const struct dir_filter *filter,
                        bool (*value)(void *arg, struct span name, size_t n, struct span *value), void *arg);

/* The same over an entry: canonical attribute names, proxyAddresses, mail, targetAddress, objectClass, objectCategory,
 * msExchHideFromAddressLists (TRUE or not there), userAccountControl (512, 514), homeMDB (there for mailboxes), and `mark`. */
bool dir_filter_matches_entry(const struct dir_filter *filter, const struct dir_entry *entry);

/* Whether it knows an attribute by this name: a filter over entries that asks for another one matches nobody by it. */
bool dir_filter_name_of_entry(struct span name);

/* Adds a value to a filter with what RFC 4515 section 3 asks for escaped (any octet may stand in it). */
void dir_filter_escape(struct span value, struct buf *out);

/* ---- address types ---- */

/* The registry: who makes addresses of a type. A type that it does not know has templates of the plain generator. */
struct address_type {
    const char *name;      /* "NOTES" */
    const char *generator; /* "notes": the rules of its templates */
    const char *module;    /* "built in", or the module's name */
    const char *version;
    size_t longest;       /* characters of a value */
    const char *standard; /* a template to begin with, <domain> and <org> to be filled in; NULL: none */
};
const struct address_type *address_type_find(struct span type); /* NULL: not known; ASCII case ignored */
const struct address_type *address_type_at(size_t n);           /* NULL behind the last */
/* A type of a module, kept and not owned: to be added once, at start. One that is there already stays as it is. */
void address_type_add(const struct address_type *type);

/* ---- templates ---- */

/* Makes an address of a template for an entry. `number` 0 or 1: as it stands; 2 and more: the n-th try after collisions, the
 * number behind the user part (CCMAIL: before " at "), within the type's length. Returns 0 with the value in `out` (without
 * type; reset first); -ENODATA with `why` where nothing is left of the entry's values and it has no alias either, or what is left
 * is no address of the type; -EINVAL with
 * `why` for a template that cannot be, naming the offset. */
int address_template(struct span template, const struct dir_entry *entry, unsigned number, struct buf *out,
                     struct why *why);

/* Checks a template without an entry. 0 or -EINVAL with `why`. */
int address_template_check(struct span template, struct why *why);

/* ---- policies ---- */

struct dir_policies; /* all of the configuration, by priority */

/* NULL with `why` (which names the policy) where a filter or template cannot be. */
struct dir_policies *dir_policies_new(const struct conf_root *root, struct why *why);
void dir_policies_free(struct dir_policies *policies);

/* A digest of filters and their order: a set whose entries were matched under another one must be read anew. */
uint64_t dir_policies_digest(const struct dir_policies *policies);

/* The attributes that the filters ask for. */
void dir_policies_names(const struct dir_policies *policies, void (*each)(void *arg, struct span name),
                        void *arg);

/* 1 + index of the policy that applies; 0: none. */
unsigned dir_policies_choose(const struct dir_policies *policies,
                             bool (*value)(void *arg, struct span name, size_t n, struct span *value),
                             void *arg);
unsigned dir_policies_choose_entry(const struct dir_policies *policies, const struct dir_entry *entry);

const char *dir_policies_title(const struct dir_policies *policies, unsigned policy);

/* Who has which address, over both directories and what this run gave out. */
struct dir_taken;
NEW_MEMORY struct dir_taken *dir_taken_new(void);
void dir_taken_free(struct dir_taken *taken);
/* Says that `owner` (any octets that tell entries apart, as "host:<id>") has the address. False, and the other's stays, where
 * another one has it. */
bool dir_taken_add(struct dir_taken *taken, const struct address *address, struct span owner);
bool dir_taken_by_other(const struct dir_taken *taken, const struct address *address, struct span owner);
/* Names somebody who is asked besides: the planner's sets, which know their addresses already. He answers as
 * dir_taken_by_other(). */
void dir_taken_ask(struct dir_taken *taken,
                   bool (*by_other)(void *arg, const struct address *address, struct span owner), void *arg);

/* What an entry lacks by its policy. For each template of which the entry has no proxy of the type (for a primary type: no
 * primary), the first free address of at most `DIR_TRIES` tries is given out (dir_taken_add() is done) and reported by `each`;
 * `note` gets a line for each that had to be numbered ("smtp:ann@x is taken by ..., ann2@x is given") and for each that could
 * not be made. */
enum { DIR_TRIES = 10000 };
void dir_policies_complete(const struct dir_policies *policies, const struct dir_entry *entry,
                           struct span owner, struct dir_taken *taken,
                           void (*each)(void *arg, const struct address *address, bool primary),
                           void (*note)(void *arg, const char *text), void *arg);

#endif
