/* act_hold.c - the sub-folders of Hold, one for each folder that messages are held from (see act.h) */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "commands/act.h"

/* Sub-folders made during one run of the command: their addresses must stay, since goals point to them. */
struct made {
    struct made *next;
    struct place place;
};

static struct made *made;

static const struct place *
find_place(const struct act *act, const struct place *from)
{
    for (size_t i = 0; i < act->map.n_places; i++) {
        const struct place *place = &act->map.places[i];
        if (place->folder == FOLDER_HOLD && place->held_from == from->folder &&
            strcmp(place->connector, from->connector) == 0)
            return place;
    }
    for (const struct made *m = made; m != NULL; m = m->next)
        if (m->place.held_from == from->folder && strcmp(m->place.connector, from->connector) == 0)
            return &m->place;
    return NULL;
}

/* Owner, group and mode like the folder whose messages it takes: what is released finds the same taker. */
static int
make_like(int spool_fd, const char *path, const struct place *from)
{
    struct stat st;
    if (fstat(from->fd, &st) < 0)
        return -errno;
    if (mkdirat(spool_fd, path, 0700) < 0 && errno != EEXIST)
        return -errno;
    int fd = openat(spool_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if ((geteuid() == 0 && fchown(fd, st.st_uid, st.st_gid) < 0) || fchmod(fd, st.st_mode & 07777) < 0) {
        int r = -errno;
        close(fd);
        return r;
    }
    return fd;
}

const struct place *
act_hold_place(struct act *act, const struct place *from, struct why *why)
{
    char hold[SPOOL_PATH_MAX], flat[SPOOL_PATH_MAX];
    const struct place *there = find_place(act, from);
    if (there != NULL)
        return there;
    struct made *m = xcalloc(1, sizeof *m);
    place_flatten(from, flat);
    folder_path(FOLDER_HOLD, NULL, hold);
    snprintf(m->place.path, sizeof m->place.path, "%.80s/%.190s", hold, flat);
    m->place.folder = FOLDER_HOLD;
    m->place.held_from = from->folder;
    snprintf(m->place.connector, sizeof m->place.connector, "%s", from->connector);
    m->place.fd = make_like(act->map.spool_fd, m->place.path, from);
    if (m->place.fd < 0) {
        why_set(why, "4.3.0", "cannot make %s: %s", m->place.path, strerror(-m->place.fd));
        free(m);
        return NULL;
    }
    m->next = made;
    made = m;
    return &m->place;
}
