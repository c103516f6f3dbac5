/* rtf_word.c - what groups and control words of RTF do (see rtf_inside.h)
 *
 * One table says what the words mean. A word that is not in it does nothing, unless \* stands before it: then
 * its group is a destination that we do not know, and what is in it is no text of the message.
 */
#include <stdlib.h>

#include "systems/mime/rtf_inside.h"

enum effect {
    CHARACTER, /* stands for the character `value` */
    LINE,      /* ends a line */
    CELL,      /* ends a cell of a table */
    ROW,       /* ends a row of it */
    TO,        /* the group's text goes to the destination `value` */
    LIST_TEXT, /* the bullet or number of an item */
    PAGE,      /* the document's code page: `value`, or where that is 0 the word's number */
    DEFAULT_FONT,
    FONT,
    FONT_CHARSET,
    FONT_PAGE,
    PLAIN,
    SKIP_AFTER, /* \ucN */
    UNIT,       /* \uN */
    HIDDEN,
    FIELD,
    HTML_RTF,
    KIND /* `value`: what the RTF was made from */
};

/* In the order of strcmp(). */
static const struct word {
    const char *name;
    enum effect effect;
    uint16_t value;
} words[] = {
    {"aftncn", TO, RTF_TO_NOWHERE},
    {"aftnsep", TO, RTF_TO_NOWHERE},
    {"aftnsepc", TO, RTF_TO_NOWHERE},
    {"ansi", PAGE, 1252},
    {"ansicpg", PAGE, 0},
    {"bullet", CHARACTER, 0x2022},
    {"cell", CELL, 0},
    {"colortbl", TO, RTF_TO_NOWHERE},
    {"cpg", FONT_PAGE, 0},
    {"deff", DEFAULT_FONT, 0},
    {"deleted", HIDDEN, 0},
    {"emdash", CHARACTER, 0x2014},
    {"emspace", CHARACTER, 0x2003},
    {"endash", CHARACTER, 0x2013},
    {"enspace", CHARACTER, 0x2002},
    {"f", FONT, 0},
    {"fcharset", FONT_CHARSET, 0},
    {"field", FIELD, 0},
    {"filetbl", TO, RTF_TO_NOWHERE},
    {"fldinst", TO, RTF_TO_INSTRUCTION},
    {"fonttbl", TO, RTF_TO_FONTS},
    {"footer", TO, RTF_TO_NOWHERE},
    {"footerf", TO, RTF_TO_NOWHERE},
    {"footerl", TO, RTF_TO_NOWHERE},
    {"footerr", TO, RTF_TO_NOWHERE},
    {"fromhtml", KIND, RTF_FROM_HTML},
    {"fromtext", KIND, RTF_FROM_TEXT},
    {"ftncn", TO, RTF_TO_NOWHERE},
    {"ftnsep", TO, RTF_TO_NOWHERE},
    {"ftnsepc", TO, RTF_TO_NOWHERE},
    {"header", TO, RTF_TO_NOWHERE},
    {"headerf", TO, RTF_TO_NOWHERE},
    {"headerl", TO, RTF_TO_NOWHERE},
    {"headerr", TO, RTF_TO_NOWHERE},
    {"htmlrtf", HTML_RTF, 0},
    {"htmltag", TO, RTF_TO_HTML_TAG},
    {"info", TO, RTF_TO_NOWHERE},
    {"ldblquote", CHARACTER, 0x201c},
    {"line", LINE, 0},
    {"listtext", LIST_TEXT, 0},
    {"lquote", CHARACTER, 0x2018},
    {"mac", PAGE, 10000},
    {"nestcell", CELL, 0},
    {"nestrow", ROW, 0},
    {"nonshppict", TO, RTF_TO_NOWHERE},
    {"page", LINE, 0},
    {"par", LINE, 0},
    {"pc", PAGE, 437},
    {"pca", PAGE, 850},
    {"pict", TO, RTF_TO_NOWHERE},
    {"plain", PLAIN, 0},
    {"pntext", LIST_TEXT, 0},
    {"private", TO, RTF_TO_NOWHERE},
    {"qmspace", CHARACTER, 0x2005},
    {"rdblquote", CHARACTER, 0x201d},
    {"row", ROW, 0},
    {"rquote", CHARACTER, 0x2019},
    {"rxe", TO, RTF_TO_NOWHERE},
    {"sect", LINE, 0},
    {"shprslt", TO, RTF_TO_NOWHERE},
    {"shptxt", TO, RTF_TO_TEXT},
    {"sn", TO, RTF_TO_NOWHERE},
    {"stylesheet", TO, RTF_TO_NOWHERE},
    {"sv", TO, RTF_TO_NOWHERE},
    {"tab", CHARACTER, '\t'},
    {"tc", TO, RTF_TO_NOWHERE},
    {"txe", TO, RTF_TO_NOWHERE},
    {"u", UNIT, 0},
    {"uc", SKIP_AFTER, 0},
    {"v", HIDDEN, 0},
    {"xe", TO, RTF_TO_NOWHERE},
    {"zwj", CHARACTER, 0x200d},
    {"zwnj", CHARACTER, 0x200c},
};

