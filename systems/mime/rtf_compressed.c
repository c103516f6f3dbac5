/* rtf_compressed.c - compressed RTF (see rtf_compressed.h)
 *
 *     HEADER (16) -> CONTROL octet -> eight tokens, each a literal (bit 0) or a reference into the window (bit 1)
 *                       ^------------------'          end: a reference to the place that is written next
 */
#include "systems/mime/rtf_compressed.h"

/* What the window holds at the beginning ([MS-OXRTFCP] section 2.1.3.1.4). */
static const char prologue[] =
    "{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript "
    "\\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par "
    "\\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx";

void
rtf_compressed_start(struct rtf_compressed *packed)
{
    memset(packed, 0, sizeof *packed);
    packed->write = sizeof prologue - 1;
    packed->first = -1;
    memcpy(packed->window, prologue, packed->write);
}

static uint32_t
little(const unsigned char *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* The length is counted from behind its own field. */
static void
read_header(struct rtf_compressed *packed)
{
    uint32_t size = little(packed->header);
    packed->declared = little(packed->header + 4);
    packed->stored = memcmp(packed->header + 8, "MELA", 4) == 0;
    packed->unknown = !packed->stored && memcmp(packed->header + 8, "LZFu", 4) != 0;
    packed->crc_declared = little(packed->header + 12);
    packed->left = size > RTF_HEADER - 4 ? size - (RTF_HEADER - 4) : 0;
}

/* CRC-32 by halves of an octet, without the inversions at both ends ([MS-OXRTFCP] section 2.1.3.2). */
static uint32_t
crc_add(uint32_t crc, unsigned char octet)
{
    static const uint32_t table[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
                                       0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
                                       0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
    crc ^= octet;
    crc = crc >> 4 ^ table[crc & 15];
    return crc >> 4 ^ table[crc & 15];
}

/* One octet of RTF, unless more came than was declared. */
static void
put(struct rtf_compressed *packed, unsigned char octet, struct buf *out)
{
    if (packed->so_far == packed->declared) {
        packed->excess = packed->ended = true;
        return;
    }
    packed->so_far++;
    packed->window[packed->write] = octet;
    packed->write = (packed->write + 1) % RTF_WINDOW;
    buf_add_byte(out, (char)octet);
}

static void
refer(struct rtf_compressed *packed, unsigned reference, struct buf *out)
{
    size_t from = reference >> 4, len = (reference & 15) + 2;
    if (from == packed->write) {
        packed->ended = true;
        return;
    }
    for (; len > 0 && !packed->ended; len--, from = (from + 1) % RTF_WINDOW)
        put(packed, packed->window[from], out);
}

static void
take(struct rtf_compressed *packed, unsigned char octet, struct buf *out)
{
    if (packed->stored) {
        put(packed, octet, out);
    } else if (packed->first >= 0) {
        refer(packed, (unsigned)packed->first << 8 | octet, out);
        packed->first = -1;
    } else if (packed->n_control == 0) {
        packed->control = octet;
        packed->n_control = 8;
    } else {
        bool reference = (packed->control & 1) != 0;
        packed->control >>= 1;
        packed->n_control--;
        if (reference)
            packed->first = octet;
        else
            put(packed, octet, out);
    }
}

void
rtf_compressed_feed(struct rtf_compressed *packed, const char *bytes, size_t len, struct buf *out)
{
    size_t i = 0;
    for (; i < len && packed->n_header < RTF_HEADER; i++) {
        packed->header[packed->n_header++] = (unsigned char)bytes[i];
        if (packed->n_header == RTF_HEADER)
            read_header(packed);
    }
    for (; i < len && packed->left > 0 && !packed->unknown; i++, packed->left--) {
        packed->crc = crc_add(packed->crc, (unsigned char)bytes[i]);
        if (!packed->ended)
            take(packed, (unsigned char)bytes[i], out);
    }
}

int
rtf_compressed_end(const struct rtf_compressed *packed, struct why *why)
{
    if (packed->n_header < RTF_HEADER)
        return why_set(why, "5.6.0", "the compressed RTF ends within its header");
    if (packed->unknown)
        return why_set(why, "5.6.0", "it is no compressed RTF");
    if (packed->left > 0)
        return why_set(why, "5.6.0", "the compressed RTF ends %llu octets before its end",
                       (unsigned long long)packed->left);
    if (packed->excess)
        return why_set(why, "5.6.0", "the compressed RTF holds more than the %llu octets that it declares",
                       (unsigned long long)packed->declared);
    if (packed->so_far < packed->declared)
        return why_set(why, "5.6.0", "the compressed RTF holds %llu of the %llu octets that it declares",
                       (unsigned long long)packed->so_far, (unsigned long long)packed->declared);
    if (packed->crc_declared != packed->crc && !packed->stored)
        return why_set(why, "5.6.0", "the checksum of the compressed RTF is wrong");
    return 0;
}
