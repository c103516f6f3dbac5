/* rtf-t.c - compressed RTF is unpacked as its specification says; RTF gives the text that is read in it, or the HTML it
 * was made from
 *
 * Everything is fed whole and octet by octet: the pieces must not matter.
 */
#include "systems/mime/charset.h"
#include "systems/mime/rtf_compressed.h"
#include "systems/mime/rtf_text.h"
#include "t/tap.h"

/* ---- compressed RTF ---- */

#define HELLO_HEADER  "\x2d\0\0\0\x2b\0\0\0LZFu\xf1\xc5\xc7\xa7"
#define HELLO_CONTENT "\x03\0\x0a\0rcpg125\x42\x32\x0a\xf3 hel\x09\0 bw\x05\xb0ld}\x0a\x80\x0f\xa0"
#define HELLO         "{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"

static struct why why;

/* Unpacks, in pieces of `piece` octets. Returns what rtf_compressed_end() did. */
static int
unpack(struct span packed, size_t piece, struct buf *out)
{
    struct rtf_compressed state;
    rtf_compressed_start(&state);
    buf_reset(out);
    for (size_t at = 0; at < packed.len; at += piece)
        rtf_compressed_feed(&state, packed.at + at, packed.len - at < piece ? packed.len - at : piece, out);
    return rtf_compressed_end(&state, &why);
}

static void
try_published(void)
{
    struct span hello = SPAN(HELLO_HEADER HELLO_CONTENT),
                crossing = SPAN("\x1a\0\0\0\x1c\0\0\0LZFu\xe2\xd4\x4b\x51\x41\0\x04 WXYZ\x0d"
                                "n}\x01\x0e\xb0"),
                stored = SPAN("\x1c\0\0\0\x10\0\0\0MELA\0\0\0\0{\\rtf1 as it is}");
    struct buf out = {0};
    for (size_t piece = 1; piece < 100; piece += 98) {
        is_int(unpack(hello, piece, &out), 0, "the first published example, in pieces of %zu", piece);
        is_span(buf_span(&out), HELLO, "... is the text that was packed");
        is_int(unpack(crossing, piece, &out), 0, "the second, with a reference to what it writes itself");
        is_span(buf_span(&out), "{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}", "... is the text that was packed");
        is_int(unpack(stored, piece, &out), 0, "stored RTF");
        is_span(buf_span(&out), "{\\rtf1 as it is}", "... is the text that was stored");
    }
    buf_clear(&out);
}

static void
try_damaged(const char *what, struct span packed, const char *reason, const char *left)
{
    struct buf out = {0};
    is_int(unpack(packed, 7, &out), -22, "%s is not accepted", what);
    ok(strstr(why.text, reason) != NULL, "... with the reason: %s", why.text);
    is_span(buf_span(&out), left, "... and gives what was before the damage");
    buf_clear(&out);
}

static void
try_damages(void)
{
    try_damaged("a header that ends early", SPAN("\x2d\0\0\0\x2b\0\0\0LZ"), "within its header", "");
    try_damaged("another magic word", SPAN("\x2d\0\0\0\x2b\0\0\0LZFx\0\0\0\0abc"), "no compressed RTF", "");
    try_damaged("a torn stream", SPAN(HELLO_HEADER "\x03\0\x0a\0rcpg"), "octets before its end",
                "{\\rtf1\\ansi\\ansicpg");
    try_damaged("a wrong checksum", SPAN("\x2d\0\0\0\x2b\0\0\0LZFu\xf1\xc5\xc7\xa6" HELLO_CONTENT), "checksum",
                HELLO);
    try_damaged("more than was declared", SPAN("\x2d\0\0\0\x05\0\0\0LZFu\xf1\xc5\xc7\xa7" HELLO_CONTENT),
                "more than the 5 octets", "{\\rtf");
    try_damaged("less than was declared", SPAN("\x2d\0\0\0\xff\xff\xff\xffLZFu\xf1\xc5\xc7\xa7" HELLO_CONTENT),
                "43 of the 4294967295", HELLO);
    try_damaged("a length of 4 GiB", SPAN("\xff\xff\xff\xff\xff\xff\xff\xffLZFu\xf1\xc5\xc7\xa7" HELLO_CONTENT),
                "before its end", HELLO);
    try_damaged("a length below the header's", SPAN("\x01\0\0\0\x02\0\0\0LZFu\0\0\0\0\0ab"), "0 of the 2", "");
}

