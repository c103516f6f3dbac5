/* carrier_in.c - fetches what an API gateway left in API_OUT and ATT_OUT (see carrier.h, carrier_judge.c)
 *
 *     poll --> scan --> judge each name --(ready)--> copy header and files into one container --> commit
 *                                       --(too long unready)--> the same, with the reason why as evidence
 *     commit done --> the header was removed with it; attachments go next
 *
 * One item is fetched at a time, a megabyte a step, so that neither memory nor the loop's patience depends on
 * its size. The header is removed by intake_commit() at the moment that makes a crash harmless: before it, the
 * item is fetched again; after it, the copy is durable. Orphaned attachments of a crash in between stay in
 * ATT_OUT; nothing refers to them.
 */
#include "systems/gwise/carrier_in.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { STEP_BYTES = 1 << 20, LOOK_MAX = 200 };

static void
arm(struct carrier_in *carrier, int64_t ms)
{
    struct timeval wait = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
    event_add(carrier->timer, &wait);
}

/* ---- one item ---- */

static int
add_to_intake(void *arg, const void *bytes, size_t len)
{
    struct carrier_in *carrier = arg;
    return carrier->services->intake_add(carrier->fetch->intake, bytes, len);
}

static void
free_fetch(struct carrier_in *carrier)
{
    struct fetch *fetch = carrier->fetch;
    if (fetch->fd >= 0)
        close(fetch->fd);
    in_free_sources(fetch->sources);
    free(fetch->name);
    free(fetch);
    carrier->fetch = NULL;
}

static void
drop_fetch(struct carrier_in *carrier, const char *why)
{
    carrier->services->say(carrier->gateway, VIADUCT_LOG_INFO, NULL,
                           "%s in API_OUT is left for the next poll: %s", carrier->fetch->name, why);
    carrier->services->intake_drop(carrier->fetch->intake);
    free_fetch(carrier);
}

/* Begins to copy. `why` is not empty where the item is evidence. */
static bool
begin_fetch(struct carrier_in *carrier, const char *name, struct source *sources, const struct buf *why)
{
    struct viaduct_reason reason;
    struct viaduct_intake *intake = carrier->services->fetch_new(carrier->gateway, &reason);
    if (intake == NULL) {
        in_free_sources(sources);
        carrier->services->say(carrier->gateway, VIADUCT_LOG_ERROR, NULL, "nothing can be fetched: %s",
                               reason.text);
        return false;
    }
    struct fetch *fetch = xcalloc(1, sizeof *fetch);
    carrier->fetch = fetch;
    *fetch =
        (struct fetch){.name = xstrdup(name), .intake = intake, .sources = sources, .at = sources, .fd = -1};
    container_begin(&fetch->writer, add_to_intake, carrier);
    if (why->len > 0) {
        carrier->services->say(carrier->gateway, VIADUCT_LOG_ERROR, NULL,
                               "%s in API_OUT stayed unfinished and is kept as evidence: %s", name, why->at);
        container_part(&fetch->writer, PART_META, SPAN("why"));
        container_add(&fetch->writer, why->at, why->len < 2000 ? why->len : 2000);
        container_part_end(&fetch->writer);
    }
    return true;
}

static void
committed(void *arg, int result, const struct viaduct_reason *reason)
{
    struct carrier_in *carrier = arg;
    struct fetch *fetch = carrier->fetch;
    if (result != 0) {
        carrier->services->say(carrier->gateway, VIADUCT_LOG_ERROR, NULL, "%s could not be taken over: %s",
                               fetch->name, reason != NULL ? reason->text : strerror(-result));
        free_fetch(carrier);
        return;
    }
    for (size_t i = 0; i < carrier->n_candidates; i++)
        if (strcmp(carrier->candidates[i].name, fetch->name) == 0) {
            in_forget(&carrier->candidates[i]);
            memmove(&carrier->candidates[i], &carrier->candidates[i + 1],
                    (carrier->n_candidates - i - 1) * sizeof carrier->candidates[0]);
            carrier->n_candidates--;
            break;
        }
    struct source *files = fetch->sources->next; /* all but the header */
    fetch->sources->next = NULL;
    struct source **end = &carrier->removals;
    while (*end != NULL)
        end = &(*end)->next;
    *end = files;
    free_fetch(carrier);
    in_remove_attachments(carrier);
    carrier->again = true;
    arm(carrier, 0);
}

