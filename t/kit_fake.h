/* kit_fake.h - a gateway that is none: the services of the kit, for tests of modules
 *
 * What a module does is written down in `struct viaduct_gateway`, which the tests look at; intakes are kept in
 * memory, and a commit removes the foreign file as the real one does. Nothing here decides anything.
 */
#ifndef VIADUCT_KIT_FAKE_H
#define VIADUCT_KIT_FAKE_H

#include <event2/event.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "common/base.h"
#include "common/buf.h"
#include "systems/viaduct/system.h"
#include "t/tap.h"

enum { FAKE_MAX = 64 };

struct viaduct_intake {
    struct viaduct_gateway *gateway;
    struct buf bytes, originator, recipients; /* recipients: a line each */
    bool fetched, smtputf8;
};

struct fake_result {
    enum viaduct_outcome outcome;
    char status[12], text[500];
    bool given;
};

struct viaduct_gateway {
    struct event_base *base;
    const char *options[16][2];
    struct buf said;
    bool closed, ending, refuse_commit;
    const char *refused_recipient;
    /* in */
    struct viaduct_intake *intakes[FAKE_MAX]; /* committed */
    int n_intakes, n_dropped;
    /* out */
    struct buf body;
    struct fake_result results[FAKE_MAX];
    int n_ended, n_unreachable, n_convert, n_reachable;
    char end_text[500];
    int fail_add; /* -errno of intake_add */
};

static struct event_base *
fake_loop(struct viaduct_gateway *gateway)
{
    return gateway->base;
}

static const char *
fake_option(struct viaduct_gateway *gateway, const char *name)
{
    for (int i = 0; i < 16 && gateway->options[i][0] != NULL; i++)
        if (strcmp(gateway->options[i][0], name) == 0)
            return gateway->options[i][1];
    return NULL;
}

static void __attribute__((format(printf, 4, 5)))
fake_say(struct viaduct_gateway *gateway, enum viaduct_log_level level, const char *id, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buf_printf(&gateway->said, "%d %s ", (int)level, id != NULL ? id : "-");
    buf_vprintf(&gateway->said, format, args);
    buf_add_byte(&gateway->said, '\n');
    va_end(args);
}

static bool
fake_closed(struct viaduct_gateway *gateway, struct viaduct_reason *reason)
{
    memset(reason, 0, sizeof *reason);
    return gateway->closed;
}

static bool
fake_ending(struct viaduct_gateway *gateway)
{
    return gateway->ending;
}

static int
fake_recipient_check(struct viaduct_gateway *gateway, struct viaduct_text connector,
                     struct viaduct_text address, struct viaduct_reason *reason)
{
    (void)connector;
    memset(reason, 0, sizeof *reason);
    return gateway->refused_recipient != NULL && address.len == strlen(gateway->refused_recipient) &&
                   memcmp(address.at, gateway->refused_recipient, address.len) == 0
               ? -1
               : 0;
}

static struct viaduct_intake *
fake_intake(struct viaduct_gateway *gateway)
{
    struct viaduct_intake *intake = xcalloc(1, sizeof *intake);
    intake->gateway = gateway;
    return intake;
}

static struct viaduct_intake *
fake_intake_new(struct viaduct_gateway *gateway, const struct viaduct_envelope_in *envelope,
                const struct viaduct_recipient_in *recipients, size_t n, struct viaduct_reason *reason)
{
    struct viaduct_intake *intake = fake_intake(gateway);
    (void)reason;
    intake->smtputf8 = envelope->smtputf8;
    buf_add(&intake->originator, envelope->originator.at, envelope->originator.len);
    for (size_t i = 0; i < n; i++) {
        buf_add(&intake->recipients, recipients[i].address.at, recipients[i].address.len);
        buf_add_byte(&intake->recipients, '\n');
    }
    return intake;
}

static struct viaduct_intake *
fake_fetch_new(struct viaduct_gateway *gateway, struct viaduct_reason *reason)
{
    struct viaduct_intake *intake = fake_intake(gateway);
    (void)reason;
    intake->fetched = true;
    return intake;
}

static int
fake_intake_add(struct viaduct_intake *intake, const void *bytes, size_t len)
{
    if (intake->gateway->fail_add != 0)
        return intake->gateway->fail_add;
    buf_add(&intake->bytes, bytes, len);
    return 0;
}

static void
fake_intake_drop(struct viaduct_intake *intake)
{
    intake->gateway->n_dropped++;
    buf_clear(&intake->bytes);
    buf_clear(&intake->originator);
    buf_clear(&intake->recipients);
    free(intake);
}

static void
fake_intake_commit(struct viaduct_intake *intake, int remove_fd, const char *remove_path,
                   void (*done)(void *, int, const struct viaduct_reason *), void *arg)
{
    struct viaduct_gateway *gateway = intake->gateway;
    struct viaduct_reason reason = {"4.3.1", "no room"};
    if (gateway->refuse_commit || gateway->n_intakes == FAKE_MAX) {
        fake_intake_drop(intake);
        done(arg, -28, &reason);
        return;
    }
    gateway->intakes[gateway->n_intakes++] = intake;
    if (remove_path != NULL)
        unlinkat(remove_fd, remove_path, 0);
    done(arg, 0, NULL);
}

