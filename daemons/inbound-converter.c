/* inbound-converter.c - brings fetched items into host form
 *
 *     ReadyIn --accept--> MTS-IN (a new message, the item removed)     --fetch--> DirIn (an answer of the
 * directory)
 *             --bad--> Badmail
 *
 * The child that parses an item also writes the message, with the same intake as any gateway (intake.c): copy
 * made durable, item removed, copy moved out of Temp. So a crash anywhere leaves the item or the message, and
 * recovery tells which.
 *
 * Hostile here: everything in an item. It is parsed in a child only (converter.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/worker_inside.h"
#include "daemons/converter.h"
#include "daemons/intake.h"

enum { REPORT_KEPT = 32 << 10 }; /* octets, as outwards */

struct work {
    struct viaduct_gateway *gateway;
    struct job *job;
    struct conversion *conversion;
    struct viaduct_intake *intake;
    struct queue_writer *answer;           /* of the child; NULL: none begun */
    struct viaduct_reason reason, refusal; /* the module's; why its envelope was not taken */
    int result;
};

/* ---- in the child ---- */

static ssize_t
read_item(void *arg, uint64_t offset, void *bytes, size_t size)
{
    const struct queue_file *file = &((struct work *)arg)->job->file;
    if (offset >= file->body_bytes)
        return 0;
    uint64_t left = file->body_bytes - offset;
    ssize_t n = pread(file->fd, bytes, size < left ? size : (size_t)left, (off_t)(file->body_offset + offset));
    return n < 0 ? -errno : n;
}

static int
take_envelope(void *arg, const struct viaduct_envelope_in *envelope,
              const struct viaduct_recipient_in *recipients, size_t n)
{
    struct work *work = arg;
    work->intake = work->gateway->services.intake_new(work->gateway, envelope, recipients, n, &work->refusal);
    return work->intake != NULL ? 0
                                : -EINVAL; /* `reason` says why; a temporary one leaves the item where it is */
}

static int
write_message(void *arg, const void *bytes, size_t len)
{
    struct work *work = arg;
    return work->intake == NULL ? -EINVAL : work->gateway->services.intake_add(work->intake, bytes, len);
}

static void
answer_name(const struct job *job, char name[QUEUE_NAME_MAX + 8])
{
    snprintf(name, QUEUE_NAME_MAX + 8, "%s.item", job->parts.stem); /* recovery removes it: it is made again */
}

static int
write_answer(void *arg, const void *bytes, size_t len)
{
    struct work *work = arg;
    char name[QUEUE_NAME_MAX + 8];
    struct why why;
    answer_name(work->job, name);
    if (work->answer == NULL)
        work->answer = queue_writer_new(work->gateway->service->temp_fd, name, 1200, &why);
    return work->answer == NULL ? -EIO : queue_writer_add(work->answer, bytes, len);
}

/* The answer as an item of its own, durable, since the question goes next. */
static enum viaduct_converted
finish_answer(struct work *work, struct why *why)
{
    struct envelope envelope = work->job->file.envelope;
    int fd = work->answer == NULL ? -EINVAL : queue_writer_finish(work->answer, &envelope, SPAN(""), why);
    if (work->answer == NULL)
        why_set(why, "5.6.0", "it was to be answered, and nothing was written");
    if (fd >= 0 && fsync(fd) < 0) {
        why_set(why, "4.3.0", "the answer cannot be made durable: %s", strerror(errno));
        fd = -1;
    }
    return fd < 0 ? VIADUCT_CONVERT_BAD : VIADUCT_CONVERT_ANSWERED;
}

static void
add_report(void *arg, const char *line)
{
    struct work *work = arg;
    buf_printf(&work->conversion->report, "%s\n", line);
}

