/* outbound-converter.c - brings messages into the form the system takes
 *
 *     Convert --ready--> ReadyOut (the item <id>.item beside the original)   --fail--> Bounce    --bad-->
 * Badmail
 *
 * The original is never changed: it moves on to ReadyOut with the item beside it, stays the truth, and is what
 * reports and reconversion are made of. The item is a queue file whose body is the module's container (or, for
 * SMTP, the message in 7-bit form). It is disposable, so nothing is synced: a torn one is found by its
 * checksums and made again.
 *
 * Hostile here: everything in a message. It is parsed in a child only (converter.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/worker_inside.h"
#include "daemons/converter.h"

struct work {
    struct viaduct_gateway *gateway;
    struct job *job;
    struct queue_writer *writer;
    struct viaduct_delivery delivery;
    char need[40];
    bool told; /* an earlier conversion left a report in the journal */
    struct conversion *conversion;
};

/* ---- in the child ---- */

static ssize_t
read_body(void *arg, uint64_t offset, void *bytes, size_t size)
{
    const struct queue_file *file = &((struct work *)arg)->job->file;
    if (offset >= file->body_bytes)
        return 0;
    uint64_t left = file->body_bytes - offset;
    ssize_t n = pread(file->fd, bytes, size < left ? size : (size_t)left, (off_t)(file->body_offset + offset));
    return n < 0 ? -errno : n;
}

static int
write_item(void *arg, const void *bytes, size_t len)
{
    return queue_writer_add(((struct work *)arg)->writer, bytes, len);
}

static void
add_report(void *arg, const char *line)
{
    struct work *work = arg;
    buf_printf(&work->conversion->report, "%s\n", line);
}

static void
add_broken(void *arg, const char *line)
{
    struct work *work = arg;
    buf_printf(&work->conversion->broken, "%s\n", line);
    add_report(arg, line);
}

/* Addresses of the header: only listed, so never a failure. */
static struct viaduct_text
translate(void *arg, struct viaduct_text text, bool outwards, struct viaduct_text *display)
{
    struct work *work = arg;
    struct arena *arena = work->job->arena;
    struct translation translation;
    struct address address;
    struct why why;
    if (display != NULL)
        *display = (struct viaduct_text){"", 0};
    if (!outwards || address_parse(span_from(text), arena, &address, &why) < 0 ||
        translate_out(work->gateway->translator, &address, ROLE_LISTED, arena, &translation, &why) < 0)
        return text;
    if (display != NULL)
        *display = text_from(translation.display);
    return text_from(translation.address.value);
}

static enum viaduct_converted
convert(void *arg, struct conversion *conversion)
{
    struct work *work = arg;
    struct viaduct_reason reason = {"", ""};
    work->conversion = conversion;
    if (queue_body_check(&work->job->file, &conversion->why) < 0) /* a system reads it here and there */
        return VIADUCT_CONVERT_BAD;
    struct viaduct_convert_in in = {.size = sizeof in,
                                    .gateway = work->gateway,
                                    .services = &work->gateway->services,
                                    .id = work->job->parts.stem,
                                    .need = work->need,
                                    .message = &work->delivery,
                                    .read = read_body,
                                    .arg = work,
                                    .bytes = work->job->file.body_bytes,
                                    .translate = translate};
    struct viaduct_convert_out out = {
        .size = sizeof out, .write = write_item, .report = add_report, .broken = add_broken, .arg = work};
    enum viaduct_converted answer = work->gateway->system->convert->to_foreign(&in, &out, &reason);
    why_from(&conversion->why, &reason);
    if (answer != VIADUCT_CONVERTED)
        return answer;
    struct envelope envelope = work->job->file.envelope;
    envelope.body8bit = work->need[0] == '\0' && envelope.body8bit;
    envelope.utf8 = work->need[0] == '\0' && envelope.utf8;
    if (queue_writer_finish(work->writer, &envelope, SPAN(""), &conversion->why) < 0)
        return VIADUCT_CONVERT_BAD;
    return answer;
}

/* ---- in the parent ---- */

static void
item_name(const struct job *job, char name[QUEUE_NAME_MAX + 8])
{
    snprintf(name, QUEUE_NAME_MAX + 8, "%s.item", job->parts.stem);
}

/* What the carrier asked for stands in the journal's last entry of this kind, what was lost in that of the other. */
static void
find_need(const struct journal_entry *entry, void *arg)
{
    struct work *work = arg;
    if (entry->kind == JOURNAL_TRACE && span_equal(entry->verdict, SPAN("convert")))
        snprintf(work->need, sizeof work->need, "%.*s", (int)entry->text.len, entry->text.at);
    if (entry->kind == JOURNAL_TRACE && span_equal(entry->verdict, SPAN("converted")))
        work->told = entry->text.len > 0;
}

