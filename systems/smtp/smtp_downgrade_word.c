/* smtp_downgrade_word.c - encoded words in text, phrases and comments, folded (see smtp_downgrade.h)
 *
 * Only words that are not ASCII are encoded, with the blanks between two of them; all others stay as they were
 * written, encoded words of the sender's too.
 *
 * What is hostile here: fields of any length, of one word or of none. Each octet is looked at a fixed number of
 * times.
 *
 * Sources: RFC 2047 sections 2, 4 and 5; RFC 1428 (unknown-8bit); RFC 5322 sections 2.2.3 and 3.2.
 */
#include "common/utf8.h"
#include "systems/mime/mime_decode.h"
#include "systems/smtp/smtp_downgrade.h"

enum { WORD_MAX = 75, CHUNK_MIN = 12 };

bool
downgrade_is_ascii(struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.at[i] > 127)
            return false;
    return true;
}

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static struct span
cut(struct span text, size_t from, size_t to)
{
    return (struct span){text.at + from, to - from};
}

static bool
is_encoded_word(struct span word)
{
    return word.len > 7 && memcmp(word.at, "=?", 2) == 0 && memcmp(word.at + word.len - 2, "?=", 2) == 0;
}

static size_t
skip_blanks(struct span text, size_t i)
{
    while (i < text.len && is_blank(text.at[i]))
        i++;
    return i;
}

static size_t
skip_word(struct span text, size_t i)
{
    while (i < text.len && !is_blank(text.at[i]))
        i++;
    return i;
}

/* ---- tokens ---- */

void
fold_begin(struct fold *fold, struct span name, struct buf *out)
{
    *fold = (struct fold){.out = out, .column = name.len + 1, .blank = true};
    buf_add_span(out, name);
    buf_add_byte(out, ':');
}

void
fold_end(struct fold *fold)
{
    buf_add_byte(fold->out, '\n');
}

/* The blank that is due, as a fold where `len` more columns would be too many; never a line of a blank alone.
 */
static void
place(struct fold *fold, struct span blanks, size_t len)
{
    bool line = fold->column + blanks.len + len > DOWNGRADE_COLUMNS && fold->column > 1;
    if (line) {
        buf_add_byte(fold->out, '\n');
        fold->column = 0;
    }
    buf_add_span(fold->out, blanks);
    fold->column += blanks.len;
    fold->blank = false;
}

/* A comment or a quoted string longer than a line may be folded at its own blanks. */
static void
add_long(struct fold *fold, struct span token)
{
    for (size_t i = 0; i < token.len;) {
        size_t word = skip_blanks(token, i), next = skip_word(token, word);
        if (word > i)
            place(fold, cut(token, i, word), next - word);
        buf_add_span(fold->out, cut(token, word, next));
        fold->column += next - word;
        i = next;
    }
}

void
fold_token(struct fold *fold, struct span token)
{
    if (token.len == 0)
        return;
    if (fold->blank)
        place(fold, SPAN(" "), token.len);
    if (token.len > DOWNGRADE_COLUMNS) {
        add_long(fold, token);
    } else {
        buf_add_span(fold->out, token);
        fold->column += token.len;
    }
    fold->encoded = is_encoded_word(token);
}

/* ---- encoded words ---- */

/* What stands for itself in a phrase (RFC 2047 section 5 (3)), the strictest of the three places. */
static bool
stands_for_itself(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr(" !*+-/", c) != NULL);
}

static size_t
quoted_size(struct span text)
{
    size_t size = 0;
    for (size_t i = 0; i < text.len; i++)
        size += stands_for_itself(text.at[i]) ? 1 : 3;
    return size;
}

/* How much of the text fits into `room` columns; characters stay whole. */
static size_t
chunk_length(struct span text, bool utf8, bool base64, size_t room)
{
    size_t n = 0, used = 0;
    while (n < text.len) {
        size_t c = utf8 ? utf8_sequence(text.at + n, text.len - n) : 1;
        used += base64 ? c : quoted_size(cut(text, n, n + c));
        if ((base64 ? (used + 2) / 3 * 4 : used) > room)
            break;
        n += c;
    }
    return n;
}

