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
 *
 * Sources: RFC 5321 section 4.4 (Received), RFC 5322 section 3.6, RFC 3848.
 */
#include "daemons/intake.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/header_scan.h"

enum { ARENA_CAP = 64 << 20 };

/* A connector whose mail this process takes. */
struct door {
    const char *connector; /* "host" or a connector's name */
    struct translator *translator;
    const struct conf_limits *limits;
    const struct conf_mapping *mapping; /* NULL for the host */
    char mark[120];
};

struct doors {
    struct door *at;
    size_t n;
    struct viaduct_intake *free;
    struct arena *arena; /* of recipient_check */
};

struct viaduct_intake {
    struct viaduct_gateway *gateway;
    const struct door *door;
    struct arena *arena;
    struct envelope envelope;
    struct maker *maker;
    struct header_scan scan;
    struct buf header; /* while it is not whole */
    char id[ID_LEN + 1];
    char replaces[600];
    int error;
    struct why why;
    bool item; /* fetched for the converter: no message */
    void (*done)(void *arg, int result, const struct viaduct_reason *reason);
    void *arg;
    struct viaduct_intake *next;
};

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

/* Copies a module's text, which lives only during the call. */
static struct span
keep(struct viaduct_intake *intake, struct viaduct_text text)
{
    if (text.len == 0)
        return SPAN("");
    struct span copy = arena_span(intake->arena, span_from(text));
    if (copy.at == NULL)
        intake->error = -ENOMEM;
    return copy;
}

static int
translate_originator(struct viaduct_intake *intake, struct viaduct_text text)
{
    struct span kept = keep(intake, text);
    struct address address = {span_of(intake->gateway->system->address_type), kept};
    struct translation translation;
    if (kept.len == 0) {
        intake->envelope.originator = (struct address){SPAN("SMTP"), SPAN("")};
        return 0;
    }
    int r = translate_in(intake->door->translator, &address, ROLE_ORIGINATOR, intake->arena, &translation,
                         &intake->why);
    if (r == 0)
        intake->envelope.originator = translation.address;
    return r;
}

/* The second mapping rule: a recipient that cannot be mapped costs a report for him alone. He is kept encapsulated, and
 * FAILED from the beginning; the message goes on for the others, and by Bounce in the end. */
static int
fail_recipient(struct viaduct_intake *intake, const struct address *address, struct recipient *recipient)
{
    struct buf wrapped = {0};
    const struct conf_texts *domains = &intake->gateway->service->root->host.domains;
    imcea_encode(address, span_of(domains->at[0]), &wrapped);
    recipient->address = (struct address){SPAN("SMTP"), arena_span(intake->arena, buf_span(&wrapped))};
    buf_clear(&wrapped);
    if (recipient->address.value.at == NULL)
        return -ENOMEM;
    recipient->state = RECIPIENT_FAILED;
    recipient->status = arena_span(intake->arena, span_of(intake->why.status));
    recipient->text = arena_span(intake->arena, span_of(intake->why.text));
    return 0;
}

/* The marks of recipients that failed on arrival, in the new file's journal. */
static void
note_failed(struct viaduct_intake *intake)
{
    const struct envelope *envelope = &intake->envelope;
    for (size_t i = 0; i < envelope->n_recipients; i++) {
        const struct recipient *recipient = &envelope->recipients[i];
        if (recipient->state != RECIPIENT_FAILED)
            continue;
        struct recipient_mark mark = {(uint32_t)i, RECIPIENT_FAILED, recipient->status, recipient->text,
                                      SPAN("")};
        maker_journal(intake->maker, &(struct journal_entry){.kind = JOURNAL_MARK,
                                                             .time_ms = envelope->arrival_ms,
                                                             .by = span_of(intake->gateway->service->instance),
                                                             .marks = &mark,
                                                             .n_marks = 1});
        track_add(&(struct track_record){.event = TRACK_FAIL,
                                         .id = intake->id,
                                         .connector = intake->door->connector,
                                         .sender = envelope->originator.value,
                                         .rcpt = recipient->address.value,
                                         .status = recipient->status,
                                         .reason = recipient->text,
                                         .attempt = 1});
    }
}

