/* header_scan.c - what acceptance must know of a message's header (see header_scan.h)
 *
 * The scanner looks for line ends with memchr, and at the beginning of each line only. A line that lies whole
 * in what is fed is judged where it lies; one cut by the end of a piece is kept, its first bytes only, until
 * its end comes. So the result does not depend on how the message was cut, and the work is linear whatever the
 * bytes are.
 *
 * Only the empty line ends a header. A line in its midst that is neither a field nor a continuation is passed
 * over: to end the header there would need a byte that nobody sent, and breaks signatures.
 *
 * What is hostile here: every byte, and how they are cut.
 */
#include "common/header_scan.h"

#include <stdio.h>
#include <time.h>

enum field { FIELD_OTHER, FIELD_RECEIVED, FIELD_MSGID, FIELD_SUBJECT, FIELD_DATE, FIELD_FROM, FIELD_MIME };

static const struct {
    struct span name;
    enum field field;
} known[] = {
    {{"received", 8}, FIELD_RECEIVED}, {{"message-id", 10}, FIELD_MSGID}, {{"subject", 7}, FIELD_SUBJECT},
    {{"date", 4}, FIELD_DATE},         {{"from", 4}, FIELD_FROM},         {{"mime-version", 12}, FIELD_MIME},
};

static inline bool
is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* ---- lines ---- */

/* The length of the field name that a line begins with, 0 where it is no field. Blanks may stand before the
 * colon (RFC 5322 section 4.5). `colon` is set to its place. */
static size_t
field_name(const char *line, size_t len, size_t *colon)
{
    const char *at = len > 0 ? memchr(line, ':', len) : NULL;
    if (at == NULL)
        return 0;
    *colon = (size_t)(at - line);
    size_t n = *colon;
    while (n > 0 && is_blank(line[n - 1]))
        n--;
    for (size_t i = 0; i < n; i++)
        if (line[i] <= ' ' || line[i] > '~')
            return 0;
    return n;
}

static enum field
field_find(struct span name)
{
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (known[i].name.len == name.len && span_starts_nocase(name, known[i].name))
            return known[i].field;
    return FIELD_OTHER;
}

/* ---- the values that are kept ---- */

/* Adds to a value what one line says; blanks at the beginning are left out, control bytes replaced. */
static void
value_add(char *value, size_t size, const char *at, size_t len)
{
    size_t have = strlen(value);
    for (size_t i = 0; i < len && have + 1 < size; i++) {
        char c = at[i] == '\t' ? ' ' : at[i];
        if (have == 0 && c == ' ')
            continue;
        value[have++] = ((unsigned char)c < ' ' || c == 0x7f) ? '?' : c;
    }
    value[have] = '\0';
}

/* Takes blanks off the end, and the beginning of a UTF-8 character that was cut. */
static void
value_end(char *value, size_t size)
{
    size_t len = strlen(value);
    if (len + 1 == size) {
        size_t tail = 0;
        while (tail < 3 && tail < len && ((unsigned char)value[len - 1 - tail] & 0xc0) == 0x80)
            tail++;
        unsigned char first = tail < len ? (unsigned char)value[len - 1 - tail] : 0;
        size_t whole = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : first >= 0xc0 ? 1 : 0;
        if (first >= 0xc0 && tail < whole)
            len -= tail + 1;
    }
    while (len > 0 && value[len - 1] == ' ')
        len--;
    value[len] = '\0';
}

/* Our mark may have been folded by those behind us, at any of its blanks: so the field is searched unfolded. */
static void
received_add(struct header_scan *scan, struct span text)
{
    if (scan->mark_len == 0)
        return;
    text = span_trim(text);
    size_t room = sizeof scan->received - scan->received_len;
    if (text.len == 0 || room < 2)
        return;
    size_t n = text.len < room - 1 ? text.len : room - 1;
    scan->received[scan->received_len++] = ' ';
    memcpy(scan->received + scan->received_len, text.at, n);
    scan->received_len += n;
}

static void
received_end(struct header_scan *scan)
{
    if (scan->received_len >= scan->mark_len && scan->received_len > 0 &&
        memmem(scan->received, scan->received_len, scan->mark, scan->mark_len) != NULL)
        scan->loops++;
    scan->received_len = 0;
}

