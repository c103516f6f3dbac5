/* conf_token.c - the words of a configuration file, with their places (see conf_token.h)
 *
 * Hostile here: every byte. Linear: each byte is looked at a fixed number of times. An error does not end the
 * reading: the offending piece is reported, and reading goes on behind it, so that one run shows all mistakes.
 */
#include "conf/conf_token.h"

static bool
is_word_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-_.:/@%", c) != NULL);
}

static bool
is_control(char c)
{
    return (unsigned char)c < ' ' || c == 0x7f;
}

static struct conf_source *
source(struct conf_sources *sources)
{
    return &sources->stack[sources->n - 1];
}

static struct conf_place
here(struct conf_sources *sources)
{
    return (struct conf_place){source(sources)->name, source(sources)->line};
}

/* Takes `len` bytes, counting lines. */
static void
take(struct conf_source *from, size_t len)
{
    for (size_t i = 0; i < len; i++)
        from->line += from->rest.at[i] == '\n';
    from->rest.at += len;
    from->rest.len -= len;
}

/* The length of the UTF-8 character at the beginning of `s`, or 0 (RFC 3629 section 4). */
static size_t
utf8_len(struct span s)
{
    unsigned char a = (unsigned char)s.at[0];
    size_t len = a < 0x80                 ? 1
                 : a >= 0xc2 && a <= 0xdf ? 2
                 : (a & 0xf0) == 0xe0     ? 3
                 : a >= 0xf0 && a <= 0xf4 ? 4
                                          : 0;
    if (len > s.len)
        return 0;
    for (size_t i = 1; i < len; i++)
        if (((unsigned char)s.at[i] & 0xc0) != 0x80)
            return 0;
    unsigned char b = len > 1 ? (unsigned char)s.at[1] : 0;
    bool wrong = (a == 0xe0 && b < 0xa0) || (a == 0xed && b > 0x9f) || (a == 0xf0 && b < 0x90) ||
                 (a == 0xf4 && b > 0x8f);
    return wrong ? 0 : len;
}

bool
conf_source_push(struct conf_sources *sources, const char *name, struct span text, size_t open)
{
    struct conf_place place = {name, 1};
    sources->total_bytes += text.len;
    if (sources->total_bytes > sources->max_bytes) {
        conf_error(sources->errors, &place, "the configuration is larger than %zu MiB",
                   sources->max_bytes >> 20);
        return false;
    }
    if (text.len >= 3 && memcmp(text.at, "\xef\xbb\xbf", 3) == 0) /* a byte order mark */
        text = (struct span){text.at + 3, text.len - 3};
    sources->stack[sources->n++] = (struct conf_source){.name = name, .rest = text, .line = 1, .open = open};
    return true;
}

void
conf_source_pop(struct conf_sources *sources)
{
    buf_clear(&source(sources)->text);
    sources->n--;
    sources->has_next = false;
}

static void
skip_line(struct conf_source *from)
{
    const char *end = memchr(from->rest.at, '\n', from->rest.len);
    take(from, end != NULL ? (size_t)(end - from->rest.at) : from->rest.len);
}

static void
skip_comment(struct conf_sources *sources)
{
    struct conf_source *from = source(sources);
    struct conf_place place = here(sources);
    const char *end = memmem(from->rest.at + 2, from->rest.len - 2, "*/", 2);
    if (end == NULL) {
        conf_error(sources->errors, &place, "this comment (/*) is not closed by */");
        sources->broken = true;
    }
    take(from, end != NULL ? (size_t)(end - from->rest.at) + 2 : from->rest.len);
}

static bool
begins(const struct conf_source *from, const char *text)
{
    size_t len = strlen(text);
    return from->rest.len >= len && memcmp(from->rest.at, text, len) == 0;
}

/* Skips blanks and comments. `//` begins a comment only where a token could begin: in smtp://host it does not.
 */
