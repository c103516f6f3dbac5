/* smtp_downgrade.c - a message for a peer without 8BITMIME or SMTPUTF8 (see smtp_downgrade.h)
 *
 *     read once   its structure, and what each part holds
 *     read again  |between| header | body |between| header | body | ... |between|
 *                  '?'      fields   encoded or octet for octet
 *
 * Bodies are encoded where they are not 7-bit: text as quoted-printable, unless that would double it, the rest
 * as base 64. What is 7-bit, or encoded already, stays octet for octet. A message within a message may not be
 * encoded as a whole, so it is entered, and its own parts are. Nothing is written before all that can be
 * refused was looked at.
 *
 * What is hostile here: the message. What cannot be followed (parts, depth, a header's length beyond the
 * limits) is copied where it is ASCII, else the message is refused.
 *
 * Sources: RFC 6152 section 3; RFC 2045 section 6; RFC 2046 section 5; RFC 2047; RFC 2231; RFC 6857; RFC 6532
 * section 3.7 (message/global); RFC 3463 (5.6.3 conversion required but not supported, 5.6.7 from RFC 6531).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "conf/conf.h"
#include "systems/smtp/smtp_downgrade.h"
#include "systems/smtp/smtp_system.h"
#include "systems/viaduct/reason.h"

enum { PIECE = 64 << 10, PARTS_MAX = 10000 };

static void
clean(char *line)
{
    for (char *c = line; *c != '\0'; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
}

void
downgrade_report(struct downgrade *d, const char *format, ...)
{
    char line[500];
    va_list args;
    if (d->reports++ >= DOWNGRADE_REPORTS_MAX)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    clean(line);
    if (d->reports == DOWNGRADE_REPORTS_MAX)
        snprintf(line, sizeof line, "and more");
    d->out->report(d->out->arg, line);
}

void
downgrade_broken(struct downgrade *d, const char *format, ...)
{
    char line[300];
    va_list args;
    if (d->broken++ >= DOWNGRADE_BROKEN_MAX)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    clean(line);
    if (d->out->broken != NULL)
        d->out->broken(d->out->arg, line);
}

static enum viaduct_converted
refuse(struct viaduct_reason *reason, const char *status, const char *text)
{
    reason_fill(reason, status, "%s", text);
    return VIADUCT_CONVERT_REFUSED;
}

/* ---- what the message holds ---- */

static void
count_octets(void *arg, size_t part, bool header, const char *at, size_t len)
{
    struct downgrade *d = arg;
    if (part >= d->counts_size) {
        size_t size = part * 2 + 16;
        d->counts = xrealloc(d->counts, size * sizeof *d->counts);
        memset(d->counts + d->counts_size, 0, (size - d->counts_size) * sizeof *d->counts);
        d->counts_size = size;
    }
    struct downgrade_count *count = &d->counts[part];
    if (!header)
        downgrade_count_octets(count, at, len);
    for (size_t i = 0; header && i < len; i++)
        count->header_high += (unsigned char)at[i] > 127;
}

static const struct downgrade_count *
count_of(const struct downgrade *d, size_t part)
{
    static const struct downgrade_count none;
    return part < d->counts_size ? &d->counts[part] : &none;
}

static bool
is_leaf(const struct mime_part *part)
{
    return !part->multipart && !part->container;
}

/* Whether a part will not stay as it is, and with it the multiparts and messages around it: those that are
 * signed are no longer what was signed. */
static void
look_at_signatures(struct downgrade *d)
{
    bool *touched = xcalloc(d->tree.n, sizeof *touched);
    for (size_t i = d->tree.n; i-- > 0;) {
        const struct mime_part *part = &d->tree.parts[i];
        const struct downgrade_count *count = count_of(d, i);
        if (touched[i] && part->multipart && strcmp(part->type, "multipart/signed") == 0)
            downgrade_broken(
                d, "the signature of a multipart/signed no longer holds: what it signs had to be encoded");
        touched[i] = touched[i] || count->header_high > 0 || (is_leaf(part) && count->high > 0);
        d->high = d->high || touched[i] || count->high > 0;
        d->changes = d->changes || touched[i] || (is_leaf(part) && count->odd);
        if (part->parent >= 0)
            touched[part->parent] = touched[part->parent] || touched[i];
    }
    free(touched);
}

