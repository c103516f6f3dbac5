/* intake.c - a message on its way in (see intake.h)
 *
 *     module's bytes --> header (kept until it is whole) --> Received + header, translated + what it lacked -->
 * body
 *
 * What acceptance fixes, it fixes while it writes: one Received field of ours in front; Date and Message-ID
 * where they are missing; addresses of the header in host form where the book or the mapping knows them.
 * Everything else stays byte for byte. So the straight road costs one write and one fsync.
 *
 * Hostile here: envelope and bytes. The module has checked the syntax of addresses; they are parsed again.
 */
#include "daemons/intake_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { ARENA_CAP = 64 << 20 };

/* ---- doors ---- */

static const struct door *
door_find(const struct doors *doors, struct span connector)
{
    for (size_t i = 0; i < doors->n; i++)
        if (connector.len == 0 || span_equal(connector, span_of(doors->at[i].connector)))
            return &doors->at[i];
    return NULL;
}

static int
door_add(struct viaduct_gateway *gateway, struct doors *doors, const struct conf_connector *connector)
{
    const struct conf_root *root = gateway->service->root;
    struct buf errors = {0};
    struct door door = {.connector = connector != NULL ? connector->title : "host",
                        .limits = connector != NULL ? &connector->limits : &root->host.limits,
                        .mapping = connector != NULL ? &connector->mapping : NULL};
    bool own = connector == gateway->service->connector;
    door.translator =
        own ? gateway->translator
            : translator_new(root, connector, span_of(gateway->system->address_type), gateway->book, &errors);
    if (door.translator == NULL)
        log_say(LOG_ADDRESSES, LEVEL_MINIMUM, NULL, "%s",
                errors.at != NULL ? errors.at : "no address translation");
    buf_clear(&errors);
    header_mark(root->node, door.connector, true, door.mark);
    doors->at = xrealloc(doors->at, (doors->n + 1) * sizeof *doors->at);
    doors->at[doors->n++] = door;
    return door.translator != NULL ? 0 : -EINVAL;
}

/* ---- begin ---- */

static struct viaduct_intake *
intake_take(struct viaduct_gateway *gateway)
{
    struct doors *doors = gateway->inside;
    struct viaduct_intake *intake = doors->free;
    if (intake != NULL) {
        doors->free = intake->next;
    } else {
        intake = xcalloc(1, sizeof *intake);
        intake->arena = arena_new(ARENA_CAP);
        intake->gateway = gateway;
    }
    intake->envelope = (struct envelope){0};
    intake->maker = NULL;
    intake->error = 0;
    intake->item = false;
    intake->replaces[0] = '\0';
    if (gateway->fixed_id != NULL)
        snprintf(intake->id, sizeof intake->id, "%s", gateway->fixed_id);
    else
        id_new(intake->id);
    return intake;
}

static void
intake_give_back(struct viaduct_intake *intake)
{
    struct doors *doors = intake->gateway->inside;
    arena_reset(intake->arena);
    if (intake->header.size > 256 * 1024)
        buf_clear(&intake->header);
    buf_reset(&intake->header);
    intake->next = doors->free;
    doors->free = intake;
}

static struct viaduct_intake *
refuse_intake(struct viaduct_intake *intake, struct viaduct_reason *reason)
{
    reason_set(reason, &intake->why);
    counter_add(COUNTER_REFUSED_IN, 1);
    maker_drop(intake->maker);
    intake_give_back(intake);
    return NULL;
}

static struct viaduct_intake *
serve_intake_new(struct viaduct_gateway *gateway, const struct viaduct_envelope_in *in,
                 const struct viaduct_recipient_in *recipients, size_t n, struct viaduct_reason *reason)
{
    struct viaduct_intake *intake = intake_take(gateway);
    intake->door = door_find(gateway->inside, span_from(in->connector));
    if (intake->door == NULL || n == 0) {
        why_set(&intake->why, "5.3.5", "no mail is taken for this connector here");
        return refuse_intake(intake, reason);
    }
    header_scan_start(&intake->scan, intake->door->mark);
    if (intake_envelope(intake, in, recipients, n) < 0)
        return refuse_intake(intake, reason);
    intake->maker = maker_new(gateway->service, intake->id, &intake->envelope,
                              intake_envelope_reserve(&intake->envelope), &intake->why);
    return intake->maker != NULL ? intake : refuse_intake(intake, reason);
}

