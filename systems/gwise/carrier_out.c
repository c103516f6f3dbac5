/* carrier_out.c - brings items into an API gateway's folders and waits until it has really taken them
 *
 * An item's files share a base name of eight hexadecimal digits, made from the queue id (its CRC-32C), so that
 * a message that is tried again after a crash meets what was left of the first attempt. A base in use by
 * another message is passed over: the next is the CRC of the id with "#1" behind it, and so on. The order of
 * writing is what makes every crash safe:
 *
 *     1  API_IN/BASE.tmp   made exclusively, holds the id: the base is ours, nothing was sent
 *     2  ATT_IN/BASE.via   our marker, holds the id
 *     3  ATT_IN/BASE.bdy, BASE.001 ...   body and files; then the header into BASE.tmp; all of it fsynced
 *     4  BASE.tmp is renamed to BASE.api, never over anything
 *
 *     found after a crash          means
 *     .tmp                         not sent: written again
 *     .via, .api                   sent, not yet taken: watched
 *     .via, neither .tmp nor .api  sent and taken (or refused: GWPROB tells): watched, not sent again
 *
 * The marker goes some minutes after the message is settled (its result is durable then); when an attempt is
 * given up, before .tmp goes. The gateway opens files by name only, so it never sees markers. On a share without
 * exclusive rename the header gets its name as a second link and .tmp is removed; it counts as handed over from the
 * link on, whatever becomes of .tmp (the marker then says "sent", so that .tmp is not taken for unfinished). On one
 * without links either the name is looked for first.
 *
 *     deliver() --> WRITING --(step 4)--> WAITING --(.api is gone)--> GONE --(a minute, not in GWPROB)--> RELAYED
 *                      |                     |                          +---(in GWPROB)--> REFUSED
 *                      +--> LATER            +--(longer than peer.confirm)--> a warning, once; waiting goes on
 *
 * The minute is the gateway's time to refuse: it takes a header out of API_IN before it has looked into it. Who
 * waits holds nobody up but by his place: 400 may be in hand, so six messages a second pass (400 in the 60 s, the
 * gateway's own seconds and two polls). A refusal that comes later still is found by its marker (carrier_watch.c).
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "systems/gwise/carrier.h"
#include "systems/gwise/carrier_out.h"

enum {
    GWPROB_SETTLE_S = 60, /* how long a gateway may take from fetching a header to refusing it */
    MARKER_MS = 300000,
    PROBES = 16,
    SWEEP_MS = 3600000,
    LATE_MS = 60000,
    IN_HAND = 400
};

static void on_timer(evutil_socket_t fd, short what, void *arg);

static void
arm(struct carrier_out *carrier, int64_t ms)
{
    struct timeval wait = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
    event_add(carrier->timer, &wait);
}

/* ---- ending ---- */

void
out_end_transfer(struct carrier_out *carrier, struct transfer *transfer, enum viaduct_outcome outcome,
                 bool unreachable, const struct viaduct_reason *reason)
{
    struct viaduct_delivery *delivery = transfer->delivery;
    for (struct transfer **at = &carrier->transfers; *at != NULL; at = &(*at)->next)
        if (*at == transfer) {
            *at = transfer->next;
            break;
        }
    out_close_files(transfer);
    if (outcome == VIADUCT_RELAYED || outcome == VIADUCT_REFUSED) {
        struct old_marker *old = xcalloc(1, sizeof *old);
        memcpy(old->base, transfer->base, sizeof old->base);
        old->tmp_left = transfer->tmp_left;
        if (outcome == VIADUCT_RELAYED)
            out_mark(carrier, transfer->base, "settled");
        old->due_ms = monotonic_ms() + MARKER_MS;
        *carrier->markers_end = old;
        carrier->markers_end = &old->next;
    }
    free(transfer);
    if (outcome == VIADUCT_RELAYED && carrier->tells_delivered)
        outcome = VIADUCT_TAKEN;
    for (size_t i = 0; i < delivery->n_recipients; i++)
        carrier->services->recipient_result(
            delivery, i, delivery->recipients[i].responsible ? outcome : VIADUCT_TAKEN, reason, NULL);
    carrier->services->delivery_end(delivery, unreachable, reason);
}

/* Whether an error may come from what this message is like; all others hit the next one as well: the folders are gone, full,
 * not to be written to. */
static bool
is_of_message(int error)
{
    return error == -EINVAL || error == -ENAMETOOLONG || error == -EFBIG || error == -EILSEQ ||
           error == -EEXIST;
}

