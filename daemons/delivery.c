/* delivery.c - one message in the hands of an outbound module (see delivery.h)
 *
 * The body is read by bounded pread and its checksum counted along; where header addresses are translated, the
 * translated header stands in for the original's bytes, which are counted too. A body that turns out damaged is
 * never ended: the module breaks the transfer off, and the message goes to Badmail.
 */
#include "daemons/delivery.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/crc32c.h"
#include "common/planted.h"

static const struct conf_mapping *
mapping_of(const struct viaduct_gateway *gateway)
{
    return gateway->service->connector != NULL ? &gateway->service->connector->mapping : NULL;
}

/* ---- envelope ---- */

/* Who has no address there, or is of the host's domains, is here because the router's book has him; where ours does not, it is the
 * older. */
static bool
is_missed(const struct viaduct_gateway *gateway, const struct recipient *recipient,
          const struct translation *translation, int r)
{
    return gateway->service->connector != NULL && !recipient->listed &&
           (r == -ENOENT || (r == 0 && translation->rule == RULE_SAME &&
                             route_is_host_domain(gateway->service->root, &recipient->address)));
}

/* Returns 0, -EAGAIN (the book), or -ENOENT with the recipient's result set. */
static int
translate_recipient(struct viaduct_gateway *gateway, struct delivery *delivery, size_t i,
                    const struct recipient *recipient)
{
    struct translation *translation = &delivery->translations[i];
    struct why why;
    enum address_role role = recipient->listed ? ROLE_LISTED : ROLE_RESPONSIBLE;
    struct arena *arena = delivery->job->arena;
    int r = translate_out(gateway->translator, &recipient->address, role, arena, translation, &why);
    if ((r == -EAGAIN || is_missed(gateway, recipient, translation, r)) && gateway_has_newer_book(gateway))
        r = translate_out(gateway->translator, &recipient->address, role, arena, translation, &why);
    if (r == -ENOENT && !recipient->listed) {
        delivery->results[i] = (struct result){.outcome = VIADUCT_REFUSED, .given = true, .why = why};
        return r;
    }
    return r == -EAGAIN ? r : 0;
}

static void
fill_recipient(struct viaduct_recipient_out *out, const struct recipient *recipient,
               const struct translation *translation)
{
    out->address = text_from(translation->address.value);
    out->original = text_from(recipient->address.value);
    out->display = text_from(recipient->display.len > 0 ? recipient->display : translation->display);
    out->orcpt = text_from(recipient->orcpt);
    out->notify = (unsigned)recipient->notify;
    out->kind = (int)recipient->kind;
    out->responsible = !recipient->listed;
}

static struct delivery *
delivery_new(struct job *job, size_t n)
{
    struct delivery *delivery = arena_alloc(job->arena, sizeof *delivery);
    struct viaduct_recipient_out *recipients = arena_alloc(job->arena, n * sizeof *recipients);
    BUG_UNLESS(delivery != NULL && recipients != NULL);
    delivery->job = job;
    delivery->out.recipients = recipients;
    delivery->indexes = arena_alloc(job->arena, n * sizeof *delivery->indexes);
    delivery->results = arena_alloc(job->arena, n * sizeof *delivery->results);
    delivery->translations = arena_alloc(job->arena, n * sizeof *delivery->translations);
    BUG_UNLESS(delivery->indexes != NULL && delivery->results != NULL && delivery->translations != NULL);
    return delivery;
}

/* The recipients still to be delivered, and those only listed, as the module shall see them. Those that cannot
 * be mapped get their result here; they come last in the arrays, behind what the module sees. */
static int
fill_recipients(struct viaduct_gateway *gateway, struct delivery *delivery, size_t *n_failed)
{
    const struct envelope *envelope = &delivery->job->file.envelope;
    struct viaduct_recipient_out *out = (struct viaduct_recipient_out *)(uintptr_t)delivery->out.recipients;
    size_t n = 0, last = envelope->n_recipients;
    for (size_t i = 0; i < envelope->n_recipients; i++) {
        const struct recipient *recipient = &envelope->recipients[i];
        if (!recipient->listed && recipient_is_settled(recipient->state))
            continue;
        delivery->results[n] = (struct result){.given = false};
        int r = translate_recipient(gateway, delivery, n, recipient);
        if (r == -EAGAIN)
            return r;
        delivery->indexes[n] = (uint32_t)i;
        if (r < 0) {
            last--;
            BUG_UNLESS(last >= n);
            delivery->results[last] = delivery->results[n];
            delivery->indexes[last] = (uint32_t)i;
            continue;
        }
        fill_recipient(&out[n], recipient, &delivery->translations[n]);
        n++;
    }
    if (n < last) /* the last one's result was put there, and moved to the end */
        delivery->results[n].given = false;
    delivery->out.n_recipients = n;
    *n_failed = envelope->n_recipients - last;
    return 0;
}

