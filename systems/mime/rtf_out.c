/* rtf_out.c - characters of RTF on their way out (see rtf_inside.h)
 *
 * Octets of a code page are collected and decoded together, since a character may consist of two of them; \'hh
 * and plain octets mix within one. Anything else settles them.
 */
#include "systems/mime/rtf_inside.h"

static bool
is_said(struct rtf_text *rtf)
{
    const struct rtf_group *group = rtf_group(rtf);
    return (group->to == RTF_TO_TEXT || group->to == RTF_TO_HTML_TAG) && !group->html_rtf && !group->hidden;
}

/* Adds UTF-8. The words of a link are remembered as far as they could be its address. */
static void
say(struct rtf_text *rtf, const char *utf8, size_t len, struct buf *out)
{
    if (len == 0)
        return;
    rtf->said = true;
    if (rtf->cell)
        buf_add_byte(out, '\t');
    rtf->cell = false;
    buf_add(out, utf8, len);
    rtf->line_open = utf8[len - 1] != '\n';
    if (rtf->link_depth > 0 && rtf->shown.len <= RTF_LINK_MAX)
        buf_add(&rtf->shown, utf8, len < RTF_LINK_MAX ? len : RTF_LINK_MAX);
}

/* ---- code pages ---- */

/* The decoder of a code page; NULL for symbols. There are fewer code pages than places: set_page() sees to it. */
static struct charset *
decoder_of(struct rtf_text *rtf, uint16_t page)
{
    char name[CHARSET_NAME_MAX];
    for (size_t i = 0; i < rtf->n_decoders; i++)
        if (rtf->decoders[i].page == page)
            return rtf->decoders[i].charset;
    BUG_UNLESS(rtf->n_decoders < RTF_DECODERS_MAX);
    struct rtf_decoder *decoder = &rtf->decoders[rtf->n_decoders++];
    decoder->page = page;
    if (page == RTF_SYMBOL_PAGE)
        return NULL;
    charset_of_number(page, name);
    decoder->charset = charset_new(span_of(name));
    if (!charset_known(decoder->charset))
        rtf->faults++;
    return decoder->charset;
}

/* What the octets of Symbol and Wingdings look like that mark the items of lists. Others are shown as if they were
 * letters: what they look like depends on the font. */
static uint32_t
symbol_of(unsigned char octet)
{
    static const struct {
        unsigned char octet;
        uint32_t code;
    } marks[] = {{0xa7, 0x25aa}, {0xa8, 0x25fb}, {0xb7, 0x2022}, {0xd8, 0x27a2}, {0xfc, 0x2713}};
    for (size_t i = 0; i < COUNT_OF(marks); i++)
        if (marks[i].octet == octet)
            return marks[i].code;
    return octet;
}

static void
decode(struct rtf_text *rtf, bool last, struct buf *out)
{
    if (rtf->n_pending == 0 && !rtf->unsettled)
        return;
    struct charset *charset = decoder_of(rtf, rtf->pending_page);
    buf_reset(&rtf->decoded);
    for (size_t i = 0; i < rtf->n_pending && charset == NULL; i++)
        charset_add_utf8(&rtf->decoded, symbol_of((unsigned char)rtf->pending[i]));
    if (charset != NULL)
        charset_feed(charset, rtf->pending, rtf->n_pending, &rtf->decoded);
    if (charset != NULL && last)
        charset_end(charset, &rtf->decoded);
    rtf->n_pending = 0;
    rtf->unsettled = !last;
    say(rtf, rtf->decoded.at, rtf->decoded.len, out);
}

void
rtf_settle(struct rtf_text *rtf, struct buf *out)
{
    decode(rtf, true, out);
    if (rtf->high == 0)
        return;
    rtf->high = 0;
    rtf_character(rtf, 0xfffd, out);
    rtf->faults++;
}

/* An instruction is ASCII; what is not is taken for Latin-1. */
static void
add_instruction(struct rtf_text *rtf, uint32_t code)
{
    if (rtf->instruction.len < RTF_LINK_MAX)
        charset_add_utf8(&rtf->instruction, code);
}

void
rtf_octet(struct rtf_text *rtf, unsigned char octet, struct buf *out)
{
    uint16_t page = rtf->fonts[rtf_group(rtf)->font];
    page = page != 0 ? page : rtf->page;
    if (rtf_group(rtf)->to == RTF_TO_INSTRUCTION)
        add_instruction(rtf, octet);
    if (!is_said(rtf))
        return;
    if (octet < ' ' && octet != '\t' && octet != '\n')
        return;
    if (rtf->high != 0 || (page != rtf->pending_page && (rtf->n_pending > 0 || rtf->unsettled)))
        rtf_settle(rtf, out);
    rtf->pending_page = page;
    rtf->pending[rtf->n_pending++] = (char)octet;
    if (rtf->n_pending == sizeof rtf->pending)
        decode(rtf, false, out);
}

