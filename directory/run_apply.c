/* run_apply.c - a plan is carried out, change by change, and how far is written down (see run.h)
 *
 * Changes go to their side as they stand in the plan, several on their way at the same time. Where one may rest on those before
 * it (a group on its new members, an entry on the name that another one left), the side is flushed in between: at each change
 * of side, of operation, and before groups. A change that failed does not stop the others.
 *
 *     <dirsync>.applied     "plan HASH", then "N done|before|stale|refused TEXT" for each change: the resume point
 *
 * The lines are appended without fsync: one that is lost makes its change be tried again, which the sides take for done.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "directory/run.h"

enum { APPLIED_BYTES_MAX = 1 << 30 };

struct applying {
    struct dir_run *run;
    const struct dir_plan *plan;
    struct dir_pending *pending;
    bool *settled; /* of each change: done, now or by an earlier try */
    int fd;
    uint64_t n_failed, n_over;
    bool torn; /* the last line there may not be whole */
    bool broken;
    struct why why; /* of what broke */
};

/* ---- the resume point ---- */

static void
take_applied_line(struct applying *applying, struct span line)
{
    const char *blank = memchr(line.at, ' ', line.len);
    size_t len = blank != NULL ? (size_t)(blank - line.at) : 0;
    uint64_t number;
    struct span word = blank != NULL ? (struct span){blank + 1, line.len - len - 1} : (struct span){NULL, 0};
    if (span_to_u64((struct span){line.at, len}, applying->plan->n_changes, &number) && number > 0 &&
        (span_equal(word, SPAN("done")) || span_equal(word, SPAN("before"))))
        applying->settled[number - 1] = true;
}

/* Reads what stands there of this very plan; false where it is another one's. A line without its end was not written whole. */
static bool
take_applied(struct applying *applying, struct span text)
{
    bool first = true;
    for (const char *end; text.len > 0 && (end = memchr(text.at, '\n', text.len)) != NULL; first = false) {
        struct span line = {text.at, (size_t)(end - text.at)};
        if (first && (line.len < 5 || memcmp(line.at, "plan ", 5) != 0 ||
                      !span_equal((struct span){line.at + 5, line.len - 5}, span_of(applying->plan->hash))))
            return false;
        if (!first)
            take_applied_line(applying, line);
        text = (struct span){end + 1, text.len - line.len - 1};
    }
    return !first;
}

static int
open_applied(struct applying *applying, struct why *why)
{
    char name[300], line[80];
    struct buf text = {0};
    const struct dir_run *run = applying->run;
    snprintf(name, sizeof name, "%.200s.applied", run->dirsync->title);
    bool resume = dir_file_read(run->folder_fd, name, APPLIED_BYTES_MAX, &text) == 0 &&
                  take_applied(applying, buf_span(&text));
    bool torn = text.len > 0 && text.at[text.len - 1] != '\n';
    buf_clear(&text);
    applying->fd =
        openat(run->folder_fd, name,
               O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC | (resume ? 0 : O_TRUNC), 0600);
    int len = resume ? snprintf(line, sizeof line, "\n")
                     : snprintf(line, sizeof line, "plan %s\n", applying->plan->hash);
    if (applying->fd < 0 || ((!resume || torn) && write(applying->fd, line, (size_t)len) != len)) {
        int r = applying->fd < 0 ? -errno : -EIO;
        why_set(why, "4.3.0", "dirsync/%s in the spool cannot be written: %s", name, strerror(-r));
        return r;
    }
    return 0;
}

static void
note_applied(struct applying *applying, size_t i, const char *word, const char *text)
{
    char line[700];
    int len = snprintf(line, sizeof line, "%s%zu %s%s%.500s\n", applying->torn ? "\n" : "", i + 1, word,
                       text[0] != '\0' ? " " : "", text);
    ssize_t n = write(applying->fd, line, (size_t)len);
    bool told = applying->torn;
    applying->torn = n != len;
    /* what cannot be noted is tried again, and then found done */
    if (applying->torn && !told && applying->run->note != NULL)
        applying->run->note(applying->run->arg, "how far the plan is carried out cannot be noted in the spool");
}

/* ---- results ---- */

