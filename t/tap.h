/* tap.h - the little that a unit test needs to speak TAP (Test Anything Protocol)
 *
 *     int main(void) { ok(1 + 1 == 2, "sums"); is_text(name, "x", "the name"); return tap_done(); }
 *
 * Each test makes what it needs in a folder of its own (tap_folder), so tests run in parallel as any user.
 */
#ifndef VIADUCT_TAP_H
#define VIADUCT_TAP_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int tap_run, tap_failed;

#define ok(condition, ...)                                                                                     \
    do {                                                                                                       \
        int tap_ok_ = !!(condition);                                                                           \
        tap_run++;                                                                                             \
        if (!tap_ok_)                                                                                          \
            tap_failed++;                                                                                      \
        printf("%s %d - ", tap_ok_ ? "ok" : "not ok", tap_run);                                                \
        printf(__VA_ARGS__);                                                                                   \
        printf("\n");                                                                                          \
        if (!tap_ok_)                                                                                          \
            printf("# at %s:%d: %s\n", __FILE__, __LINE__, #condition);                                        \
        fflush(stdout);                                                                                        \
    } while (0)

#define is_int(got, want, ...)                                                                                 \
    do {                                                                                                       \
        long long tap_got_ = (long long)(got), tap_want_ = (long long)(want);                                  \
        ok(tap_got_ == tap_want_, __VA_ARGS__);                                                                \
        if (tap_got_ != tap_want_)                                                                             \
            printf("#   got %lld, want %lld\n", tap_got_, tap_want_);                                          \
    } while (0)

#define is_bytes(got, len, want, ...)                                                                          \
    do {                                                                                                       \
        const char *tap_g_ = (got), *tap_w_ = (want);                                                          \
        size_t tap_n_ = (len);                                                                                 \
        int tap_same_ = tap_n_ == strlen(tap_w_) && (tap_n_ == 0 || memcmp(tap_g_, tap_w_, tap_n_) == 0);      \
        ok(tap_same_, __VA_ARGS__);                                                                            \
        if (!tap_same_)                                                                                        \
            printf("#   got '%.*s'\n#  want '%s'\n", (int)tap_n_, tap_g_ ? tap_g_ : "", tap_w_);               \
    } while (0)

#define is_text(got, want, ...)                                                                                \
    do {                                                                                                       \
        const char *tap_t_ = (got);                                                                            \
        is_bytes(tap_t_ ? tap_t_ : "(null)", strlen(tap_t_ ? tap_t_ : "(null)"), want, __VA_ARGS__);           \
    } while (0)

#define is_span(got, want, ...)                                                                                \
    do {                                                                                                       \
        struct span tap_s_ = (got);                                                                            \
        is_bytes(tap_s_.at ? tap_s_.at : "", tap_s_.len, want, __VA_ARGS__);                                   \
    } while (0)

/* A new folder under TMPDIR; the caller may remove it. */
static inline const char *
tap_folder(void)
{
    static char path[300];
    const char *tmp = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/viaduct-t-XXXXXX", tmp ? tmp : "/tmp");
    if (mkdtemp(path) == NULL) {
        printf("Bail out! cannot make a folder %s\n", path);
        exit(1);
    }
    return path;
}

static inline int
tap_done(void)
{
    printf("1..%d\n", tap_run);
    return tap_failed > 0;
}

#endif
