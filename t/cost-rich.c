/* cost-rich.c - bodies and files in the forms of Microsoft's mail, made to be costly: RTF, compressed RTF, TNEF
 *
 *     cost-rich [PARSER [SHAPE]]       those whose names contain these; see cost_rig.h for what is printed
 *
 * TNEF is written here in hexadecimal digits.
 */
#include <sys/types.h>

#include "systems/mime/rtf_compressed.h"
#include "systems/mime/rtf_text.h"
#include "systems/mime/tnef_message.h"
#include "t/cost_rig.h"
#include "t/tnef_build.h"

static struct why why;

/* ---- RTF ---- */

static const struct shape rtf_shapes[] = {
    {"text", "{\\rtf1 ", "some text\r\n", "}"},
    {"groups in each other", "{\\rtf1 ", "{", "}"},
    {"groups that close", "{\\rtf1 ", "}{", "}"},
    {"words", "{\\rtf1 ", "\\b\\par\\unknown#", "}"},
    {"fonts", "{\\rtf1{\\fonttbl", "{\\f#\\fcharset204 A;}\\f#", "}\\f1 x}"},
    {"changes of font", "{\\rtf1{\\fonttbl{\\f1\\fcharset204 A;}{\\f2\\fcharset128 B;}{\\f3\\fcharset2 C;}}",
     "\\f1\\'e4\\f2\\'e4\\f3\\'e4", "}"},
    {"code pages", "{\\rtf1 ", "\\ansicpg1#\\'e4", "}"},
    {"Unicode", "{\\rtf1 ", "\\u#?\\uc16\\u55357", "}"},
    {"links", "{\\rtf1 ", "{\\field{\\*\\fldinst HYPERLINK \"http://x.example/#\"}{\\fldrslt x}}", "}"},
    {"a link", "{\\rtf1 {\\field{\\*\\fldinst HYPERLINK \"", "x", "\"}{\\fldrslt y}}}"},
    {"words of a link", "{\\rtf1{\\field{\\*\\fldinst HYPERLINK http://x.example}{\\fldrslt ", "x\\'e4", "}}}"},
    {"cells", "{\\rtf1 ", "\\cell", "\\row}"},
    {"binary data", "{\\rtf1 ", "\\bin3 }}}", "}"},
    {"HTML", "{\\rtf1\\fromhtml1 ", "{\\*\\htmltag64 <p>}\\htmlrtf\\par\\htmlrtf0 x", "}"},
};

static void
read_rtf(struct span input)
{
    struct rtf_text *rtf = rtf_text_new();
    struct buf out = {0};
    for (size_t at = 0; at < input.len; at += 1000) {
        rtf_text_feed(rtf, input.at + at, input.len - at < 1000 ? input.len - at : 1000, &out);
        buf_reset(&out);
    }
    rtf_text_end(rtf, &out);
    rtf_text_free(rtf);
    buf_clear(&out);
}

#define LZFU "\xff\xff\xff\x7f\xff\xff\xff\x7fLZFu\x01\x01\x01\x01"

static const struct shape compressed_shapes[] = {
    {"references", LZFU, "\xff\x11\x1f\x22\x2f\x33\x3f\x44\x4f\x55\x5f\x66\x6f\x77\x7f\x88\x8f", ""},
    {"literals", LZFU, "\x01\x11\x11xxxxxxx", ""},
    {"stored", "\xff\xff\xff\x7f\xff\xff\xff\x7fMELA\x01\x01\x01\x01", "x", ""},
};

static void
unpack(struct span input)
{
    struct rtf_compressed packed;
    struct buf out = {0};
    rtf_compressed_start(&packed);
    for (size_t at = 0; at < input.len; at += 1000) {
        rtf_compressed_feed(&packed, input.at + at, input.len - at < 1000 ? input.len - at : 1000, &out);
        buf_reset(&out);
    }
    rtf_compressed_end(&packed, &why);
    buf_clear(&out);
}

/* ---- TNEF ---- */

#define HEAD         "789f3e220100"
#define NO_ATTRIBUTE "010000000000000000" /* level, id 0, no data */

static const struct shape attribute_shapes[] = {
    {"attributes without data", HEAD, NO_ATTRIBUTE "0000", ""},
    {"wrong checksums", HEAD, NO_ATTRIBUTE "ffff", ""},
    {"subjects", HEAD,
     "0104800100020000004100"
     "4100",
     ""},
    {"senders", HEAD,
     "01008000000c000000"
     "0400080002000200"
     "41004200"
     "0000",
     ""},
    {"code pages", HEAD,
     "010790060008000000"
     "e304000000000000"
     "e700",
     ""},
    {"attachments", HEAD,
     "020290060002000000"
     "0100"
     "0100",
     ""},
    {"titles of an attachment",
     HEAD "020290060002000000"
          "0100"
          "0100",
     "0210800100020000004100"
     "4100",
     ""},
    {"attachments that are messages", HEAD,
     "020290060002000000"
     "0100"
     "0100"
     "02059006000c000000"
     "01000000"
     "03000537"
     "05000000"
     "4500",
     ""},
};

