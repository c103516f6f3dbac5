/* intake_envelope.c - the envelope of a message on its way in (see intake_inside.h)
 *
 * Addresses come in the system's own form and are translated by the door's mapping. A sender who cannot be mapped
 * refuses the message; a recipient costs a report for him alone.
 *
 * Hostile here: the envelope. The module has checked the syntax of addresses; they are parsed again.
 */
#include "daemons/intake_inside.h"

#include <errno.h>

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

void
intake_note_failed(struct viaduct_intake *intake)
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

int
intake_envelope(struct viaduct_intake *intake, const struct viaduct_envelope_in *in,
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

size_t
intake_envelope_reserve(const struct envelope *envelope)
{
    size_t size =
        2400 + envelope->originator.value.len + envelope->envid.len + envelope->client.len + envelope->helo.len;
    for (size_t i = 0; i < envelope->n_recipients; i++) {
        const struct recipient *recipient = &envelope->recipients[i];
        size += 160 + recipient->address.value.len + recipient->orcpt.len + recipient->display.len;
    }
    return size;
}