static void
add_q(struct span text, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        if (stands_for_itself(c))
            buf_add_byte(out, c == ' ' ? '_' : c);
        else
            buf_printf(out, "=%02X", (unsigned)(unsigned char)c);
    }
}

static void
add_words(struct fold *fold, struct span text)
{
    bool utf8 = utf8_valid(text);
    bool base64 = quoted_size(text) > (text.len + 2) / 3 * 4;
    const char *charset = utf8 ? "utf-8" : "unknown-8bit";
    size_t frame = strlen(charset) + 7;
    while (text.len > 0) {
        if (fold->blank)
            place(fold, SPAN(" "), frame + CHUNK_MIN);
        size_t left = fold->column < DOWNGRADE_COLUMNS ? DOWNGRADE_COLUMNS - fold->column : 0;
        size_t room = (left < frame + CHUNK_MIN ? frame + CHUNK_MIN
                       : left < WORD_MAX        ? left
                                                : WORD_MAX) -
                      frame;
        struct span chunk = cut(text, 0, chunk_length(text, utf8, base64, room));
        size_t before = fold->out->len;
        buf_printf(fold->out, "=?%s?%c?", charset, base64 ? 'B' : 'Q');
        if (base64)
            mime_encode_base64(chunk.at, chunk.len, fold->out);
        else
            add_q(chunk, fold->out);
        buf_add(fold->out, "?=", 2);
        fold->column += fold->out->len - before;
        fold->blank = true;
        text = cut(text, chunk.len, text.len);
    }
    fold->encoded = true;
}

void
fold_encoded(struct fold *fold, struct span text)
{
    struct buf joined = {0};
    if (text.len == 0)
        return;
    if (fold->encoded && fold->blank && text.at[0] != ' ')
        buf_add_byte(&joined, ' ');
    buf_add_span(&joined, text);
    add_words(fold, buf_span(&joined));
    buf_clear(&joined);
}

/* ---- unstructured text ---- */

/* The end of the run of words that are not ASCII, the first of which ends at `end`. Blanks before an encoded
 * word of the sender's belong to it. */
static size_t
run_end(struct span text, size_t end)
{
    for (;;) {
        size_t word = skip_blanks(text, end), next = skip_word(text, word);
        if (next == word)
            return end;
        struct span token = cut(text, word, next);
        if (downgrade_is_ascii(token))
            return is_encoded_word(token) ? word : end;
        end = next;
    }
}

void
fold_text(struct fold *fold, struct span text)
{
    size_t at = skip_blanks(text, 0), blanks = at;
    fold->blank = true;
    while (at < text.len) {
        size_t end = skip_word(text, at);
        struct span token = cut(text, at, end);
        if (downgrade_is_ascii(token)) {
            if (blanks < at)
                place(fold, cut(text, blanks, at), token.len);
            fold_token(fold, token);
        } else {
            end = run_end(text, end);
            fold->blank = true;
            add_words(fold, cut(text, fold->encoded ? blanks : at, end));
        }
        blanks = end;
        at = skip_blanks(text, end);
        fold->blank = blanks == at;
    }
}

/* ---- structured text ---- */

size_t
fold_skip_comment(struct span text, size_t i)
{
    size_t depth = 0;
    for (; i < text.len; i++) {
        if (text.at[i] == '\\')
            i++;
        else if (text.at[i] == '(')
            depth++;
        else if (text.at[i] == ')' && --depth == 0)
            return i + 1;
    }
    return text.len;
}

size_t
fold_skip_quoted(struct span text, size_t i)
{
    for (i++; i < text.len; i++) {
        if (text.at[i] == '\\')
            i++;
        else if (text.at[i] == '"')
            return i + 1;
    }
    return text.len;
}