/* ---- the scanner ---- */

static void
field_end(struct header_scan *scan)
{
    if (scan->field == FIELD_RECEIVED)
        received_end(scan);
    scan->field = FIELD_OTHER;
}

static void
scan_end(struct header_scan *scan)
{
    field_end(scan);
    value_end(scan->msgid, sizeof scan->msgid);
    value_end(scan->subject, sizeof scan->subject);
    scan->ended = true;
}

static void
scan_end_without(struct header_scan *scan)
{
    scan->no_header = true;
    scan_end(scan);
    scan->bytes = 0;
}

/* What one line adds to the field it belongs to. */
static void
field_add(struct header_scan *scan, struct span text)
{
    if (scan->field == FIELD_RECEIVED)
        received_add(scan, text);
    else if (scan->field == FIELD_MSGID)
        value_add(scan->msgid, sizeof scan->msgid, text.at, text.len);
    else if (scan->field == FIELD_SUBJECT)
        value_add(scan->subject, sizeof scan->subject, text.at, text.len);
}

/* A field begins. Of values, the first field with the name counts. */
static void
field_begin(struct header_scan *scan, struct span name)
{
    field_end(scan);
    scan->field = (int)field_find(name);
    switch (scan->field) {
    case FIELD_RECEIVED:
        scan->hops++;
        break;
    case FIELD_MSGID:
        if (scan->has_msgid)
            scan->field = FIELD_OTHER;
        scan->has_msgid = true;
        break;
    case FIELD_SUBJECT:
        if (scan->subject[0] != '\0')
            scan->field = FIELD_OTHER;
        break;
    case FIELD_DATE:
        scan->has_date = true;
        break;
    case FIELD_FROM:
        scan->has_from = true;
        break;
    case FIELD_MIME:
        scan->has_mime = true;
        break;
    }
}

/* Judges one line by its beginning (without its LF). */
static void
scan_line(struct header_scan *scan, const char *line, size_t len)
{
    size_t colon = 0;
    if (len == 0) {
        scan_end(scan);
        return;
    }
    bool first = !scan->begun;
    scan->begun = true;
    if (is_blank(line[0]) && !first) {
        if (scan->field != FIELD_OTHER)
            field_add(scan, (struct span){line, len});
        return;
    }
    size_t name = field_name(line, len, &colon);
    if (name == 0 && first) {
        scan_end_without(scan);
        return;
    }
    field_begin(scan, (struct span){line, name});
    if (scan->field != FIELD_OTHER)
        field_add(scan, (struct span){line + colon + 1, len - colon - 1});
}

/* Keeps the beginning of a line whose end has not come. A first line without a name in what is kept will never
 * be a field: the end of it, which may be gigabytes away, is not waited for. */
static void
scan_keep(struct header_scan *scan, const char *at, size_t len)
{
    size_t room = sizeof scan->line - scan->line_len;
    size_t n = len < room ? len : room;
    memcpy(scan->line + scan->line_len, at, n);
    scan->line_len += n;
    size_t colon;
    if (!scan->begun && scan->line_len == sizeof scan->line &&
        field_name(scan->line, scan->line_len, &colon) == 0)
        scan_end_without(scan);
}

/* Notes NUL and octets above 127, a word at a time. */
static void
scan_octets(struct header_scan *scan, const char *at, size_t len)
{
    uint64_t all = 0, word;
    size_t i = 0;
    for (; i + sizeof word <= len; i += sizeof word) {
        memcpy(&word, at + i, sizeof word);
        all |= word;
    }
    for (; i < len; i++)
        all |= (unsigned char)at[i];
    if (all & UINT64_C(0x8080808080808080))
        scan->eight_bit = true;
    if (len > 0 && memchr(at, '\0', len) != NULL)
        scan->has_nul = true;
}

void
header_scan_start(struct header_scan *scan, const char *mark)
{
    memset(scan, 0, sizeof *scan);
    if (mark != NULL) {
        scan->mark_len = strnlen(mark, sizeof scan->mark);
        memcpy(scan->mark, mark, scan->mark_len);
    }
}

