/* dir-plan-file-t.c - a plan's file: readable, read back as it was, refused where it was edited or cut; and what hides, kept */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

#include "directory/plan_inside.h"
#include "t/tap.h"

static struct why why;

/* ---- a plan that uses everything ---- */

static const char nasty[] = "line\nbreak \xff\x00:: ";

static struct span values[] = {
    {"Ann Beebe", 9},      {" begins with a blank", 20},        {nasty, sizeof nasty - 1}, {"", 0},
    {":: not base64", 13}, {"D\xc3\xb6rte: M\xc3\xbcller", 15}, {"ends with one ", 14}};

static struct dir_plan *
make_plan(void)
{
    struct dir_plan *plan = xcalloc(1, sizeof *plan);
    plan->arena = arena_new(1 << 24);
    plan->changes = xcalloc(DIR_OPERATIONS * 2, sizeof *plan->changes);
    plan->notices = xcalloc(DIR_NOTE_KINDS, sizeof *plan->notices);
    snprintf(plan->dirsync, sizeof plan->dirsync, "gw one");
    snprintf(plan->refused, sizeof plan->refused, "too many deletions");
    plan->made_s = 1700000000;
    plan->host_entries = 812;
    plan->foreign_entries = 305;
    plan->linked = 300;
    plan->linked_kinds[1][DIR_CONTACT] = 290;
    plan->linked_kinds[0][DIR_MAIL_USER] = 10;
    for (unsigned i = 0; i < DIR_OPERATIONS * 2; i++) {
        struct dir_delta *deltas = arena_alloc(plan->arena, 3 * sizeof *deltas);
        deltas[0] = (struct dir_delta){SPAN("displayName"), values, 1, values + 5, 1};
        deltas[1] = (struct dir_delta){SPAN("proxyAddresses"), values + 1, 3, values, COUNT_OF(values)};
        deltas[2] = (struct dir_delta){SPAN("hidden"), NULL, 0, values, 1};
        plan->changes[plan->n_changes++] = (struct dir_change){.operation = (enum dir_operation)(i / 2),
                                                               .kind = (enum dir_kind)(i % DIR_KINDS),
                                                               .host = i % 2 == 0,
                                                               .id = i < 3 ? SPAN("") : values[i % 2],
                                                               .name = values[5],
                                                               .new_name = i == 4 ? values[2] : SPAN(""),
                                                               .source = values[i % 3],
                                                               .why = values[0],
                                                               .deltas = deltas,
                                                               .n_deltas = i % 4};
        if (i % 4 == 0)
            plan->changes[i].deltas = NULL;
    }
    for (unsigned i = 0; i < DIR_NOTE_KINDS; i++)
        plan->notices[plan->n_notices++] =
            (struct dir_notice){(enum dir_note)i, i == 1, values[i % 2], values[i], values[2]};
    return plan;
}

static bool
same_values(const struct span *a, size_t n_a, const struct span *b, size_t n_b)
{
    bool same = n_a == n_b;
    for (size_t i = 0; same && i < n_a; i++)
        same = span_equal(a[i], b[i]);
    return same;
}

static bool
same_change(const struct dir_change *a, const struct dir_change *b)
{
    bool same = a->operation == b->operation && a->kind == b->kind && a->host == b->host &&
                span_equal(a->id, b->id) && span_equal(a->name, b->name) &&
                span_equal(a->new_name, b->new_name) && span_equal(a->source, b->source) &&
                span_equal(a->why, b->why) && a->n_deltas == b->n_deltas;
    for (size_t i = 0; same && i < a->n_deltas; i++)
        same = span_equal(a->deltas[i].name, b->deltas[i].name) &&
               same_values(a->deltas[i].remove, a->deltas[i].n_remove, b->deltas[i].remove,
                           b->deltas[i].n_remove) &&
               same_values(a->deltas[i].add, a->deltas[i].n_add, b->deltas[i].add, b->deltas[i].n_add);
    return same;
}

