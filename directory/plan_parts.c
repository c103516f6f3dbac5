/* plan_parts.c - what a plan is made of: memory, texts, notices; and what is asked of it (see plan.h and plan_inside.h) */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/utf8.h"
#include "directory/plan_inside.h"

/* ---- memory and texts ---- */

void *
plan_memory(struct arena *arena, size_t n, size_t size)
{
    void *memory = arena_alloc(arena, n * size);
    BUG_UNLESS(memory != NULL);
    return memory;
}

struct span
plan_keep(struct planner *planner, struct span text)
{
    if (text.len == 0)
        return (struct span){"", 0};
    struct span kept = arena_span(planner->plan->arena, text);
    BUG_UNLESS(kept.at != NULL);
    return kept;
}

struct span
plan_address_text(struct planner *planner, const struct address *address)
{
    struct dir_proxy proxy = {*address, true};
    return plan_proxy_text(planner, &proxy);
}

struct span
plan_proxy_text(struct planner *planner, const struct dir_proxy *proxy)
{
    const struct address *address = &proxy->address;
    size_t len = address->type.len + 1 + address->value.len;
    char *text = plan_memory(planner->scratch, len + 1, 1);
    for (size_t i = 0; i < address->type.len; i++) {
        char c = address->type.at[i];
        text[i] = !proxy->primary && c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
    }
    text[address->type.len] = ':';
    if (address->value.len > 0)
        memcpy(text + address->type.len + 1, address->value.at, address->value.len);
    return (struct span){text, len};
}

enum { SHOWN_MAX = 300 };

int
plan_shown(struct span text)
{
    size_t len = text.len < SHOWN_MAX ? text.len : SHOWN_MAX;
    while (len > 0 && len < text.len && ((unsigned char)text.at[len] & 0xc0) == 0x80)
        len--;
    return (int)len;
}

void
plan_tidy(char *text)
{
    size_t len = strlen(text);
    for (size_t at = 0; at < len;) {
        size_t n = utf8_sequence(text + at, len - at);
        if (n == 0 || (unsigned char)text[at] < ' ' || text[at] == 0x7f)
            text[at] = '?';
        at += n > 0 ? n : 1;
    }
}

void
plan_notice(struct planner *planner, enum dir_note kind, bool host, struct span id, struct span name,
            const char *format, ...)
{
    struct dir_plan *plan = planner->plan;
    char text[2000];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    plan_tidy(text);
    if (plan->n_notices == planner->notices_size) {
        planner->notices_size = planner->notices_size > 0 ? 2 * planner->notices_size : 64;
        plan->notices = xrealloc(plan->notices, planner->notices_size * sizeof *plan->notices);
    }
    plan->notices[plan->n_notices++] = (struct dir_notice){.kind = kind,
                                                           .host = host,
                                                           .id = plan_keep(planner, id),
                                                           .name = plan_keep(planner, name),
                                                           .text = plan_keep(planner, span_of(text))};
}

void
dir_plan_free(struct dir_plan *plan)
{
    if (plan == NULL)
        return;
    free(plan->changes);
    free(plan->notices);
    free(plan->back);
    arena_free(plan->arena);
    dir_set_free(plan->given);
    dir_set_free(plan->added);
    free(plan);
}

/* ---- what stands in it ---- */

uint64_t
dir_plan_count(const struct dir_plan *plan, bool host, enum dir_operation operation, int kind)
{
    uint64_t n = 0;
    for (size_t i = 0; i < plan->n_changes; i++)
        n += plan->changes[i].host == host && plan->changes[i].operation == operation &&
             (kind < 0 || plan->changes[i].kind == (enum dir_kind)kind);
    return n;
}

bool
dir_plan_writes(const struct dir_plan *plan, bool host)
{
    for (size_t i = 0; i < plan->n_changes; i++)
        if (plan->changes[i].host == host)
            return true;
    return false;
}
