/* base.h - spans, reasons and bugs: the few words every chapter uses
 *
 * A `struct span` is bytes from somewhere else: not NUL-terminated, not trusted, not owned. Only a parser turns
 * a span into a `struct address`, `struct envelope` and the like, so a type tells what has been checked.
 *
 * Three kinds of error are never mixed (see HACKING.md):
 *   a bug               BUG_UNLESS(condition): logs and aborts. Safe, since the message is still in its folder.
 *   a failed operation  0 or -errno; where errno is not enough, a `struct why`.
 *   a message's fate    a verdict and a `struct why` whose words reach the log, the tracking log and the
 * report.
 */
#ifndef VIADUCT_BASE_H
#define VIADUCT_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
    const char *at;
    size_t len;
};

/* A span over a C string (which must outlive it); NULL gives the empty span. */
static inline struct span
span_of(const char *text)
{
    struct span s = {text, text ? strlen(text) : 0};
    return s;
}

#define SPAN(literal) ((struct span){("" literal), sizeof(literal) - 1})

/* Byte for byte. */
bool span_equal(struct span a, struct span b);

/* ASCII letters compare without case, other bytes exactly. Never locale-dependent. */
bool span_equal_nocase(struct span a, struct span b);

/* ASCII letters compare without case: the first `len` octets, which both have. */
bool octets_equal_nocase(const char *a, const char *b, size_t len);

/* True where `s` begins with `prefix`, ASCII case ignored. Here, so that the compiler sees that `s` is then at least as
 * long. */
static inline bool
span_starts_nocase(struct span s, struct span prefix)
{
    return s.len >= prefix.len && octets_equal_nocase(s.at, prefix.at, prefix.len);
}

/* `s` without blanks and tabs (and CR, LF) at both ends. */
struct span span_trim(struct span s);

/* Reads an unsigned decimal number that fills the whole span and is at most `max`.
 * Returns false on an empty span, another character, or overflow; `*value` is then untouched. */
bool span_to_u64(struct span s, uint64_t max, uint64_t *value);

/* Why something failed, in words for a person and a status for programs.
 * `status` is an enhanced status code (RFC 3463) such as "5.1.1", "4.4.1"; "" where none applies.
 * `text` is one line, printable, NUL-terminated, cut at its size. */
struct why {
    char status[12];
    char text[500];
};

/* Fills `why` (NULL is allowed and ignored). Control bytes in the result are replaced by '?'. Returns -EINVAL,
 * so that `return why_set(...)` ends a parser. */
int why_set(struct why *why, const char *status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* True for a temporary (4.x.y) status. */
static inline bool
why_is_temporary(const struct why *why)
{
    return why->status[0] == '4';
}

/* A condition that only a bug of ours can break: always checked, logged with its place, then abort(). */
#define BUG_UNLESS(condition) ((condition) ? (void)0 : bug_found(__FILE__, __LINE__, __func__, #condition))

_Noreturn void bug_found(const char *file, int line, const char *function, const char *condition)
    __attribute__((cold));

/* malloc and the like that never return NULL: out of memory ends the worker (a message is never lost by that). The caller
 * frees. xstrndup() copies at most `len` bytes, up to a NUL; `bytes` may be NULL where `len` is 0. */
#define NEW_MEMORY __attribute__((malloc, returns_nonnull, warn_unused_result))

NEW_MEMORY void *xmalloc(size_t size) __attribute__((alloc_size(1)));
NEW_MEMORY void *xcalloc(size_t count, size_t size) __attribute__((alloc_size(1, 2)));
void *xrealloc(void *old, size_t size) __attribute__((returns_nonnull, warn_unused_result, alloc_size(2)));
NEW_MEMORY char *xstrdup(const char *text) __attribute__((nonnull));
NEW_MEMORY char *xstrndup(const char *bytes, size_t len);
NEW_MEMORY char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Wall clock in milliseconds since 1970 (UTC), and a monotonic clock in milliseconds. */
int64_t time_ms(void);
int64_t monotonic_ms(void);

/* The number of elements of an array. */
#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

#endif
