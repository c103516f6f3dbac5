/* layout.h - the spool tree as flow.def declares it, and the only place where spool files change their names
 *
 * The tables below are expansions of flow.def. A folder is named by its symbol and, where there is one per
 * connector, the connector's name; paths are made here and nowhere else.
 *
 * All changes of names in the spool go through spool_move() and spool_remove(): a move is
 * renameat2(RENAME_NOREPLACE) within one file system, so nothing is ever overwritten (promise 3).
 */
#ifndef VIADUCT_LAYOUT_H
#define VIADUCT_LAYOUT_H

#include <sys/types.h>

#include "common/base.h"

struct stat;

enum verdict {
    VERDICT_NONE,
#define VERDICT(symbol, word, meaning) VERDICT_##symbol,
#include "spool-layout/flow.def"
    VERDICT_COUNT
};

enum worker_id {
#define WORKER(symbol, program, per, meaning) WORKER_##symbol,
#include "spool-layout/flow.def"
    WORKER_COUNT
};

enum folder {
#define FOLDER(symbol, path, per, kind, meaning) FOLDER_##symbol,
#include "spool-layout/flow.def"
    FOLDER_COUNT,
    FOLDER_GONE,  /* settled: the file is unlinked */
    FOLDER_SYSTEM /* the world outside */
};

enum per { PER_ONE, PER_CONNECTOR, PER_CONVERTER };
enum folder_kind { KIND_QUEUE, KIND_READY, KIND_DROP, KIND_OTHER };
enum move_how { HOW_HAND, HOW_REWRITE };

struct worker_row {
    const char *program; /* "cleanup": the program is viaduct-cleanup */
    enum per per;
    const char *meaning;
};

struct folder_row {
    const char *path; /* relative to the spool; "%s" stands for the connector */
    const char *name; /* the last component, as operators say it: "MTS-IN" */
    enum per per;
    enum folder_kind kind;
    const char *meaning;
};

struct move_row {
    enum worker_id worker;
    enum folder from;
    enum verdict verdict;
    enum folder to;
    enum move_how how;
};

extern const struct worker_row worker_table[WORKER_COUNT];
extern const struct folder_row folder_table[FOLDER_COUNT];
extern const struct move_row move_table[];
extern const size_t move_count;

/* The word of a verdict ("pass"), and the name of a folder as operators say it ("MTS-IN", "gone", "system"). */
const char *verdict_word(enum verdict verdict);
const char *folder_name(enum folder folder);

/* The folder with this name or symbolic path end, ASCII case ignored; FOLDER_COUNT where there is none. */
enum folder folder_by_name(const char *name);

/* The one move of a worker, or NULL where flow.def declares none (which is a bug of the worker's). */
const struct move_row *flow_find(enum worker_id worker, enum folder from, enum verdict verdict);

/* The worker that takes from a folder (the command aside); WORKER_COUNT where nobody does. */
enum worker_id flow_taker(enum folder folder);

/* True where the worker may put files into the folder. */
bool flow_puts(enum worker_id worker, enum folder folder);

/* True where the worker takes from the folder. */
bool flow_takes(enum worker_id worker, enum folder folder);

enum { SPOOL_PATH_MAX = 200, CONNECTOR_NAME_MAX = 40 };

/* A connector's name is a folder's: 1 to 40 of a-z A-Z 0-9 - _ , first a letter or digit. */
bool connector_name_valid(const char *name);

/* Writes the folder's path relative to the spool. `connector` is needed for PER_CONNECTOR folders, else
 * ignored. Returns 0, or -EINVAL for a bad connector name. */
int folder_path(enum folder folder, const char *connector, char path[SPOOL_PATH_MAX]);

/* Opens a folder below the spool for *at() calls and reading. Returns a descriptor or -errno. */
int folder_open(int spool_fd, enum folder folder, const char *connector);

/* Moves a name, never over an existing one. Returns 0 or -errno: -EEXIST, -ENOENT (somebody else moved it
 * first), -EXDEV (two file systems, or Landlock refuses the rights), -ENOSPC, -EROFS, ... */
int spool_move(int from_fd, const char *from_name, int to_fd, const char *to_name);

/* Unlinks a name. Returns 0 or -errno. */
int spool_remove(int folder_fd, const char *name);

#define SPOOL_ASIDE                                                                                            \
    ".gone" /* after the stem of a message: the stranger's file that it replaces, being removed */

/* Unlinks a name in a folder where others may exchange files (drop), but only where it stands for the file of this
 * inode: a look and an unlink would be two steps, and what somebody put there in between would be lost. So the file
 * is moved aside first, to where nobody else moves, looked at, and removed there, or put back: under its name, or
 * under `aside` where that has been taken again. Returns 0 where this call removed the file; -ENOENT: it was not there,
 * or another file was, which is there again; another -errno: it could not be removed, and is there. */
int spool_remove_file(int folder_fd, const char *name, ino_t inode, int aside_fd, const char *aside);

/* The rest of such a removal that a kill cut short: what lies aside is removed or put back as above. 0, -ENOENT:
 * nothing lies there, or -errno. */
int spool_remove_aside(int folder_fd, const char *name, ino_t inode, int aside_fd, const char *aside);

/* The same for moves alone (O_PATH): needs no right to list the folder. */
int folder_open_path(int spool_fd, enum folder folder, const char *connector);

/* Takes an exclusive lock (flock) without waiting: 0, -EBUSY where somebody else has it, or -errno. The lock
 * ends with the descriptor. Whoever acts on a queue file, worker or command, holds it. */
int spool_lock(int fd);

/* 0 where `name` still is the file that is open as `fd`, whose `*status` is then known; -ENOENT where it is another or none;
 * or -errno. */
int spool_check_named(int folder_fd, const char *name, int fd, struct stat *status);

/* Opens a queue file for reading and appending, locks it, and checks that the name still belongs to that file:
 * the claim that comes before any act. Returns a descriptor; -ENOENT (moved on), -EBUSY (locked), -ELOOP or
 * -EINVAL (no regular file), or -errno. */
int spool_claim(int folder_fd, const char *name);

/* Creates the whole tree for these connectors below `spool_path` (mode 0700 folders; the installer and master
 * give owners and groups, see common/ownership.h). Existing folders are left alone. Returns 0, or -errno with
 * `why` naming the path. */
int spool_create(const char *spool_path, const char *const *connectors, size_t count, struct why *why);

#endif
