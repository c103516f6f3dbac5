/* smtp-dotstuff-t.c - a body on the wire: every short string, cut at every byte */
#include "systems/smtp/client_data.h"
#include "t/tap.h"

enum { LONGEST = 7, WIRE_MAX = 4 * LONGEST + 10 };

static const char letters[] = {'\r', '\n', '.', 'a'};

/* ---- a reference that shares no idea with the encoder: works on one byte at a time, from the end of SMTP's
 * receiver ---- */

/* What a receiver gets: lines with LF. Returns its length, or -1 where the wire holds a bare CR or LF,
 * something behind the final dot, or no final dot. */
static int
receive(const char *wire, size_t len, char *got)
{
    size_t n = 0, at = 0;
    while (at < len) {
        size_t end = at;
        while (end < len && wire[end] != '\r' && wire[end] != '\n')
            end++;
        if (end + 1 >= len || wire[end] != '\r' || wire[end + 1] != '\n')
            return -1;
        if (end - at == 1 && wire[at] == '.')
            return end + 2 == len ? (int)n : -1;
        if (wire[at] == '.')
            at++;
        while (at < end)
            got[n++] = wire[at++];
        got[n++] = '\n';
        at = end + 2;
    }
    return -1;
}

/* What should arrive: CRLF, CR and LF each end a line, and the last line is ended. */
static size_t
expect(const char *body, size_t len, char *want)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (body[i] == '\n' && i > 0 && body[i - 1] == '\r')
            continue;
        want[n++] = body[i] == '\r' ? '\n' : body[i];
    }
    if (n > 0 && want[n - 1] != '\n')
        want[n++] = '\n';
    return n;
}

/* ---- every string ---- */

static bool
arrives(const char *body, size_t len, const struct buf *wire)
{
    char got[WIRE_MAX], want[WIRE_MAX];
    int n = wire->len < WIRE_MAX ? receive(wire->at, wire->len, got) : -1;
    size_t wanted = expect(body, len, want);
    return n >= 0 && (size_t)n == wanted && memcmp(got, want, wanted) == 0;
}

static void
encode(const char *body, size_t len, size_t cut, struct buf *wire)
{
    struct smtp_data data = {false, false};
    buf_reset(wire);
    smtp_data_add(&data, body, cut, wire);
    smtp_data_add(&data, body + cut, len - cut, wire);
    smtp_data_end(&data, wire);
}

static void
encode_bytewise(const char *body, size_t len, struct buf *wire)
{
    struct smtp_data data = {false, false};
    buf_reset(wire);
    for (size_t i = 0; i < len; i++)
        smtp_data_add(&data, body + i, 1, wire);
    smtp_data_end(&data, wire);
}

static void
every_string(size_t len)
{
    struct buf wire = {NULL, 0, 0}, other = {NULL, 0, 0};
    size_t strings = (size_t)1 << (2 * len), bad = 0, split_bad = 0;
    for (size_t i = 0; i < strings; i++) {
        char body[LONGEST + 1] = "";
        for (size_t k = 0; k < len; k++)
            body[k] = letters[i >> (2 * k) & 3];
        encode(body, len, 0, &wire);
        bad += !arrives(body, len, &wire);
        for (size_t cut = 1; cut <= len; cut++) {
            encode(body, len, cut, &other);
            split_bad += !span_equal(buf_span(&wire), buf_span(&other));
        }
        encode_bytewise(body, len, &other);
        split_bad += !span_equal(buf_span(&wire), buf_span(&other));
    }
    is_int(bad, 0, "all %zu strings of %zu bytes arrive, with nothing but CRLF on the wire", strings, len);
    is_int(split_bad, 0, "and it does not matter where they are cut");
    buf_clear(&wire);
    buf_clear(&other);
}

static void
on_wire(const char *body, const char *want, const char *name)
{
    struct buf wire = {NULL, 0, 0};
    encode(body, strlen(body), 0, &wire);
    is_bytes(wire.at, wire.len, want, "%s", name);
    buf_clear(&wire);
}

static void
bound(void)
{
    struct buf out = {NULL, 0, 0};
    struct smtp_data data = {false, false};
    char body[1000];
    memset(body, '\n', sizeof body);
    smtp_data_add(&data, body, sizeof body, &out);
    is_int(out.len, 2000, "a piece at most doubles");
    buf_reset(&out);
    data = (struct smtp_data){false, false};
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = i % 2 ? '\n' : '.';
    smtp_data_add(&data, body, sizeof body, &out);
    is_int(out.len, 2000, "also where every line is a dot");
    buf_clear(&out);
}

int
main(void)
{
    on_wire("", ".\r\n", "an empty body is the final dot");
    on_wire("a\n", "a\r\n.\r\n", "LF becomes CRLF");
    on_wire("a", "a\r\n.\r\n", "an open last line is ended");
    on_wire(".\n", "..\r\n.\r\n", "a dot alone is doubled");
    on_wire("a\n.b\n..\n", "a\r\n..b\r\n...\r\n.\r\n",
            "dots at the beginning of lines are doubled, others not");
    on_wire("a\r.\nb\n", "a\r\n..\r\nb\r\n.\r\n", "a dot behind a bare CR cannot end the message");
    on_wire("a\n.\r\nMAIL\n", "a\r\n..\r\nMAIL\r\n.\r\n", "nor can one in front of CRLF");
    for (size_t len = 0; len <= LONGEST; len++)
        every_string(len);
    bound();
    return tap_done();
}
