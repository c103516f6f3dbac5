/* carrier_claim.c - names, markers and the handing over of headers in an API gateway's folders
 *
 * The steps and what a crash leaves are told in carrier_out.c; here each of them is one function.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/crc32c.h"
#include "systems/gwise/api_read.h"
#include "systems/gwise/carrier_out.h"
#include "systems/gwise/convert.h"

enum { MARKER_KEEP_S = 14 * 86400, SETTLED_KEEP_S = 3600, SWEEP_MAX = 20000, TMP_AGAIN_MS = 60000 };

/* ---- names ---- */

void
out_name_base(const char *id, unsigned probe, char base[9])
{
    uint32_t crc = crc32c(0, id, strlen(id));
    char more[12];
    if (probe > 0) {
        int len = snprintf(more, sizeof more, "#%u", probe);
        crc = crc32c(crc, more, (size_t)len);
    }
    snprintf(base, 9, "%08x", crc);
}

const char *
out_file_name(const char *base, const char *extension, char name[32])
{
    snprintf(name, 32, "%s.%s", base, extension);
    return name;
}

bool
out_is_there(int folder_fd, const char *base, const char *extension)
{
    char name[32], found[256];
    struct stat status;
    return gateway_find(folder_fd, span_of(out_file_name(base, extension, name)), found, &status);
}

/* True where the file holds our id: in its Msg-Id, or as the only thing in a marker or an unfinished header. */
bool
out_holds_id(int folder_fd, const char *base, const char *extension, const char *id, struct buf *text)
{
    char name[32], found[256], want[300];
    struct stat status;
    buf_reset(text);
    if (!gateway_find(folder_fd, span_of(out_file_name(base, extension, name)), found, &status) ||
        gateway_read_file(folder_fd, found, API_TEXT_MAX, text) < 0)
        return false;
    int len = snprintf(want, sizeof want, GWISE_ID_PREFIX "%s", id);
    const char *at = text->len > 0 ? memmem(text->at, text->len, want, (size_t)len) : NULL;
    return at != NULL && strchr(";\r\n", at[len]) != NULL; /* the text ends in NUL, which is an end as well */
}

/* ---- finding the base ---- */

enum spot
out_look_at(struct carrier_out *carrier, const char *base, const char *id)
{
    struct gateway_tree *tree = &carrier->tree;
    struct buf text = {0};
    enum spot spot;
    bool marker = out_is_there(tree->fd[ATT_IN], base, "via"),
         tmp = out_is_there(tree->fd[API_IN], base, "tmp");
    bool ours = marker && out_holds_id(tree->fd[ATT_IN], base, "via", id, &text);
    bool sent = ours && out_is_marked(&text, "sent");
    if (marker && !ours)
        spot = SPOT_OTHERS;
    else if (marker && out_is_there(tree->fd[API_IN], base, "api"))
        spot = out_holds_id(tree->fd[API_IN], base, "api", id, &text) ? SPOT_SENT : SPOT_OTHERS;
    else if (tmp && !sent)
        spot = marker || out_holds_id(tree->fd[API_IN], base, "tmp", id, &text) ? SPOT_UNFINISHED : SPOT_OTHERS;
    else if (marker)
        spot = SPOT_SENT;
    else if (out_is_there(tree->fd[API_IN], base, "api") || out_is_there(tree->fd[ATT_IN], base, "bdy") ||
             out_is_there(gateway_optional(tree, GWPROB), base, "api") ||
             out_is_there(gateway_optional(tree, GWHOLD), base, "api"))
        spot = SPOT_OTHERS; /* a refusal of earlier days is no refusal of this attempt: another name */
    else
        spot = SPOT_FREE;
    buf_clear(&text);
    return spot;
}