static const char *
copy_some(struct carrier_in *carrier, size_t *budget)
{
    struct fetch *fetch = carrier->fetch;
    struct source *source = fetch->at;
    static char piece[64 << 10]; /* one item at a time */
    struct stat status;
    if (fetch->fd < 0) {
        fetch->fd = gateway_open_read(carrier->tree.fd[source->folder], source->name, &status);
        if (fetch->fd < 0 || status.st_ino != source->inode || (uint64_t)status.st_size != source->bytes)
            return "a file of it has changed or gone";
        fetch->copied = 0;
        container_part(&fetch->writer, source->kind, span_of(source->name));
    }
    while (*budget > 0) {
        ssize_t got = read(fetch->fd, piece, sizeof piece);
        if (got < 0)
            return "a file of it cannot be read";
        if (got == 0)
            break;
        fetch->copied += (uint64_t)got;
        *budget = *budget > (size_t)got ? *budget - (size_t)got : 0;
        if (container_add(&fetch->writer, piece, (size_t)got) != 0)
            return strerror(abs(fetch->writer.error));
        if (*budget == 0)
            return NULL;
    }
    if (fetch->copied != source->bytes)
        return "a file of it changed while it was read";
    container_part_end(&fetch->writer);
    close(fetch->fd);
    fetch->fd = -1;
    fetch->at = source->next;
    return NULL;
}

static void
fetch_step(struct carrier_in *carrier)
{
    struct fetch *fetch = carrier->fetch;
    size_t budget = STEP_BYTES;
    const char *wrong = NULL;
    while (fetch->at != NULL && budget > 0 && wrong == NULL)
        wrong = copy_some(carrier, &budget);
    if (wrong == NULL && fetch->at == NULL && container_end(&fetch->writer) != 0)
        wrong = strerror(abs(fetch->writer.error));
    if (wrong != NULL) {
        drop_fetch(carrier, wrong);
        return;
    }
    if (fetch->at == NULL) {
        fetch->committing = true;
        carrier->services->intake_commit(fetch->intake, carrier->tree.fd[API_OUT], fetch->sources->name,
                                         committed, carrier);
    }
}

/* ---- polling ---- */

static bool
tree_ready(struct carrier_in *carrier)
{
    struct viaduct_reason reason;
    if (gateway_tree_alive(&carrier->tree, API_OUT) && gateway_tree_alive(&carrier->tree, ATT_OUT))
        return true;
    gateway_tree_close(&carrier->tree);
    bool ready = gateway_tree_open(&carrier->tree, carrier->tree.root, &reason) == 0;
    if (!ready && !carrier->lost)
        carrier->services->say(carrier->gateway, VIADUCT_LOG_ERROR, NULL, "%s", reason.text);
    carrier->lost = !ready;
    return ready;
}

/* Begins with the first name that is ready. Names are times, so that is the oldest. True where names are left
 * to be judged in this poll: no more than LOOK_MAX are read at once. */
static bool
choose(struct carrier_in *carrier)
{
    struct viaduct_reason reason;
    int looked = 0;
    if (carrier->services->ending(carrier->gateway) || carrier->services->closed(carrier->gateway, &reason))
        return false;
    for (size_t i = 0; i < carrier->n_candidates && looked < LOOK_MAX; i++) {
        struct candidate *candidate = &carrier->candidates[i];
        struct source *sources = NULL;
        struct buf why = {0};
        if (candidate->tried_ms == carrier->polled_ms)
            continue; /* once a poll */
        candidate->tried_ms = carrier->polled_ms;
        looked++;
        enum in_judgement judgement = in_judge(carrier, candidate, &sources, &why);
        if (judgement == IN_READY)
            buf_reset(&why);
        bool begun = judgement != IN_WAIT && begin_fetch(carrier, candidate->name, sources, &why);
        buf_clear(&why);
        if (judgement != IN_WAIT)
            return begun;
    }
    return looked == LOOK_MAX;
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct carrier_in *carrier = arg;
    int64_t now_ms = monotonic_ms();
    (void)fd;
    (void)what;
    if (carrier->fetch != NULL && carrier->fetch->committing) {
        arm(carrier, carrier->poll_ms);
        return;
    }
    if (carrier->fetch == NULL && now_ms - carrier->polled_ms >= carrier->poll_ms) {
        if (!tree_ready(carrier)) {
            arm(carrier, carrier->poll_ms);
            return;
        }
        carrier->polled_ms = now_ms;
        in_scan(carrier);
        in_remove_attachments(carrier);
    }
    carrier->again = carrier->fetch == NULL && !carrier->lost && choose(carrier);
    if (carrier->fetch != NULL)
        fetch_step(carrier);
    bool copying = carrier->fetch != NULL && !carrier->fetch->committing;
    arm(carrier, copying || (carrier->again && carrier->fetch == NULL) ? 0 : carrier->poll_ms);
}

