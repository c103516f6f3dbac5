/* client_data.c - a body on its way to the wire: LF becomes CRLF, dots are doubled, and nothing else ends a
 * line */
#include "systems/smtp/client_data.h"

/* Where the line that begins at `at` ends: its first CR or LF, or `end`. `*cr`, NULL at first, caches the next CR in the
 * piece, so that a piece is searched once for CRs, however many lines it has. */
static const char *
line_end(const char *at, const char *end, const char **cr)
{
    if (*cr == NULL || *cr < at) {
        *cr = memchr(at, '\r', (size_t)(end - at));
        if (*cr == NULL)
            *cr = end;
    }
    const char *lf = memchr(at, '\n', (size_t)(*cr - at));
    return lf != NULL ? lf : *cr;
}

void
smtp_data_add(struct smtp_data *data, const char *bytes, size_t len, struct buf *out)
{
    if (len == 0)
        return;
    buf_reserve(out, 2 * len);
    const char *at = bytes, *end = bytes + len, *cr = NULL;
    if (data->after_cr && *at == '\n')
        at++;
    data->after_cr = false;
    while (at < end) {
        if (!data->in_line && *at == '.')
            buf_add_byte(out, '.');
        const char *stop = line_end(at, end, &cr);
        buf_add(out, at, (size_t)(stop - at));
        data->in_line = stop == end;
        if (stop == end)
            return;
        buf_add(out, "\r\n", 2);
        at = stop + 1;
        data->after_cr = *stop == '\r' && at == end;
        if (*stop == '\r' && at < end && *at == '\n')
            at++;
    }
}

void
smtp_data_end(struct smtp_data *data, struct buf *out)
{
    if (data->in_line)
        buf_add(out, "\r\n", 2);
    buf_add(out, ".\r\n", 3);
    *data = (struct smtp_data){false, false};
}