static int
fill_originator(struct viaduct_gateway *gateway, struct delivery *delivery, struct why *why)
{
    struct translation translation;
    struct job *job = delivery->job;
    const struct address *originator = &job->file.envelope.originator;
    int r = translate_out(gateway->translator, originator, ROLE_ORIGINATOR, job->arena, &translation, why);
    if (r == -EAGAIN && gateway_has_newer_book(gateway)) /* published a moment ago */
        r = translate_out(gateway->translator, originator, ROLE_ORIGINATOR, job->arena, &translation, why);
    if (r == 0)
        delivery->out.originator = text_from(translation.address.value);
    return r;
}

/* ---- header ---- */

static bool
translates_header(const struct viaduct_gateway *gateway, const struct job *job)
{
    const struct conf_mapping *mapping = mapping_of(gateway);
    if (mapping == NULL || !mapping->headers || job->file.envelope.header_bytes == 0)
        return false;
    return mapping->rules_n > 0 || book_generation(gateway->book) > 0;
}

static int
translate_headers(struct viaduct_gateway *gateway, struct delivery *delivery, struct why *why)
{
    struct job *job = delivery->job;
    size_t len = (size_t)job->file.envelope.header_bytes;
    if (!translates_header(gateway, job) || len > job->file.body_bytes || len > (16 << 20))
        return 0;
    char *header = xmalloc(len);
    struct queue_body body;
    size_t got = 0;
    ssize_t n = 0;
    queue_body_start(&body, &job->file);
    while (got < len && (n = queue_body_read(&body, header + got, len - got, why)) > 0)
        got += (size_t)n;
    int changed =
        got == len ? translate_header(gateway->translator, true, (struct span){header, len}, &delivery->header)
                   : -EBADMSG;
    free(header);
    if (changed <= 0) {
        buf_clear(&delivery->header);
        return changed;
    }
    delivery->header_bytes = len;
    delivery->body = body;
    delivery->out.bytes = delivery->out.bytes - len + delivery->header.len;
    return 0;
}

/* ---- the converter's item ---- */

static int
open_item(struct viaduct_gateway *gateway, struct delivery *delivery)
{
    struct job *job = delivery->job;
    char name[QUEUE_NAME_MAX + 8];
    struct why why;
    snprintf(name, sizeof name, "%s.item", job->parts.stem);
    int folder = service_folder(gateway->service, FOLDER_READY_OUT, gateway->service->connector_name);
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = queue_file_read(fd, job->arena, &delivery->item, &why);
    if (r < 0) {
        log_say(LOG_CONVERSION, LEVEL_MEDIUM, job->parts.stem,
                "the converted item is damaged (%s): converting again", why.text);
        close(fd);
    }
    delivery->has_item = r == 0;
    return r;
}

/* ---- start ---- */

static void
fill_message(struct delivery *delivery)
{
    struct viaduct_delivery *out = &delivery->out;
    const struct queue_file *file = delivery->has_item ? &delivery->item : &delivery->job->file;
    const struct envelope *envelope = &delivery->job->file.envelope;
    out->size = sizeof *out;
    out->id = delivery->job->parts.stem;
    out->ret = text_from(envelope->ret);
    out->envid = text_from(envelope->envid);
    out->smtputf8 = file->envelope.utf8;
    out->body_8bit = file->envelope.body8bit;
    out->bytes = file->body_bytes;
    out->converted = delivery->has_item || delivery->bare;
    out->arrival_ms = envelope->arrival_ms;
    out->gateway = delivery;
    queue_body_start(&delivery->body, file);
}

static struct judgement
wait_for_book(struct job *job)
{
    const struct conf_retry *retry =
        job->service->connector != NULL ? &job->service->connector->retry : &job->service->root->host.retry;
    struct judgement judgement = judge(VERDICT_DEFER, "4.3.0", "the address book cannot be read now");
    judgement.next_s = time_ms() / 1000 + retry->first_s;
    return judgement;
}

