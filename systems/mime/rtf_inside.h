/* rtf_inside.h - within the RTF reader: the state, and its three chapters
 *
 *     rtf_text.c   octets into tokens
 *     rtf_word.c   what groups and control words do to the state
 *     rtf_out.c    characters on their way out: code pages, Unicode, hyperlinks
 */
#ifndef VIADUCT_RTF_INSIDE_H
#define VIADUCT_RTF_INSIDE_H

#include "systems/mime/charset.h"
#include "systems/mime/rtf_text.h"

enum { RTF_WORD_MAX = 32, RTF_PENDING = 512, RTF_DECODERS_MAX = 80, RTF_SYMBOL_PAGE = 42 };

/* Where text goes. */
enum rtf_destination { RTF_TO_TEXT, RTF_TO_HTML_TAG, RTF_TO_NOWHERE, RTF_TO_FONTS, RTF_TO_INSTRUCTION };

struct rtf_group {
    enum rtf_destination to;
    bool star;     /* \* came: an unknown destination follows that may be passed over */
    bool html_rtf; /* between \htmlrtf and \htmlrtf0: RTF that stands for HTML which comes anyway */
    bool hidden;
    bool field; /* \field */
    uint16_t font;
    uint16_t skip_after; /* \ucN: characters behind \uN that say the same for old readers */
};

struct rtf_text {
    /* octets into tokens */
    enum { RTF_AT_TEXT, RTF_AT_BACKSLASH, RTF_AT_WORD, RTF_AT_NUMBER, RTF_AT_HEX, RTF_AT_BINARY } at;
    char word[RTF_WORD_MAX + 1];
    size_t n_word;
    bool has_number, negative;
    uint32_t number; /* of a word; of a binary: octets that are left */
    unsigned hex, n_hex;

    /* groups and control words */
    enum rtf_kind kind;
    bool begun, over; /* over: the outermost group was closed */
    struct rtf_group groups[RTF_DEPTH_MAX];
    size_t depth;      /* the open group is groups[depth] */
    uint64_t too_deep; /* open groups beyond RTF_DEPTH_MAX */
    unsigned skip;     /* characters to come that stand for the \uN before them */
    uint16_t page, default_font, defined_font;
    uint16_t fonts[RTF_FONTS_MAX + 1]; /* their code pages; 0: the document's, as for the last, which is none */

    /* characters on their way out */
    char pending[RTF_PENDING]; /* octets of the code page `pending_page` */
    size_t n_pending;
    uint16_t pending_page;
    bool unsettled; /* the decoder of `pending_page` may wait for the rest of a character */
    uint32_t high;  /* the first half of a surrogate pair */
    struct rtf_decoder {
        uint16_t page;
        struct charset *charset;
    } decoders[RTF_DECODERS_MAX];
    size_t n_decoders;
    bool said, cell, line_open; /* anything; a tab is due before more text; the line has text */
    uint64_t faults;
    struct buf instruction, link, shown, decoded; /* shown: the words of the link, as far as it is long */
    size_t link_depth;                            /* of its field; 0: none is open */
};

static inline struct rtf_group *
rtf_group(struct rtf_text *rtf)
{
    return &rtf->groups[rtf->depth];
}

/* rtf_word.c: tokens. */
void rtf_open(struct rtf_text *rtf, struct buf *out);
void rtf_close(struct rtf_text *rtf, struct buf *out);
void rtf_word(struct rtf_text *rtf, struct buf *out);
void rtf_symbol(struct rtf_text *rtf, char symbol, struct buf *out);

/* rtf_out.c: an octet of the code page at hand; a character; half a character of \uN; the ends of a line, a cell, a row. */
void rtf_octet(struct rtf_text *rtf, unsigned char octet, struct buf *out);
void rtf_character(struct rtf_text *rtf, uint32_t code, struct buf *out);
void rtf_unit(struct rtf_text *rtf, uint32_t unit, struct buf *out);
void rtf_line(struct rtf_text *rtf, struct buf *out);
void rtf_cell(struct rtf_text *rtf, struct buf *out);
void rtf_row(struct rtf_text *rtf, struct buf *out);
/* Settles octets and halves that wait for more. */
void rtf_settle(struct rtf_text *rtf, struct buf *out);
/* A field's instruction ended: its link, if it is one, belongs to the group at hand. That group ends. */
void rtf_begin_link(struct rtf_text *rtf);
void rtf_end_link(struct rtf_text *rtf, struct buf *out);

#endif
