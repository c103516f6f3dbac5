/* intake_header.c - the header of a message on its way in (see intake_inside.h)
 *
 * It is kept until it is whole, then written with what acceptance fixes: one Received field of ours in front; Date
 * and Message-ID where they are missing; addresses in host form where the book or the mapping knows them.
 * Everything else stays byte for byte.
 *
 * Hostile here: every byte. The header has a limit; what is no header is body.
 *
 * Sources: RFC 5321 section 4.4 (Received), RFC 5322 section 3.6, RFC 3848.
 */
#include "daemons/intake_inside.h"

#include <errno.h>
#include <stdio.h>

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

ssize_t
intake_take_header(struct viaduct_intake *intake, const char *bytes, size_t len)
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

int
intake_end_header(struct viaduct_intake *intake)
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
