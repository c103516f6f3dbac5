/* html_text.c - HTML reduced to text (see html_text.h) */
#include "systems/gwise/html_text.h"

#include "systems/mime/charset.h"

enum effect { BREAK_1, BREAK_2, ITEM, CELL, SKIP, PRE, LINK, RULE };

static const struct {
    const char *name;
    enum effect effect;
} elements[] = {
    {"br", BREAK_1},      {"div", BREAK_1},   {"tr", BREAK_1},    {"dt", BREAK_1},   {"dd", BREAK_1},
    {"address", BREAK_1}, {"title", SKIP},    {"p", BREAK_2},     {"h1", BREAK_2},   {"h2", BREAK_2},
    {"h3", BREAK_2},      {"h4", BREAK_2},    {"h5", BREAK_2},    {"h6", BREAK_2},   {"ul", BREAK_2},
    {"ol", BREAK_2},      {"dl", BREAK_2},    {"table", BREAK_2}, {"form", BREAK_2}, {"blockquote", BREAK_2},
    {"section", BREAK_2}, {"li", ITEM},       {"td", CELL},       {"th", CELL},      {"script", SKIP},
    {"style", SKIP},      {"template", SKIP}, {"pre", PRE},       {"a", LINK},       {"hr", RULE},
};

static const struct {
    const char *name;
    uint32_t code;
} references[] = {
    {"amp", '&'},      {"lt", '<'},        {"gt", '>'},       {"quot", '"'},     {"apos", '\''},
    {"nbsp", 0xa0},    {"auml", 0xe4},     {"ouml", 0xf6},    {"uuml", 0xfc},    {"Auml", 0xc4},
    {"Ouml", 0xd6},    {"Uuml", 0xdc},     {"szlig", 0xdf},   {"eacute", 0xe9},  {"egrave", 0xe8},
    {"ecirc", 0xea},   {"agrave", 0xe0},   {"aacute", 0xe1},  {"acirc", 0xe2},   {"aring", 0xe5},
    {"Aring", 0xc5},   {"oslash", 0xf8},   {"Oslash", 0xd8},  {"aelig", 0xe6},   {"AElig", 0xc6},
    {"ccedil", 0xe7},  {"ntilde", 0xf1},   {"iacute", 0xed},  {"oacute", 0xf3},  {"uacute", 0xfa},
    {"ugrave", 0xf9},  {"euro", 0x20ac},   {"pound", 0xa3},   {"copy", 0xa9},    {"reg", 0xae},
    {"trade", 0x2122}, {"hellip", 0x2026}, {"ndash", 0x2013}, {"mdash", 0x2014}, {"lsquo", 0x2018},
    {"rsquo", 0x2019}, {"ldquo", 0x201c},  {"rdquo", 0x201d}, {"bdquo", 0x201e}, {"laquo", 0xab},
    {"raquo", 0xbb},   {"bull", 0x2022},   {"middot", 0xb7},  {"deg", 0xb0},     {"sect", 0xa7},
    {"shy", 0xad},     {"times", 0xd7},
};

void
html_text_start(struct html_text *html)
{
    memset(html, 0, sizeof *html);
}

static void
want_break(struct html_text *html, unsigned breaks)
{
    html->blank = false;
    if (html->breaks < breaks)
        html->breaks = breaks;
}

/* Adds visible text; what waits before it comes first. */
static void
add_text(struct html_text *html, const char *text, size_t len, struct buf *out)
{
    if (html->started)
        for (; html->breaks > 0; html->breaks--)
            buf_add_byte(out, '\n');
    else
        html->blank = false;
    html->breaks = 0;
    if (html->blank)
        buf_add_byte(out, ' ');
    html->blank = false;
    html->started = true;
    buf_add(out, text, len);
}

static void
add_char(struct html_text *html, char c, struct buf *out)
{
    if (html->skip[0] != '\0')
        return;
    bool space = c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' || c == '\0';
    if (html->pre > 0 && c == '\n') {
        if (html->started)
            add_text(html, "\n", 1, out);
    } else if (html->pre > 0 && (c == ' ' || c == '\t')) {
        add_text(html, &c, 1, out);
    } else if (space) {
        html->blank = html->started && html->breaks == 0;
    } else {
        add_text(html, &c, 1, out);
    }
}