/* Addresses of the header, towards the host. */
static struct viaduct_text
translate(void *arg, struct viaduct_text text, bool outwards, struct viaduct_text *display)
{
    struct work *work = arg;
    struct address address = {span_of(work->gateway->system->address_type), span_from(text)};
    struct translation translation;
    struct why why;
    if (display != NULL)
        *display = (struct viaduct_text){"", 0};
    if (outwards || translate_in(work->gateway->translator, &address, ROLE_LISTED, work->job->arena,
                                 &translation, &why) < 0)
        return text;
    if (display != NULL)
        *display = text_from(translation.display);
    return text_from(translation.address.value);
}

static void
on_committed(void *arg, int result, const struct viaduct_reason *reason)
{
    struct work *work = arg;
    work->result = result;
    if (result < 0)
        work->reason = *reason;
}

/* What was lost stays with the message: `viaduct queue show --report`. */
static void
keep_report(struct work *work)
{
    const struct buf *report = &work->conversion->report;
    if (report->len > 0)
        intake_journal(work->intake,
                       (struct journal_entry){
                           .kind = JOURNAL_TRACE,
                           .verdict = SPAN("converted"),
                           .text = {report->at, report->len < REPORT_KEPT ? report->len : REPORT_KEPT}});
}

static enum viaduct_converted
convert(void *arg, struct conversion *conversion)
{
    struct work *work = arg;
    work->conversion = conversion;
    work->gateway->fixed_id = work->job->parts.id;
    if (queue_body_check(&work->job->file, &conversion->why) < 0) /* a system reads it here and there */
        return VIADUCT_CONVERT_BAD;
    struct viaduct_convert_in in = {.size = sizeof in,
                                    .gateway = work->gateway,
                                    .services = &work->gateway->services,
                                    .id = work->job->parts.stem,
                                    .need = "",
                                    .read = read_item,
                                    .arg = work,
                                    .bytes = work->job->file.body_bytes,
                                    .translate = translate};
    struct viaduct_convert_out out = {.size = sizeof out,
                                      .write = write_message,
                                      .envelope = take_envelope,
                                      .report = add_report,
                                      .arg = work,
                                      .answer = write_answer};
    enum viaduct_converted answer = work->gateway->system->convert->from_foreign(&in, &out, &work->reason);
    if (answer == VIADUCT_CONVERTED && work->intake == NULL)
        answer = VIADUCT_CONVERT_BAD; /* it took no envelope, or the envelope was refused: `reason` says why */
    if (answer != VIADUCT_CONVERTED)  /* half a message would lie in Temp */
        work->gateway->services.intake_drop(work->intake);
    if (answer == VIADUCT_CONVERTED) {
        keep_report(work);
        int folder = service_folder(work->gateway->service, FOLDER_READY_IN, work->job->connector);
        work->gateway->services.intake_commit(work->intake, folder, work->job->name, on_committed, work);
        log_flush();
        if (work->result < 0)
            answer = VIADUCT_CONVERT_REFUSED; /* not now: the item stays */
    }
    bool refused = work->intake == NULL && work->refusal.text[0] != '\0';
    why_from(&conversion->why, refused ? &work->refusal : &work->reason);
    return answer == VIADUCT_CONVERT_ANSWERED ? finish_answer(work, &conversion->why) : answer;
}

/* ---- in the parent ---- */

