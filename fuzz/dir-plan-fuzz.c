/* dir-plan-fuzz.c - any octets as a plan's file, with the hash that they should have; behind a 'd' as a DN
 *
 * Beside not crashing: what is read is written again, and read as the same; a folded DN stays as it is when it is folded again, and
 * ends with its parent's.
 */
#include "directory/plan_inside.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_again(struct dir_plan *plan)
{
    struct buf text = {0}, more = {0};
    struct dir_plan *again = NULL;
    struct why why;
    dir_plan_write(plan, &text);
    BUG_UNLESS(dir_plan_read(buf_span(&text), &again, &why) == 0);
    BUG_UNLESS(again->n_changes == plan->n_changes && again->n_notices == plan->n_notices);
    dir_plan_write(again, &more);
    BUG_UNLESS(span_equal(buf_span(&text), buf_span(&more)));
    dir_plan_free(again);
    buf_clear(&text);
    buf_clear(&more);
}

static void
check_name(struct span name)
{
    struct planner planner = {.scratch = arena_new(1 << 24)};
    struct buf folded = {0}, again = {0};
    struct span value;
    name_fold(name, &folded);
    name_fold(buf_span(&folded), &again);
    BUG_UNLESS(span_equal(buf_span(&folded), buf_span(&again)));
    name_fold(name_parent(name), &again);
    BUG_UNLESS(again.len <= folded.len && memcmp(folded.at + folded.len - again.len, again.at, again.len) == 0);
    if (name_value(&planner, name, &value))
        BUG_UNLESS(value.len <= name.len);
    BUG_UNLESS(name_cut(name, 64).len <= name.len);
    arena_free(planner.scratch);
    buf_clear(&folded);
    buf_clear(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0 && data[0] == 'd') {
        check_name((struct span){(const char *)data + 1, size - 1});
        return 0;
    }
    struct dir_plan *plan = NULL;
    struct buf text = {0};
    struct why why;
    char hash[65];
    buf_add(&text, data, size);
    plan_hash(buf_span(&text), hash);
    buf_printf(&text, "hash: %s\n", hash);
    if (dir_plan_read(buf_span(&text), &plan, &why) == 0) {
        check_again(plan);
        dir_plan_free(plan);
    }
    if (size > 0) /* without one */
        dir_plan_read((struct span){(const char *)data, size}, &plan, &why);
    buf_clear(&text);
    return 0;
}