/* The envelope as the system will see it. Recipients that cannot be mapped are the carrier's to judge, unless there is nobody
 * else: then there is nothing to convert. Returns how many this message is responsible for, or -EAGAIN; `why` is the last
 * one's that cannot be mapped. */
static int
fill_delivery(struct work *work, struct why *why)
{
    struct job *job = work->job;
    const struct envelope *envelope = &job->file.envelope;
    struct viaduct_recipient_out *out = arena_alloc(job->arena, envelope->n_recipients * sizeof *out);
    struct translation translation;
    size_t n = 0;
    int responsible = 0;
    BUG_UNLESS(out != NULL);
    work->delivery = (struct viaduct_delivery){.size = sizeof work->delivery,
                                               .id = job->parts.stem,
                                               .ret = text_from(envelope->ret),
                                               .envid = text_from(envelope->envid),
                                               .smtputf8 = envelope->utf8,
                                               .body_8bit = envelope->body8bit,
                                               .recipients = out,
                                               .bytes = job->file.body_bytes,
                                               .arrival_ms = envelope->arrival_ms};
    if (translate_out(work->gateway->translator, &envelope->originator, ROLE_ORIGINATOR, job->arena,
                      &translation, why) == 0)
        work->delivery.originator = text_from(translation.address.value);
    for (size_t i = 0; i < envelope->n_recipients; i++) {
        const struct recipient *recipient = &envelope->recipients[i];
        if (recipient_is_settled(recipient->state) && !recipient->listed)
            continue;
        int r =
            translate_out(work->gateway->translator, &recipient->address,
                          recipient->listed ? ROLE_LISTED : ROLE_RESPONSIBLE, job->arena, &translation, why);
        if (r == -EAGAIN)
            return r;
        if (r < 0)
            continue;
        responsible += !recipient->listed;
        out[n++] = (struct viaduct_recipient_out){
            .address = text_from(translation.address.value),
            .original = text_from(recipient->address.value),
            .display = text_from(recipient->display.len > 0 ? recipient->display : translation.display),
            .orcpt = text_from(recipient->orcpt),
            .notify = (unsigned)recipient->notify,
            .kind = (int)recipient->kind,
            .responsible = !recipient->listed};
    }
    work->delivery.n_recipients = n;
    return responsible;
}

static struct judgement
wait_here(struct service *service, struct job *job, const char *text)
{
    log_say(LOG_CONVERSION, LEVEL_MINIMUM, job->parts.stem, "%s; it waits in Convert", text);
    service_rescan_in(service, FOLDER_CONVERT, 5000);
    return (struct judgement){.verdict = VERDICT_NONE};
}

/* None of those whom the system is to deliver to has an address there: nothing to convert. Each gets a reason of his own. */
static struct judgement
fail_each(struct service *service, struct job *job, struct translator *translator, const struct why *none)
{
    const struct envelope *envelope = &job->file.envelope;
    struct recipient_mark *marks = arena_alloc(job->arena, (envelope->n_recipients + 1) * sizeof *marks);
    struct translation translation;
    struct why why, first = *none;
    size_t n = 0;
    BUG_UNLESS(marks != NULL);
    for (size_t i = 0; i < envelope->n_recipients; i++) {
        const struct recipient *recipient = &envelope->recipients[i];
        if (recipient_is_settled(recipient->state) || recipient->listed)
            continue;
        int r =
            translate_out(translator, &recipient->address, ROLE_RESPONSIBLE, job->arena, &translation, &why);
        if (r >= 0 || r == -EAGAIN)
            return wait_here(service, job, "the address book cannot be read now");
        if (n == 0)
            first = why;
        job_track(job, TRACK_FAIL, recipient, SPAN(""), &why, NULL);
        marks[n++] = (struct recipient_mark){.index = (uint32_t)i,
                                             .state = RECIPIENT_FAILED,
                                             .status = arena_span(job->arena, span_of(why.status)),
                                             .text = arena_span(job->arena, span_of(why.text))};
    }
    if (n == 0 || job_mark(job, marks, n, &why) < 0)
        return job_fail(job, &first);
    return (struct judgement){.verdict = VERDICT_FAIL, .sync = true, .why = first};
}

/* Into the journal, where `viaduct queue show --report` finds the last one: so one that lost nothing is told of too, where there
 * is an older one to outdate. */
static void
tell_report(struct job *job, const struct conversion *conversion, bool told)
{
    struct journal_entry entry = {
        .kind = JOURNAL_TRACE, .verdict = SPAN("converted"), .text = buf_span(&conversion->report)};
    struct why why;
    if (conversion->report.len == 0 && !told)
        return;
    if (conversion->report.len > 0)
        log_say(LOG_CONVERSION, LEVEL_MEDIUM, job->parts.stem, "lost or changed: %.*s",
                (int)strcspn(conversion->report.at, "\n"), conversion->report.at);
    if (job_journal(job, &entry, &why) < 0)
        log_say(LOG_CONVERSION, LEVEL_MEDIUM, job->parts.stem, "the conversion report is not kept: %s",
                why.text);
}

