/* side_file.h - the chapters of the file side, among themselves (see side.h)
 *
 *     foreign.read   --> side_file_csv.c, side_file_ldif.c --> the set: the foreign system's own recipients
 *     foreign.write  --> the same readers                  --> the set: the host's recipients that we wrote there
 *     changes --> foreign.write as a set, in memory --> side_file_write.c --> FILE.new, fsynced, renamed
 *
 * What is hostile here: foreign.read, all of it. A file that is wrong, that is being written, or that ends early is no reading at
 * all, never a shorter directory: a missing line would be taken for somebody who has left.
 */
#ifndef VIADUCT_SIDE_FILE_H
#define VIADUCT_SIDE_FILE_H

#include "directory/edit.h"

enum { FILE_VALUE_MAX = 4096, FILE_ERRORS_TOLD = 20 };

/* What our own CSV files begin with, and the first line of our LDIF files: by these we know them again. */
#define FILE_CSV_BEGIN  "id,kind,address,"
#define FILE_LDIF_BEGIN "# written by viaduct: what the host exports"

/* The columns of CSV files beside the attributes. */
enum file_column { FILE_ID, FILE_KIND, FILE_ADDRESS, FILE_PROXIES, FILE_MEMBERS, FILE_HIDDEN, FILE_COLUMNS };
extern const char *const file_columns[FILE_COLUMNS];

/* Ids of what we wrote, so that they are nobody's of foreign.read: "export:" and the source's id. */
#define FILE_EXPORT SPAN("export:")

struct file_side {
    struct dir_side side; /* first: the operations know no other */
    const struct conf_foreign *foreign;
    bool ldif;
    /* writing */
    struct dir_set *copies; /* what foreign.write holds, with the changes; NULL: nothing to be written yet */
    struct arena *arena;    /* of one change */
    struct file_waiting {   /* changes that are in `copies`, and are done when the file is written */
        const struct dir_change *change;
        enum dir_result result;
        void (*done)(void *arg, const struct dir_change *change, enum dir_result result, const struct why *why);
        void *arg;
    } * waiting;
    size_t n_waiting, waiting_size;
    bool dirty; /* `copies` is not what the file has */
    struct dir_words
        *moved;  /* LDIF: names that entries had before this batch --> 1 + place, 0: gone; NULL: none */
    bool broken; /* all later changes are */
    struct why why;
};

/* One file being read. */
struct file_reader {
    struct file_side *side;
    const char *path;
    int fd;
    bool ours;                    /* foreign.write */
    struct dir_set *set;          /* where entries go */
    const struct dir_set *copies; /* what we wrote: what comes back of it is left out; NULL: nothing */
    struct arena *arena;          /* of one record */
    struct dir_proxy *proxies;    /* of one record: DIR_PROXIES_MAX */
    size_t line;                  /* of the record */
    struct buf trouble;           /* of the record */
    size_t entries, echoes, wrong;
    struct why why; /* the first error */
    int err;        /* the file cannot be read on: -errno */
};

/* Notes for a person. */
void file_note(const struct file_side *side, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Says that something at reader->line is wrong: the reading is none. */
void file_error(struct file_reader *reader, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Says that the file cannot be read on: -errno. */
void file_broken(struct file_reader *reader, int err);

/* Says that something of the entry at hand is wrong, which is there all the same. */
void file_trouble(struct file_reader *reader, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A value without control octets, trimmed; what is no UTF-8 or too long is trouble. */
struct span file_clean(struct file_reader *reader, struct span value);

/* Adds an address; one that is none, or one too many, is trouble. */
void file_proxy(struct file_reader *reader, struct dir_entry *entry, struct span text);

/* Puts an entry into the set: makes its id of the address where it has none, finds out what is an echo of what we wrote, and what
 * is there twice. */
void file_put(struct file_reader *reader, struct dir_entry *entry);

/* Read the whole file, record by record. False, with an error told, where it ends without a line break. */
bool file_read_csv(struct file_reader *reader);
bool file_read_ldif(struct file_reader *reader);

/* The attributes that a CSV file has columns for; all where it cannot be read. */
uint32_t file_csv_attributes(int fd);

/* Read a whole file into the set; `copies` is NULL for foreign.write itself. 0; -ENOENT, -EAGAIN, -EINVAL or -errno with `why`. */
int file_read(struct file_side *side, const char *path, const struct dir_set *copies, struct dir_set *set,
              struct why *why);

/* Gives members their entries' names, where a CSV file has addresses or ids. */
void file_members(struct dir_set *set);

/* Add a record of ours; the beginning of a file. */
void file_add_csv(const struct dir_set *copies, const struct dir_entry *entry, struct buf *out);
void file_add_ldif(const struct dir_entry *entry, struct buf *out);
void file_begin_csv(struct buf *out);
void file_begin_ldif(struct buf *out);

/* side_file_write.c: as in dir_side_ops. */
void file_apply(struct dir_side *side, const struct dir_change *change,
                void (*done)(void *arg, const struct dir_change *change, enum dir_result result,
                             const struct why *why),
                void *arg);
void file_flush(struct dir_side *side);

#endif