/* ---- groups ---- */

void
rtf_open(struct rtf_text *rtf, struct buf *out)
{
    rtf_settle(rtf, out);
    rtf->skip = 0;
    rtf->begun = true;
    if (rtf->depth + 1 == RTF_DEPTH_MAX) {
        rtf->too_deep++;
        return;
    }
    struct rtf_group group = *rtf_group(rtf);
    group.star = group.field = false;
    rtf->groups[++rtf->depth] = group;
}

void
rtf_close(struct rtf_text *rtf, struct buf *out)
{
    rtf_settle(rtf, out);
    rtf->skip = 0;
    if (rtf->too_deep > 0) {
        rtf->too_deep--;
        return;
    }
    if (rtf->depth == 0)
        return;
    enum rtf_destination closed = rtf_group(rtf)->to;
    if (rtf->link_depth == rtf->depth)
        rtf_end_link(rtf, out);
    rtf->depth--;
    if (closed == RTF_TO_INSTRUCTION && rtf_group(rtf)->to != RTF_TO_INSTRUCTION)
        rtf_begin_link(rtf);
    rtf->over = rtf->depth == 0;
}

static void
send_to(struct rtf_text *rtf, enum rtf_destination to)
{
    struct rtf_group *group = rtf_group(rtf);
    if (group->to == RTF_TO_NOWHERE && to != RTF_TO_TEXT)
        return;
    if (to == RTF_TO_HTML_TAG && rtf->kind != RTF_FROM_HTML)
        to = RTF_TO_NOWHERE;
    if (to == RTF_TO_INSTRUCTION)
        buf_reset(&rtf->instruction);
    group->to = to;
}

/* ---- fonts and code pages ---- */

/* The code page of a \fcharsetN; 0: the document's. */
static uint16_t
page_of_charset(uint32_t charset)
{
    static const uint16_t pages[][2] = {
        {0, 1252},   {2, RTF_SYMBOL_PAGE}, {77, 10000}, {89, 10007}, {128, 932},  {129, 949},  {130, 1361},
        {134, 936},  {136, 950},           {161, 1253}, {162, 1254}, {163, 1258}, {177, 1255}, {178, 1256},
        {186, 1257}, {204, 1251},          {222, 874},  {238, 1250}, {254, 437},  {255, 850}};
    for (size_t i = 0; i < COUNT_OF(pages); i++)
        if (pages[i][0] == charset)
            return pages[i][1];
    return 0;
}

static uint16_t
font_number(const struct rtf_text *rtf)
{
    return rtf->number < RTF_FONTS_MAX && !rtf->negative ? (uint16_t)rtf->number : RTF_FONTS_MAX;
}

/* A code page by its number; one that cannot be is counted, and the document's stands. RTF is octets: none of UTF-16. */
static void
set_page(struct rtf_text *rtf, uint32_t number, uint16_t *page)
{
    char name[CHARSET_NAME_MAX];
    if (number == RTF_SYMBOL_PAGE ||
        (number <= UINT16_MAX && number != 1200 && number != 1201 && charset_of_number(number, name)))
        *page = (uint16_t)number;
    else if (number != 0)
        rtf->faults++;
}

/* Within the font table: what a font is. */
static void
define_font(struct rtf_text *rtf, enum effect effect)
{
    uint16_t *page = &rtf->fonts[rtf->defined_font];
    if (effect == FONT)
        rtf->defined_font = font_number(rtf);
    else if (rtf->defined_font == RTF_FONTS_MAX)
        return;
    else if (effect == FONT_CHARSET)
        *page = page_of_charset(rtf->number);
    else if (effect == FONT_PAGE)
        set_page(rtf, rtf->number, page);
}

