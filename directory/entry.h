/* entry.h - a recipient as a directory knows it, and the set of all of one side
 *
 * What differs between directories ends at the sides (side.h): each makes a `struct dir_entry` of what it reads. A set keeps
 * all entries of one directory packed, some hundred octets each; it is also the file in which the last reading is kept
 * (spool/dirsync/), so that a run which reads only changes has the rest.
 *
 * An entry is known by its id, which nothing but its own directory gives and which stays when it is renamed or moved:
 * objectGUID, entryUUID, dominoUNID; where a directory has none (GroupWise, CSV), its key. An entry that we wrote carries a
 * mark: whose it is and which entry of the other side it stands for,
 *
 *     viaduct:<dirsync>:<id of the source>
 *
 * in an attribute of its own (importedFrom, adminDescription ...). The mark is the link between both sides: it lies in the
 * directory itself, so no lost file of ours can break it. An entry that was there before and got our mark because an operator
 * asked for it has "viaduct-adopted:<dirsync>:<id>": it stays where it is, and is let go instead of deleted. Where a directory
 * keeps no marks, what tells ours apart (a GroupWise domain) gives "viaduct:<dirsync>:" without id; its target then says whose
 * copy it is.
 *
 * What is hostile here: values, which may hold any octet, and the set's file.
 */
#ifndef VIADUCT_DIRECTORY_ENTRY_H
#define VIADUCT_DIRECTORY_ENTRY_H

#include "common/address.h"

enum dir_attribute {
#define ATTRIBUTE(symbol, name, domino, ldap, characters) DIR_##symbol,
#include "directory/attributes.def"
    DIR_ATTRIBUTES
};

enum dir_kind {
    DIR_MAILBOX,   /* a user whose mail lies on this side */
    DIR_MAIL_USER, /* a user of this side whose mail goes elsewhere (targetAddress) */
    DIR_CONTACT,
    DIR_GROUP,
    DIR_RESOURCE,
    DIR_FOLDER, /* mail-enabled public folder, mail-in database */
    DIR_KINDS
};

struct dir_proxy {
    struct address address;
    bool primary; /* of its type */
};

enum { DIR_PROXIES_MAX = 500, DIR_ID_MAX = 255, DIR_NAME_MAX = 4096, DIR_MARK_MAX = 1024 };

struct dir_entry {
    struct span id;   /* printable; never empty */
    struct span name; /* where it is: a DN, a GroupWise address; what a person sees of it */
    struct span mark; /* as it stands there, ours or a stranger's; empty: nobody's */
    enum dir_kind kind;
    bool hidden;    /* from address lists */
    bool opted_out; /* shall not be exported */
    bool disabled;  /* a user whose account is disabled */
    bool
        broken; /* could not be mapped; `trouble` says why. Counts as present, and is neither changed nor exported */
    unsigned policy; /* 1 + index of the recipient policy that applies; 0: none */
    struct span trouble;
    struct span value[DIR_ATTRIBUTES]; /* UTF-8 without control octets; empty: none */
    struct address
        target; /* where its mail is sent: targetAddress, a foreign recipient's own address; type empty: none */
    struct dir_proxy *proxies;
    size_t n_proxies;
    struct span *members; /* of a group: names (as `name`) of entries on the same side, in no order */
    size_t n_members;
};

/* The canonical name of an attribute ("displayName"), its limit in characters, and of a kind ("contact"). */
const char *dir_attribute_name(enum dir_attribute attribute);
size_t dir_attribute_limit(enum dir_attribute attribute);
const char *dir_kind_name(enum dir_kind kind);

/* The attribute with this canonical name (ASCII case ignored), or DIR_ATTRIBUTES. */
enum dir_attribute dir_attribute_find(struct span name);

/* The proxy that is primary of the type, else the first of it; NULL: none. `type` in upper case. */
const struct dir_proxy *dir_entry_proxy(const struct dir_entry *entry, struct span type);

/* Is this address one of its proxies? ASCII case does not count in the value. */
bool dir_entry_has_proxy(const struct dir_entry *entry, const struct address *address);

/* Whether mail can be meant for it: a contact or mail user of nobody, without a target, as one that was let go, is no recipient. */
bool dir_entry_is_recipient(const struct dir_entry *entry);

/* "SMTP:ann@a.example" is primary, "smtp:ann@a.example" is not: the type is written in upper case. */
bool dir_proxy_is_primary(struct span text);

/* The parts of a mark that some dirsync of viaduct's made. False for a stranger's, and for an empty one. A dirsync is named by
 * its title, which has no ':'. dir_mark_print() adds a mark to `out`. */