/* A reference to places that were not written yet, and round the end of the window. */
static void
try_window(void)
{
    struct rtf_compressed state;
    struct buf packed = {0}, out = {0};
    rtf_compressed_start(&state);
    buf_add(&packed, "\xff\xff\0\0\x88\x13\0\0LZFu\0\0\0\0", 16);
    for (int i = 0; i < 300; i++) /* 8 references each of 17 octets, at the window's end */
        buf_add(&packed, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 17);
    rtf_compressed_feed(&state, packed.at, packed.len, &out);
    ok(out.len <= 5000, "references never give more than was declared (%zu octets)", out.len);
    buf_clear(&packed);
    buf_clear(&out);
}

/* ---- RTF ---- */

static enum rtf_kind kind;
static uint64_t faults;

static void
read_rtf(struct span rtf, size_t piece, struct buf *out)
{
    struct rtf_text *text = rtf_text_new();
    buf_reset(out);
    for (size_t at = 0; at < rtf.len; at += piece)
        rtf_text_feed(text, rtf.at + at, rtf.len - at < piece ? rtf.len - at : piece, out);
    rtf_text_end(text, out);
    kind = rtf_text_kind(text);
    faults = rtf_text_faults(text);
    rtf_text_free(text);
}

static void
is_rtf(struct span rtf, const char *want, const char *what)
{
    struct buf whole = {0}, pieces = {0};
    read_rtf(rtf, rtf.len + 1, &whole);
    is_span(buf_span(&whole), want, "%s", what);
    read_rtf(rtf, 1, &pieces);
    ok(span_equal(buf_span(&whole), buf_span(&pieces)), "... whatever the pieces are");
    buf_clear(&whole);
    buf_clear(&pieces);
}

#define IS_RTF(rtf, want, what) is_rtf(SPAN(rtf), want, what)

static void
try_text(void)
{
    IS_RTF("{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n", "hello world\n",
           "words, and a line end at the end");
    IS_RTF("{\\rtf1 a\\par b\\line c\\tab d\r\ne\\page f\\par}", "a\nb\nc\tde\nf\n",
           "paragraphs, lines, tabs; line ends of the file are none of the text");
    IS_RTF("{\\rtf1 a\\{b\\}c\\\\d\\~e\\_f\\-g\\\nh}", "a{b}c\\d e-fg\nh\n", "symbols");
    IS_RTF("{\\rtf1 \\lquote a\\rquote\\ldblquote b\\rdblquote\\endash\\emdash\\bullet}",
           "\u2018a\u2019\u201cb\u201d\u2013\u2014\u2022\n", "characters that have words");
    IS_RTF(
        "{\\rtf1{\\fonttbl{\\f0 Arial;}}{\\colortbl;\\red0;}{\\stylesheet{\\s0 Normal;}}{\\info{\\author Anna}}"
        "{\\*\\generator X;}{\\pict ffd8}{\\header h}{\\footer f}text{\\*\\new unknown{ and within}}}",
        "text\n", "what is no text of the message is passed over");
    IS_RTF("{\\rtf1 a{\\v hidden{\\b more}}b\\v c\\v0 d{\\deleted old}\\v x\\plain y}", "abdy\n",
           "hidden and deleted text");
    IS_RTF("{\\rtf1 a\\bin5 {}}\\{b{\\*\\x\\bin3 }}}}c}", "abc\n", "binary data is no RTF");
    IS_RTF("{\\rtf1 a{\\object{\\*\\objdata 0105}{\\result b}}c}", "abc\n", "an object's result is text");
    IS_RTF("{\\rtf1 a{\\shp{\\*\\shpinst{\\sp{\\sn x}{\\sv y}}{\\shptxt box}}{\\shprslt again}}c}", "aboxc\n",
           "the text of a text box, once");
    IS_RTF("{\\rtf1\\trowd a\\cell b\\cell\\row\\trowd\\cell d\\cell\\row end}", "a\tb\n\td\nend\n",
           "cells and rows");
    IS_RTF("{\\rtf1 a}trailing\0}", "a\n", "what follows the outermost group is no text");
    IS_RTF("no RTF\nat all", "no RTF\nat all\n", "what is no RTF is read as text");
    IS_RTF("", "", "nothing");
    IS_RTF("{\\rtf1\\par}", "\n", "an empty line");
    IS_RTF("{\\rtf1 a}}}}{{", "a\n", "groups that were never opened");
    IS_RTF("{\\rtf1 a{{{b", "ab\n", "groups that are never closed");
    IS_RTF("{\\rtf1 a\\", "a\n", "an end behind a backslash");
    IS_RTF("{\\rtf1 a\\par", "a\n", "an end behind a word");
    IS_RTF("{\\rtf1 a\\'4", "a\n", "an end within digits");
    IS_RTF("{\\rtf1 a\\'4g\\'{b}}", "agb\n", "digits that are none");
    is_int(kind, RTF_PLAIN, "all that was plain RTF");
    IS_RTF("{\\rtf1\\ansi\\fromtext\\deff0{\\fonttbl{\\f0 Courier;}}a\\par  b\\tab c\\par}", "a\n b\tc\n",
           "RTF that was made from text");
    is_int(kind, RTF_FROM_TEXT, "... says so");
}