static void
font_word(struct rtf_text *rtf, enum effect effect)
{
    struct rtf_group *group = rtf_group(rtf);
    if (group->to == RTF_TO_FONTS) {
        define_font(rtf, effect);
    } else if (effect == FONT) {
        group->font = font_number(rtf);
    } else if (effect == DEFAULT_FONT) {
        group->font = rtf->default_font = font_number(rtf);
    } else if (effect == PLAIN) {
        group->font = rtf->default_font;
        group->hidden = false;
    }
}

/* ---- words ---- */

static int
by_name(const void *name, const void *word)
{
    return strcmp(name, ((const struct word *)word)->name);
}

static void
unit_word(struct rtf_text *rtf, struct buf *out)
{
    uint32_t unit = rtf->negative ? 65536 - rtf->number % 65536 : rtf->number;
    rtf_unit(rtf, unit, out);
    rtf->skip = rtf_group(rtf)->skip_after;
}

static void
act(struct rtf_text *rtf, const struct word *word, struct buf *out)
{
    struct rtf_group *group = rtf_group(rtf);
    bool on = !rtf->has_number || rtf->number != 0;
    switch (word->effect) {
    case CHARACTER:
        rtf_character(rtf, word->value, out);
        break;
    case LINE:
        rtf_line(rtf, out);
        break;
    case CELL:
        rtf_cell(rtf, out);
        break;
    case ROW:
        rtf_row(rtf, out);
        break;
    case TO:
        send_to(rtf, (enum rtf_destination)word->value);
        break;
    case LIST_TEXT: /* the HTML has its own */
        if (rtf->kind == RTF_FROM_HTML)
            send_to(rtf, RTF_TO_NOWHERE);
        break;
    case PAGE:
        set_page(rtf, word->value != 0 ? word->value : rtf->number, &rtf->page);
        break;
    case DEFAULT_FONT:
    case FONT:
    case FONT_CHARSET:
    case FONT_PAGE:
    case PLAIN:
        font_word(rtf, word->effect);
        break;
    case SKIP_AFTER:
        group->skip_after = rtf->number <= 16 && !rtf->negative ? (uint16_t)rtf->number : 1;
        break;
    case UNIT:
        unit_word(rtf, out);
        break;
    case HIDDEN: /* HTML hides by \htmlrtf alone */
        group->hidden = on && rtf->kind != RTF_FROM_HTML;
        break;
    case FIELD:
        group->field = true;
        break;
    case HTML_RTF:
        group->html_rtf = on && rtf->kind == RTF_FROM_HTML;
        break;
    case KIND:
        if (!rtf->said && on)
            rtf->kind = (enum rtf_kind)word->value;
        break;
    }
}

void
rtf_word(struct rtf_text *rtf, struct buf *out)
{
    struct rtf_group *group = rtf_group(rtf);
    const struct word *word = bsearch(rtf->word, words, COUNT_OF(words), sizeof words[0], by_name);
    bool star = group->star;
    group->star = false;
    if (rtf->skip > 0 && word != NULL && word->effect == CHARACTER) {
        rtf->skip--;
        return;
    }
    rtf->skip = 0;
    if (word == NULL || word->effect != UNIT)
        rtf_settle(rtf, out);
    if (word != NULL)
        act(rtf, word, out);
    else if (star)
        send_to(rtf, RTF_TO_NOWHERE);
}

void
rtf_symbol(struct rtf_text *rtf, char symbol, struct buf *out)
{
    bool html = rtf->kind == RTF_FROM_HTML;
    if (symbol == '*') {
        rtf_group(rtf)->star = true;
    } else if (rtf->skip > 0) {
        rtf->skip--;
    } else if (symbol == '\r' || symbol == '\n') {
        rtf_settle(rtf, out);
        if (symbol == '\n' || !rtf->begun) /* CR LF is one */
            rtf_line(rtf, out);
    } else if (symbol == '~') {
        rtf_settle(rtf, out);
        rtf_character(rtf, html ? 0xa0 : ' ', out);
    } else if (symbol == '_' || (symbol == '-' && html)) {
        rtf_settle(rtf, out);
        rtf_character(rtf, html ? 0xad : '-', out);
    } else if (symbol == '{' || symbol == '}' || symbol == '\\') {
        rtf_octet(rtf, (unsigned char)symbol, out);
    }
}