/* Makes a file that holds the id. 0, or -errno. */
static int
make_id_file(int folder_fd, const char *base, const char *extension, const char *id, int flags, int *kept_fd)
{
    char name[32], line[300];
    int fd = openat(folder_fd, out_file_name(base, extension, name),
                    O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | flags, 0660);
    if (fd < 0)
        return -errno;
    int len = snprintf(line, sizeof line, GWISE_ID_PREFIX "%s\r\n", id);
    ssize_t put = write(fd, line, (size_t)len);
    int error = put < 0 ? -errno : put < len ? -ENOSPC : fsync(fd) < 0 ? -errno : 0;
    if (kept_fd != NULL && error == 0)
        *kept_fd = fd;
    else
        close(fd);
    return error;
}

int
out_sync_folder(int fd)
{
    return fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP ? 0 : -errno; /* some shares cannot */
}

/* Steps 1 and 2. */
int
out_claim(struct carrier_out *carrier, struct transfer *transfer, bool again)
{
    const struct gateway_tree *tree = &carrier->tree;
    int error = make_id_file(tree->fd[API_IN], transfer->base, "tmp", transfer->delivery->id,
                             again ? O_TRUNC : O_EXCL, &transfer->header_fd);
    if (error == 0)
        error = out_sync_folder(tree->fd[API_IN]);
    if (error == 0)
        error = make_id_file(tree->fd[ATT_IN], transfer->base, "via", transfer->delivery->id, O_TRUNC, NULL);
    if (error == 0)
        error = out_sync_folder(tree->fd[ATT_IN]);
    return error;
}

/* ---- handing over ---- */

bool
out_is_marked(const struct buf *text, const char *word)
{
    char line[20];
    snprintf(line, sizeof line, "\r\n%s\r\n", word);
    return text->len > 0 && memmem(text->at, text->len, line, strlen(line)) != NULL;
}