/* ---- life ---- */

static int
in_prepare(const struct viaduct_services *services, struct viaduct_gateway *gateway, void **state,
           struct viaduct_reason *reason)
{
    const char *root = services->option(gateway, "peer.root");
    if (root == NULL) {
        reason_fill(reason, "5.3.5", "peer.root is not set: the folder of the API gateway");
        return -1;
    }
    struct carrier_in *carrier = xcalloc(1, sizeof *carrier);
    carrier->services = services;
    carrier->gateway = gateway;
    carrier->poll_ms = gateway_option_ms(services, gateway, "peer.poll", 2);
    carrier->poll_ms = carrier->poll_ms < 20 ? 20 : carrier->poll_ms;
    carrier->settle_ms = gateway_option_ms(services, gateway, "peer.settle", 3600);
    if (gateway_tree_open(&carrier->tree, root, reason) < 0) {
        free(carrier);
        return -1;
    }
    carrier->codepage = codepage_new(services->option(gateway, "convert.codepage"));
    *state = carrier;
    return 0;
}

static int
in_begin(void *state, struct viaduct_reason *reason)
{
    struct carrier_in *carrier = state;
    carrier->timer = event_new(carrier->services->loop(carrier->gateway), -1, 0, on_timer, carrier);
    if (carrier->timer == NULL) {
        reason_fill(reason, "4.3.0", "no timer");
        return -1;
    }
    carrier->polled_ms = monotonic_ms() - carrier->poll_ms;
    arm(carrier, 0);
    return 0;
}

static bool
in_busy(void *state)
{
    return ((struct carrier_in *)state)->fetch != NULL;
}

static void
in_finish(void *state)
{
    struct carrier_in *carrier = state;
    if (carrier->fetch != NULL && !carrier->fetch->committing)
        carrier->services->intake_drop(carrier->fetch->intake);
    if (carrier->fetch != NULL)
        free_fetch(carrier);
    for (size_t i = 0; i < carrier->n_candidates; i++)
        in_forget(&carrier->candidates[i]);
    free(carrier->candidates);
    in_free_sources(carrier->removals);
    if (carrier->timer != NULL)
        event_free(carrier->timer);
    codepage_free(carrier->codepage);
    gateway_tree_close(&carrier->tree);
    free(carrier);
}

static void
in_rest(void *state) /* the timer does all there is to do */
{
    (void)state;
}

/* The header of an item that was made durable before a crash: fetched once more, the mail would be there twice.
 */
static void
in_forget_source(void *state, const char *remove_path, uint64_t inode)
{
    struct carrier_in *carrier = state;
    struct stat st;
    int folder = carrier->tree.fd[API_OUT];
    if (strchr(remove_path, '/') == NULL && fstatat(folder, remove_path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        st.st_ino == (ino_t)inode)
        unlinkat(folder, remove_path, 0);
}

const struct viaduct_inbound_ops gwise_inbound_ops = {.size = sizeof gwise_inbound_ops,
                                                      .prepare = in_prepare,
                                                      .begin = in_begin,
                                                      .tick = in_rest,
                                                      .drain = in_rest,
                                                      .busy = in_busy,
                                                      .finish = in_finish,
                                                      .forget = in_forget_source};