static void
delivery_clear(struct delivery *delivery)
{
    buf_clear(&delivery->header);
    if (delivery->has_item)
        close(delivery->item.fd);
    delivery->has_item = false;
}

static struct judgement
not_now(struct job *job, const char *text)
{
    log_say(LOG_TRANSFER, LEVEL_MINIMUM, job->parts.stem, "%s; it is taken again", text);
    service_rescan_in(job->service, job->folder, 5000);
    return (struct judgement){.verdict = VERDICT_NONE};
}

/* Envelope and header as the system shall see them. Returns 0 where there is something to transfer, or all are refused
 * (out.n_recipients is 0); else with the judgement. */
static int
prepare_delivery(struct viaduct_gateway *gateway, struct delivery *delivery, struct judgement *judgement)
{
    struct job *job = delivery->job;
    struct why why = {"4.3.0", "no memory for the envelope"};
    size_t failed;
    fill_message(delivery);
    int r = fill_originator(gateway, delivery, &why);
    if (r == -ENOENT) { /* no way back to the sender: a report for all (the first mapping rule) */
        *judgement = job_fail(job, &why);
        return r;
    }
    if (r == 0)
        r = fill_recipients(gateway, delivery, &failed);
    if (r == 0 && !delivery->has_item)
        r = translate_headers(gateway, delivery, &why);
    if (r == -EBADMSG)
        *judgement = (struct judgement){.verdict = VERDICT_BAD, .why = why};
    else if (r == -EAGAIN)
        *judgement = wait_for_book(job);
    else if (r < 0)
        *judgement = not_now(job, why.text);
    return r;
}

struct judgement
delivery_start(struct viaduct_gateway *gateway, struct job *job)
{
    struct delivery *delivery = delivery_new(job, job->file.envelope.n_recipients);
    struct judgement judgement = JUDGED_LATER;
    int r = job->folder == FOLDER_READY_OUT ? open_item(gateway, delivery) : 0;
    if (r == -ENOENT || r == -EBADMSG || r == -EINVAL)
        return judge(VERDICT_CONVERT, "", "the converted item is missing");
    if (r < 0)
        return not_now(job, "the converted item cannot be opened now");
    r = prepare_delivery(gateway, delivery, &judgement);
    if (r == 0 && planted_bug("goneearly"))
        spool_remove(service_folder(job->service, job->folder, job->connector), job->name);
    if (r == 0 && delivery->out.n_recipients > 0) {
        job->data = delivery;
        gateway->system->outbound->deliver(gateway->module, &delivery->out);
        return judgement;
    }
    if (r == 0)
        judgement = settle(delivery, false, &(struct why){"", ""});
    delivery_clear(delivery);
    return judgement;
}

/* ---- an item that is no message ---- */

struct judgement
delivery_start_item(struct viaduct_gateway *gateway, struct job *job)
{
    struct delivery *delivery = delivery_new(job, 1);
    struct judgement judgement = JUDGED_LATER;
    struct viaduct_recipient_out *one = (struct viaduct_recipient_out *)(uintptr_t)delivery->out.recipients;
    delivery->bare = true;
    fill_message(delivery);
    *one = (struct viaduct_recipient_out){.kind = 1, .responsible = true};
    delivery->results[0] = (struct result){.given = false};
    delivery->out.n_recipients = 1;
    job->data = delivery;
    gateway->system->outbound->deliver(gateway->module, &delivery->out);
    return judgement;
}

/* Taken: it is done with. Refused for ever: a person looks at it. Else it stays, and is tried again. */
static struct judgement
judge_item(const struct delivery *delivery, const struct why *why)
{
    const struct result *result = &delivery->results[0];
    struct job *job = delivery->job;
    const struct conf_retry *retry =
        job->service->connector != NULL ? &job->service->connector->retry : &job->service->root->host.retry;
    if (delivery->damaged)
        return (struct judgement){.verdict = VERDICT_BAD, .why = delivery->damage};
    if (result->given && (result->outcome == VIADUCT_TAKEN || result->outcome == VIADUCT_RELAYED))
        return (struct judgement){.verdict = VERDICT_DONE, .why = result->why};
    if (result->given && result->outcome == VIADUCT_REFUSED)
        return (struct judgement){.verdict = VERDICT_BAD, .why = result->why};
    log_say(LOG_TRANSFER, LEVEL_MINIMUM, job->parts.stem, "%s; it is sent later",
            result->given ? result->why.text : why->text);
    service_rescan_in(job->service, job->folder, retry->first_s * 1000);
    return (struct judgement){.verdict = VERDICT_NONE};
}

