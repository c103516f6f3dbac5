/* track_files.c - names of tracking logs, and how long they are kept (see track_read.h) */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/track_read.h"
#include "common/utc.h"
#include "spool-layout/layout.h"

/* A worker's program, connector and lane. */
static bool
is_stem_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
}

bool
track_file_parse(const char *name, struct span *stem, int64_t *day_ms)
{
    const char *dot = strrchr(name, '.');
    if (dot == NULL || dot == name || name[0] == '.')
        return false;
    for (const char *p = name; p < dot; p++)
        if (!is_stem_byte(*p))
            return false;
    *stem = (struct span){name, (size_t)(dot - name)};
    return utc_parse_day(span_of(dot + 1), day_ms);
}

/* The name is looked at first, then whether it is a file; nothing else is ever removed. */
static int
expire_name(int folder_fd, const char *name, int64_t before_ms)
{
    struct span stem;
    struct stat st;
    int64_t day_ms;
    if (!track_file_parse(name, &stem, &day_ms) || day_ms + UTC_DAY_MS > before_ms)
        return 0;
    if (fstatat(folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISREG(st.st_mode))
        return 0;
    int r = spool_remove(folder_fd, name);
    return r == 0 ? 1 : r == -ENOENT ? 0 : r;
}

int
track_expire(int track_folder_fd, int64_t keep_s, int64_t now_ms)
{
    if (keep_s <= 0 || keep_s > now_ms / 1000)
        return 0;
    int fd = openat(track_folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        int error = errno;
        if (fd >= 0)
            close(fd);
        return -error;
    }
    int removed = 0, failed = 0;
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        int r = expire_name(track_folder_fd, entry->d_name, now_ms - keep_s * 1000);
        if (r < 0)
            failed = r;
        else
            removed += r;
    }
    closedir(dir);
    return failed < 0 ? failed : removed;
}