size_t
header_scan_feed(struct header_scan *scan, const char *bytes, size_t len)
{
    size_t at = 0;
    while (at < len && !scan->ended) {
        const char *end = memchr(bytes + at, '\n', len - at);
        size_t n = end != NULL ? (size_t)(end - bytes) - at : len - at;
        if (end != NULL && scan->line_len == 0) {
            scan_line(scan, bytes + at, n < sizeof scan->line ? n : sizeof scan->line);
        } else {
            scan_keep(scan, bytes + at, n);
            if (end != NULL && !scan->ended) {
                scan_line(scan, scan->line, scan->line_len);
                scan->line_len = 0;
            }
        }
        at += n + (end != NULL);
    }
    if (scan->no_header)
        return 0;
    scan_octets(scan, bytes, at);
    scan->bytes += at;
    return at;
}

void
header_scan_finish(struct header_scan *scan)
{
    if (scan->ended)
        return;
    if (scan->line_len > 0)
        scan_line(scan, scan->line, scan->line_len);
    if (!scan->ended && !scan->begun)
        scan_end_without(scan);
    else if (!scan->ended)
        scan_end(scan);
}

/* ---- whole header blocks ---- */

/* Takes the next line off, without its LF. */
static struct span
line_next(struct span *text)
{
    const char *end = memchr(text->at, '\n', text->len);
    struct span line = {text->at, end != NULL ? (size_t)(end - text->at) : text->len};
    size_t whole = line.len + (end != NULL);
    text->at += whole;
    text->len -= whole;
    return line;
}

bool
header_next(struct span *header, struct span *name, struct span *body)
{
    while (header->len > 0) {
        struct span line = line_next(header);
        if (line.len == 0)
            break;
        size_t colon = 0, n = field_name(line.at, line.len, &colon);
        if (n == 0)
            continue;
        *name = (struct span){line.at, n};
        const char *end = line.at + line.len;
        while (header->len > 0 && is_blank(header->at[0])) {
            struct span more = line_next(header);
            end = more.at + more.len;
        }
        const char *begin = line.at + colon + 1;
        if (begin < end && is_blank(*begin))
            begin++;
        *body = (struct span){begin, (size_t)(end - begin)};
        return true;
    }
    header->len = 0;
    return false;
}

bool
header_find(struct span header, struct span name, struct span *body)
{
    struct span found, text;
    while (header_next(&header, &found, &text)) {
        if (span_equal_nocase(found, name)) {
            *body = text;
            return true;
        }
    }
    return false;
}

/* ---- what we write ---- */

void
header_mark(const char *node, const char *connector, bool inbound, char mark[120])
{
    /* A long node name is cut, here and so in the field that is written with this text; the end must stand. */
    snprintf(mark, 120, "by %.59s (viaduct %.40s %s)", node, connector, inbound ? "in" : "out");
}

bool
header_line_is(struct span line, struct span name)
{
    if (!span_starts_nocase(line, name))
        return false;
    struct span rest = span_trim((struct span){line.at + name.len, line.len - name.len});
    return rest.len > 0 && rest.at[0] == ':';
}

void
header_date(int64_t time_s, char date[40])
{
    /* Not strftime's %a and %b: those speak the locale's language. */
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t at = (time_t)time_s;
    struct tm t;
    if (localtime_r(&at, &t) == NULL || t.tm_year < 0 || t.tm_year > 8099) {
        snprintf(date, 40, "Thu, 01 Jan 1970 00:00:00 +0000");
        return;
    }
    long zone = t.tm_gmtoff / 60;
    unsigned east = (unsigned)(zone < 0 ? -zone : zone);
    snprintf(date, 40, "%s, %02u %s %04u %02u:%02u:%02u %c%02u%02u", days[t.tm_wday % 7],
             (unsigned)t.tm_mday % 100, months[t.tm_mon % 12], (unsigned)(t.tm_year + 1900) % 10000,
             (unsigned)t.tm_hour % 100, (unsigned)t.tm_min % 100, (unsigned)t.tm_sec % 100,
             zone < 0 ? '-' : '+', east / 60 % 100, east % 60);
}
