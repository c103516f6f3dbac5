/* book-rig.h - folders for a book in a test's own folder, and their removal */
#ifndef VIADUCT_BOOK_RIG_H
#define VIADUCT_BOOK_RIG_H

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

#include "t/tap.h"

struct book_rig {
    const char *top;
    int temp_fd, book_fd;
};

static inline int
book_rig_folder(const char *top, const char *name)
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s", top, name);
    int fd = mkdir(path, 0700) == 0 ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd < 0) {
        printf("Bail out! cannot make %s\n", path);
        exit(1);
    }
    return fd;
}

static inline struct book_rig
book_rig_make(void)
{
    struct book_rig rig = {.top = tap_folder()};
    rig.temp_fd = book_rig_folder(rig.top, "Temp");
    rig.book_fd = book_rig_folder(rig.top, "book");
    return rig;
}

static inline int
book_rig_remove_one(const char *path, const struct stat *st, int type, struct FTW *place)
{
    (void)st, (void)type, (void)place;
    return remove(path);
}

static inline void
book_rig_clear(struct book_rig *rig)
{
    close(rig->temp_fd);
    close(rig->book_fd);
    nftw(rig->top, book_rig_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
