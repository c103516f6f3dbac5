/* state_page.c - reading a worker's state file (see worker_state.h) */
#include "common/worker_state.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

const char state_page_magic[16] = "viaduct-state 3";

bool
state_page_valid(const struct state_page *page)
{
    return memcmp(page->magic, state_page_magic, sizeof state_page_magic) == 0 &&
           page->n_suspects <= STATE_SLOTS;
}

#define END_TEXT(array) ((array)[sizeof(array) - 1] = '\0')

void
state_page_end_texts(struct state_page *page)
{
    END_TEXT(page->trouble);
    END_TEXT(page->last_error);
    END_TEXT(page->sandbox);
    END_TEXT(page->hold_reason);
}

int
state_read(int state_folder_fd, const char *file_name, struct state_page *page)
{
    int fd = openat(state_folder_fd, file_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t n = pread(fd, page, sizeof *page, 0);
    int r = n < 0 ? -errno : 0;
    close(fd);
    if (r < 0)
        return r;
    if ((size_t)n != sizeof *page || !state_page_valid(page))
        return -EINVAL;
    state_page_end_texts(page);
    return 0;
}
