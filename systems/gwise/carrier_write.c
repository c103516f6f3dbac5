/* carrier_write.c - writes an item's files, a megabyte a step, until it is handed over (steps 3 and 4 of
 * carrier_out.c)
 *
 * What is hostile here: nothing; the container is the converter's, and found damaged by its checksums.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "systems/gwise/carrier.h"
#include "systems/gwise/carrier_out.h"
#include "systems/viaduct/reason.h"

enum { STEP_BYTES = 1 << 20 };

static ssize_t
read_body(void *arg, uint64_t offset, void *bytes, size_t size)
{
    struct transfer *transfer = arg;
    return transfer->carrier->services->body_read(transfer->delivery, offset, bytes, size);
}

void
out_write_begin(struct transfer *transfer)
{
    container_open(&transfer->reader, read_body, transfer);
}

static int
write_all(int fd, const char *at, size_t len)
{
    while (len > 0) {
        ssize_t put = write(fd, at, len);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return put < 0 ? -errno : -ENOSPC;
        at += put;
        len -= (size_t)put;
    }
    return 0;
}

/* The header with the base's digits in place of their mark. */
static int
write_header(struct transfer *transfer, struct span data)
{
    while (data.len > 0) {
        const char *mark = memchr(data.at, CONTAINER_BASE_MARK, data.len);
        size_t len = mark != NULL ? (size_t)(mark - data.at) : data.len;
        int error = write_all(transfer->header_fd, data.at, len);
        if (error == 0 && mark != NULL)
            error = write_all(transfer->header_fd, transfer->base, 8);
        if (error != 0)
            return error;
        len += mark != NULL;
        data.at += len;
        data.len -= len;
    }
    return 0;
}

static int
begin_part(struct transfer *transfer, const struct container_item *item)
{
    char name[32], extension[8] = "bdy";
    transfer->kind = item->kind;
    if (item->kind == PART_HEADER) {
        transfer->has_header = true;
        return ftruncate(transfer->header_fd, 0) < 0 || lseek(transfer->header_fd, 0, SEEK_SET) < 0 ? -errno
                                                                                                    : 0;
    }
    if (item->kind == PART_META)
        return 0;
    if (item->kind == PART_FILE)
        snprintf(extension, sizeof extension, "%03u", ++transfer->n_files % 1000);
    transfer->fd = openat(transfer->carrier->tree.fd[ATT_IN], out_file_name(transfer->base, extension, name),
                          O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0660);
    return transfer->fd < 0 ? -errno : 0;
}

static int
end_part(struct transfer *transfer)
{
    int error = 0;
    if (transfer->fd >= 0) {
        error = fsync(transfer->fd) < 0 ? -errno : 0;
        if (close(transfer->fd) < 0 && error == 0)
            error = -errno;
        transfer->fd = -1;
    }
    return error;
}

static void
finish_writing(struct carrier_out *carrier, struct transfer *transfer)
{
    int error = transfer->has_header ? 0 : -EBADMSG;
    if (error == 0 && fsync(transfer->header_fd) < 0)
        error = -errno;
    if (error == 0)
        error = out_sync_folder(carrier->tree.fd[ATT_IN]);
    if (error == 0)
        error = out_publish(carrier, transfer);
    if (error != 0) {
        out_fail_transfer(carrier, transfer, error, "the header cannot be handed over");
        return;
    }
    out_wait(carrier, transfer);
    out_close_files(transfer);
    out_sync_folder(carrier->tree.fd[API_IN]);
    carrier->services->reachable(carrier->gateway);
    carrier->services->say(carrier->gateway, VIADUCT_LOG_DETAIL, transfer->delivery->id,
                           "written to API_IN as %s.api", transfer->base);
}

void
out_write_step(struct carrier_out *carrier, struct transfer *transfer)
{
    struct container_item *item = &carrier->item;
    struct why why = {"", ""};
    int error = 0;
    for (size_t done = 0; done < STEP_BYTES && error == 0; done += item->data.len) {
        enum container_event event = container_next(&transfer->reader, item, &why);
        if (event != CONTAINER_DATA)
            item->data.len = 0;
        if (event == CONTAINER_END) {
            finish_writing(carrier, transfer);
            return;
        }
        if (event == CONTAINER_BROKEN) {
            struct viaduct_reason reason;
            out_take_back(carrier, transfer);
            reason_fill(&reason, "4.3.0", "%s", why.text);
            out_end_transfer(carrier, transfer, VIADUCT_LATER, false, &reason);
            return;
        }
        if (event == CONTAINER_PART)
            error = begin_part(transfer, item);
        else if (event == CONTAINER_PART_END)
            error = end_part(transfer);
        else if (transfer->kind == PART_HEADER)
            error = write_header(transfer, item->data);
        else if (transfer->fd >= 0)
            error = write_all(transfer->fd, item->data.at, item->data.len);
    }
    if (error != 0)
        out_fail_transfer(carrier, transfer, error, "the item cannot be written");
}