void
out_fail_transfer(struct carrier_out *carrier, struct transfer *transfer, int error, const char *what)
{
    struct viaduct_reason reason;
    bool full = error == -ENOSPC || error == -EDQUOT;
    out_take_back(carrier, transfer);
    reason_fill(&reason, full ? "4.3.1" : "4.4.1", "%s in %s: %s", what, carrier->tree.root, strerror(-error));
    out_end_transfer(carrier, transfer, VIADUCT_LATER, !is_of_message(error), &reason);
}

/* ---- the loop ---- */

static bool
tree_ready(struct carrier_out *carrier, struct viaduct_reason *reason)
{
    if (gateway_tree_alive(&carrier->tree, API_IN) && gateway_tree_alive(&carrier->tree, ATT_IN))
        return true;
    gateway_tree_close(&carrier->tree);
    return gateway_tree_open(&carrier->tree, carrier->tree.root, reason) == 0;
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct carrier_out *carrier = arg;
    struct viaduct_reason reason;
    bool writing = false;
    (void)fd;
    (void)what;
    bool ready = tree_ready(carrier, &reason);
    for (struct transfer *transfer = carrier->transfers, *next; transfer != NULL; transfer = next) {
        next = transfer->next;
        if (transfer->state == TRANSFER_WRITING && ready)
            out_write_step(carrier, transfer);
        else if (transfer->state == TRANSFER_WRITING)
            out_fail_transfer(carrier, transfer, -ENOENT, "the gateway's folders are gone");
    }
    if (ready && monotonic_ms() - carrier->watched_ms >= carrier->poll_ms) {
        carrier->watched_ms = monotonic_ms();
        out_watch(carrier);
        out_drop_markers(carrier, false);
    }
    for (const struct transfer *t = carrier->transfers; t != NULL; t = t->next)
        writing = writing || t->state == TRANSFER_WRITING;
    if (carrier->transfers != NULL)
        arm(carrier, writing ? 0 : carrier->poll_ms);
}

static void
out_deliver(void *state, struct viaduct_delivery *delivery)
{
    struct carrier_out *carrier = state;
    struct viaduct_reason reason;
    if (!delivery->converted) {
        carrier->services->delivery_convert(delivery, "item");
        return;
    }
    if (!tree_ready(carrier, &reason)) {
        carrier->services->delivery_end(delivery, true, &reason);
        return;
    }
    struct transfer *transfer = xcalloc(1, sizeof *transfer);
    transfer->carrier = carrier;
    transfer->delivery = delivery;
    transfer->fd = transfer->header_fd = -1;
    transfer->next = carrier->transfers;
    carrier->transfers = transfer;
    enum spot spot = SPOT_OTHERS;
    for (unsigned probe = 0; probe < PROBES && spot == SPOT_OTHERS; probe++) {
        out_name_base(delivery->id, probe, transfer->base);
        spot = out_look_at(carrier, transfer->base, delivery->id);
    }
    int error = 0;
    if (spot == SPOT_SENT) {
        out_wait(carrier, transfer);
        out_left_tmp(carrier, transfer);
        carrier->services->say(carrier->gateway, VIADUCT_LOG_INFO, delivery->id,
                               "was handed over before as %s.api, and is not sent again", transfer->base);
    } else {
        out_write_begin(transfer);
        error = spot == SPOT_OTHERS ? -EEXIST : out_claim(carrier, transfer, spot == SPOT_UNFINISHED);
    }
    if (error != 0 && spot != SPOT_OTHERS)
        out_fail_transfer(carrier, transfer, error, "a name cannot be claimed");
    else if (error != 0) {
        reason_fill(&reason, "4.3.0", "every name for this item is in use in the gateway's folders");
        out_end_transfer(carrier, transfer, VIADUCT_LATER, false, &reason);
    }
    if (carrier->transfers != NULL)
        arm(carrier, 0);
}

/* ---- life ---- */