/* Who finds a signature that does not hold far from here shall find the reason here. */
static void
tell_broken(struct job *job, const struct conversion *conversion)
{
    struct span lines = buf_span(&conversion->broken);
    while (lines.len > 0) {
        struct why why;
        const char *end = memchr(lines.at, '\n', lines.len);
        size_t len = end != NULL ? (size_t)(end - lines.at) : lines.len;
        why_set(&why, "", "%.*s", (int)len, lines.at);
        log_say(LOG_CONVERSION, LEVEL_MEDIUM, job->parts.stem, "%s", why.text);
        job_track(job, TRACK_UNSIGN, NULL, SPAN(""), &why, NULL);
        len += end != NULL;
        lines = (struct span){lines.at + len, lines.len - len};
    }
}

static struct judgement
judge_conversion(struct service *service, struct job *job, const struct conversion *conversion, bool told)
{
    char name[QUEUE_NAME_MAX + 8];
    item_name(job, name);
    if (conversion->answer != VIADUCT_CONVERTED || conversion->crashed)
        spool_remove(service->temp_fd, name);
    if (conversion->answer != VIADUCT_CONVERTED && why_is_temporary(&conversion->why))
        return wait_here(service, job, conversion->why.text);
    if (conversion->crashed || conversion->answer == VIADUCT_CONVERT_BAD)
        return (struct judgement){.verdict = VERDICT_BAD, .why = conversion->why};
    if (conversion->answer != VIADUCT_CONVERTED)
        return job_fail(job, &conversion->why);
    tell_broken(job, conversion);
    tell_report(job, conversion, told);
    int ready = service_folder(service, FOLDER_READY_OUT, service->connector_name);
    spool_remove(ready, name); /* of an earlier conversion: disposable */
    int r = spool_move(service->temp_fd, name, ready, name);
    if (r < 0)
        return wait_here(service, job, strerror(-r));
    return judge(VERDICT_READY, "", "%s", "");
}

static struct judgement
take(struct service *service, struct job *job)
{
    if (envelope_owes_report(&job->file.envelope) && !envelope_has_pending(&job->file.envelope)) {
        struct judgement owed = judge(VERDICT_FAIL, "5.0.0", "its recipients failed before");
        owed.sync = true;
        return owed;
    }
    struct work work = {.gateway = service->data, .job = job};
    struct conversion conversion;
    struct buf size = {0};
    struct why why = {"5.1.0", "it has no recipient that this connector is responsible for"};
    gateway_refresh_book(service->data); /* the carrier has looked already: both must know the same people */
    char name[QUEUE_NAME_MAX + 8];
    item_name(job, name);
    if (queue_file_history(&job->file, job->arena, find_need, &work, &why) < 0)
        return (struct judgement){.verdict = VERDICT_BAD, .why = why};
    int responsible = fill_delivery(&work, &why);
    if (responsible == -EAGAIN)
        return wait_here(service, job, "the address book cannot be read now");
    if (responsible == 0)
        return fail_each(service, job, work.gateway->translator, &why);
    spool_remove(service->temp_fd, name);
    envelope_print(&job->file.envelope, &size);
    work.writer = queue_writer_new(service->temp_fd, name, size.len + 64, &why);
    buf_clear(&size);
    if (work.writer == NULL)
        return wait_here(service, job, why.text);
    converter_run(converter_limits(service), converter_file_limit(job->file.body_bytes), convert, &work,
                  &conversion);
    queue_writer_leave(work.writer);
    struct judgement judgement = judge_conversion(service, job, &conversion, work.told);
    conversion_clear(&conversion);
    return judgement;
}

static int
prepare(struct service *service)
{
    service_allow_path(service, "/usr/lib", false); /* tables of character sets, loaded when one is met */
    int r = gateway_open(service, false);
    if (r < 0)
        return r;
    converter_remembers(service->data);
    const struct viaduct_gateway *gateway = service->data;
    bool converts = gateway->system->convert != NULL && gateway->system->convert->to_foreign != NULL;
    return converts ? 0 : gateway_unused(service, "converts nothing that goes out");
}

static void
tick(struct service *service)
{
    gateway_refresh_book(service->data);
    converter_forget(service->data);
}

static int
begin(struct service *service)
{
    tick(service);
    return 0;
}

static const struct worker outbound_converter = {.id = WORKER_OUTBOUND_CONVERTER,
                                                 .max_in_hand = 1,
                                                 .prepare = prepare,
                                                 .begin = begin,
                                                 .take = take,
                                                 .tick = tick};

int
main(int argc, char **argv)
{
    return worker_main(&outbound_converter, argc, argv);
}
