/* maildir_in.h - within the module: a folder new that is taken in, and the file at hand */
#ifndef VIADUCT_MAILDIR_IN_H
#define VIADUCT_MAILDIR_IN_H

#include "common/buf.h"
#include "systems/maildir/maildir.h"

struct maildir_in {
    const struct viaduct_services *services;
    struct viaduct_gateway *gateway;
    char *root;
    int root_fd, new_fd;
    struct event *timer;
    char **names; /* of the last look, ordered; taken from the front */
    size_t n_names, next;
    int64_t poll_ms, polled_ms;
    struct viaduct_intake *intake; /* the file at hand; NULL */
    int fd;
    bool committing, lost;
    bool carriage;     /* a CR waits for what follows it */
    struct buf header; /* what goes before the rest of the file */
    off_t at;
};

/* The timer comes in so many milliseconds. */
void maildir_in_arm(struct maildir_in *in, int64_t ms);

/* ---- maildir_file.c ---- */

/* Takes up the next of the names: its intake begins, or it is passed over. */
void maildir_file_begin(struct maildir_in *in);

/* Copies the next megabyte; behind the last it is committed. */
void maildir_file_step(struct maildir_in *in);

void maildir_file_close(struct maildir_in *in);

#endif