static void
try_lists_and_links(void)
{
    IS_RTF("{\\rtf1{\\fonttbl{\\f0\\fcharset0 Arial;}{\\f3\\fcharset2 Symbol;}}{\\listtext\\pard\\plain\\f3 "
           "\\'b7\\tab}one\\par{\\pntext\\f3\\'B7\\tab}two\\par{\\listtext 3.\\tab}three}",
           "\u2022\tone\n\u2022\ttwo\n3.\tthree\n", "bullets and numbers of lists");
    IS_RTF(
        "{\\rtf1 see {\\field{\\*\\fldinst{HYPERLINK \"https://x.example/a\"}}{\\fldrslt{\\ul here}}}, please}",
        "see here <https://x.example/a>, please\n", "a link keeps its address");
    IS_RTF("{\\rtf1{\\field{\\*\\fldinst HYPERLINK \"https://x.example/\"}{\\fldrslt https://x.example}}\\par"
           "{\\field{\\*\\fldinst HYPERLINK mailto:a@x.example }{\\fldrslt a@x.example}}}",
           "https://x.example\na@x.example\n", "words that are the address need it not twice");
    IS_RTF("{\\rtf1{\\field{\\*\\fldinst HYPERLINK \\\\l \"mark\" \\\\o \"tip\"}{\\fldrslt here}} "
           "{\\field{\\*\\fldinst HYPERLINK \\\\o \"tip\" \"http://y.example\"}{\\fldrslt there}} "
           "{\\field{\\*\\fldinst PAGE}{\\fldrslt 1}}}",
           "here there <http://y.example> 1\n", "switches of a link; fields that are none");
    IS_RTF("{\\rtf1{\\field{\\*\\fldinst HYPERLINK \"http://x.example/\\'0d\\u10?b c\"}{\\fldrslt x}}}", "x\n",
           "an address with blanks or control characters is none");
}

