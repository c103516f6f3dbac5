/* html_text.h - the text of an HTML body, as a stream
 *
 * For mail without a plain form: GroupWise's gateway takes no other. Paragraphs, lines, list items and table
 * cells stay apart, links keep their address behind their words, scripts, styles and comments vanish, character
 * references become what they name. It is no parser of HTML: it takes anything, never fails, and holds one tag
 * (its first 2,000 octets).
 *
 * Source: HTML Living Standard, sections 13.1 and 13.5 (the names here are those that mail uses).
 */
#ifndef VIADUCT_GWISE_HTML_TEXT_H
#define VIADUCT_GWISE_HTML_TEXT_H

#include "common/buf.h"

struct html_text {
    enum { HTML_TEXT, HTML_TAG, HTML_COMMENT, HTML_ENTITY } state;
    char tag[2000]; /* the tag, or the character reference, being read */
    size_t n_tag;
    char quote;      /* within a tag's attribute */
    char skip[16];   /* the element whose content vanishes: "script" */
    unsigned dashes; /* of a comment's end */
    int pre;         /* depth of <pre> */
    unsigned breaks; /* line ends that wait for text (2 at most) */
    bool blank, started, at_line;
    char link[600]; /* the address of the link being read */
    size_t link_at; /* what its words are compared from */
};

void html_text_start(struct html_text *html);
/* Adds what the octets (UTF-8) say; lines end in LF. `out` may be emptied by its owner between calls. */
void html_text_feed(struct html_text *html, const char *bytes, size_t len, struct buf *out);
void html_text_end(struct html_text *html, struct buf *out);

#endif