static struct viaduct_intake *
serve_fetch_new(struct viaduct_gateway *gateway, struct viaduct_reason *reason)
{
    struct viaduct_intake *intake = intake_take(gateway);
    const struct doors *doors = gateway->inside;
    intake->door = &doors->at[0];
    intake->item = true;
    intake->envelope = (struct envelope){.id = span_of(intake->id),
                                         .arrival_ms = time_ms(),
                                         .origin = span_of(intake->door->connector),
                                         .class = SPAN("ITEM"),
                                         .next_report = 1,
                                         .originator = {SPAN("SMTP"), SPAN("")}};
    intake->maker = maker_new(gateway->service, intake->id, &intake->envelope, 1200, &intake->why);
    return intake->maker != NULL ? intake : refuse_intake(intake, reason);
}

/* ---- body ---- */

int
intake_failed(struct viaduct_intake *intake, int error, const char *status, const char *text)
{
    why_set(&intake->why, status, "%s", text);
    return intake->error = error;
}

static bool
has_eight_bit(const char *bytes, size_t len)
{
    size_t i = 0;
    for (; i + 8 <= len; i += 8) {
        uint64_t word;
        memcpy(&word, bytes + i, sizeof word);
        if (word & UINT64_C(0x8080808080808080))
            return true;
    }
    for (; i < len; i++)
        if ((unsigned char)bytes[i] > 127)
            return true;
    return false;
}

static int
serve_intake_add(struct viaduct_intake *intake, const void *bytes, size_t len)
{
    const char *at = bytes;
    if (intake->error < 0)
        return intake->error;
    if (!intake->item && !intake->scan.ended) {
        ssize_t n = intake_take_header(intake, at, len);
        if (n < 0)
            return intake->error = (int)n;
        at += n;
        len -= (size_t)n;
    }
    if (len == 0)
        return 0;
    if (!intake->envelope.body8bit && !intake->item)
        intake->envelope.body8bit = has_eight_bit(at, len);
    int r = maker_add(intake->maker, at, len);
    if (r < 0)
        intake_failed(intake, r, r == -ENOSPC || r == -EDQUOT ? "4.3.1" : "4.3.0", strerror(-r));
    return r;
}

void
intake_journal(struct viaduct_intake *intake, struct journal_entry entry)
{
    entry.time_ms = time_ms();
    entry.by = span_of(intake->gateway->service->instance);
    maker_journal(intake->maker, &entry);
}

/* ---- end ---- */

static void
on_committed(void *arg, int result)
{
    struct viaduct_intake *intake = arg;
    struct viaduct_reason reason = {"", ""};
    struct why why;
    if (result == 0) {
        counter_add(COUNTER_MESSAGES_IN, 1);
    } else {
        bool full = result == -ENOSPC || result == -EDQUOT;
        why_set(&why, full ? "4.3.1" : "4.3.0", "the message could not be stored: %s", strerror(-result));
        reason_set(&reason, &why);
        counter_add(COUNTER_REFUSED_IN, 1);
    }
    void (*done)(void *, int, const struct viaduct_reason *) = intake->done;
    void *done_arg = intake->arg;
    intake_give_back(intake);
    done(done_arg, result, &reason);
}

/* What recovery must remove before the copy leaves Temp: "<inode> <path>"; within the spool the path begins at
 * the spool. */