static enum viaduct_converted
judge_structure(struct downgrade *d, struct viaduct_reason *reason)
{
    bool beyond = d->tree.too_deep || d->tree.too_many;
    if (d->tree.odd_boundary)
        return refuse(reason, "5.6.3",
                      "a boundary between parts of the message is not ASCII: it cannot be made 7-bit");
    for (size_t i = 0; i < d->tree.n; i++) {
        const struct mime_part *part = &d->tree.parts[i];
        size_t most = i == 0 ? MIME_ROOT_HEADER_MAX : MIME_PART_HEADER_MAX;
        if (d->high && part->start - part->header_start > most)
            return refuse(
                reason, "5.6.3",
                "a header in the message is longer than can be made 7-bit (1 MiB; of a part, 64 KiB)");
        if (beyond && is_leaf(part) && count_of(d, i)->high > 0 &&
            (part->raw || strncmp(part->type, "message/", 8) == 0))
            return refuse(reason, "5.6.3",
                          "the message has more parts, or more of them within each other, than can be made "
                          "7-bit (10,000; 100)");
    }
    return VIADUCT_CONVERTED;
}

/* ---- the envelope ---- */

static bool
has_ascii_form(struct viaduct_text address)
{
    struct buf ascii = {0};
    bool fine = downgrade_mailbox((struct span){address.at, address.len}, &ascii);
    buf_clear(&ascii);
    return fine;
}

/* A recipient without an ASCII form is refused by the carrier, for himself alone; here it is all of them, or
 * the sender. */
static enum viaduct_converted
judge_envelope(const struct viaduct_delivery *message, struct viaduct_reason *reason)
{
    size_t wanted = 0, possible = 0;
    if (message == NULL)
        return VIADUCT_CONVERTED;
    if (!has_ascii_form(message->originator))
        return refuse(reason, "5.6.7",
                      "the sender's address has no form in ASCII, and the peer does not offer SMTPUTF8");
    for (size_t i = 0; i < message->n_recipients; i++) {
        wanted += message->recipients[i].responsible;
        possible += message->recipients[i].responsible && has_ascii_form(message->recipients[i].address);
    }
    if (wanted > 0 && possible == 0)
        return refuse(reason, "5.6.7",
                      "the address has no form in ASCII, and the peer does not offer SMTPUTF8");
    return VIADUCT_CONVERTED;
}

/* ---- one part ---- */

/* What stands in Content-Transfer-Encoding is "8bit" or "binary": what is not 7-bit was meant. */
static bool
is_labelled(struct span header)
{
    struct span label;
    return mime_field(header, "Content-Transfer-Encoding", &label) &&
           (span_starts_nocase(label, SPAN("8bit")) || span_starts_nocase(label, SPAN("binary")));
}

static enum downgrade_action
action_of(const struct mime_part *part, const struct downgrade_count *count, bool labelled)
{
    bool global = strncmp(part->type, "message/global-", 15) == 0;
    if (!is_leaf(part))
        return DOWNGRADE_KEEP;
    if (part->encoding == MIME_QUOTED)
        return count->high > 0 ? DOWNGRADE_REPAIR : DOWNGRADE_KEEP;
    if (part->encoding == MIME_BASE64)
        return count->high > 0 ? DOWNGRADE_MARK : DOWNGRADE_KEEP;
    if (count->high == 0 && !(labelled && count->odd))
        return DOWNGRADE_KEEP;
    if (strncmp(part->type, "message/", 8) == 0 && !global)
        return count->high > 0 ? DOWNGRADE_MARK : DOWNGRADE_KEEP;
    bool text = part->raw || global || strncmp(part->type, "text/", 5) == 0;
    return text && 2 * count->quoted <= count->bytes ? DOWNGRADE_QUOTED : DOWNGRADE_BASE64;
}