static void
try_characters(void)
{
    IS_RTF("{\\rtf1\\ansi\\ansicpg1252 \\'e4\\'80\x84}", "\u00e4\u20ac\u201e\n", "Windows-1252");
    IS_RTF("{\\rtf1\\mac \\'8a}", "\u00e4\n", "Macintosh");
    IS_RTF("{\\rtf1\\pca \\'84}", "\u00e4\n", "code page 850");
    IS_RTF("{\\rtf1\\ansi\\ansicpg65001 \\'c3\\'a4\xc3\xa4}", "\u00e4\u00e4\n",
           "UTF-8 where the document says so");
    IS_RTF("{\\rtf1\\ansi\\ansicpg1252{\\fonttbl{\\f0\\fcharset0 A;}{\\f1\\fcharset204 B;}{\\f2\\fcharset1 "
           "C;}{\\f3\\fnil\\cpg1253 D;}}\\'e4{\\f1\\'e4}\\f2\\'e4\\f3\\'e4\\plain\\'e4}",
           "\u00e4\u0434\u00e4\u03b4\u00e4\n", "each font has its code page, and the group's ends with it");
    IS_RTF(
        "{\\rtf1\\ansi\\ansicpg1252\\deff1{\\fonttbl{\\f1\\fcharset128 Mincho;}}\\'93\\'fa\\'96{\\'7b}\\'83e}",
        "\u65e5\ufffd{\u30c6\n", "a character of two octets, one of them plain; torn by a group it is none");
    is_int(faults > 0, true, "... which is counted");
    IS_RTF("{\\rtf1\\ansi\\deff1{\\fonttbl{\\f1\\fcharset136 M;}{\\f2\\fcharset134 S;}{\\f3\\fcharset129 "
           "B;}}\\'a4\\'a4\\f2\\'d6\\'d0\\f3\\'c7\\'d1}",
           "\u4e2d\u4e2d\ud55c\n", "Chinese and Korean");
    IS_RTF("{\\rtf1 \\u228?\\u-3 ?x\\uc0\\u228 y\\uc2\\u8364 EUz{\\uc0 \\u228}\\u228 ??w}",
           "\u00e4\ufffdx\u00e4y\u20acz\u00e4\u00e4w\n", "Unicode, with as much behind it as \\uc says");
    IS_RTF("{\\rtf1 \\u8212\\emdash x\\u8364{?}\\u8364\\'80y\\u8364\\par z}",
           "\u2014x\u20ac?\u20acy\u20ac\nz\n",
           "what stands for a character: a word, an octet, never a group or a line");
    IS_RTF("{\\rtf1 \\u-10179?\\u-8704?\\u-10179?x\\u-8704?\\u61623?}", "\U0001f600\ufffdx\ufffd\u2022\n",
           "surrogate pairs, halves of them, symbols");
    IS_RTF("{\\rtf1\\ansicpg99999 a\\'e4{\\fonttbl{\\f70000\\fcharset204 B;}}\\f70000 \\'e4\\f-1 b}",
           "a\u00e4\u00e4b\n", "code pages and fonts that are none");
    is_int(faults, 1, "... which is counted");
    IS_RTF("{\\rtf1\\ansicpg1200 ab}", "ab\n", "octets are not read as UTF-16");
}

/* Long runs: beyond what is collected, a character across the border. */
static void
try_long(void)
{
    struct buf rtf = {0}, out = {0}, want = {0};
    buf_add_text(&rtf, "{\\rtf1\\ansi\\deff1{\\fonttbl{\\f1\\fcharset128 M;}}x");
    buf_add_byte(&want, 'x');
    for (int i = 0; i < 2000; i++) {
        buf_add_text(&rtf, "\\'93\\'fa");
        buf_add_text(&want, "\u65e5");
    }
    buf_add_text(&rtf, "}");
    buf_add_byte(&want, '\n');
    read_rtf(buf_span(&rtf), 1000, &out);
    ok(span_equal(buf_span(&out), buf_span(&want)), "2,000 characters of two octets");
    buf_reset(&rtf);
    buf_add_text(&rtf, "{\\rtf1 a");
    for (int i = 0; i < 100000; i++)
        buf_add_byte(&rtf, '{');
    buf_add_text(&rtf, "b");
    for (int i = 0; i < 100000; i++)
        buf_add_byte(&rtf, '}');
    buf_add_text(&rtf, "c}d");
    read_rtf(buf_span(&rtf), 1000, &out);
    is_span(buf_span(&out), "abc\n", "100,000 groups in each other");
    buf_reset(&rtf);
    buf_add_text(&rtf, "{\\rtf1 {\\field{\\*\\fldinst HYPERLINK \"http://x.example/");
    for (int i = 0; i < 1500; i++)
        buf_add_byte(&rtf, 'y');
    buf_add_text(&rtf, "\"}{\\fldrslt words}}}");
    read_rtf(buf_span(&rtf), 1000, &out);
    is_span(buf_span(&out), "words\n", "a link that is too long is left out, not cut");
    buf_clear(&rtf);
    buf_clear(&out);
    buf_clear(&want);
}

/* ---- HTML within RTF ---- */