static void
test_round(struct span text, const struct dir_plan *plan)
{
    struct dir_plan *again = NULL;
    struct buf second = {0};
    is_int(dir_plan_read(text, &again, &why), 0, "a plan is read back");
    if (again == NULL)
        return;
    bool same = again->n_changes == plan->n_changes && again->n_notices == plan->n_notices;
    for (size_t i = 0; same && i < plan->n_changes; i++)
        same = same_change(&plan->changes[i], &again->changes[i]);
    ok(same, "with all its changes");
    for (size_t i = 0; same && i < plan->n_notices; i++)
        same = plan->notices[i].kind == again->notices[i].kind &&
               plan->notices[i].host == again->notices[i].host &&
               span_equal(plan->notices[i].id, again->notices[i].id) &&
               span_equal(plan->notices[i].name, again->notices[i].name) &&
               span_equal(plan->notices[i].text, again->notices[i].text);
    ok(same, "and notices");
    ok(memcmp(again->linked_kinds, plan->linked_kinds, sizeof plan->linked_kinds) == 0 &&
           again->linked == plan->linked && again->host_entries == 812 && again->foreign_entries == 305 &&
           again->made_s == plan->made_s && strcmp(again->dirsync, plan->dirsync) == 0 &&
           strcmp(again->refused, plan->refused) == 0,
       "and numbers");
    is_text(again->hash, plan->hash, "under the same hash");
    dir_plan_write(again, &second);
    ok(span_equal(buf_span(&second), text), "and written again it is the same, octet for octet");
    buf_clear(&second);
    dir_plan_free(again);
}

static void
test_edited(struct span text)
{
    struct dir_plan *plan = NULL;
    char *copy = xmalloc(text.len + 1);
    int accepted = 0, wordless = 0;
    for (size_t at = 0; at < text.len; at++) {
        memcpy(copy, text.at, text.len);
        copy[at] = (char)(copy[at] ^ 1);
        why.text[0] = '\0';
        int r = dir_plan_read((struct span){copy, text.len}, &plan, &why);
        accepted += r != -EBADMSG && r != -EINVAL;
        wordless += why.text[0] == '\0';
    }
    is_int(accepted, 0, "a plan of which one octet is another is refused");
    is_int(wordless, 0, "with words");
    for (size_t end = 0; end < text.len; end++)
        accepted += dir_plan_read((struct span){text.at, end}, &plan, &why) == 0;
    is_int(accepted, 0, "and one that was cut anywhere");
    const char *delete = memmem(text.at, text.len, "delete", 6);
    memcpy(copy, text.at, text.len);
    memcpy(copy + (delete - text.at), "adopt ", 6);
    is_int(dir_plan_read((struct span){copy, text.len}, &plan, &why), -EBADMSG, "an edited one by its hash");
    ok(strstr(why.text, "edited") != NULL, "says so: %s", why.text);
    is_int(dir_plan_read(SPAN("something else\n"), &plan, &why), -EINVAL, "what is no plan is called so: %s",
           why.text);
    free(copy);
}

/* Behind the hash there is a reader that stands by itself. */
static void
test_malformed(void)
{
    static const char *const heads =
        "viaduct-plan 1\ndirsync: gw\nmade: 1\nhost-entries: 1\nforeign-entries: 1\nlinked: 1\n";
    static const char *const bodies[] = {
        "changes: 0\nnotices: 0\n",
        "changes: 1\nnotices: 0\n\nchange 2: host add contact\n",
        "changes: 1\nnotices: 0\n\nchange 1: host eat contact\n",
        "changes: 1\nnotices: 0\n\nchange 1: moon add contact\n",
        "changes: 1\nnotices: 0\n\nchange 1: host add angel\n",
        "changes: 1\nnotices: 0\n\nchange 1: host add contact\n  + a:: %%%\n",
        "changes: 1\nnotices: 0\n\nchange 1: host add contact\n  + a: b\n  name: c\n",
        "changes: 1\nnotices: 0\n\nchange 1: host add contact\n  colour: red\n",
        "changes: 1000000000\nnotices: 0\n",
        "changes: 0\nnotices: 1\n\nwhisper 1: host\n",
        "copies: host 5 angels\nchanges: 0\nnotices: 0\n",
        "changes: -1\nnotices: 0\n"};
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        struct buf text = {0};
        struct dir_plan *plan = NULL;
        char hash[65];
        buf_printf(&text, "%s%s\nsummary: %s\n", heads, bodies[i], i == 0 ? "host nothing\nmore" : "");
        plan_hash(buf_span(&text), hash);
        buf_printf(&text, "hash: %s\n", hash);
        why.text[0] = '\0';
        is_int(dir_plan_read(buf_span(&text), &plan, &why), -EINVAL, "malformed: %s", why.text);
        buf_clear(&text);
    }
}