static void
skip_blank(struct conf_sources *sources)
{
    struct conf_source *from = source(sources);
    while (from->rest.len > 0) {
        if (strchr(" \t\r\n", from->rest.at[0]) != NULL && from->rest.at[0] != '\0')
            take(from, 1);
        else if (begins(from, "#") || begins(from, "//"))
            skip_line(from);
        else if (begins(from, "/*"))
            skip_comment(sources);
        else
            return;
    }
}

static void
refuse_string(struct conf_sources *sources, struct span rest)
{
    struct conf_place place = here(sources);
    if (rest.at[0] == '\\' && (rest.len == 1 || is_control(rest.at[1])))
        conf_error(sources->errors, &place, "a backslash must stand before \\, \" or $");
    else if (rest.at[0] == '\\')
        conf_error(sources->errors, &place,
                   "\\%c means nothing in double quotes: write \\\\ for a backslash, or use single quotes",
                   rest.at[1]);
    else if (rest.at[0] == '$')
        conf_error(sources->errors, &place,
                   "environment variables are not read: write \\$ for the sign itself");
    else if (is_control(rest.at[0]))
        conf_error(sources->errors, &place, "control byte 0x%02x in a quoted text", (unsigned char)rest.at[0]);
    else
        conf_error(sources->errors, &place, "this text is not UTF-8");
}

/* How many bytes at `s` are one character of a quoted text; 0 where there is something wrong with it. An escape
 * must mean the same to a reader and to libconfuse, so only those of the quotes, the backslash and `$` are
 * known. */
static size_t
string_step(struct span s, char quote)
{
    if (s.at[0] == '\\' && quote == '\'')
        return s.len > 1 && (s.at[1] == '\\' || s.at[1] == '\'') ? 2 : 1;
    if (s.at[0] == '\\')
        return s.len > 1 && s.at[1] != '\0' && strchr("\\\"$", s.at[1]) != NULL ? 2 : 0;
    if (s.at[0] == '$' && quote == '"' && s.len > 1 && s.at[1] == '{')
        return 0;
    if (is_control(s.at[0]))
        return 0;
    return utf8_len(s);
}

static bool
ends_string(struct span s, char quote)
{
    return s.len == 0 || s.at[0] == quote || s.at[0] == '\n' ||
           (s.at[0] == '\r' && s.len > 1 && s.at[1] == '\n');
}

/* A quoted text ends on its line: so a forgotten quote is reported where it was forgotten. */
static void
take_string(struct conf_sources *sources, struct conf_token *token)
{
    struct conf_source *from = source(sources);
    char quote = from->rest.at[0];
    bool sound = true;
    size_t len = 1;
    for (;;) {
        struct span rest = {from->rest.at + len, from->rest.len - len};
        if (ends_string(rest, quote))
            break;
        size_t step = string_step(rest, quote);
        if (step == 0 && sound)
            refuse_string(sources, rest);
        sound = sound && step > 0;
        len += step > 0 ? step : 1;
    }
    bool closed = len < from->rest.len && from->rest.at[len] == quote;
    if (!closed)
        conf_error(sources->errors, &token->place, "this quote (%c) is not closed on its line", quote);
    else if (len - 1 > CONF_STRING_MAX)
        conf_error(sources->errors, &token->place, "this text is longer than %d bytes", CONF_STRING_MAX);
    *token = (struct conf_token){TOKEN_STRING, 0, {from->rest.at, len + 1}, token->place};
    if (!closed || !sound || len - 1 > CONF_STRING_MAX)
        token->raw = SPAN("\"\"");
    take(from, closed ? len + 1 : len);
}

static void
take_word(struct conf_sources *sources, struct conf_token *token)
{
    struct conf_source *from = source(sources);
    size_t len = 1;
    while (len < from->rest.len && is_word_byte(from->rest.at[len]))
        len++;
    *token = (struct conf_token){TOKEN_WORD, 0, {from->rest.at, len}, token->place};
    if (len > CONF_STRING_MAX) {
        conf_error(sources->errors, &token->place, "this word is longer than %d bytes", CONF_STRING_MAX);
        token->raw.len = 1;
    }
    take(from, len);
}