static ssize_t
fake_body_read(struct viaduct_delivery *delivery, uint64_t offset, void *bytes, size_t size)
{
    struct viaduct_gateway *gateway = delivery->gateway;
    size_t left = offset < gateway->body.len ? gateway->body.len - (size_t)offset : 0;
    size_t n = left < size ? left : size;
    if (n > 0)
        memcpy(bytes, gateway->body.at + offset, n);
    return (ssize_t)n;
}

static void
fake_recipient_result(struct viaduct_delivery *delivery, size_t index, enum viaduct_outcome outcome,
                      const struct viaduct_reason *reason, const char *remote)
{
    struct viaduct_gateway *gateway = delivery->gateway;
    (void)remote;
    if (index >= FAKE_MAX)
        return;
    gateway->results[index].given = true;
    gateway->results[index].outcome = outcome;
    if (reason != NULL) {
        memcpy(gateway->results[index].status, reason->status, sizeof reason->status);
        memcpy(gateway->results[index].text, reason->text, sizeof reason->text);
    }
}

static void
fake_delivery_end(struct viaduct_delivery *delivery, bool unreachable, const struct viaduct_reason *reason)
{
    struct viaduct_gateway *gateway = delivery->gateway;
    gateway->n_ended++;
    gateway->n_unreachable += unreachable;
    snprintf(gateway->end_text, sizeof gateway->end_text, "%s", reason != NULL ? reason->text : "");
}

static void
fake_delivery_convert(struct viaduct_delivery *delivery, const char *need)
{
    (void)need;
    ((struct viaduct_gateway *)delivery->gateway)->n_convert++;
}

static void
fake_reachable(struct viaduct_gateway *gateway)
{
    gateway->n_reachable++;
}

static const char *
fake_node(struct viaduct_gateway *gateway)
{
    (void)gateway;
    return "gw1.contoso.example";
}

static void
fake_delivery_waits(struct viaduct_delivery *delivery)
{
    (void)delivery;
}

static const struct viaduct_services fake_services = {.size = sizeof fake_services,
                                                      .loop = fake_loop,
                                                      .option = fake_option,
                                                      .say = fake_say,
                                                      .closed = fake_closed,
                                                      .ending = fake_ending,
                                                      .recipient_check = fake_recipient_check,
                                                      .intake_new = fake_intake_new,
                                                      .intake_add = fake_intake_add,
                                                      .intake_commit = fake_intake_commit,
                                                      .intake_drop = fake_intake_drop,
                                                      .fetch_new = fake_fetch_new,
                                                      .body_read = fake_body_read,
                                                      .recipient_result = fake_recipient_result,
                                                      .delivery_end = fake_delivery_end,
                                                      .delivery_convert = fake_delivery_convert,
                                                      .delivery_waits = fake_delivery_waits,
                                                      .reachable = fake_reachable,
                                                      .node = fake_node};

/* ---- for tests ---- */

static inline bool
fake_said(const struct viaduct_gateway *gateway, const char *text)
{
    return gateway->said.len > 0 && strstr(gateway->said.at, text) != NULL;
}

/* Runs the loop until `*count` has reached `want`; gives up after ten seconds, which a test then sees. */
static inline void
fake_run_until(struct viaduct_gateway *gateway, const int *count, int want)
{
    int64_t start_ms = monotonic_ms();
    while (*count < want && monotonic_ms() - start_ms < 10000)
        event_base_loop(gateway->base, EVLOOP_ONCE);
}

/* Runs the loop for a while, for what must not happen. */
static inline void
fake_run_ms(struct viaduct_gateway *gateway, int64_t ms)
{
    struct timeval wait = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
    event_base_loopexit(gateway->base, &wait);
    event_base_dispatch(gateway->base);
}

static inline void
fake_write(const char *folder, const char *name, const char *bytes, size_t len)
{
    char path[1000];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, bytes, len) != (ssize_t)len)
        printf("Bail out! cannot write %s\n", path);
    if (fd >= 0)
        close(fd);
}

/* A whole file; empty where there is none. */
static inline struct buf
fake_read(const char *folder, const char *name)
{
    struct buf out = {0};
    char path[1000], piece[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_RDONLY);
    ssize_t got;
    while (fd >= 0 && (got = read(fd, piece, sizeof piece)) > 0)
        buf_add(&out, piece, (size_t)got);
    if (fd >= 0)
        close(fd);
    buf_add(&out, "", 0);
    return out;
}

static inline bool
fake_exists(const char *folder, const char *name)
{
    char path[1000];
    struct stat status;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return lstat(path, &status) == 0;
}

#endif