static void
test_text(void)
{
    struct dir_plan *plan = make_plan();
    struct buf text = {0}, summary = {0};
    dir_plan_write(plan, &text);
    ok(memmem(text.at, text.len, "\n  + displayName: D\xc3\xb6rte: M\xc3\xbcller\n", 34) != NULL,
       "a value is to be read");
    ok(memmem(text.at, text.len, "\n  + proxyAddresses:: bGluZQpicmVhayD/ADo6IA==\n", 47) != NULL,
       "what a line cannot hold stands in base64");
    ok(memmem(text.at, text.len, "\nchange 2: foreign add mail user\n", 33) != NULL,
       "a change says side, operation, kind");
    dir_plan_summary(plan, &summary);
    is_bytes(summary.at, summary.len,
             "host 1 add, 1 change, 1 rename, 1 hide, 1 show, 1 delete, 1 disable, 1 adopt; foreign 1 add, 1 "
             "change, 1 "
             "rename, 1 hide, 1 show, 1 delete, 1 disable, 1 adopt; 1 conflict; 1 refusal; 1 remark",
             "the summary counts");
    ok(dir_plan_count(plan, true, DIR_DELETE, -1) == 1 &&
           dir_plan_count(plan, true, DIR_DELETE, DIR_CONTACT) == 0 && dir_plan_writes(plan, false),
       "counts by side, operation and kind");
    test_round(buf_span(&text), plan);
    test_edited(buf_span(&text));
    buf_clear(&text);
    buf_clear(&summary);
    dir_plan_free(plan);
}

/* ---- what hides ---- */

static void
test_pending(int folder)
{
    struct dir_pending *pending = dir_pending_new(), *again = dir_pending_new();
    struct dir_set *set = dir_set_new();
    is_int(dir_pending_read(again, folder, "p", &why), -ENOENT, "no file");
    dir_pending_set(pending, true, SPAN("a b: c"), 1700000000);
    dir_pending_set(pending, false, SPAN("a b: c"), 1700000001);
    dir_pending_set(pending, true, SPAN("shown"), 5);
    dir_pending_set(pending, true, SPAN("shown"), 0);
    dir_pending_set(pending, true, SPAN("never"), 0);
    is_int(dir_pending_count(pending), 2, "two hide");
    is_int(dir_pending_since(pending, true, SPAN("shown")), 0, "not who is shown again");
    is_int(dir_pending_write(pending, folder, "p", &why), 0, "written");
    is_int(dir_pending_read(again, folder, "p", &why), 0, "and read");
    ok(dir_pending_count(again) == 2 && dir_pending_since(again, true, SPAN("a b: c")) == 1700000000 &&
           dir_pending_since(again, false, SPAN("a b: c")) == 1700000001,
       "each side for itself");
    struct dir_entry entry = {.id = SPAN("a b: c"), .kind = DIR_CONTACT};
    dir_set_put(set, &entry, &why);
    dir_pending_prune(again, true, set);
    dir_set_drop(set, SPAN("a b: c"));
    dir_pending_prune(again, false, set);
    ok(dir_pending_count(again) == 1 && dir_pending_since(again, false, SPAN("a b: c")) == 0,
       "who is not there any more is forgotten");
    dir_pending_free(pending);
    dir_pending_free(again);
    dir_set_free(set);
}

static void
test_torn_pending(int folder)
{
    char text[300];
    int fd = openat(folder, "p", O_RDONLY), accepted = 0;
    ssize_t len = read(fd, text, sizeof text);
    close(fd);
    for (ssize_t at = 0; at < 2 * len; at++) {
        struct dir_pending *pending = dir_pending_new();
        char copy[300];
        memcpy(copy, text, sizeof copy);
        copy[at % len] = (char)(copy[at % len] ^ (at < len ? 1 : 0));
        fd = openat(folder, "p", O_WRONLY | O_TRUNC);
        if (write(fd, copy, at < len ? (size_t)len : (size_t)(at - len)) < 0)
            accepted++;
        close(fd);
        int r = dir_pending_read(pending, folder, "p", &why);
        accepted += r != -EINVAL || dir_pending_count(pending) > 0;
        dir_pending_free(pending);
    }
    is_int(accepted, 0, "torn or changed anywhere it is none, and nobody hides");
}

int
main(void)
{
    const char *path = tap_folder();
    int folder = open(path, O_RDONLY | O_DIRECTORY);
    test_text();
    test_malformed();
    test_pending(folder);
    test_torn_pending(folder);
    unlinkat(folder, "p", 0);
    close(folder);
    rmdir(path);
    return tap_done();
}
