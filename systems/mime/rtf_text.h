/* rtf_text.h - the text of RTF, or the HTML or text that was wrapped into RTF, as a stream of UTF-8
 *
 * Mail programs of Microsoft keep a body as RTF whatever it was. Where the RTF says that it was made from HTML
 * (\fromhtml1), the HTML comes out as it was written; where it was made from text (\fromtext), the text; other
 * RTF is reduced to what is read in it: paragraphs, lines, cells (a tab between them), bullets and numbers of
 * lists, hyperlinks with their address behind their words as in "here <https://x.example/>". Pictures, objects,
 * headers, footers, hidden and deleted text are left out. Lines end in LF.
 *
 *     struct rtf_text *rtf = rtf_text_new();
 *     while (... more octets ...)
 *         rtf_text_feed(rtf, bytes, len, &out);   rtf_text_kind(rtf) tells what is in `out`, once anything is
 *     rtf_text_end(rtf, &out);
 *     rtf_text_free(rtf);
 *
 * HTML comes out in UTF-8 whatever its own <meta> says.
 *
 * What is hostile here: all of it. It takes anything and never fails; what is no RTF is read as text. Memory is
 * bounded, some 100 KiB and a decoder for each code page that occurs (some fifty exist): groups are kept on a
 * stack of RTF_DEPTH_MAX, deeper ones share the last one's state; fonts above RTF_FONTS_MAX have the document's
 * code page; a hyperlink longer than RTF_LINK_MAX is left out. `out` grows by some three octets at most for each
 * that went in, and by the link where a field ends.
 *
 * Sources: Rich Text Format Specification 1.9.1; [MS-OXRTFEX] sections 2.1.3 and 2.2.3 (encapsulated HTML and text).
 */
#ifndef VIADUCT_RTF_TEXT_H
#define VIADUCT_RTF_TEXT_H

#include "common/buf.h"

enum { RTF_DEPTH_MAX = 500, RTF_FONTS_MAX = 32768, RTF_LINK_MAX = 1000 };

enum rtf_kind { RTF_PLAIN, RTF_FROM_TEXT, RTF_FROM_HTML };

struct rtf_text;

/* Never NULL. rtf_text_free() takes NULL. */
struct rtf_text *rtf_text_new(void);
void rtf_text_free(struct rtf_text *rtf);

/* Adds what the next octets say. `out` may be emptied by its owner between calls. */
void rtf_text_feed(struct rtf_text *rtf, const char *bytes, size_t len, struct buf *out);

/* Adds what was waiting; text then ends in a line end, unless there is none. */
void rtf_text_end(struct rtf_text *rtf, struct buf *out);

/* What comes out: HTML for RTF_FROM_HTML, else text. Settled as soon as anything was added to `out`, and by the end. */
enum rtf_kind rtf_text_kind(const struct rtf_text *rtf);

/* Octets that were no text of their code page, and code pages that are unknown: characters that may be wrong. */
uint64_t rtf_text_faults(const struct rtf_text *rtf);

#endif