/* ---- tags ---- */

static bool
attribute(struct span tag, const char *name, struct span *value)
{
    struct span want = span_of(name);
    for (size_t i = 0; i + want.len < tag.len; i++) {
        if (!strchr(" \t\r\n\"'/", tag.at[i]) ||
            !span_starts_nocase((struct span){tag.at + i + 1, tag.len - i - 1}, want))
            continue;
        size_t p = i + 1 + want.len;
        while (p < tag.len && strchr(" \t\r\n", tag.at[p]) != NULL)
            p++;
        if (p == tag.len || tag.at[p] != '=')
            continue;
        p++;
        while (p < tag.len && strchr(" \t\r\n", tag.at[p]) != NULL)
            p++;
        char quote = p < tag.len && (tag.at[p] == '"' || tag.at[p] == '\'') ? tag.at[p++] : '\0';
        size_t end = p;
        while (end < tag.len &&
               (quote != '\0' ? tag.at[end] != quote : strchr(" \t\r\n>", tag.at[end]) == NULL))
            end++;
        *value = (struct span){tag.at + p, end - p};
        return true;
    }
    return false;
}

static void
begin_link(struct html_text *html, struct span tag)
{
    struct span address;
    html->link[0] = '\0';
    if (!attribute(tag, "href", &address) || address.len >= sizeof html->link)
        return;
    if (!span_starts_nocase(address, SPAN("http://")) && !span_starts_nocase(address, SPAN("https://")))
        return;
    for (size_t i = 0; i < address.len; i++)
        if ((unsigned char)address.at[i] <= ' ')
            return;
    memcpy(html->link, address.at, address.len);
    html->link[address.len] = '\0';
}

static void
end_link(struct html_text *html, struct buf *out)
{
    size_t len = strlen(html->link);
    if (len == 0)
        return;
    /* Words that are the address need it not twice. */
    if (out->len < len || memcmp(out->at + out->len - len, html->link, len) != 0) {
        add_text(html, " <", 2, out);
        buf_add(out, html->link, len);
        buf_add_byte(out, '>');
    }
    html->link[0] = '\0';
}

static void
act(struct html_text *html, enum effect effect, bool closing, struct span tag, const char *name,
    struct buf *out)
{
    switch (effect) {
    case BREAK_1:
        want_break(html, html->breaks + (strcmp(name, "br") == 0 && html->breaks < 2 ? 1U : 0U));
        want_break(html, 1);
        break;
    case BREAK_2:
        want_break(html, 2);
        break;
    case ITEM:
        want_break(html, 1);
        if (!closing)
            add_text(html, "* ", 2, out);
        break;
    case CELL:
        if (!closing && html->breaks == 0 && html->started)
            add_text(html, "\t", 1, out);
        break;
    case RULE:
        want_break(html, 1);
        add_text(html, "--------", 8, out);
        want_break(html, 1);
        break;
    case PRE:
        want_break(html, 1);
        html->pre = closing ? 0 : 1;
        break;
    case LINK:
        if (closing)
            end_link(html, out);
        else
            begin_link(html, tag);
        break;
    case SKIP:
        if (!closing && tag.at[tag.len - 1] != '/')
            memcpy(html->skip, name, strlen(name) + 1);
        break;
    }
}

static void
end_tag(struct html_text *html, struct buf *out)
{
    struct span tag = {html->tag, html->n_tag};
    bool closing = tag.len > 0 && tag.at[0] == '/';
    size_t from = closing ? 1 : 0, len = 0;
    while (from + len < tag.len && strchr(" \t\r\n/", tag.at[from + len]) == NULL)
        len++;
    struct span name = {tag.at + from, len};
    if (html->skip[0] != '\0') {
        if (closing && span_equal_nocase(name, span_of(html->skip)))
            html->skip[0] = '\0';
        return;
    }
    for (size_t i = 0; i < COUNT_OF(elements) && tag.len > 0; i++)
        if (span_equal_nocase(name, span_of(elements[i].name))) {
            act(html, elements[i].effect, closing, tag, elements[i].name, out);
            return;
        }
}