static int
add_recipient(struct viaduct_intake *intake, const struct viaduct_recipient_in *in, struct recipient *recipient)
{
    struct address address = {span_of(intake->gateway->system->address_type), keep(intake, in->address)};
    struct translation translation;
    recipient->address = address;
    recipient->notify = in->notify;
    recipient->orcpt = keep(intake, in->orcpt);
    recipient->display = keep(intake, in->display);
    recipient->kind = in->kind;
    if (strcmp(intake->door->connector, "host") != 0) {
        int r = translate_in(intake->door->translator, &address, ROLE_RESPONSIBLE, intake->arena, &translation,
                             &intake->why);
        if (r == -ENOENT)
            return fail_recipient(intake, &address, recipient);
        if (r < 0)
            return r;
        recipient->address = translation.address;
    }
    return 0;
}

static int
fill_envelope(struct viaduct_intake *intake, const struct viaduct_envelope_in *in,
              const struct viaduct_recipient_in *recipients, size_t n)
{
    struct envelope *envelope = &intake->envelope;
    envelope->id = span_of(intake->id);
    envelope->arrival_ms = time_ms();
    envelope->origin = span_of(intake->door->connector);
    envelope->class = SPAN("IPM.Note");
    envelope->next_report = 1;
    envelope->ret = keep(intake, in->ret);
    envelope->envid = keep(intake, in->envid);
    envelope->utf8 = in->smtputf8;
    envelope->client = keep(intake, in->client);
    envelope->helo = keep(intake, in->helo);
    envelope->protocol = keep(intake, in->protocol);
    envelope->foreign_id = keep(intake, in->foreign_id);
    envelope->recipients = arena_alloc(intake->arena, n * sizeof *envelope->recipients);
    if (envelope->recipients == NULL) {
        why_set(&intake->why, "4.5.3", "too many recipients for this server's memory");
        return -ENOMEM;
    }
    int r = translate_originator(intake, in->originator);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = add_recipient(intake, &recipients[i], &envelope->recipients[i]);
    envelope->n_recipients = n;
    if (r == 0 && intake->error < 0) {
        why_set(&intake->why, "4.5.3", "an envelope too large for this server's memory");
        r = intake->error;
    }
    return r;
}