void
out_mark(struct carrier_out *carrier, const char *base, const char *word)
{
    char name[32], line[20];
    struct stat status;
    int len = snprintf(line, sizeof line, "%s\r\n", word);
    int fd = openat(carrier->tree.fd[ATT_IN], out_file_name(base, "via", name),
                    O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return;
    bool written = fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && write(fd, line, (size_t)len) == len;
    if (!written)
        carrier->services->say(carrier->gateway, VIADUCT_LOG_INFO, NULL,
                               "marker %s in ATT_IN cannot be written", name);
    close(fd);
}

bool
out_remove_tmp(struct carrier_out *carrier, const char *base)
{
    char name[32];
    return unlinkat(carrier->tree.fd[API_IN], out_file_name(base, "tmp", name), 0) == 0 || errno == ENOENT;
}

void
out_left_tmp(struct carrier_out *carrier, struct transfer *transfer)
{
    transfer->tmp_left = out_is_there(carrier->tree.fd[API_IN], transfer->base, "tmp");
    if (transfer->tmp_left)
        out_mark(carrier, transfer->base, "sent");
}

/* BASE.tmp got its second name. Whether the first can be taken away does not matter: it is handed over. */
static void
end_link(struct carrier_out *carrier, struct transfer *transfer)
{
    if (out_remove_tmp(carrier, transfer->base))
        return;
    carrier->services->say(
        carrier->gateway, VIADUCT_LOG_ERROR, transfer->delivery->id,
        "handed over as %s.api, but %s.tmp in API_IN cannot be removed (%s): tried again later", transfer->base,
        transfer->base, strerror(errno));
    out_left_tmp(carrier, transfer);
}

/* True where both names are one file: the answer to a link that was made got lost on the network. */
static bool
is_one_file(int fd, const char *a, const char *b)
{
    struct stat one, two;
    return fstatat(fd, a, &one, AT_SYMLINK_NOFOLLOW) == 0 && fstatat(fd, b, &two, AT_SYMLINK_NOFOLLOW) == 0 &&
           one.st_ino == two.st_ino && one.st_dev == two.st_dev;
}

/* BASE.tmp becomes BASE.api, never over another file. */
int
out_publish(struct carrier_out *carrier, struct transfer *transfer)
{
    char from[32], to[32];
    struct stat status;
    int fd = carrier->tree.fd[API_IN];
    out_file_name(transfer->base, "tmp", from);
    out_file_name(transfer->base, "api", to);
    if (renameat2(fd, from, fd, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS && errno != ENOTSUP)
        return -errno;
    if (linkat(fd, from, fd, to, 0) == 0 || (errno == EEXIST && is_one_file(fd, from, to))) {
        end_link(carrier, transfer);
        return 0;
    }
    if (errno == EEXIST)
        return -EEXIST;
    if (fstatat(fd, to, &status, AT_SYMLINK_NOFOLLOW) == 0)
        return -EEXIST;
    return renameat(fd, from, fd, to) < 0 ? -errno : 0;
}

/* ---- taking back ---- */

void
out_close_files(struct transfer *transfer)
{
    if (transfer->fd >= 0)
        close(transfer->fd);
    if (transfer->header_fd >= 0)
        close(transfer->header_fd);
    transfer->fd = transfer->header_fd = -1;
}

static void
unlink_file(int folder_fd, const char *base, const char *extension)
{
    char name[32];
    unlinkat(folder_fd, out_file_name(base, extension, name), 0);
}

/* Takes an attempt back that was not sent: the marker before the unfinished header (see above). */
void
out_take_back(struct carrier_out *carrier, struct transfer *transfer)
{
    out_close_files(transfer);
    if (transfer->state != TRANSFER_WRITING)
        return;
    unlink_file(carrier->tree.fd[ATT_IN], transfer->base, "bdy");
    for (unsigned i = 1; i <= transfer->n_files; i++) {
        char extension[8];
        snprintf(extension, sizeof extension, "%03u", i % 1000);
        unlink_file(carrier->tree.fd[ATT_IN], transfer->base, extension);
    }
    unlink_file(carrier->tree.fd[ATT_IN], transfer->base, "via");
    out_sync_folder(carrier->tree.fd[ATT_IN]);
    unlink_file(carrier->tree.fd[API_IN], transfer->base, "tmp");
}

/* ---- markers that have done their duty ---- */

void
out_drop_markers(struct carrier_out *carrier, bool all)
{
    while (carrier->markers != NULL && (all || carrier->markers->due_ms <= monotonic_ms())) {
        struct old_marker *old = carrier->markers;
        carrier->markers = old->next;
        if (carrier->markers == NULL)
            carrier->markers_end = &carrier->markers;
        if (!all && old->tmp_left && !out_remove_tmp(carrier, old->base)) { /* it says whose .tmp that is */
            old->due_ms = monotonic_ms() + TMP_AGAIN_MS;
            old->next = NULL;
            *carrier->markers_end = old;
            carrier->markers_end = &old->next;
            continue;
        }
        if (!all)
            unlink_file(carrier->tree.fd[ATT_IN], old->base, "via");
        free(old);
    }
}

static bool
is_settled(int folder_fd, const char *name)
{
    struct buf text = {0};
    bool settled = gateway_read_file(folder_fd, name, 1000, &text) == 0 && out_is_marked(&text, "settled");
    buf_clear(&text);
    return settled;
}

/* Markers that outlived the process that made them. */
void
out_sweep_markers(struct carrier_out *carrier)
{
    int fd = openat(carrier->tree.fd[ATT_IN], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry;
    if (folder == NULL) {
        if (fd >= 0)
            close(fd);
        return;
    }
    for (int n = 0; n < SWEEP_MAX && (entry = readdir(folder)) != NULL; n++) {
        struct stat status;
        char base[9];
        if (strlen(entry->d_name) != 12 || strcmp(entry->d_name + 8, ".via") != 0)
            continue;
        memcpy(base, entry->d_name, 8);
        base[8] = '\0';
        if (fstatat(fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        int64_t age_s = time_ms() / 1000 - status.st_mtime;
        bool old = age_s > MARKER_KEEP_S || (age_s > SETTLED_KEEP_S && is_settled(fd, entry->d_name));
        if (old && !out_is_there(carrier->tree.fd[API_IN], base, "tmp"))
            unlinkat(fd, entry->d_name, 0);
    }
    closedir(folder);
}
