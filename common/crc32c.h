/* crc32c.h - the Castagnoli CRC that guards envelopes, bodies, journal entries and book shards
 *
 * Source: RFC 3720 appendix B.4 (polynomial 0x1EDC6F41, reflected; the test vectors stand in t/crc32c-t.c).
 */
#ifndef VIADUCT_CRC32C_H
#define VIADUCT_CRC32C_H

#include "common/base.h"

/* The CRC of `bytes` behind what gave `crc`; 0 to begin: crc32c(crc32c(0, a, n), b, m) is that of a and b
 * together. */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t len);

/* The CRC of a and b together, from those of each, without their octets; `len` is that of b. */
uint32_t crc32c_join(uint32_t a, uint32_t b, uint64_t len);

#endif