static bool
is_signed(const struct downgrade *d, size_t index)
{
    for (int i = d->tree.parts[index].parent; i >= 0; i = d->tree.parts[i].parent)
        if (strcmp(d->tree.parts[i].type, "multipart/signed") == 0)
            return true;
    return false;
}

static void
plan_header(const struct downgrade *d, size_t index, enum downgrade_action action, bool labelled,
            struct downgrade_header *how)
{
    const struct mime_part *part = &d->tree.parts[index];
    *how = (struct downgrade_header){.root = index == 0,
                                     .message = part->parent < 0 || d->tree.parts[part->parent].container,
                                     .translate = index == 0 && d->translates};
    if (action == DOWNGRADE_QUOTED || action == DOWNGRADE_BASE64) {
        how->encoding = action == DOWNGRADE_QUOTED ? "quoted-printable" : "base64";
        how->add_type = true;
        if (part->raw)
            how->type = "text/plain; charset=unknown-8bit";
    } else if (labelled && d->changes && !is_signed(d, index)) {
        how->encoding = "7bit";
    }
    if (part->container && d->changes && strcmp(part->type, "message/global") == 0)
        how->type = "message/rfc822";
}

/* ---- writing ---- */

static void
flush(struct downgrade *d)
{
    if (d->pending.len > 0) {
        d->last = d->pending.at[d->pending.len - 1];
        if (d->failed == 0)
            d->failed = d->out->write(d->out->arg, d->pending.at, d->pending.len);
    }
    buf_reset(&d->pending);
}

/* Reads from..to in pieces through an encoder. */
static void
write_range(struct downgrade *d, struct downgrade_encoder *encoder, uint64_t from, uint64_t to)
{
    char *piece = xmalloc(PIECE);
    while (from < to && d->failed == 0) {
        uint64_t want = to - from < PIECE ? to - from : PIECE;
        ssize_t got = d->in->read(d->in->arg, from, piece, (size_t)want);
        if (got <= 0) {
            d->failed = got < 0 ? (int)got : -EBADMSG;
            break;
        }
        downgrade_encode(encoder, piece, (size_t)got, &d->pending);
        d->body_changed =
            d->body_changed || !span_equal(buf_span(&d->pending), (struct span){piece, (size_t)got});
        from += (uint64_t)got;
        flush(d);
    }
    downgrade_encode_end(encoder, &d->pending);
    flush(d);
    free(piece);
}

static void
write_between(struct downgrade *d, uint64_t from, uint64_t to)
{
    struct downgrade_encoder encoder = {.action = DOWNGRADE_MARK};
    write_range(d, &encoder, from, to);
    d->replaced += encoder.marked;
}

static void
read_header(struct downgrade *d, const struct mime_part *part, struct buf *header)
{
    size_t len = (size_t)(part->start - part->header_start);
    buf_reset(header);
    buf_reserve(header, len + 1);
    while (header->len < len && d->failed == 0) {
        ssize_t got = d->in->read(d->in->arg, part->header_start + header->len, header->at + header->len,
                                  len - header->len);
        if (got <= 0)
            d->failed = got < 0 ? (int)got : -EBADMSG;
        else
            header->len += (size_t)got;
    }
}

static void
write_body(struct downgrade *d, size_t index, enum downgrade_action action)
{
    const struct mime_part *part = &d->tree.parts[index];
    struct downgrade_encoder encoder = {.action = action};
    write_range(d, &encoder, part->start, part->end);
    if (encoder.marked > 0)
        downgrade_report(d, "%llu octets above 127 in a part of type %s, which may not be encoded, became '?'",
                         (unsigned long long)encoder.marked, part->type);
}

