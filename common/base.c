/* base.c - spans, reasons and bugs (see base.h) */
#include "common/base.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static inline unsigned char
lower(char c)
{
    unsigned char u = (unsigned char)c;
    return (u >= 'A' && u <= 'Z') ? (unsigned char)(u + 32) : u;
}

bool
span_equal(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

bool
span_equal_nocase(struct span a, struct span b)
{
    return a.len == b.len && octets_equal_nocase(a.at, b.at, a.len);
}

bool
octets_equal_nocase(const char *a, const char *b, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (lower(a[i]) != lower(b[i]))
            return false;
    return true;
}

static inline bool
is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct span
span_trim(struct span s)
{
    while (s.len > 0 && is_space(s.at[0])) {
        s.at++;
        s.len--;
    }
    while (s.len > 0 && is_space(s.at[s.len - 1]))
        s.len--;
    return s;
}

bool
span_to_u64(struct span s, uint64_t max, uint64_t *value)
{
    uint64_t sum = 0;
    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] < '0' || s.at[i] > '9')
            return false;
        uint64_t digit = (uint64_t)(s.at[i] - '0');
        if (digit > max || sum > (max - digit) / 10)
            return false;
        sum = sum * 10 + digit;
    }
    *value = sum;
    return true;
}

int
why_set(struct why *why, const char *status, const char *format, ...)
{
    if (why == NULL)
        return -EINVAL;
    va_list args;
    va_start(args, format);
    char text[sizeof why->text]; /* an argument may be why->text itself */
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    snprintf(why->status, sizeof why->status, "%s", status);
    memcpy(why->text, text, sizeof text);
    for (char *p = why->text; *p != '\0'; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
    return -EINVAL;
}

_Noreturn void
bug_found(const char *file, int line, const char *function, const char *condition)
{
    /* write(2) directly: the log's buffers may be what is broken. */
    char text[400];
    int len = snprintf(text, sizeof text, "viaduct[%d]: bug in %s at %s:%d: not true: %s\n", (int)getpid(),
                       function, file, line, condition);
    if (len > 0 && write(STDERR_FILENO, text, (size_t)len < sizeof text ? (size_t)len : sizeof text - 1) < 0) {
        /* nobody left to tell */
    }
    abort();
}

static void *
or_end(void *memory)
{
    if (memory == NULL) {
        static const char text[] =
            "viaduct: out of memory; this process ends, its messages stay in their folders\n";
        if (write(STDERR_FILENO, text, sizeof text - 1) < 0) {
            /* nobody left to tell */
        }
        abort();
    }
    return memory;
}

void *
xmalloc(size_t size)
{
    return or_end(malloc(size > 0 ? size : 1));
}

void *
xcalloc(size_t count, size_t size)
{
    return or_end(calloc(count > 0 ? count : 1, size > 0 ? size : 1));
}

void *
xrealloc(void *old, size_t size)
{
    return or_end(realloc(old, size > 0 ? size : 1));
}

char *
xstrdup(const char *text)
{
    return or_end(strdup(text));
}

char *
xstrndup(const char *bytes, size_t len)
{
    return or_end(strndup(len > 0 ? bytes : "", len));
}

char *
xasprintf(const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    return or_end(text);
}

static int64_t
clock_ms(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t
time_ms(void)
{
    return clock_ms(CLOCK_REALTIME);
}

int64_t
monotonic_ms(void)
{
    return clock_ms(CLOCK_MONOTONIC);
}
