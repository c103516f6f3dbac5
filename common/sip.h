/* sip.h - the rounds of SipHash, a hash with a key for tables whose keys come from outside
 *
 * Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012), section 2.
 */
#ifndef VIADUCT_SIP_H
#define VIADUCT_SIP_H

#include <stdint.h>

static inline uint64_t
sip_rotate(uint64_t value, int by)
{
    return value << by | value >> (64 - by);
}

/* The state before the first word. */
static inline void
sip_start(uint64_t v[4], const uint64_t key[2])
{
    v[0] = key[0] ^ UINT64_C(0x736f6d6570736575);
    v[1] = key[1] ^ UINT64_C(0x646f72616e646f6d);
    v[2] = key[0] ^ UINT64_C(0x6c7967656e657261);
    v[3] = key[1] ^ UINT64_C(0x7465646279746573);
}

static inline void
sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = sip_rotate(v[1], 13) ^ v[0];
    v[3] = sip_rotate(v[3], 16) ^ v[2];
    v[0] = sip_rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = sip_rotate(v[1], 17) ^ v[2];
    v[3] = sip_rotate(v[3], 21) ^ v[0];
    v[2] = sip_rotate(v[2], 32);
}

#endif