static void
add_unquoted(struct buf *out, struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] == '\\' && i + 1 < text.len)
            i++;
        buf_add_byte(out, text.at[i]);
    }
}

/* A comment without its parentheses. Comments within it become plain text of it: in an encoded word parentheses
 * are no syntax. */
static void
fold_comment(struct fold *fold, struct span comment)
{
    struct buf text = {0};
    bool closed = comment.len > 1 && comment.at[comment.len - 1] == ')';
    struct span inside = cut(comment, 1, comment.len - (closed ? 1 : 0));
    if (downgrade_is_ascii(comment)) {
        fold_token(fold, comment);
        return;
    }
    add_unquoted(&text, span_trim(inside));
    if (fold->column + 30 > DOWNGRADE_COLUMNS)
        fold->blank = true;
    if (fold->blank)
        place(fold, SPAN(" "), 30);
    fold_token(fold, SPAN("("));
    add_words(fold, buf_span(&text));
    fold->blank = false;
    fold_token(fold, SPAN(")"));
    buf_clear(&text);
}

struct word {
    struct span text; /* a quoted string with its quotes, or an atom */
    bool blank;       /* before it */
};

/* The word at `*i`, blanks skipped; false at a special, a comment or the end. */
static bool
next_word(struct span text, size_t *i, struct word *word)
{
    size_t at = skip_blanks(text, *i), end = at;
    if (at < text.len && text.at[at] == '"')
        end = fold_skip_quoted(text, at);
    else
        while (end < text.len && !is_blank(text.at[end]) &&
               (text.at[end] == '\0' || strchr("()<>[]:;@\\,\"", text.at[end]) == NULL))
            end++;
    *word = (struct word){cut(text, at, end), at > *i};
    if (end > at)
        *i = end;
    return end > at;
}

static void
add_word_text(struct buf *out, const struct word *word)
{
    struct span text = word->text;
    bool quoted = text.at[0] == '"';
    if (word->blank && out->len > 0)
        buf_add_byte(out, ' ');
    if (!quoted)
        buf_add_span(out, text);
    else
        add_unquoted(out, cut(text, 1, text.len - (text.len > 1 && text.at[text.len - 1] == '"' ? 1 : 0)));
}

/* A run of words: as they stand, but where some are not ASCII, those become encoded words. */
static size_t
fold_phrase(struct fold *fold, struct span text, size_t i)
{
    struct word word;
    struct buf run = {0};
    while (next_word(text, &i, &word)) {
        if (!downgrade_is_ascii(word.text)) {
            fold->blank = run.len == 0 ? fold->blank || word.blank || fold->encoded : fold->blank;
            add_word_text(&run, &word);
            continue;
        }
        fold_encoded(fold, buf_span(&run));
        /* Readers drop the blank between two encoded words; one of ours holds it. */
        bool ours = run.len > 0;
        buf_reset(&run);
        if (ours && is_encoded_word(word.text)) {
            fold->blank = true;
            add_words(fold, SPAN(" "));
        }
        fold->blank = fold->blank || word.blank;
        fold_token(fold, word.text);
    }
    fold_encoded(fold, buf_span(&run));
    buf_clear(&run);
    return i;
}

void
fold_structured(struct fold *fold, struct span text)
{
    for (size_t i = 0; i < text.len;) {
        size_t at = skip_blanks(text, i), next;
        fold->blank = fold->blank || at > i;
        if (at == text.len)
            return;
        if (text.at[at] == '(') {
            next = fold_skip_comment(text, at);
            fold_comment(fold, cut(text, at, next));
        } else {
            next = fold_phrase(fold, text, at);
        }
        if (next == at) { /* a special; an encoded word needs a blank before it (RFC 2047 section 5) */
            if (text.at[at] == ',' || text.at[at] == ';')
                fold->blank = fold->encoded;
            fold_token(fold, cut(text, at, at + 1));
            next = at + 1;
        }
        i = next;
    }
}
