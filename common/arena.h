/* arena.h - memory that lives as long as one message
 *
 * The skeleton resets the arena after each message, so `take()` frees nothing. Growth is capped: what would
 * pass the cap ends in NULL, which the caller turns into a verdict ("envelope larger than ..."); this is how
 * hostile input is kept from growing a worker. Blocks are kept over a reset up to a small amount.
 */
#ifndef VIADUCT_ARENA_H
#define VIADUCT_ARENA_H

#include "common/base.h"

struct arena;

/* A new arena that will hand out at most `cap_bytes`. Ends the process when out of memory. */
NEW_MEMORY struct arena *arena_new(size_t cap_bytes);

/* Frees all that the arena gave out, and itself. NULL is allowed. */
void arena_free(struct arena *arena);

/* Forgets all that the arena gave out; its first block is kept. */
void arena_reset(struct arena *arena);

/* Bytes given out since the last reset. */
size_t arena_bytes(const struct arena *arena);

/* `size` zeroed bytes aligned for any type, or NULL when the cap is reached. */
void *arena_alloc(struct arena *arena, size_t size) __attribute__((malloc, alloc_size(2), warn_unused_result));

/* A NUL-terminated copy of the span's bytes, or NULL when the cap is reached. */
char *arena_copy(struct arena *arena, struct span bytes) __attribute__((malloc, warn_unused_result));

/* The same as a span. `.at` is NULL when the cap is reached. */
struct span arena_span(struct arena *arena, struct span bytes);

/* A formatted string, or NULL when the cap is reached. */
char *arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((malloc, warn_unused_result, format(printf, 2, 3)));

#endif