/* What hides since when follows what was done. */
static void
follow_pending(struct applying *applying, const struct dir_change *change)
{
    int64_t now = time_ms() / 1000;
    if (change->operation == DIR_HIDE && dir_pending_since(applying->pending, change->host, change->id) == 0)
        dir_pending_set(applying->pending, change->host, change->id, now);
    else if (change->operation == DIR_SHOW || change->operation == DIR_DELETE ||
             change->operation == DIR_DISABLE)
        dir_pending_set(applying->pending, change->host, change->id, 0);
}

static void
fail(struct applying *applying, const struct dir_change *change, const struct why *why)
{
    char text[1200];
    applying->n_failed++;
    applying->run->status.failed++;
    snprintf(text, sizeof text, "%s: cannot %s %s: %.*s%s: %s", change->host ? "host" : "foreign",
             dir_operation_name(change->operation), dir_kind_name(change->kind),
             change->name.len < 300 ? (int)change->name.len : 300, change->name.at,
             change->name.len < 300 ? "" : "...", why->text);
    if (applying->run->note != NULL)
        applying->run->note(applying->run->arg, text);
}

static void
done(void *arg, const struct dir_change *change, enum dir_result result, const struct why *why)
{
    struct applying *applying = arg;
    size_t i = (size_t)(change - applying->plan->changes);
    static const char *const words[] = {
        [DIR_DONE] = "done", [DIR_DONE_BEFORE] = "before", [DIR_STALE] = "stale", [DIR_REFUSED] = "refused"};
    applying->n_over++;
    if (applying->run->progress != NULL)
        applying->run->progress(applying->run->arg, "carrying out", applying->n_over,
                                applying->plan->n_changes);
    if (result == DIR_BROKEN) {
        if (!applying->broken)
            applying->why = *why;
        applying->broken = true;
        return;
    }
    note_applied(applying, i, words[result], result == DIR_DONE || result == DIR_DONE_BEFORE ? "" : why->text);
    if (result == DIR_STALE || result == DIR_REFUSED) {
        fail(applying, change, why);
        return;
    }
    applying->settled[i] = true;
    applying->run->status.done++;
    follow_pending(applying, change);
}

/* ---- the changes ---- */

static bool
rests_on(const struct dir_change *change, const struct dir_change *before)
{
    return change->host != before->host || change->operation != before->operation ||
           (change->kind == DIR_GROUP) != (before->kind == DIR_GROUP);
}

static void
apply_changes(struct applying *applying, struct dir_side *host, struct dir_side *foreign)
{
    const struct dir_change *before = NULL;
    for (size_t i = 0; i < applying->plan->n_changes && !applying->broken; i++) {
        const struct dir_change *change = &applying->plan->changes[i];
        struct dir_side *side = change->host ? host : foreign;
        if (applying->settled[i]) {
            applying->n_over++;
            applying->run->status.done++;
            follow_pending(applying, change);
            continue;
        }
        if (before != NULL && rests_on(change, before))
            (before->host ? host : foreign)->ops->flush(before->host ? host : foreign);
        if (applying->broken)
            break;
        side->ops->apply(side, change, done, applying);
        before = change;
    }
    if (before != NULL)
        (before->host ? host : foreign)->ops->flush(before->host ? host : foreign);
}

int64_t
run_apply(struct dir_run *run, const struct dir_plan *plan, struct dir_side *host, struct dir_side *foreign,
          struct dir_pending *pending, struct why *why)
{
    struct applying applying = {.run = run, .plan = plan, .pending = pending, .fd = -1};
    applying.settled = xcalloc(plan->n_changes + 1, sizeof *applying.settled);
    run->status.done = run->status.failed = 0;
    int r = open_applied(&applying, why);
    if (r == 0)
        apply_changes(&applying, host, foreign);
    if (applying.fd >= 0)
        close(applying.fd);
    free(applying.settled);
    if (applying.broken) {
        uint64_t tried = run->status.done + run->status.failed;
        why_set(why, applying.why.status,
                "after %" PRIu64 " of %zu changes: %s; the rest is done by the next run", tried,
                plan->n_changes, applying.why.text);
        return -ENOTCONN;
    }
    return r < 0 ? r : (int64_t)applying.n_failed;
}
