/* conf_file.c - files that a configuration is made of, or names
 *
 * A path that does not begin with a slash starts at the folder of the file that names it. Secrets must be
 * closed to others: who can read a key can be the server.
 *
 * SECURITY: the checks warn an administrator of a mistake; between check and use the file can change, so
 * whoever opens a secret checks the opened one again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/conf_scan.h"

/* `file` beside the file `beside`, as it would be shown: "conf.d/x.conf" beside "/etc/viaduct.conf". */
static const char *
beside_name(struct conf *conf, const char *beside, struct span file)
{
    const char *slash = strrchr(beside, '/');
    struct span folder = {beside, slash != NULL ? (size_t)(slash - beside) + 1 : 0};
    if (file.at[0] == '/')
        folder.len = 0;
    char *path = arena_printf(conf->arena, "%.*s%.*s", (int)folder.len, folder.at, (int)file.len, file.at);
    BUG_UNLESS(path != NULL);
    return path;
}

static int
slurp(int fd, struct buf *out, struct why *why)
{
    struct stat status;
    if (fstat(fd, &status) < 0 || S_ISDIR(status.st_mode))
        return why_set(why, "", "%s", "is a folder");
    for (;;) {
        buf_reserve(out, 64 * 1024);
        ssize_t got = read(fd, out->at + out->len, 64 * 1024);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return why_set(why, "", "cannot be read: %s", strerror(errno));
        if (got == 0)
            break;
        out->len += (size_t)got;
        if (out->len > CONF_SIZE_MAX)
            return why_set(why, "", "is larger than %d MiB", CONF_SIZE_MAX >> 20);
    }
    out->at[out->len] = '\0';
    return 0;
}

int
conf_file_slurp(const char *path, struct buf *out, struct why *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return why_set(why, "", "cannot be opened: %s", strerror(errno));
    int result = slurp(fd, out, why);
    close(fd);
    return result;
}

void
conf_scan_include(struct conf_sources *sources, struct span file, struct conf_place place, size_t open)
{
    if (sources->n == CONF_INCLUDE_DEPTH) {
        conf_error(sources->errors, &place,
                   "includes are nested more than %d deep: does a file include itself?",
                   CONF_INCLUDE_DEPTH - 1);
        return;
    }
    const char *path = beside_name(sources->conf, place.file, file);
    struct buf text = {0};
    struct why why;
    if (conf_file_slurp(path, &text, &why) < 0)
        conf_error(sources->errors, &place, "include: %s %s", path, why.text);
    else if (conf_source_push(sources, path, buf_span(&text), open)) {
        sources->stack[sources->n - 1].text = text; /* freed when it is popped */
        return;
    }
    buf_clear(&text);
}

const char *
conf_file_resolve(struct conf *conf, const char *beside, const char *path)
{
    if (path[0] == '/' || path[0] == '\0')
        return path;
    char *folder = realpath(beside_name(conf, beside, SPAN(".")), NULL);
    char *whole = arena_printf(conf->arena, "%s/%s", folder != NULL ? folder : ".", path);
    free(folder);
    BUG_UNLESS(whole != NULL);
    return whole;
}

/* Root's group is trusted as root is. */
static int
check_mode(const struct stat *status, const char *path, struct why *why)
{
    mode_t others = status->st_mode & 0007, group = status->st_mode & 0070;
    if (others != 0)
        return why_set(why, "", "%s is a secret that others may use (mode %04o): chmod 600 it", path,
                       (unsigned)status->st_mode & 07777);
    if (group != 0 && status->st_gid != 0)
        return why_set(why, "", "%s is a secret that the group %u may use (mode %04o): chmod 600 it", path,
                       (unsigned)status->st_gid, (unsigned)status->st_mode & 07777);
    return 0;
}

int
conf_file_check(enum conf_kind kind, const char *path, struct why *why)
{
    struct stat status;
    bool secret = kind == CONF_SECRET;
    /* A user who only looks need not be able to open what the master will. */
    if (stat(path, &status) < 0)
        return secret && errno == EACCES && geteuid() != 0
                   ? 0
                   : why_set(why, "", "%s cannot be found: %s", path, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return why_set(why, "", "%s is not a file", path);
    if (secret && check_mode(&status, path, why) < 0)
        return -EINVAL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0)
        close(fd);
    else if (!secret || geteuid() == 0 || status.st_uid == geteuid())
        return why_set(why, "", "%s cannot be opened: %s", path, strerror(errno));
    return 0;
}
