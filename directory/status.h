/* status.h - what is known of a dirsync's last run: for `status`, for the next run, for whoever asks why
 *
 * A small text file <dirsync>.status in spool/dirsync, a line "name: value" for each member, written anew and renamed. One that
 * is missing or unreadable says that nothing is known: then the next run reads all, and compares with no earlier number.
 */
#ifndef VIADUCT_DIRECTORY_STATUS_H
#define VIADUCT_DIRECTORY_STATUS_H

#include "common/base.h"
#include "common/utc.h"

struct dir_status {
    int64_t begun_s, ended_s;               /* of the last run, seconds since 1970; 0: none */
    int64_t applied_s;                      /* when a plan was last carried out to its end */
    char result[16];                        /* "done", "waiting", "refused", "failed", "planned" */
    char text[500];                         /* why, for a person; "" */
    char hash[65];                          /* of the last plan */
    uint64_t changes, done, failed;         /* of the last plan */
    uint64_t conflicts, refusals;           /* notices in it */
    uint64_t linked;                        /* pairs */
    uint64_t hiding;                        /* entries that wait to be deleted */
    uint64_t host_entries, foreign_entries; /* when a plan was last carried out to its end */
};

/* Fills `status`, with zeros where there is no file. False where there is none or it is unreadable. */
bool dir_status_read(int folder_fd, const char *dirsync, struct dir_status *status);

/* 0 or -errno. */
int dir_status_write(int folder_fd, const char *dirsync, const struct dir_status *status);

/* Writes a whole file of the folder: NAME.new, fsynced unless `hasty`, renamed to NAME. 0 or -errno. */
int dir_file_write(int folder_fd, const char *name, struct span bytes, bool hasty);

struct buf;
/* Reads a whole file of at most `most` octets. 0; -ENOENT; -EFBIG; -errno. */
int dir_file_read(int folder_fd, const char *name, size_t most, struct buf *out);

#endif