static int
out_prepare(const struct viaduct_services *services, struct viaduct_gateway *gateway, void **state,
            struct viaduct_reason *reason)
{
    const char *root = services->option(gateway, "peer.root"),
               *level = services->option(gateway, "peer.statuses");
    if (root == NULL) {
        reason_fill(reason, "5.3.5", "peer.root is not set: the folder of the API gateway");
        return -1;
    }
    struct carrier_out *carrier = xcalloc(1, sizeof *carrier);
    carrier->services = services;
    carrier->gateway = gateway;
    carrier->markers_end = &carrier->markers;
    carrier->poll_ms = gateway_option_ms(services, gateway, "peer.poll", 2);
    carrier->poll_ms = carrier->poll_ms < 20 ? 20 : carrier->poll_ms;
    carrier->confirm_ms = gateway_option_ms(services, gateway, "peer.confirm", 600);
    carrier->settle_ms = gateway_option_ms(services, gateway, "peer.settle", GWPROB_SETTLE_S);
    if (carrier->settle_ms > GWPROB_SETTLE_S * 1000)
        carrier->settle_ms = GWPROB_SETTLE_S * 1000;
    carrier->tells_delivered = level != NULL && strcmp(level, "undelivered") != 0;
    if (gateway_tree_open(&carrier->tree, root, reason) < 0) {
        free(carrier);
        return -1;
    }
    *state = carrier;
    return 0;
}

static int
out_begin(void *state, struct viaduct_reason *reason)
{
    struct carrier_out *carrier = state;
    carrier->timer = event_new(carrier->services->loop(carrier->gateway), -1, 0, on_timer, carrier);
    if (carrier->timer == NULL) {
        reason_fill(reason, "4.3.0", "no timer");
        return -1;
    }
    out_report_late(carrier);
    out_sweep_markers(carrier);
    carrier->swept_ms = carrier->late_ms = monotonic_ms();
    return 0;
}

static void
out_tick(void *state)
{
    struct carrier_out *carrier = state;
    struct viaduct_reason reason;
    if (monotonic_ms() - carrier->late_ms > LATE_MS && tree_ready(carrier, &reason)) {
        carrier->late_ms = monotonic_ms();
        out_report_late(carrier);
    }
    if (carrier->markers != NULL && tree_ready(carrier, &reason))
        out_drop_markers(carrier, false);
    if (monotonic_ms() - carrier->swept_ms > SWEEP_MS && tree_ready(carrier, &reason)) {
        carrier->swept_ms = monotonic_ms();
        out_sweep_markers(carrier);
    }
}

/* What only waits for the gateway need not hold up the end: its marker makes the next process wait on. */
static void
out_drain(void *state)
{
    struct carrier_out *carrier = state;
    struct viaduct_reason reason;
    reason_fill(&reason, "4.4.7", "the GroupWise gateway has not confirmed it yet; it is watched again later");
    for (struct transfer *transfer = carrier->transfers, *next; transfer != NULL; transfer = next) {
        next = transfer->next;
        if (transfer->state != TRANSFER_WRITING)
            out_end_transfer(carrier, transfer, VIADUCT_LATER, false, &reason);
    }
}

static bool
out_busy(void *state)
{
    return ((struct carrier_out *)state)->transfers != NULL;
}

static void
out_finish(void *state)
{
    struct carrier_out *carrier = state;
    while (carrier->transfers !=
           NULL) { /* deliveries that nobody ended die with the process; so does their memory */
        struct transfer *transfer = carrier->transfers;
        carrier->transfers = transfer->next;
        out_close_files(transfer);
        free(transfer);
    }
    out_drop_markers(carrier, true);
    if (carrier->timer != NULL)
        event_free(carrier->timer);
    gateway_tree_close(&carrier->tree);
    free(carrier);
}

static int
out_test(void *state, void (*line)(void *arg, const char *text), void *arg)
{
    struct carrier_out *carrier = state;
    struct viaduct_reason reason;
    char text[600];
    if (!tree_ready(carrier, &reason)) {
        line(arg, reason.text);
        return -1;
    }
    for (int i = API_IN; i <= ATT_IN; i++)
        if (faccessat(carrier->tree.fd[i], ".", W_OK | X_OK, 0) < 0) {
            snprintf(text, sizeof text, "%s below %s cannot be written: %s", i == API_IN ? "API_IN" : "ATT_IN",
                     carrier->tree.root, strerror(errno));
            line(arg, text);
            return -1;
        }
    snprintf(text, sizeof text, "the API gateway's folders at %s are there and can be written",
             carrier->tree.root);
    line(arg, text);
    if (gateway_optional(&carrier->tree, GWPROB) < 0)
        line(arg, "GWPROB is not there: what the gateway refuses cannot be noticed");
    return 0;
}

const struct viaduct_outbound_ops gwise_outbound_ops = {.size = sizeof gwise_outbound_ops,
                                                        .prepare = out_prepare,
                                                        .begin = out_begin,
                                                        .deliver = out_deliver,
                                                        .tick = out_tick,
                                                        .drain = out_drain,
                                                        .busy = out_busy,
                                                        .finish = out_finish,
                                                        .test = out_test,
                                                        .in_hand = IN_HAND};