static void
try_html(void)
{
    IS_RTF(
        "{\\rtf1\\ansi\\ansicpg1251\\fromhtml1 \\deff0{\\fonttbl{\\f0\\fswiss Arial;}{\\f1\\fmodern Courier;}}"
        "{\\colortbl\\red0\\green0\\blue0;}\\uc1\\pard\\plain\\deftab360 \\f0\\fs24 \r\n"
        "{\\*\\htmltag19 <html>}{\\*\\htmltag50 <body>}{\\*\\htmltag64 <p>}\\htmlrtf {\\htmlrtf0 "
        "first\\htmlrtf\\par}\\htmlrtf0 {\\*\\htmltag72 </p>}\r\n{\\*\\htmltag64 <b>}\\htmlrtf {\\b "
        "\\htmlrtf0 \\'e4 & so on\\htmlrtf }\\htmlrtf0 {\\*\\htmltag </b>}{\\*\\mhtmltag <x>}\\line "
        "\\tab{\\*\\htmltag58 </body>}}",
        "<html><body><p>first</p><b>\u0434 & so on</b>\n\t</body>", "HTML comes out as it went in");
    is_int(kind, RTF_FROM_HTML, "... and is said to be HTML");
    IS_RTF("{\\rtf1\\fromhtml1{\\*\\htmltag84 &nbsp;}{\\*\\htmltag <a href=\"x\\{y\\}\\'22\">}\\lquote "
           "a\\~b\\u228?{\\*\\htmltag\\par </a>}\\par {\\pntext \\'b7}{\\listtext 1.}{\\v shown}\\cell}",
           "&nbsp;<a href=\"x{y}\"\">\u2018a\u00a0b\u00e4\n</a>\nshown", "characters of HTML and of its text");
    IS_RTF("{\\rtf1\\fromhtml1 a{\\htmlrtf b{\\*\\htmltag <c>}}d\\htmlrtf1 e\\htmlrtf0 f{\\field{\\*\\fldinst "
           "HYPERLINK \"http://x.example\"}{\\fldrslt g}}}",
           "adfg", "what stands for HTML that comes anyway is left out, to the end of its group");
    IS_RTF("{\\rtf1\\fromhtml1 a{\\*\\unknown{\\*\\htmltag <b>}{\\fonttbl{\\f0\\fcharset204 A;}}}\\'e4}",
           "a\u00e4", "within a destination that is unknown nothing means anything");
    IS_RTF("{\\rtf1 a\\fromhtml1 b{\\*\\htmltag <c>}\\htmlrtf d}", "abd\n",
           "RTF that says it too late is none of HTML");
    is_int(kind, RTF_PLAIN, "... and not said to be");
}

static void
try_numbers(void)
{
    char name[CHARSET_NAME_MAX];
    ok(charset_of_number(1252, name) && strcmp(name, "CP1252") == 0, "code page 1252");
    ok(charset_of_number(65001, name) && strcmp(name, "UTF-8") == 0, "code page 65001");
    ok(charset_of_number(28605, name) && strcmp(name, "ISO-8859-15") == 0, "code page 28605");
    unsigned known = 0, wrong = 0;
    for (uint32_t number = 0; number < 70000; number++)
        if (charset_of_number(number, name)) {
            struct charset *charset = charset_new(span_of(name));
            known++;
            wrong += !charset_known(charset);
            charset_free(charset);
        }
    ok(known > 60 && known < 80, "%u numbers are known", known);
    is_int(wrong, 0, "... and each has a character set");
    ok(!charset_of_number(28602, name) && name[0] == '\0', "28602 is none");
}

static void
is_utf16(struct span octets, const char *want, uint64_t wrong, const char *what)
{
    struct charset *charset = charset_new(SPAN("UTF-16LE"));
    struct buf out = {0};
    for (size_t i = 0; i < octets.len; i++)
        charset_feed(charset, octets.at + i, 1, &out);
    charset_end(charset, &out);
    is_span(buf_span(&out), want, "UTF-16LE: %s", what);
    is_int(charset_faults(charset), wrong, "... with its faults counted");
    charset_free(charset);
    buf_reset(&out);
    charset_decode(SPAN("utf-16le"), octets, &out);
    is_span(buf_span(&out), want, "... in one piece, too");
    buf_clear(&out);
}

static void
try_utf16(void)
{
    is_utf16(SPAN("a\0\xe4\0\xac\x20\x3d\xd8\0\xde"), "a\u00e4\u20ac\U0001f600", 0, "characters");
    is_utf16(SPAN("\x3d\xd8"
                  "a\0\0\xde"
                  "b\0\x3d\xd8"),
             "\ufffda\ufffdb\ufffd", 3, "halves that are alone");
    is_utf16(SPAN("a\0b"), "a\ufffd", 1, "an odd octet");
}

int
main(void)
{
    try_published();
    try_damages();
    try_window();
    try_text();
    try_lists_and_links();
    try_characters();
    try_long();
    try_html();
    try_numbers();
    try_utf16();
    return tap_done();
}