/* A header and the body of a leaf. A header too long to be held is ASCII, and copied: judge_structure(). */
static void
write_part(struct downgrade *d, size_t index, struct buf *header)
{
    const struct mime_part *part = &d->tree.parts[index];
    struct downgrade_header how;
    if (part->start - part->header_start > MIME_ROOT_HEADER_MAX) {
        write_between(d, part->header_start, is_leaf(part) ? part->end : part->start);
        return;
    }
    read_header(d, part, header);
    if (d->failed != 0)
        return;
    bool labelled = is_labelled(buf_span(header));
    enum downgrade_action action = action_of(part, count_of(d, index), labelled);
    plan_header(d, index, action, labelled, &how);
    if (part->raw && action != DOWNGRADE_KEEP)
        downgrade_report(d, "a %s whose parts cannot be told from each other goes as plain text", part->type);
    downgrade_header_write(d, &how, buf_span(header), &d->pending);
    d->body_changed = d->body_changed || (index > 0 && !span_equal(buf_span(&d->pending), buf_span(header)));
    flush(d);
    if (is_leaf(part))
        write_body(d, index, action);
}

static void
write_message(struct downgrade *d)
{
    struct buf header = {0};
    uint64_t done = 0;
    for (size_t i = 0; i < d->tree.n && d->failed == 0; i++) {
        const struct mime_part *part = &d->tree.parts[i];
        write_between(d, done, part->header_start);
        write_part(d, i, &header);
        done = is_leaf(part) ? part->end : part->start;
    }
    write_between(d, done, d->in->bytes);
    if (d->changes && d->last != '\n' && d->failed == 0)
        d->failed = d->out->write(d->out->arg, "\n", 1);
    if (d->replaced > 0)
        downgrade_report(d, "%llu octets above 127 outside of the parts of the message became '?'",
                         (unsigned long long)d->replaced);
    buf_clear(&header);
}

/* ---- the message ---- */

static bool
wants_translation(const struct viaduct_convert_in *in)
{
    const struct conf_connector *connector = in->services != NULL && in->services->conf_connector != NULL
                                                 ? in->services->conf_connector(in->gateway)
                                                 : NULL;
    return connector != NULL && connector->mapping.headers && in->translate != NULL;
}

static enum viaduct_converted
downgrade(struct downgrade *d, struct viaduct_reason *reason)
{
    struct mime_walk_options options = {
        .enter_messages = true, .parts_max = PARTS_MAX, .octets = count_octets, .arg = d};
    enum viaduct_converted answer = judge_envelope(d->in->message, reason);
    if (answer != VIADUCT_CONVERTED)
        return answer;
    d->failed = mime_walk_with(d->in->read, d->in->arg, &options, &d->tree);
    if (d->failed == 0) {
        look_at_signatures(d);
        answer = judge_structure(d, reason);
    }
    if (d->failed == 0 && answer == VIADUCT_CONVERTED)
        write_message(d);
    if (d->failed == 0 && answer == VIADUCT_CONVERTED)
        downgrade_seals(d);
    if (d->failed == 0)
        return answer;
    reason_fill(reason, d->failed == -EBADMSG ? "5.6.0" : "4.3.0",
                "the message cannot be read or written anew: %s", strerror(d->failed < 0 ? -d->failed : EIO));
    return VIADUCT_CONVERT_BAD;
}

static enum viaduct_converted
smtp_to_foreign(const struct viaduct_convert_in *in, const struct viaduct_convert_out *out,
                struct viaduct_reason *reason)
{
    struct downgrade d = {.in = in, .out = out, .last = '\n', .translates = wants_translation(in)};
    enum viaduct_converted answer = downgrade(&d, reason);
    mime_tree_clear(&d.tree);
    free(d.counts);
    buf_clear(&d.pending);
    buf_clear(&d.fields);
    return answer;
}

const struct viaduct_convert_ops smtp_convert_ops = {.size = sizeof smtp_convert_ops,
                                                     .to_foreign = smtp_to_foreign};
