/* smtp_downgrade_rig.h - a message through the downgrade, as tests and the fuzzer hand it over */
#ifndef VIADUCT_T_SMTP_DOWNGRADE_RIG_H
#define VIADUCT_T_SMTP_DOWNGRADE_RIG_H

#include <errno.h>
#include <stdio.h>

#include "common/buf.h"
#include "systems/smtp/smtp_system.h"

struct rig {
    struct span input;
    struct buf output, report, broken;
    const struct viaduct_services *services; /* NULL: header addresses are not translated */
    size_t fills;                            /* how much can be written; 0: anything */
    size_t piece;                            /* how much a read gives at most; 0: what was asked for */
    struct viaduct_reason reason;
};

static inline ssize_t
rig_read(void *arg, uint64_t offset, void *bytes, size_t size)
{
    const struct rig *rig = arg;
    size_t left = offset < rig->input.len ? rig->input.len - (size_t)offset : 0, n = left < size ? left : size;
    if (rig->piece > 0 && n > rig->piece)
        n = rig->piece;
    if (n > 0)
        memcpy(bytes, rig->input.at + offset, n);
    return (ssize_t)n;
}

static inline int
rig_write(void *arg, const void *bytes, size_t len)
{
    struct rig *rig = arg;
    if (rig->fills > 0 && rig->output.len + len > rig->fills)
        return -ENOSPC;
    buf_add(&rig->output, bytes, len);
    return 0;
}

static inline void
rig_report(void *arg, const char *line)
{
    BUG_UNLESS(strchr(line, '\n') == NULL);
    buf_printf(&((struct rig *)arg)->report, "%s\n", line);
}

static inline void
rig_broken(void *arg, const char *line)
{
    BUG_UNLESS(strchr(line, '\n') == NULL);
    buf_printf(&((struct rig *)arg)->broken, "%s\n", line);
}

/* Whoever is at in.example is at out.example for the other side. */
static inline struct viaduct_text
rig_translate(void *arg, struct viaduct_text address, bool outwards, struct viaduct_text *display)
{
    static char text[300];
    (void)arg;
    *display = (struct viaduct_text){"", 0};
    if (!outwards || address.len < 11 || address.len >= sizeof text ||
        memcmp(address.at + address.len - 11, "@in.example", 11) != 0)
        return address;
    int n = snprintf(text, sizeof text, "%.*s@out.example", (int)address.len - 11, address.at);
    return (struct viaduct_text){text, (size_t)n};
}

static inline enum viaduct_converted
rig_convert(struct rig *rig, struct span message, const struct viaduct_delivery *delivery)
{
    struct viaduct_convert_out out = {
        .size = sizeof out, .write = rig_write, .report = rig_report, .broken = rig_broken, .arg = rig};
    struct viaduct_convert_in in = {.size = sizeof in,
                                    .id = "0123456789ABCDEFGHJKMNPQRS",
                                    .need = "7bit",
                                    .message = delivery,
                                    .read = rig_read,
                                    .arg = rig,
                                    .services = rig->services,
                                    .translate = rig_translate,
                                    .bytes = message.len};
    rig->input = message;
    buf_reset(&rig->output);
    buf_reset(&rig->report);
    buf_reset(&rig->broken);
    buf_add(&rig->broken, "", 0);
    buf_add(&rig->output, "", 0);
    buf_add(&rig->report, "", 0);
    rig->reason = (struct viaduct_reason){"", ""};
    return smtp_convert_ops.to_foreign(&in, &out, &rig->reason);
}

static inline bool
rig_is_ascii(const struct rig *rig)
{
    for (size_t i = 0; i < rig->output.len; i++)
        if ((unsigned char)rig->output.at[i] > 127)
            return false;
    return true;
}

static inline void
rig_clear(struct rig *rig)
{
    buf_clear(&rig->output);
    buf_clear(&rig->report);
    buf_clear(&rig->broken);
}

#endif
