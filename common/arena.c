/* arena.c - memory that lives as long as one message (see arena.h) */
#include "common/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { FIRST_BLOCK = 16 * 1024 };

struct block {
    struct block *next;
    size_t size, used;
    alignas(max_align_t) char bytes[];
};

struct arena {
    struct block *block; /* the one in use; older ones behind it */
    size_t cap, given;
};

static struct block *
block_new(size_t size, struct block *next)
{
    struct block *block = xmalloc(sizeof *block + size);
    block->next = next;
    block->size = size;
    block->used = 0;
    return block;
}

struct arena *
arena_new(size_t cap_bytes)
{
    struct arena *arena = xcalloc(1, sizeof *arena);
    arena->cap = cap_bytes;
    arena->block = block_new(FIRST_BLOCK, NULL);
    return arena;
}

void
arena_free(struct arena *arena)
{
    if (arena == NULL)
        return;
    arena_reset(arena);
    free(arena->block);
    free(arena);
}

void
arena_reset(struct arena *arena)
{
    while (arena->block->next != NULL) {
        struct block *old = arena->block;
        arena->block = old->next;
        free(old);
    }
    arena->block->used = 0;
    arena->given = 0;
}

size_t
arena_bytes(const struct arena *arena)
{
    return arena->given;
}

void *
arena_alloc(struct arena *arena, size_t size)
{
    size_t align = alignof(max_align_t);
    if (size > arena->cap - arena->given)
        return NULL;
    size_t rounded = (size + align - 1) & ~(align - 1);
    if (rounded > arena->block->size - arena->block->used) {
        size_t next = arena->block->size * 2;
        arena->block = block_new(next > rounded ? next : rounded, arena->block);
    }
    char *memory = arena->block->bytes + arena->block->used;
    arena->block->used += rounded;
    arena->given += size;
    memset(memory, 0, size);
    return memory;
}

char *
arena_copy(struct arena *arena, struct span bytes)
{
    char *copy = arena_alloc(arena, bytes.len + 1);
    if (copy != NULL && bytes.len > 0)
        memcpy(copy, bytes.at, bytes.len);
    return copy;
}

struct span
arena_span(struct arena *arena, struct span bytes)
{
    char *copy = arena_copy(arena, bytes);
    return (struct span){copy, copy != NULL ? bytes.len : 0};
}

char *
arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = len < 0 ? NULL : arena_alloc(arena, (size_t)len + 1);
    if (text != NULL)
        vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return text;
}