static const struct shape property_shapes[] = {
    {"nothing", "", "01000100", ""},
    {"numbers", "", "0300170001000000", ""},
    {"subjects", "",
     "1e003700"
     "01000000"
     "02000000"
     "41000000",
     ""},
    {"no values", "",
     "1e103700"
     "00000000",
     ""},
    {"many values", "1e103700ffffffff", "0100000041000000", ""},
    {"many numbers", "03103700ffffffff", "01000000", ""},
    {"names", "",
     "03000180"
     "0820060000000000c000000000000046"
     "01000000"
     "04000000"
     "41000000"
     "07000000",
     ""},
    {"numbers of sets", "",
     "03000180"
     "0220060000000000c000000000000046"
     "00000000"
     "17820000"
     "07000000",
     ""},
    {"bodies", "",
     "02010910"
     "01000000"
     "04000000"
     "41414141",
     ""},
};

static const struct shape recipient_shapes[] = {
    {"recipients", "",
     "01000000"
     "1f000130"
     "01000000"
     "04000000"
     "41000000",
     ""},
    {"recipients without anything", "", "00000000", ""},
};

static ssize_t
read_memory(void *arg, uint64_t offset, void *bytes, size_t size)
{
    const struct buf *memory = arg;
    if (offset >= memory->len)
        return 0;
    size_t left = memory->len - (size_t)offset, n = size < left ? size : left;
    memcpy(bytes, memory->at + offset, n);
    return (ssize_t)n;
}

static unsigned
digit(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static void
gather(struct buf *tnef)
{
    struct tnef_source source = {.read = read_memory, .arg = tnef, .place = {0, tnef->len}};
    struct tnef_tree tree;
    tnef_gather(&source, &tree, &why);
    tnef_tree_clear(&tree);
    buf_clear(tnef);
}

static void
add_octets(struct buf *out, struct span digits)
{
    buf_reserve(out, digits.len);
    for (size_t i = 0; i + 1 < digits.len; i += 2)
        buf_add_byte(out, (char)(digit(digits.at[i]) << 4 | digit(digits.at[i + 1])));
}

static void
read_attributes(struct span input)
{
    struct buf tnef = {0};
    add_octets(&tnef, input);
    gather(&tnef);
}

/* The digits are a list, which says that there is always one more. */
static void
read_list(struct span input, uint32_t id)
{
    struct buf list = {0}, tnef = {0};
    put_u32(&list, 0xffffffff);
    add_octets(&list, input);
    tnef_begin(&tnef);
    put_attribute(&tnef, TNEF_OF_MESSAGE, id, buf_span(&list));
    buf_clear(&list);
    gather(&tnef);
}

static void
read_properties(struct span input)
{
    read_list(input, TNEF_MSG_PROPS);
}

static void
read_recipients(struct span input)
{
    read_list(input, TNEF_RECIP_TABLE);
}

/* Ten messages in each other: the innermost one is large. */
static const struct shape nested_shapes[] = {{"a large one", "", "x", ""}};

static void
read_nested(struct span input)
{
    struct buf inner = {0}, outer = {0};
    tnef_begin(&inner);
    put_attribute(&inner, TNEF_OF_MESSAGE, TNEF_BODY, input);
    for (int i = 0; i < 10; i++) {
        tnef_begin(&outer);
        put_attached(&outer, buf_span(&inner), "x");
        buf_reset(&inner);
        buf_add_span(&inner, buf_span(&outer));
    }
    buf_clear(&inner);
    gather(&outer);
}

#define SHAPES(table) table, COUNT_OF(table)

static const struct {
    struct parser parser;
    const struct shape *shapes;
    size_t n;
} table[] = {
    {{"text of RTF", read_rtf}, SHAPES(rtf_shapes)},
    {{"compressed RTF", unpack}, SHAPES(compressed_shapes)},
    {{"TNEF", read_attributes}, SHAPES(attribute_shapes)},
    {{"properties in TNEF", read_properties}, SHAPES(property_shapes)},
    {{"recipients in TNEF", read_recipients}, SHAPES(recipient_shapes)},
    {{"messages in TNEF", read_nested}, SHAPES(nested_shapes)},
};

int
main(int argc, char **argv)
{
    for (size_t i = 0; i < COUNT_OF(table); i++)
        for (size_t j = 0; j < table[i].n && (argc < 2 || strstr(table[i].parser.name, argv[1]) != NULL); j++)
            if (argc < 3 || strstr(table[i].shapes[j].name, argv[2]) != NULL)
                cost_shape(&table[i].shapes[j], &table[i].parser, 1, "");
    return 0;
}