/* What is neither word, text nor sign: reported, and skipped up to what is. */
static void
refuse_bytes(struct conf_sources *sources)
{
    struct conf_source *from = source(sources);
    struct conf_place place = here(sources);
    char c = from->rest.at[0];
    if (c == ';')
        conf_error(sources->errors, &place,
                   "`;` ends nothing here: leave it out, or quote the value it belongs to");
    else if (c == '+' && begins(from, "+="))
        conf_error(sources->errors, &place, "`+=` is not known: write the whole list once, with `=`");
    else if (is_control(c))
        conf_error(sources->errors, &place, "control byte 0x%02x", (unsigned char)c);
    else if ((unsigned char)c >= 0x80)
        conf_error(sources->errors, &place, "letters outside ASCII must stand in quotes");
    else
        conf_error(sources->errors, &place, "`%c` must stand in quotes", c);
    size_t len = 1;
    while (len < from->rest.len && strchr(" \t\r\n\"'{}()=,#", from->rest.at[len]) == NULL &&
           !is_word_byte(from->rest.at[len]))
        len++;
    take(from, len);
}

static struct conf_token
read_token(struct conf_sources *sources)
{
    struct conf_source *from = source(sources);
    for (;;) {
        skip_blank(sources);
        struct conf_token token = {.type = TOKEN_END, .place = here(sources)};
        if (from->rest.len == 0)
            return token;
        char c = from->rest.at[0];
        if (c == '"' || c == '\'') {
            take_string(sources, &token);
        } else if (is_word_byte(c)) {
            take_word(sources, &token);
        } else if (c != '\0' && strchr("{}()=,", c) != NULL) {
            token = (struct conf_token){TOKEN_SIGN, c, {from->rest.at, 1}, token.place};
            take(from, 1);
        } else {
            refuse_bytes(sources);
            continue;
        }
        return token;
    }
}

const struct conf_token *
conf_token_peek(struct conf_sources *sources)
{
    if (!sources->has_next) {
        sources->next = read_token(sources);
        sources->has_next = true;
    }
    return &sources->next;
}

struct conf_token
conf_token_next(struct conf_sources *sources)
{
    struct conf_token token = *conf_token_peek(sources);
    sources->has_next = false;
    return token;
}

void
conf_token_skip_braces(struct conf_sources *sources, struct conf_place opened)
{
    size_t depth = 1;
    while (depth > 0) {
        if (conf_token_peek(sources)->type == TOKEN_END) {
            conf_error(sources->errors, &opened, "this { is not closed");
            return;
        }
        struct conf_token token = conf_token_next(sources);
        depth += conf_token_is(&token, '{');
        depth -= conf_token_is(&token, '}');
    }
}

static void
skip_arguments(struct conf_sources *sources)
{
    for (;;) {
        const struct conf_token *peeked = conf_token_peek(sources);
        if (peeked->type == TOKEN_END || conf_token_is(peeked, '{') || conf_token_is(peeked, '}'))
            return;
        struct conf_token token = conf_token_next(sources);
        if (conf_token_is(&token, ')'))
            return;
    }
}

void
conf_token_skip_statement(struct conf_sources *sources, struct conf_place name)
{
    bool assigned = conf_token_is(conf_token_peek(sources), '=');
    if (assigned)
        conf_token_next(sources);
    else if (conf_token_is(conf_token_peek(sources), '('))
        skip_arguments(sources);
    if (conf_token_is_value(conf_token_peek(sources)) &&
        (assigned || conf_token_peek(sources)->place.line == name.line))
        conf_token_next(sources);
    if (conf_token_is(conf_token_peek(sources), '{'))
        conf_token_skip_braces(sources, conf_token_next(sources).place);
}

void
conf_token_skip_rest(struct conf_sources *sources, struct conf_place place)
{
    while (conf_token_peek(sources)->type != TOKEN_END && conf_token_peek(sources)->place.line == place.line &&
           !conf_token_is(conf_token_peek(sources), '}'))
        conf_token_next(sources);
}
