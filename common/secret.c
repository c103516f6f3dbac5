/* secret.c - files that a worker's user may not read (see secret.h) */
#include "common/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SECRET_MAX = 65536 };

/* The master's descriptor for a path; -1 where it gave none. */
static int
given_fd(const char *path)
{
    const char *at = getenv(SECRETS_VARIABLE);
    while (at != NULL && *at != '\0') {
        size_t len = strcspn(at, "\n");
        const char *colon = memchr(at, ':', len);
        uint64_t fd;
        if (colon != NULL &&
            span_equal((struct span){colon + 1, len - (size_t)(colon + 1 - at)}, span_of(path)) &&
            span_to_u64((struct span){at, (size_t)(colon - at)}, 1 << 20, &fd))
            return (int)fd;
        at += len + (at[len] == '\n');
    }
    return -1;
}

static void
add_secret(struct buf *secrets, const char *path)
{
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_NOCTTY);
    if (fd >= 0)
        buf_printf(secrets, "%s%d:%s", secrets->len > 0 ? "\n" : SECRETS_VARIABLE "=", fd, path);
}

static void
add_directory(struct buf *secrets, const struct conf_directory *directory)
{
    add_secret(secrets, directory->password_file);
    add_secret(secrets, directory->keytab_file);
    add_secret(secrets, directory->tls.key_file);
}

static void
add_directories(struct buf *secrets, const struct conf_root *root)
{
    for (size_t i = 0; i < root->host.directories_n; i++)
        add_directory(secrets, &root->host.directories[i]);
    for (size_t i = 0; i < root->dirsyncs_n; i++)
        add_directory(secrets, &root->dirsyncs[i].foreign.directory);
}

char *
secrets_open(const struct conf_root *root, enum worker_id worker, const char *connector)
{
    struct buf secrets = {0};
    const struct conf_connector *own = conf_connector_find(root, connector);
    const struct conf_host *host = &root->host;
    if (worker == WORKER_INBOUND)
        add_secret(&secrets, host->smtp.tls.key_file);
    if (worker == WORKER_INBOUND && own != NULL)
        add_secret(&secrets, own->smtp.tls.key_file);
    if (worker == WORKER_OUTBOUND)
        add_secret(&secrets, own != NULL ? own->peer.tls.key_file : host->deliver.tls.key_file);
    if (worker == WORKER_DIRSYNC)
        add_directories(&secrets, root);
    return secrets.at;
}

int
secret_read(const char *path, struct buf *out)
{
    static const size_t step = 4096;
    int given = given_fd(path);
    int fd = given >= 0 ? given : open(path, O_RDONLY | O_CLOEXEC);
    off_t at = 0;
    int r = fd < 0 ? -errno : 0;
    /* room for all at once: a buffer that grows leaves copies of the secret behind */
    buf_reserve(out, SECRET_MAX + step);
    for (ssize_t n = 1; r == 0 && n > 0; at += n) {
        n = pread(fd, out->at + out->len, step, at);
        if (n < 0)
            r = -errno;
        else if (at + n > SECRET_MAX)
            r = -EFBIG;
        else
            out->len += (size_t)n;
        if (r < 0)
            n = 0;
    }
    if (fd >= 0 && fd != given)
        close(fd);
    return r;
}

void
secret_wipe(struct buf *secret)
{
    if (secret->at != NULL)
        explicit_bzero(secret->at, secret->len);
    buf_clear(secret);
}
