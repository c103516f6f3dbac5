/* converter_memory.c - what converters remember of messages that have left (see converter.h, common/correlation.h) */
#include <errno.h>

#include "common/correlation.h"
#include "common/utc.h"
#include "daemons/converter.h"

enum { DAY_S = UTC_DAY_MS / 1000 };

static int
folder_of(struct viaduct_gateway *gateway)
{
    const struct service *service = gateway->service;
    if (gateway->correlation_fd < 0)
        gateway->correlation_fd = folder_open(service->spool_fd, FOLDER_CORRELATION, service->connector_name);
    return gateway->correlation_fd;
}

/* A record of the first hour of its day is kept a day longer than needed, one of the last as long as promised. */
static int
keep_days(const struct viaduct_gateway *gateway)
{
    return (int)((converter_limits(gateway->service)->keep_s + DAY_S - 1) / DAY_S) + 1;
}

static int
remember(struct viaduct_gateway *gateway, struct viaduct_text key, struct viaduct_text value,
         struct viaduct_reason *reason)
{
    struct why why;
    int fd = folder_of(gateway);
    int r = fd < 0 ? fd : correlation_put(fd, time_ms(), span_from(key), span_from(value), &why);
    if (fd < 0)
        why_set(&why, "4.3.0", "cannot open %s: %s", folder_name(FOLDER_CORRELATION), strerror(-fd));
    if (r < 0)
        reason_set(reason, &why);
    return r;
}

static int
recall(struct viaduct_gateway *gateway, struct viaduct_text key, struct viaduct_text *value)
{
    static struct buf found;
    int fd = folder_of(gateway);
    buf_reset(&found);
    int r = fd < 0 ? fd : correlation_get(fd, time_ms(), keep_days(gateway), span_from(key), &found);
    *value = text_from(buf_span(&found));
    return r;
}

void
converter_remembers(struct viaduct_gateway *gateway)
{
    gateway->correlation_fd = -1;
    gateway->services.remember = remember;
    gateway->services.recall = recall;
    int fd = folder_of(gateway);
    if (fd < 0)
        log_say(LOG_CONVERSION, LEVEL_MINIMUM, NULL,
                "cannot open %s of \"%s\": %s; reports and replies cannot be matched",
                folder_name(FOLDER_CORRELATION), gateway->service->connector_name, strerror(-fd));
}

void
converter_forget(struct viaduct_gateway *gateway)
{
    static int64_t done_day;
    int64_t day = time_ms() / UTC_DAY_MS;
    int fd = folder_of(gateway);
    if (day == done_day || fd < 0)
        return;
    done_day = day;
    int n = correlation_purge(fd, time_ms(), keep_days(gateway));
    if (n < 0)
        log_say(LOG_CONVERSION, LEVEL_MINIMUM, NULL, "cannot remove old records from %s: %s",
                folder_name(FOLDER_CORRELATION), strerror(-n));
    else if (n > 0)
        log_say(LOG_CONVERSION, LEVEL_MEDIUM, NULL, "removed %d files of old records from %s", n,
                folder_name(FOLDER_CORRELATION));
}