bool dir_mark_parse(struct span mark, struct span *dirsync, struct span *source);
bool dir_mark_adopted(struct span mark);
void dir_mark_print(const char *dirsync, struct span source, bool adopted, struct buf *out);

/* ---- what a directory can keep ---- */

enum dir_naming {
    DIR_NAMED_DN,      /* names are DNs, made of the display name, and can change */
    DIR_NAMED_ADDRESS, /* the value of the target address is name and key: another address is another entry */
    DIR_NAMED_FREELY   /* any text that no other entry has, made of the display name */
};

/* Of a side: what is not kept by both sides is not kept in step, so that nothing is written again and again. */
struct dir_traits {
    uint32_t attributes;             /* bits 1 << DIR_DISPLAY ... */
    uint16_t limits[DIR_ATTRIBUTES]; /* characters of a value; 0: as attributes.def says */
    bool hides;                      /* entries can be hidden from address lists */
    bool members;                    /* groups have members */
    enum {
        DIR_PROXIES_NONE,
        DIR_PROXIES_MAIL,
        DIR_PROXIES_ALL
    } proxies; /* beside the target: one SMTP address, or all */
    enum dir_naming naming;
    uint32_t not_of_groups; /* bits of attributes that groups cannot have there */
    bool no_adoption;       /* what others put there cannot be made ours */
    bool no_target;         /* it keeps no target address beside the proxies: none is planned for it */
    bool
        needs_surname; /* an entry must have one: where there is none, its display name is planned as surname */
};

/* ---- sets ---- */

struct dir_set;

NEW_MEMORY struct dir_set *dir_set_new(void);
void dir_set_free(struct dir_set *set);

/* Adds a copy, in place of the one with the same id where there is one. Returns its place, which stays valid (and changes
 * meaning never) until the set is freed; SIZE_MAX with `why` for an entry that cannot be: no id, too long. */
size_t dir_set_put(struct dir_set *set, const struct dir_entry *entry, struct why *why);

/* Takes the entry with this id out; its place is never used again. True where there was one. */
bool dir_set_drop(struct dir_set *set, struct span id);

/* How many entries are in it, and how many places there are (those of dropped ones count). */
size_t dir_set_count(const struct dir_set *set);
size_t dir_set_places(const struct dir_set *set);

/* A digest of what is in it: equal sets have equal ones, whatever the order and history. Against accident, not against malice. */
uint64_t dir_set_digest(const struct dir_set *set);

/* Reads the entry at a place; its spans point into the set and live until the next dir_set_put() or free; `proxies` and
 * `members` point into `room`, whose memory the caller frees with dir_room_clear() and reuses from call to call. False for a
 * dropped one. */
struct dir_room {
    struct dir_proxy *proxies;
    size_t proxies_size;
    struct span *members;
    size_t members_size;
};
bool dir_set_get(const struct dir_set *set, size_t place, struct dir_room *room, struct dir_entry *entry);
void dir_room_clear(struct dir_room *room);

/* The same at a glance: without addresses (the target too), values and members, however many there are. */
bool dir_set_glance(const struct dir_set *set, size_t place, struct dir_entry *entry);

/* Look-ups: the place, or SIZE_MAX. By id and by mark octet for octet, by name without ASCII case; by address as
 * address_equal(), among targets and proxies: `*more` says whether others have it too (a conflict). The indexes are built at
 * the first question after a change. */
size_t dir_set_find_id(const struct dir_set *set, struct span id);
size_t dir_set_find_name(const struct dir_set *set, struct span name);
size_t dir_set_find_mark(const struct dir_set *set, struct span mark);
size_t dir_set_find_address(const struct dir_set *set, const struct address *address, bool *more);

/* What is known of the reading as a whole; stands in the set's file. */
struct dir_reading {
    char source[256];  /* which server or file, with what makes its cookie valid (invocationId); "" */
    struct buf cookie; /* of the change source: octets; empty: none */
    int64_t full_s;    /* when all was read, seconds since 1970; 0: never */
    int64_t read_s;    /* when changes were read */
};

/* Writes the set into a new file `name` of the folder (through `name`.new, fsynced, then renamed over it), and reads it back.
 * dir_set_read() wants a new set, and a failure leaves one that is of no use. The file: a text line "viaduct-directory 1", the reading's lines, then records with length and CRC32C, and a last line that
 * counts them; a file that is torn is no set. Return 0, -ENOENT, -EINVAL with `why` (torn), or -errno with `why`. */
int dir_set_write(const struct dir_set *set, const struct dir_reading *reading, int folder_fd, const char *name,
                  struct why *why);
int dir_set_read(struct dir_set *set, struct dir_reading *reading, int folder_fd, const char *name,
                 struct why *why);

#endif