/* ---- services ---- */

static struct delivery *
delivery_of(struct viaduct_delivery *out)
{
    return out->gateway;
}

static ssize_t
serve_body_read(struct viaduct_delivery *out, uint64_t offset, void *bytes, size_t size)
{
    struct delivery *delivery = delivery_of(out);
    if (offset < delivery->header.len) {
        size_t left = delivery->header.len - (size_t)offset, n = size < left ? size : left;
        memcpy(bytes, delivery->header.at + offset, n);
        return (ssize_t)n;
    }
    uint64_t at = offset - delivery->header.len + delivery->header_bytes;
    if (at < delivery->body.at) { /* a second try of the same message, on another connection */
        BUG_UNLESS(offset == delivery->header.len);
        queue_body_start(&delivery->body, delivery->body.file);
        char skip[4096];
        while (delivery->body.at < at) {
            size_t want = at - delivery->body.at < sizeof skip ? (size_t)(at - delivery->body.at) : sizeof skip;
            if (queue_body_read(&delivery->body, skip, want, &delivery->damage) <= 0)
                break;
        }
    }
    ssize_t n = queue_body_read(&delivery->body, bytes, size, &delivery->damage);
    delivery->damaged = delivery->damaged || n == -EBADMSG;
    return n;
}

static void
serve_recipient_result(struct viaduct_delivery *out, size_t index, enum viaduct_outcome outcome,
                       const struct viaduct_reason *reason, const char *remote)
{
    struct delivery *delivery = delivery_of(out);
    BUG_UNLESS(index < out->n_recipients);
    struct result *result = &delivery->results[index];
    result->outcome = outcome;
    result->given = true;
    why_from(&result->why, reason);
    snprintf(result->remote, sizeof result->remote, "%s", remote != NULL ? remote : "");
}

static void
serve_delivery_end(struct viaduct_delivery *out, bool unreachable, const struct viaduct_reason *reason)
{
    struct delivery *delivery = delivery_of(out);
    struct why why;
    why_from(&why, reason);
    struct judgement judgement =
        delivery->bare ? judge_item(delivery, &why) : settle(delivery, unreachable, &why);
    delivery_clear(delivery);
    if (!judgement.later)
        job_settle(delivery->job, judgement);
}

/* What has no converter, or was converted and still does not do, is refused. */
static void
refuse_conversion(struct delivery *delivery, const char *need)
{
    struct viaduct_reason reason;
    struct why why;
    why_set(&why, "5.6.3", "the other side takes only %s, and the message cannot be brought into that form",
            need);
    reason_set(&reason, &why);
    for (size_t i = 0; i < delivery->out.n_recipients; i++)
        if (!delivery->results[i].given)
            serve_recipient_result(&delivery->out, i, VIADUCT_REFUSED, &reason, NULL);
    serve_delivery_end(&delivery->out, false, &reason);
}

static void
serve_delivery_convert(struct viaduct_delivery *out, const char *need)
{
    struct delivery *delivery = delivery_of(out);
    struct job *job = delivery->job;
    struct why why;
    const struct viaduct_gateway *gateway = job->service->data;
    const struct viaduct_convert_ops *convert = gateway->system->convert;
    struct judgement judgement = judge(VERDICT_CONVERT, "", "the peer needs %s", need);
    struct journal_entry entry = {.kind = JOURNAL_TRACE, .verdict = SPAN("convert"), .text = span_of(need)};
    if (convert == NULL || convert->to_foreign == NULL || job->folder == FOLDER_READY_OUT || delivery->bare) {
        refuse_conversion(delivery, need);
        return;
    }
    judgement.sync = true; /* what is needed stands in the journal */
    if (job_journal(job, &entry, &why) < 0)
        judgement = not_now(job, why.text);
    delivery_clear(delivery);
    job_settle(job, judgement);
}

static void
serve_delivery_waits(struct viaduct_delivery *out)
{
    job_waits(delivery_of(out)->job);
}

void
delivery_services(struct viaduct_services *services)
{
    services->delivery_waits = serve_delivery_waits;
    services->body_read = serve_body_read;
    services->recipient_result = serve_recipient_result;
    services->delivery_end = serve_delivery_end;
    services->delivery_convert = serve_delivery_convert;
}
