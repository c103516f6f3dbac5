/* crc32c.c - CRC32C, by the processor's instruction where it has one (see crc32c.h) */
#include "common/crc32c.h"

#include <pthread.h>

static uint32_t table[8][256];
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static void
table_fill(void)
{
    for (unsigned i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++)
            c = (c & 1) ? (c >> 1) ^ 0x82F63B78U : c >> 1;
        table[0][i] = c;
    }
    for (unsigned i = 0; i < 256; i++)
        for (unsigned k = 1; k < 8; k++)
            table[k][i] = (table[k - 1][i] >> 8) ^ table[0][table[k - 1][i] & 0xff];
}

/* Eight bytes at a time by tables: for processors without the instruction. */
static uint32_t
crc_by_table(uint32_t c, const unsigned char *p, size_t len)
{
    pthread_once(&table_once, table_fill);
    for (; len >= 8; p += 8, len -= 8) {
        uint32_t low = c ^ ((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);
        c = table[7][low & 0xff] ^ table[6][low >> 8 & 0xff] ^ table[5][low >> 16 & 0xff] ^
            table[4][low >> 24] ^ table[3][p[4]] ^ table[2][p[5]] ^ table[1][p[6]] ^ table[0][p[7]];
    }
    for (; len > 0; p++, len--)
        c = table[0][(c ^ *p) & 0xff] ^ (c >> 8);
    return c;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t
crc_by_instruction(uint32_t c, const unsigned char *p, size_t len)
{
    uint64_t wide = c;
    for (; len >= 8; p += 8, len -= 8) {
        uint64_t word;
        memcpy(&word, p, sizeof word);
        wide = __builtin_ia32_crc32di(wide, word);
    }
    c = (uint32_t)wide;
    for (; len > 0; p++, len--)
        c = __builtin_ia32_crc32qi(c, *p);
    return c;
}

static bool
have_instruction(void)
{
    return __builtin_cpu_supports("sse4.2");
}
#else
#define crc_by_instruction crc_by_table
static bool
have_instruction(void)
{
    return false;
}
#endif

uint32_t
crc32c(uint32_t crc, const void *bytes, size_t len)
{
    return ~(have_instruction() ? crc_by_instruction(~crc, bytes, len) : crc_by_table(~crc, bytes, len));
}

/* ---- joining: what `len` zero octets do to a CRC is linear, and doing it twice is its square ---- */

static uint32_t
apply(const uint32_t matrix[32], uint32_t crc)
{
    uint32_t sum = 0;
    for (unsigned i = 0; crc != 0; i++, crc >>= 1)
        if (crc & 1)
            sum ^= matrix[i];
    return sum;
}

uint32_t
crc32c_join(uint32_t a, uint32_t b, uint64_t len)
{
    uint32_t power[32], square[32];
    power[0] = 0x82f63b78; /* one zero bit */
    for (unsigned i = 1; i < 32; i++)
        power[i] = 1U << (i - 1);
    for (unsigned doubled = 0; doubled < 3 || len > 0; doubled++) {
        if (doubled >= 3) { /* whole octets from here on */
            if (len & 1)
                a = apply(power, a);
            len >>= 1;
        }
        for (unsigned i = 0; i < 32; i++)
            square[i] = apply(power, power[i]);
        memcpy(power, square, sizeof power);
    }
    return a ^ b;
}