/* ---- characters ---- */

void
rtf_character(struct rtf_text *rtf, uint32_t code, struct buf *out)
{
    if (rtf_group(rtf)->to == RTF_TO_INSTRUCTION)
        add_instruction(rtf, code);
    if (!is_said(rtf))
        return;
    buf_reset(&rtf->decoded);
    charset_add_utf8(&rtf->decoded, code);
    say(rtf, rtf->decoded.at, rtf->decoded.len, out);
}

/* Fonts of symbols have their octets at U+F000. */
void
rtf_unit(struct rtf_text *rtf, uint32_t unit, struct buf *out)
{
    uint32_t high = rtf->high;
    if (high != 0 && unit >= 0xdc00 && unit < 0xe000) {
        rtf->high = 0;
        rtf_character(rtf, 0x10000 + ((high & 0x3ff) << 10 | (unit & 0x3ff)), out);
        return;
    }
    rtf_settle(rtf, out);
    if (unit >= 0xd800 && unit < 0xdc00)
        rtf->high = unit;
    else if (unit >= 0xf020 && unit < 0xf100)
        rtf_character(rtf, symbol_of((unsigned char)(unit & 0xff)), out);
    else if (unit >= ' ' || unit == '\t' || unit == '\n')
        rtf_character(rtf, unit, out);
}

void
rtf_line(struct rtf_text *rtf, struct buf *out)
{
    if (!is_said(rtf))
        return;
    rtf->cell = false;
    say(rtf, "\n", 1, out);
}

/* The tab waits until something follows in the row. HTML has its own tables. */
void
rtf_cell(struct rtf_text *rtf, struct buf *out)
{
    if (!is_said(rtf) || rtf->kind == RTF_FROM_HTML)
        return;
    if (rtf->cell)
        buf_add_byte(out, '\t');
    rtf->cell = rtf->said = true;
}

void
rtf_row(struct rtf_text *rtf, struct buf *out)
{
    if (rtf->kind != RTF_FROM_HTML)
        rtf_line(rtf, out);
}

/* ---- hyperlinks ---- */

/* Takes the next word of a field's instruction, which may be quoted. */
static bool
next_word(struct span *rest, struct span *word)
{
    *rest = span_trim(*rest);
    if (rest->len == 0)
        return false;
    bool quoted = rest->at[0] == '"';
    size_t from = quoted ? 1 : 0, end = from;
    while (end < rest->len && (quoted ? rest->at[end] != '"' : rest->at[end] != ' ' && rest->at[end] != '"'))
        end++;
    *word = (struct span){rest->at + from, end - from};
    end += quoted && end < rest->len;
    *rest = (struct span){rest->at + end, rest->len - end};
    return true;
}

/* HYPERLINK "address" \o "tip": switches with an argument are l, o, t. */
static struct span
address_of(struct span instruction)
{
    struct span word, none = {"", 0};
    if (!next_word(&instruction, &word) || !span_equal_nocase(word, SPAN("HYPERLINK")))
        return none;
    while (next_word(&instruction, &word)) {
        if (word.len != 2 || word.at[0] != '\\')
            return word;
        if (strchr("lotLOT", word.at[1]) != NULL && !next_word(&instruction, &word))
            break;
    }
    return none;
}

void
rtf_begin_link(struct rtf_text *rtf)
{
    struct span address = address_of(buf_span(&rtf->instruction));
    if (rtf->kind == RTF_FROM_HTML || address.len == 0 || rtf->instruction.len >= RTF_LINK_MAX)
        return;
    for (size_t i = 0; i < address.len; i++)
        if ((unsigned char)address.at[i] <= ' ' || address.at[i] == 0x7f)
            return;
    buf_reset(&rtf->link);
    buf_add_span(&rtf->link, address);
    buf_reset(&rtf->shown);
    rtf->link_depth = rtf->depth;
}

/* Words that are the address need it not twice; "mailto:" and a last '/' may be missing in them. */
static bool
shows_address(struct span shown, struct span address)
{
    shown = span_trim(shown);
    if (span_equal(shown, address))
        return true;
    if (span_starts_nocase(address, SPAN("mailto:")))
        address = (struct span){address.at + 7, address.len - 7};
    if (address.len > 0 && address.at[address.len - 1] == '/')
        address.len--;
    return span_equal_nocase(shown, address);
}

void
rtf_end_link(struct rtf_text *rtf, struct buf *out)
{
    rtf->link_depth = 0;
    if (!is_said(rtf) || shows_address(buf_span(&rtf->shown), buf_span(&rtf->link)))
        return;
    say(rtf, rtf->line_open ? " <" : "<", rtf->line_open ? 2 : 1, out);
    say(rtf, rtf->link.at, rtf->link.len, out);
    say(rtf, ">", 1, out);
}