/* What the envelope will need at most, once the header has told its Message-ID and Subject. */
static size_t
envelope_reserve(const struct envelope *envelope)
{
    size_t size =
        2400 + envelope->originator.value.len + envelope->envid.len + envelope->client.len + envelope->helo.len;
    for (size_t i = 0; i < envelope->n_recipients; i++) {
        const struct recipient *recipient = &envelope->recipients[i];
        size += 160 + recipient->address.value.len + recipient->orcpt.len + recipient->display.len;
    }
    return size;
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
    if (fill_envelope(intake, in, recipients, n) < 0)
        return refuse_intake(intake, reason);
    intake->maker = maker_new(gateway->service, intake->id, &intake->envelope,
                              envelope_reserve(&intake->envelope), &intake->why);
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

/* ---- header ---- */

static void
add_received(const struct viaduct_intake *intake, struct buf *out)
{
    const struct envelope *envelope = &intake->envelope;
    char date[40];
    header_date(envelope->arrival_ms / 1000, date);
    buf_add_text(out, "Received: ");
    if (envelope->helo.len > 0 || envelope->client.len > 0) {
        buf_add_text(out, "from ");
        buf_add_span(out, envelope->helo.len > 0 ? envelope->helo : SPAN("unknown"));
        if (envelope->client.len > 0)
            buf_printf(out, " (%.*s)", (int)envelope->client.len, envelope->client.at);
        buf_add_text(out, "\n\t");
    }
    buf_printf(out, "%s", intake->door->mark);
    if (envelope->protocol.len > 0)
        buf_printf(out, " with %.*s", (int)envelope->protocol.len, envelope->protocol.at);
    buf_printf(out, " id %s", intake->id);
    if (envelope->n_recipients == 1 && span_equal(envelope->recipients[0].address.type, SPAN("SMTP")))
        buf_printf(out, "\n\tfor <%.*s>", (int)envelope->recipients[0].address.value.len,
                   envelope->recipients[0].address.value.at);
    buf_printf(out, "; %s\n", date);
}

static void
add_missing(struct viaduct_intake *intake, struct buf *out)
{
    const struct header_scan *scan = &intake->scan;
    char date[40];
    if (!scan->has_date) {
        header_date(intake->envelope.arrival_ms / 1000, date);
        buf_printf(out, "Date: %s\n", date);
    }
    if (!scan->has_msgid) {
        snprintf(intake->scan.msgid, sizeof intake->scan.msgid, "<%s@%s>", intake->id,
                 intake->gateway->service->root->node);
        buf_printf(out, "Message-ID: %s\n", scan->msgid);
    }
}

static bool
translates_header(const struct viaduct_intake *intake)
{
    const struct conf_mapping *mapping = intake->door->mapping;
    if (mapping == NULL || !mapping->headers)
        return false;
    return mapping->rules_n > 0 || book_generation(intake->gateway->book) > 0;
}

/* The header is whole (`header`: its fields and the empty line, or nothing): write it. */
static int
write_header(struct viaduct_intake *intake, struct span header)
{
    struct buf out = {0}, translated = {0};
    const struct header_scan *scan = &intake->scan;
    struct span fields = header;
    if (fields.len > 0 && !scan->no_header && fields.at[fields.len - 1] == '\n' &&
        (fields.len == 1 || fields.at[fields.len - 2] == '\n'))
        fields.len--; /* the empty line comes last, behind what is added */
    buf_reserve(&out, fields.len + 600);
    add_received(intake, &out);
    int r =
        translates_header(intake) ? translate_header(intake->door->translator, false, fields, &translated) : 0;
    buf_add_span(&out, r > 0 ? buf_span(&translated) : fields);
    add_missing(intake, &out);
    buf_add_byte(&out, '\n');
    intake->envelope.header_bytes = (int64_t)out.len;
    intake->envelope.hops = scan->hops;
    intake->envelope.loops = scan->loops;
    intake->envelope.body8bit |= scan->eight_bit;
    intake->envelope.msgid = span_of(scan->msgid);
    if (intake->gateway->service->root->log.subjects)
        intake->envelope.subject = span_of(scan->subject);
    if (r >= 0) /* negative: the book cannot be read now */
        r = maker_add(intake->maker, out.at, out.len);
    buf_clear(&out);
    buf_clear(&translated);
    return r;
}

static int
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

/* Feeds the header; returns how many bytes it took, or -errno. */
static ssize_t
take_header(struct viaduct_intake *intake, const char *bytes, size_t len)
{
    size_t taken = header_scan_feed(&intake->scan, bytes, len);
    struct span header = {bytes, taken};
    if (!intake->scan.ended || intake->header.len > 0) {
        buf_add(&intake->header, bytes, taken);
        header = buf_span(&intake->header);
    }
    if (header.len > intake->door->limits->header)
        return intake_failed(intake, -EMSGSIZE, "5.3.4", "the header is larger than this system takes");
    if (!intake->scan.ended)
        return (ssize_t)taken;
    int r = 0;
    if (intake->scan.no_header && intake->header.len > 0) { /* no header at all: what was kept is body */
        r = write_header(intake, SPAN(""));
        if (r == 0)
            r = maker_add(intake->maker, intake->header.at, intake->header.len);
    } else {
        r = write_header(intake, header);
    }
    buf_reset(&intake->header);
    return r < 0 ? r : (ssize_t)taken;
}

static int
serve_intake_add(struct viaduct_intake *intake, const void *bytes, size_t len)
{
    const char *at = bytes;
    if (intake->error < 0)
        return intake->error;
    if (!intake->item && !intake->scan.ended) {
        ssize_t n = take_header(intake, at, len);
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

/* A message without an empty line is a header alone. */
static int
end_header(struct viaduct_intake *intake)
{
    if (intake->item || intake->scan.ended)
        return 0;
    header_scan_finish(&intake->scan);
    struct span header = buf_span(&intake->header);
    int r = write_header(intake, intake->scan.no_header ? SPAN("") : header);
    if (r == 0 && intake->scan.no_header && header.len > 0)
        r = maker_add(intake->maker, header.at, header.len);
    buf_reset(&intake->header);
    return r;
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
    int r = intake->error < 0 ? intake->error : end_header(intake);
    if (remove_path != NULL && fstatat(remove_fd, remove_path, &st, AT_SYMLINK_NOFOLLOW) == 0)
        note_replaced(intake, converter, (unsigned long long)st.st_ino, remove_path);
    if (r == 0)
        note_failed(intake);
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
