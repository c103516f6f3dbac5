/* server_data.c - the end-of-data automaton (see server_data.h, where it is drawn)
 *
 * What is hostile here: every byte, and where the pieces are cut. t/smtp-data-t.c holds it against a second
 * automaton for all short strings.
 *
 * Bytes are moved by lines, not one by one: memchr() finds the LF, its CR must stand before it, and a second
 * memchr() finds bare CRs between.
 */
#include "systems/smtp/server_data.h"

/* What is given out next; empty between calls, so one will do for all sessions. */
static char collected[64 * 1024];

struct feed {
    struct smtp_data *data;
    const struct smtp_data_sink *sink;
    size_t n; /* of `collected` */
};

void
smtp_data_begin(struct smtp_data *data, bool normalize)
{
    *data = (struct smtp_data){.state = DATA_START, .normalize = normalize};
}

static void
feed_flush(struct feed *feed)
{
    if (feed->n > 0)
        feed->sink->add(feed->sink->arg, collected, feed->n);
    feed->n = 0;
}

static bool
feed_is_mute(const struct feed *feed)
{
    return !feed->data->normalize && (feed->data->faults & (DATA_BARE_CR | DATA_BARE_LF)) != 0;
}

static void
feed_add(struct feed *feed, const char *bytes, size_t len)
{
    if (feed_is_mute(feed))
        return;
    while (len > 0) {
        size_t part = sizeof collected - feed->n < len ? sizeof collected - feed->n : len;
        memcpy(collected + feed->n, bytes, part);
        feed->n += part;
        bytes += part;
        len -= part;
        if (feed->n == sizeof collected)
            feed_flush(feed);
    }
}

/* Part of a line, without its end; CRs in it are bare. */
static void
feed_line(struct feed *feed, const char *bytes, size_t len)
{
    const char *cr;
    while (len > 0 && (cr = memchr(bytes, '\r', len)) != NULL) {
        feed->data->faults |= DATA_BARE_CR;
        size_t before = (size_t)(cr - bytes);
        feed_add(feed, bytes, before);
        feed_add(feed, "\n", 1);
        bytes += before + 1;
        len -= before + 1;
    }
    feed_add(feed, bytes, len);
}

/* From INSIDE to the next LF or the end of the piece. Returns what is left of the piece. */
static const char *
feed_inside(struct feed *feed, const char *at, const char *end)
{
    const char *lf = memchr(at, '\n', (size_t)(end - at));
    const char *stop = lf ? lf : end;
    bool cr = stop > at && stop[-1] == '\r';
    feed_line(feed, at, (size_t)(stop - at) - cr);
    if (lf == NULL) {
        feed->data->state = cr ? DATA_CR : DATA_INSIDE;
        return end;
    }
    if (!cr)
        feed->data->faults |= DATA_BARE_LF;
    feed->data->state = cr ? DATA_START : DATA_INSIDE;
    feed_add(feed, "\n", 1);
    return lf + 1;
}

/* A CR was read before `at`. Returns true where it was a line's end. */
static bool
feed_after_cr(struct feed *feed, char byte)
{
    if (byte != '\n')
        feed->data->faults |= DATA_BARE_CR;
    feed->data->state = byte == '\n' ? DATA_START : DATA_INSIDE;
    feed_add(feed, "\n", 1);
    return byte == '\n';
}

/* Returns what is left of the piece; `*over` at the end of the message. */
static const char *
feed_run(struct feed *feed, const char *at, const char *end, bool *over)
{
    while (at < end)
        switch (feed->data->state) {
        case DATA_START:
            feed->data->state = *at == '.' ? DATA_DOT : DATA_INSIDE;
            feed->data->extra += *at == '.';
            at += *at == '.';
            break;
        case DATA_DOT:
            feed->data->state = *at == '\r' ? DATA_DOT_CR : DATA_INSIDE;
            at += *at == '\r';
            break;
        case DATA_DOT_CR:
            if (*at == '\n') {
                *over = true;
                feed->data->extra += 2;
                return at + 1;
            }
            feed_after_cr(feed, *at);
            break;
        case DATA_CR:
            at += feed_after_cr(feed, *at);
            break;
        case DATA_INSIDE:
            at = feed_inside(feed, at, end);
            break;
        }
    return at;
}

bool
smtp_data_feed(struct smtp_data *data, const char *in, size_t len, size_t *consumed,
               const struct smtp_data_sink *sink)
{
    struct feed feed = {data, sink, 0};
    bool over = false;
    *consumed = len > 0 ? (size_t)(feed_run(&feed, in, in + len, &over) - in) : 0;
    if (*consumed > 0 && memchr(in, '\0', *consumed) != NULL)
        data->faults |= DATA_NUL;
    data->wire_bytes += *consumed;
    feed_flush(&feed);
    return over;
}
