/* log_pair.c - `key=value`, printed and taken apart (see log.h)
 *
 * What is hostile here: values come from mail; lines are read back from files that another worker wrote.
 */
#include "common/hex.h"
#include "common/log_inside.h"
#include "common/shown.h"

/* Bytes that may stand in an unquoted value. */
static inline bool
is_plain(char c)
{
    return c > ' ' && c < 0x7f && c != '"' && c != '=' && c != '\\';
}

static size_t
plain_length(struct span value)
{
    size_t n = 0;
    while (n < value.len && is_plain(value.at[n]))
        n++;
    return n;
}

/* Plain bytes and characters beyond ASCII that may be shown. */
static bool
needs_quotes(struct span value)
{
    for (size_t i = 0; i < value.len;) {
        size_t n = is_plain(value.at[i]) ? 1 : 0;
        if (n == 0 && (value.at[i] & 0x80) != 0)
            n = shown_sequence(value.at + i, value.len - i);
        if (n == 0)
            return true;
        i += n;
    }
    return value.len == 0;
}

/* Writes the character that `rest` begins with as it stands in a value; returns what it takes of `rest`. */
static size_t
print_character(struct span rest, char text[4], size_t *len)
{
    static const char hex[17] = "0123456789ABCDEF";
    char c = rest.at[0];
    if (c == '"' || c == '\\') {
        text[0] = '\\';
        text[1] = c;
        *len = 2;
        return 1;
    }
    size_t n = shown_sequence(rest.at, rest.len);
    if (n > 0) {
        memcpy(text, rest.at, n);
        *len = n;
        return n;
    }
    text[0] = '\\';
    text[1] = 'x';
    text[2] = hex[(unsigned char)c >> 4];
    text[3] = hex[(unsigned char)c & 15];
    *len = 4;
    return 1;
}

static void
print_value(struct buf *out, struct span value, size_t limit)
{
    struct shown_text text = shown_begin(out, limit);
    bool fits = true;
    while (fits && value.len > 0) {
        char character[4];
        size_t len,
            taken = plain_length((struct span){value.at, value.len < SHOWN_PIECE ? value.len : SHOWN_PIECE});
        if (taken > 0) {
            fits = shown_add(&text, value.at, taken);
        } else {
            taken = print_character(value, character, &len);
            fits = shown_add(&text, character, len);
        }
        value.at += taken;
        value.len -= taken;
    }
}

void
log_print_cut(struct buf *out, const char *key, struct span value, size_t limit)
{
    size_t key_len = strlen(key);
    buf_reserve(out, key_len + 4 + (value.len < limit ? value.len : limit));
    buf_add(out, key, key_len);
    buf_add_byte(out, '=');
    if (value.len > 0 && value.len <= limit && plain_length(value) == value.len) {
        buf_add(out, value.at, value.len);
        return;
    }
    bool quotes = needs_quotes(value);
    if (quotes)
        buf_add_byte(out, '"');
    print_value(out, value, limit);
    if (quotes)
        buf_add_byte(out, '"');
}

void
log_print_pair(struct buf *out, const char *key, struct span value)
{
    if (out->len > 0 && out->at[out->len - 1] != '\n')
        buf_add_byte(out, ' ');
    log_print_cut(out, key, value, SIZE_MAX / 8);
}

/* ---- taking apart ---- */

static inline bool
is_key_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.';
}

/* What a backslash in `rest` begins. Returns its length, 0 where it is no escape. */
static size_t
read_escape(struct span rest, struct buf *value)
{
    if (rest.len >= 2 && (rest.at[1] == '"' || rest.at[1] == '\\')) {
        buf_add_byte(value, rest.at[1]);
        return 2;
    }
    if (rest.len < 4 || rest.at[1] != 'x')
        return 0;
    int octet = hex_octet(rest.at + 2);
    if (octet < 0)
        return 0;
    buf_add_byte(value, (char)octet);
    return 4;
}

/* A quoted value, `rest` behind its first quote. Returns its length with the closing quote, 0 where it is
 * malformed. */
static size_t
read_quoted(struct span rest, struct buf *value)
{
    for (size_t i = 0; i < rest.len;) {
        size_t plain = i;
        while (plain < rest.len && rest.at[plain] != '"' && rest.at[plain] != '\\' && rest.at[plain] != '\n')
            plain++;
        buf_add(value, rest.at + i, plain - i);
        if (plain == rest.len || rest.at[plain] == '\n')
            return 0;
        if (rest.at[plain] == '"')
            return plain + 1;
        size_t n = read_escape((struct span){rest.at + plain, rest.len - plain}, value);
        if (n == 0)
            return 0;
        i = plain + n;
    }
    return 0;
}

static size_t
read_unquoted(struct span rest, struct buf *value)
{
    size_t n = 0;
    while (n < rest.len && (is_plain(rest.at[n]) || (rest.at[n] & 0x80) != 0))
        n++;
    buf_add(value, rest.at, n);
    return n;
}

bool
log_next_pair(struct span *line, struct span *key, struct buf *value)
{
    buf_reset(value);
    while (line->len > 0 && (line->at[0] == ' ' || line->at[0] == '\n')) {
        line->at++;
        line->len--;
    }
    size_t key_len = 0;
    while (key_len < line->len && is_key_byte(line->at[key_len]))
        key_len++;
    if (key_len == 0 || key_len == line->len || line->at[key_len] != '=')
        return false;
    struct span rest = {line->at + key_len + 1, line->len - key_len - 1};
    bool quoted = rest.len > 0 && rest.at[0] == '"';
    size_t len =
        quoted ? read_quoted((struct span){rest.at + 1, rest.len - 1}, value) : read_unquoted(rest, value);
    if (len == 0)
        return false;
    len += quoted;
    if (len < rest.len && rest.at[len] != ' ' && rest.at[len] != '\n')
        return false;
    *key = (struct span){line->at, key_len};
    line->at = rest.at + len;
    line->len = rest.len - len;
    return true;
}
