/* crc32c-t.c - the checksum: the vectors of RFC 3720 B.4, and both ways to it agree
 *
 * The source is included, so that the way by tables is tested on processors that have the instruction too.
 */
#include "common/crc32c.c"
#include "t/tap.h"

/* Bit by bit, from the polynomial alone. */
static uint32_t
slow(const unsigned char *p, size_t len)
{
    uint32_t c = UINT32_MAX;
    for (; len > 0; p++, len--) {
        c ^= *p;
        for (int k = 0; k < 8; k++)
            c = (c >> 1) ^ (0x82F63B78U & (0U - (c & 1)));
    }
    return ~c;
}

static uint32_t
by_table(const void *p, size_t len)
{
    return ~crc_by_table(UINT32_MAX, p, len);
}

static void
test_vectors(void)
{
    static const unsigned char iscsi[48] = {
        0x01, 0xc0, [16] = 0x14, [22] = 0x04, [27] = 0x14, [31] = 0x18, 0x28, [40] = 0x02};
    unsigned char bytes[32];
    memset(bytes, 0, sizeof bytes);
    is_int(crc32c(0, bytes, 32), 0x8A9136AA, "RFC 3720: 32 bytes of zeroes");
    is_int(by_table(bytes, 32), 0x8A9136AA, "by table too");
    memset(bytes, 0xff, sizeof bytes);
    is_int(crc32c(0, bytes, 32), 0x62A8AB43, "RFC 3720: 32 bytes of ones");
    is_int(by_table(bytes, 32), 0x62A8AB43, "by table too");
    for (unsigned i = 0; i < 32; i++)
        bytes[i] = (unsigned char)i;
    is_int(crc32c(0, bytes, 32), 0x46DD794E, "RFC 3720: 32 incrementing bytes");
    is_int(by_table(bytes, 32), 0x46DD794E, "by table too");
    for (unsigned i = 0; i < 32; i++)
        bytes[i] = (unsigned char)(31 - i);
    is_int(crc32c(0, bytes, 32), 0x113FDB5C, "RFC 3720: 32 decrementing bytes");
    is_int(by_table(bytes, 32), 0x113FDB5C, "by table too");
    is_int(crc32c(0, iscsi, 48), 0xD9963A56, "RFC 3720: an iSCSI read command");
    is_int(by_table(iscsi, 48), 0xD9963A56, "by table too");
    is_int(crc32c(0, "", 0), 0, "nothing has checksum 0");
}

static void
test_ways_agree(void)
{
    static unsigned char bytes[600];
    size_t differ = 0, wrong = 0, joined = 0;
    uint32_t seed = 1;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)((seed = seed * 1664525U + 1013904223U) >> 24);
    for (size_t start = 0; start < 16; start++)
        for (size_t len = 0; len + start <= sizeof bytes; len++) {
            uint32_t crc = crc32c(0, bytes + start, len);
            differ += crc != by_table(bytes + start, len);
            wrong += len < 80 && crc != slow(bytes + start, len);
            joined += crc32c(crc32c(0, bytes + start, len / 3), bytes + start + len / 3, len - len / 3) != crc;
            joined += crc32c_join(crc32c(0, bytes + start, len / 3),
                                  crc32c(0, bytes + start + len / 3, len - len / 3), len - len / 3) != crc;
        }
    is_int(wrong, 0, "every length at every alignment is right");
    is_int(differ, 0, "table and instruction agree%s", have_instruction() ? "" : " (no instruction here)");
    is_int(joined, 0, "the checksum of two pieces is that of both together");
}

int
main(void)
{
    test_vectors();
    test_ways_agree();
    return tap_done();
}
