/* cost_rig.h - what the drivers of t/cost.t share: a table of hostile inputs, each run at a size and at twice the size
 *
 * An input is a head, a unit over and over, and a tail. In the unit every '#' is its number, so that no two are
 * the same. Each run is a child of its own, one after the other; t/cost.t reads from cachegrind's log how many
 * instructions each took, and from here:
 *
 *     PID BYTES STATUS RESIDENT-KiB NAME
 *
 * The input is made before; the run named "nothing" tells what had been counted until then. A run that takes more
 * than RUN_SECONDS of processor time is ended, which its status shows. VIADUCT_COST_BYTES is the larger size.
 */
#ifndef VIADUCT_COST_RIG_H
#define VIADUCT_COST_RIG_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/buf.h"

enum { SMALL = 30000, LARGE = 480 << 10, RUN_SECONDS = 60, ARENA_MAX = 64 << 20 };

struct shape {
    const char *name, *head, *unit, *tail;
};

struct parser {
    const char *name;
    void (*run)(struct span input);
};

/* Memory for a run; it goes with the child. */
static struct arena *arena;

/* The next number, in decimal, at the end of a field of blanks: cheaper than to print each. */
static inline void
count_up(char digits[12])
{
    int i = 10;
    while (digits[i] == '9')
        digits[i--] = '0';
    digits[i] = digits[i] == ' ' ? '1' : (char)(digits[i] + 1);
}

static inline void
add_unit(struct buf *out, const char *unit, char digits[12])
{
    for (const char *hash; (hash = strchr(unit, '#')) != NULL; unit = hash + 1) {
        buf_add(out, unit, (size_t)(hash - unit));
        buf_add_text(out, digits + strspn(digits, " "));
    }
    buf_add_text(out, unit);
    count_up(digits);
}

static inline void
shape_make(const struct shape *shape, size_t bytes, struct buf *out)
{
    char digits[12] = "          1";
    buf_reserve(out, bytes + 65536);
    buf_add_text(out, shape->head);
    size_t begin = out->len;
    while (out->len < bytes) {
        if (out->len > begin && strchr(shape->unit, '#') == NULL)
            buf_add(out, out->at + begin,
                    out->len - begin < bytes / 16 ? out->len - begin
                                                  : bytes / 16 / strlen(shape->unit) * strlen(shape->unit));
        else
            add_unit(out, shape->unit, digits);
    }
    buf_add_text(out, shape->tail);
}

static inline void
cost_run(const struct parser *parser, const struct shape *shape, struct span input)
{
    struct rlimit limit = {RUN_SECONDS, RLIM_INFINITY};
    struct rusage used = {.ru_maxrss = 0};
    int status = -1;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        setrlimit(RLIMIT_CPU, &limit);
        arena = arena_new(ARENA_MAX);
        parser->run(input);
        _exit(0);
    }
    if (pid < 0 || wait4(pid, &status, 0, &used) < 0)
        abort();
    printf("%d %zu %d %ld %s: %s\n", (int)pid, input.len, status, used.ru_maxrss, parser->name, shape->name);
}

static inline void
cost_nothing(struct span input)
{
    (void)input;
}

/* Every parser whose name contains `which` on one shape: below the limits that it may have, and far beyond them. */
static inline void
cost_shape(const struct shape *shape, const struct parser *parsers, size_t n, const char *which)
{
    static const struct parser nothing = {"nothing", cost_nothing};
    const char *chosen = getenv("VIADUCT_COST_BYTES");
    size_t large = chosen != NULL ? strtoul(chosen, NULL, 10) : LARGE,
           sizes[] = {SMALL, 2 * SMALL, large, 2 * large};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct buf text = {0};
        shape_make(shape, sizes[i], &text);
        cost_run(&nothing, shape, buf_span(&text));
        for (size_t j = 0; j < n; j++)
            if (strstr(parsers[j].name, which) != NULL)
                cost_run(&parsers[j], shape, buf_span(&text));
        buf_clear(&text);
    }
}

#endif