static void
note_replaced(struct viaduct_intake *intake, bool in_spool, unsigned long long inode, const char *path)
{
    char folder[SPOOL_PATH_MAX] = "";
    if (in_spool)
        folder_path(FOLDER_READY_IN, intake->gateway->service->connector_name, folder);
    snprintf(intake->replaces, sizeof intake->replaces, "%llu %s%s%s", inode, folder, in_spool ? "/" : "",
             path);
    intake->envelope.replaces = span_of(intake->replaces);
}

static void
serve_intake_commit(struct viaduct_intake *intake, int remove_fd, const char *remove_path,
                    void (*done)(void *arg, int result, const struct viaduct_reason *), void *arg)
{
    bool converter = intake->gateway->service->worker->id == WORKER_INBOUND_CONVERTER;
    struct maker_goal goal = {.from = converter ? FOLDER_READY_IN : FOLDER_SYSTEM,
                              .verdict = intake->item ? VERDICT_FETCH : VERDICT_ACCEPT,
                              .connector = intake->door->connector,
                              .track = intake->item ? TRACK_COUNT : TRACK_RECEIVE,
                              .source_fd = remove_path != NULL ? remove_fd : -1,
                              .source_name = remove_path};
    struct stat st;
    intake->done = done;
    intake->arg = arg;
    int r = intake->error < 0 ? intake->error : intake_end_header(intake);
    if (remove_path != NULL && fstatat(remove_fd, remove_path, &st, AT_SYMLINK_NOFOLLOW) == 0)
        note_replaced(intake, converter, (unsigned long long)st.st_ino, remove_path);
    if (r == 0)
        intake_note_failed(intake);
    struct maker *maker = intake->maker;
    intake->maker = NULL;
    if (r < 0) {
        maker_drop(maker);
        on_committed(intake, r);
        return;
    }
    counter_add(COUNTER_BYTES_IN, (int64_t)maker_bytes(maker));
    maker_commit(maker, &goal, on_committed, intake);
}

static void
serve_intake_drop(struct viaduct_intake *intake)
{
    if (intake == NULL)
        return;
    maker_drop(intake->maker);
    intake->maker = NULL;
    intake_give_back(intake);
}

static const char *
serve_intake_id(const struct viaduct_intake *intake)
{
    return intake->id;
}

static uint64_t
serve_intake_bytes(const struct viaduct_intake *intake)
{
    return maker_bytes(intake->maker);
}

static int
serve_recipient_check(struct viaduct_gateway *gateway, struct viaduct_text connector,
                      struct viaduct_text address, struct viaduct_reason *reason)
{
    struct doors *doors = gateway->inside;
    const struct door *door = door_find(doors, span_from(connector));
    struct why why;
    if (door == NULL)
        return -1;
    int r = recipient_check(gateway, door->connector, door->translator, span_from(address), doors->arena, &why);
    if (r == -2 && gateway_has_newer_book(gateway)) /* published a moment ago */
        r = recipient_check(gateway, door->connector, door->translator, span_from(address), doors->arena, &why);
    if (r < 0) {
        reason_set(reason, &why);
        counter_add(COUNTER_REFUSED_IN, 1);
    }
    arena_reset(doors->arena);
    return r;
}

int
intake_open(struct viaduct_gateway *gateway)
{
    struct doors *doors = xcalloc(1, sizeof *doors);
    const struct conf_root *root = gateway->service->root;
    struct viaduct_services *services = &gateway->services;
    gateway->inside = doors;
    doors->arena = arena_new(1 << 20);
    int r = door_add(gateway, doors, gateway->service->connector);
    for (size_t i = 0; r == 0 && gateway->service->connector == NULL && i < root->connectors_n; i++)
        if (root->connectors[i].from.n > 0)
            r = door_add(gateway, doors, &root->connectors[i]);
    services->recipient_check = serve_recipient_check;
    services->intake_new = serve_intake_new;
    services->fetch_new = serve_fetch_new;
    services->intake_add = serve_intake_add;
    services->intake_commit = serve_intake_commit;
    services->intake_drop = serve_intake_drop;
    services->intake_id = serve_intake_id;
    services->intake_bytes = serve_intake_bytes;
    return r;
}