static bool
left_in_temp(const struct service *service, const struct job *job)
{
    return faccessat(service->temp_fd, job->parts.id, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool
item_is_there(struct service *service, const struct job *job)
{
    int folder = service_folder(service, FOLDER_READY_IN, job->connector);
    return faccessat(folder, job->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

/* The answer goes first: a question that is converted once more finds it there. */
static struct judgement
send_answer(struct service *service, struct job *job)
{
    char name[QUEUE_NAME_MAX + 8];
    struct why none = {"", ""};
    answer_name(job, name);
    int r = spool_move(service->temp_fd, name, service_folder(service, FOLDER_DIR_OUT, job->connector),
                       job->parts.stem);
    if (r == -EEXIST)
        r = spool_remove(service->temp_fd, name);
    if (r < 0) {
        log_say(LOG_CONVERSION, LEVEL_MINIMUM, job->parts.stem,
                "its answer cannot be moved to %s: %s; it waits in ReadyIn", folder_name(FOLDER_DIR_OUT),
                strerror(-r));
        service_rescan_in(service, FOLDER_READY_IN, 5000);
        return (struct judgement){.verdict = VERDICT_NONE};
    }
    service_log_move(service, job->parts.stem, FOLDER_READY_IN, job->connector, VERDICT_ANSWER, FOLDER_DIR_OUT,
                     job->connector, &none);
    return judge(VERDICT_DONE, "", "it was a question, and is answered");
}

static struct judgement
take(struct service *service, struct job *job)
{
    struct work work = {.gateway = service->data, .job = job};
    struct conversion conversion;
    struct judgement judgement = {.verdict = VERDICT_NONE};
    if (service->full) {
        service_rescan_in(service, FOLDER_READY_IN, 5000);
        return judgement;
    }
    gateway_refresh_book(service->data); /* the child keeps what the parent knows */
    converter_run(converter_limits(service), converter_file_limit(job->file.body_bytes), convert, &work,
                  &conversion);
    if (conversion.report.len > 0)
        log_say(LOG_CONVERSION, LEVEL_MEDIUM, job->parts.stem, "lost or changed: %.*s",
                (int)strcspn(conversion.report.at, "\n"), conversion.report.at);
    conversion_clear(&conversion);
    /* What a child left in Temp: a whole copy is accepted mail, and its item goes with it. */
    if (left_in_temp(service, job))
        recover_own_lane(service);
    if (left_in_temp(service, job) && !item_is_there(service, job))
        stuck_add(service, job->parts.id, service_folder(service, FOLDER_MTS_IN, job->connector));
    if (!item_is_there(service, job))
        return judgement;
    if (!conversion.crashed && conversion.answer == VIADUCT_CONVERTED)
        return judgement; /* the message is in MTS-IN, the item is gone */
    if (!conversion.crashed && conversion.answer == VIADUCT_CONVERT_DIRECTORY)
        return judge(VERDICT_FETCH, "", "an answer of the directory");
    if (!conversion.crashed && conversion.answer == VIADUCT_CONVERT_ANSWERED)
        return send_answer(service, job);
    if (!conversion.crashed && conversion.answer == VIADUCT_CONVERT_NOTHING)
        return judge(VERDICT_DONE, "", "%s", conversion.why.text);
    if (why_is_temporary(&conversion.why)) {
        log_say(LOG_CONVERSION, LEVEL_MINIMUM, job->parts.stem, "%s; it waits in ReadyIn", conversion.why.text);
        service_rescan_in(service, FOLDER_READY_IN, 5000);
        return judgement;
    }
    judgement.verdict = VERDICT_BAD;
    judgement.why = conversion.why;
    return judgement;
}

static int
prepare(struct service *service)
{
    service_allow_path(service, "/usr/lib", false); /* tables of character sets, loaded when one is met */
    int r = gateway_open(service, true);
    if (r < 0)
        return r;
    const struct viaduct_gateway *gateway = service->data;
    if (gateway->system->convert == NULL || gateway->system->convert->from_foreign == NULL)
        return gateway_unused(service, "converts nothing that comes in");
    converter_remembers(service->data);
    return intake_open(service->data);
}

static void
tick(struct service *service)
{
    gateway_refresh_book(service->data);
}

static int
begin(struct service *service)
{
    tick(service);
    return 0;
}

static const struct worker inbound_converter = {.id = WORKER_INBOUND_CONVERTER,
                                                .max_in_hand = 1,
                                                .prepare = prepare,
                                                .begin = begin,
                                                .take = take,
                                                .tick = tick};

int
main(int argc, char **argv)
{
    return worker_main(&inbound_converter, argc, argv);
}