/* ---- character references ---- */

static uint32_t
reference(struct span name)
{
    uint32_t code = 0;
    if (name.len > 1 && name.at[0] == '#') {
        bool hex = name.at[1] == 'x' || name.at[1] == 'X';
        for (size_t i = hex ? 2 : 1; i < name.len; i++) {
            char c = name.at[i];
            unsigned digit = c >= '0' && c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
            if (digit >= (hex ? 16U : 10U) || code > 0x10ffff)
                return 0;
            code = code * (hex ? 16 : 10) + digit;
        }
        return code;
    }
    for (size_t i = 0; i < COUNT_OF(references); i++)
        if (span_equal(name, span_of(references[i].name)))
            return references[i].code;
    return 0;
}

static void
end_reference(struct html_text *html, bool whole, struct buf *out)
{
    struct span name = {html->tag, html->n_tag};
    uint32_t code = reference(name);
    html->state = HTML_TEXT;
    if (html->skip[0] != '\0')
        return;
    if (code == 0xa0) {
        add_text(html, " ", 1, out);
    } else if (code == 0xad || code == 0x200b) {
        return; /* marks of possible breaks */
    } else if (code < ' ' && code != 0) {
        add_char(html, ' ', out);
    } else if (code != 0) {
        struct buf text = {0};
        charset_add_utf8(&text, code);
        add_text(html, text.at, text.len, out);
        buf_clear(&text);
    } else {
        add_text(html, "&", 1, out);
        buf_add_span(out, name);
        if (whole)
            buf_add_byte(out, ';');
    }
}

/* ---- the stream ---- */

static void
tag_char(struct html_text *html, char c, struct buf *out)
{
    if (html->n_tag == 0 && c != '/' && c != '!' && c != '?' && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z')) {
        html->state = HTML_TEXT; /* a '<' for itself */
        if (html->skip[0] == '\0')
            add_text(html, "<", 1, out);
        add_char(html, c, out);
        return;
    }
    if (html->quote != '\0') {
        if (c == html->quote)
            html->quote = '\0';
    } else if (c == '>') {
        html->state = HTML_TEXT;
        end_tag(html, out);
        return;
    } else if ((c == '"' || c == '\'') && html->n_tag > 0 && html->tag[html->n_tag - 1] == '=') {
        html->quote = c;
    }
    if (html->n_tag < sizeof html->tag && c != '\0')
        html->tag[html->n_tag++] = c;
    else if (c != '\0')
        html->quote = '\0'; /* too long to be one: a quote must not swallow the rest */
    if (html->n_tag == 3 && memcmp(html->tag, "!--", 3) == 0) {
        html->state = HTML_COMMENT;
        html->dashes = 0;
    }
}

static void
take_char(struct html_text *html, char c, struct buf *out)
{
    switch (html->state) {
    case HTML_TEXT:
        if (c == '<' || (c == '&' && html->skip[0] == '\0')) {
            html->state = c == '<' ? HTML_TAG : HTML_ENTITY;
            html->n_tag = 0;
            html->quote = '\0';
        } else {
            add_char(html, c, out);
        }
        break;
    case HTML_TAG:
        tag_char(html, c, out);
        break;
    case HTML_COMMENT:
        if (c == '>' && html->dashes >= 2)
            html->state = HTML_TEXT;
        html->dashes = c == '-' ? html->dashes + 1 : 0;
        break;
    case HTML_ENTITY:
        if (html->n_tag < 12 && ((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
                                 (c == '#' && html->n_tag == 0))) {
            html->tag[html->n_tag++] = c;
            break;
        }
        end_reference(html, c == ';', out);
        if (c != ';')
            take_char(html, c, out); /* once: the state is HTML_TEXT now */
        break;
    }
}

void
html_text_feed(struct html_text *html, const char *bytes, size_t len, struct buf *out)
{
    for (size_t i = 0; i < len; i++)
        take_char(html, bytes[i], out);
}

void
html_text_end(struct html_text *html, struct buf *out)
{
    if (html->state == HTML_ENTITY)
        end_reference(html, false, out);
    end_link(html, out);
    if (html->started)
        buf_add_byte(out, '\n');
}
