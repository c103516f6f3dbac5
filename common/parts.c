/* parts.c - one message becomes several: parts of a split, report requests, marks (see worker.h)
 *
 *     split      write all parts in Temp, fsync each --> *committed* in the parent's journal, fsync --> move
 * the parts
 *                --> the caller judges the parent DONE and it is unlinked
 *     request    write id.rN in Temp, fsync --> *reported rN* in the parent's journal, fsync --> move it to
 * Bounce
 *
 * A kill anywhere leaves either uncommitted files in Temp, which recovery removes, or committed ones, which it
 * moves on (worker_recover.c). A part is never there twice: its name is given by the parent's, and nothing is
 * overwritten.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/planted.h"
#include "common/worker_inside.h"

enum { COPY_BYTES = 64 * 1024, MARKS_PER_ENTRY = 1000 };

int
job_journal(struct job *job, const struct journal_entry *entry, struct why *why)
{
    struct buf text = {0};
    struct journal_entry full = *entry;
    char by[80];
    if (full.time_ms == 0)
        full.time_ms = time_ms();
    if (full.by.len == 0) {
        snprintf(by, sizeof by, "%s", job->service->instance);
        full.by = span_of(by);
    }
    journal_print(&full, &text);
    int r = queue_file_append(&job->file, buf_span(&text));
    buf_clear(&text);
    if (r < 0) {
        why_set(why, r == -ENOSPC || r == -EDQUOT ? "4.3.1" : "4.3.0",
                "cannot write to the message's journal: %s", strerror(-r));
        return r;
    }
    return envelope_apply(&job->file.envelope, &full, why);
}

/* What marks settle is never tried again, so the records that tell of it are written first. */
static int
flush_records(struct why *why)
{
    int r = log_flush();
    if (r < 0)
        why_set(why, "4.3.0", "cannot write to the tracking log: %s", strerror(-r));
    return r;
}

/* Marks stand in entries of a thousand: an entry has a limit, a message may have 100,000 recipients. */
static size_t
piece(size_t left)
{
    return left < MARKS_PER_ENTRY ? left : MARKS_PER_ENTRY;
}

int
job_mark(struct job *job, const struct recipient_mark *marks, size_t n_marks, struct why *why)
{
    int r = n_marks > 0 ? flush_records(why) : 0;
    for (size_t done = 0; r == 0 && done < n_marks; done += piece(n_marks - done)) {
        struct journal_entry entry = {.kind = JOURNAL_MARK,
                                      .marks = (struct recipient_mark *)(uintptr_t)&marks[done],
                                      .n_marks = piece(n_marks - done)};
        r = job_journal(job, &entry, why);
    }
    return r;
}

void
job_track(const struct job *job, enum track_event event, const struct recipient *recipient,
          struct span translated, const struct why *why, const char *remote)
{
    const struct envelope *envelope = &job->file.envelope;
    struct track_record record = {.event = event,
                                  .id = job->parts.stem,
                                  .connector = job->service->connector_name,
                                  .sender = envelope->originator.value,
                                  .rcpt = recipient != NULL ? recipient->address.value : SPAN(""),
                                  .translated = translated,
                                  .msgid = envelope->msgid,
                                  .remote = span_of(remote),
                                  .bytes = job->file.body_bytes,
                                  .attempt = envelope->attempts + 1,
                                  .n_rcpts = envelope->n_recipients};
    if (why != NULL) {
        record.status = span_of(why->status);
        record.reason = span_of(why->text);
    }
    track_add(&record);
}

struct judgement
job_fail(struct job *job, const struct why *reason)
{
    struct envelope *envelope = &job->file.envelope;
    struct why why;
    size_t n = 0;
    struct span status = arena_span(job->arena, span_of(reason->status));
    struct span text = arena_span(job->arena, span_of(reason->text));
    struct recipient_mark *marks = xcalloc(envelope->n_recipients + 1, sizeof *marks);
    for (size_t i = 0; i < envelope->n_recipients; i++) {
        const struct recipient *recipient = &envelope->recipients[i];
        if (recipient_is_settled(recipient->state) || recipient->listed)
            continue;
        job_track(job, TRACK_FAIL, recipient, SPAN(""), reason, NULL);
        marks[n++] = (struct recipient_mark){
            .index = (uint32_t)i, .state = RECIPIENT_FAILED, .status = status, .text = text};
    }
    int r = job_mark(job, marks, n, &why);
    free(marks);
    struct judgement judgement = {.verdict = r < 0 ? VERDICT_NONE : VERDICT_FAIL, .sync = true, .why = *reason};
    if (r < 0)
        log_say(LOG_GENERAL, LEVEL_MINIMUM, job->parts.stem, "%s; it is taken again", why.text);
    return judgement;
}

/* Copies up to `limit` bytes of the body into a writer; the whole body's checksum is checked where it is copied
 * whole. */
static int
copy_body(struct job *job, struct queue_writer *writer, uint64_t limit, struct why *why)
{
    char *bytes = xmalloc(COPY_BYTES);
    struct queue_body body;
    queue_body_start(&body, &job->file);
    int r = 0;
    while (r == 0 && limit > 0) {
        ssize_t n = queue_body_read(&body, bytes, limit < COPY_BYTES ? (size_t)limit : COPY_BYTES, why);
        if (n <= 0) {
            r = (int)n;
            break;
        }
        limit -= (uint64_t)n;
        r = queue_writer_add(writer, bytes, (size_t)n);
        if (r < 0)
            why_set(why, r == -ENOSPC ? "4.3.1" : "4.3.0", "cannot write to the spool: %s", strerror(-r));
    }
    free(bytes);
    return r;
}

/* An envelope with some of the recipients. */
static int
sub_envelope(struct job *job, const uint32_t *indexes, size_t n, struct envelope *envelope, struct why *why)
{
    *envelope = job->file.envelope;
    envelope->recipients = arena_alloc(job->arena, n * sizeof *envelope->recipients);
    if (envelope->recipients == NULL) {
        why_set(why, "4.3.0", "too many recipients for this worker's memory");
        return -ENOMEM;
    }
    envelope->n_recipients = n;
    for (size_t i = 0; i < n; i++)
        envelope->recipients[i] = job->file.envelope.recipients[indexes[i]];
    return 0;
}

/* Writes and fsyncs one file in Temp. */
static int
write_temp(struct job *job, const char *stem, const struct envelope *envelope, uint64_t limit,
           struct span journal, struct why *why)
{
    /* What a crash left here under this name was judged by recovery; what is left now is from a failed try of
     * ours. */
    spool_remove(job->service->temp_fd, stem);
    struct buf size = {0};
    envelope_print(envelope, &size);
    struct queue_writer *writer = queue_writer_new(job->service->temp_fd, stem, size.len + 64, why);
    buf_clear(&size);
    if (writer == NULL)
        return -errno;
    int r = copy_body(job, writer, limit, why);
    int fd = r == 0 ? queue_writer_finish(writer, envelope, journal, why) : r;
    if (fd >= 0 && !planted_bug("nofsync") && fsync(fd) < 0) {
        r = -errno;
        why_set(why, "4.3.0", "cannot make %s durable: %s", stem, strerror(-r));
        spool_remove(job->service->temp_fd, stem);
    } else if (fd < 0) {
        r = fd;
    }
    if (fd >= 0)
        close(fd);
    queue_writer_drop(writer);
    return r;
}

/* ---- split ---- */

static void
part_stem(const struct job *job, size_t index, char stem[QUEUE_NAME_MAX])
{
    int n = snprintf(stem, QUEUE_NAME_MAX, "%s.%zu", job->parts.stem, index + 1);
    BUG_UNLESS(n > 0 && n < QUEUE_NAME_MAX);
}

static int
write_part(struct job *job, const struct split_part *part, size_t index, struct why *why)
{
    struct envelope envelope;
    char stem[QUEUE_NAME_MAX];
    part_stem(job, index, stem);
    int r = sub_envelope(job, part->recipients, part->n_recipients, &envelope, why);
    if (r < 0)
        return r;
    envelope.via = span_of(part->connector);
    return write_temp(job, stem, &envelope, UINT64_MAX, SPAN(""), why);
}

/* *complete* in the new file's own journal, behind the parent's *committed*: a file in Temp that says so is to be moved on, whatever has
 * become of the message it was made of. */
static int
commit_itself(struct job *job, const char *stem, struct why *why)
{
    struct queue_file file;
    struct buf text = {0};
    struct journal_entry entry = {
        .kind = JOURNAL_COMPLETE, .time_ms = time_ms(), .by = span_of(job->service->instance)};
    int fd = openat(job->service->temp_fd, stem, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    int r = fd < 0 ? -errno : queue_file_read(fd, job->arena, &file, why);
    journal_print(&entry, &text);
    if (r == 0)
        r = queue_file_append(&file, buf_span(&text));
    if (r == 0 && !planted_bug("nosync"))
        r = queue_file_sync(fd);
    if (r < 0)
        why_set(why, "4.3.0", "cannot write to %s: %s", stem, strerror(-r));
    if (fd >= 0)
        close(fd);
    buf_clear(&text);
    return r;
}

static int
move_part(struct job *job, const char *connector, size_t index, struct why *why)
{
    struct service *service = job->service;
    char stem[QUEUE_NAME_MAX];
    part_stem(job, index, stem);
    int marked = commit_itself(job, stem, why);
    if (marked < 0)
        return marked;
    service_log_move(service, stem, job->folder, job->connector, VERDICT_SPLIT, FOLDER_MTS_OUT, connector,
                     NULL);
    log_flush();
    int to = service_folder(service, FOLDER_MTS_OUT, connector);
    int r = to < 0 ? to : spool_move(service->temp_fd, stem, to, stem);
    if (r < 0) {
        service->inside->state->moves--; /* told of and not made: --once ends where nothing moves any more */
        why_set(why, "4.3.0", "cannot move part %s to %s: %s", stem, connector, strerror(-r));
    }
    return r;
}

static int
commit_parts(struct job *job, size_t n_parts, struct why *why)
{
    if (planted_bug("nocommit"))
        return 0;
    int r =
        job_journal(job, &(struct journal_entry){.kind = JOURNAL_COMMITTED, .number = (int64_t)n_parts}, why);
    if (r == 0 && !planted_bug("nosync") && (r = queue_file_sync(job->fd)) < 0)
        why_set(why, "4.3.0", "cannot make the split durable: %s", strerror(-r));
    return r;
}

/* Parts that are not committed must not outlive their message: were it taken away meanwhile, recovery would
 * take them for committed ones. */
static void
drop_parts(struct job *job, size_t n_parts)
{
    char stem[QUEUE_NAME_MAX];
    for (size_t i = 0; i < n_parts; i++) {
        part_stem(job, i, stem);
        spool_remove(job->service->temp_fd, stem);
    }
}

int
job_split(struct job *job, const struct split_part *parts, size_t n_parts, struct why *why)
{
    BUG_UNLESS(n_parts > 0 && job->file.envelope.committed == 0);
    int r = 0;
    for (size_t i = 0; r == 0 && i < n_parts; i++)
        r = write_part(job, &parts[i], i, why);
    if (r == 0)
        r = commit_parts(job, n_parts, why);
    for (size_t i = 0; r == 0 && i < n_parts; i++)
        r = move_part(job, parts[i].connector, i, why);
    if (r < 0 && job->file.envelope.committed == 0)
        drop_parts(job, n_parts);
    return r;
}

/* A part in one of this worker's lanes of Temp: who committed it may have been another process. -ENOENT: it was moved. */
static int
open_part(struct service *service, const char *stem, int *lane_fd)
{
    int fd = -ENOENT;
    *lane_fd = -1;
    for (int lane = 0; lane < STATE_LANES; lane++) {
        int folder = lane_open(service, lane);
        fd = folder < 0 ? folder : openat(folder, stem, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        if (folder >= 0 && fd < 0)
            fd = -errno;
        if (fd >= 0) {
            *lane_fd = folder;
            break;
        }
        if (folder >= 0)
            close(folder);
        if (fd != -ENOENT)
            break;
    }
    return fd;
}

/* Moves a part that an earlier try left in Temp. */
static int
resume_part(struct job *job, size_t index, struct why *why)
{
    char stem[QUEUE_NAME_MAX], connector[CONNECTOR_NAME_MAX + 1];
    struct queue_file part;
    int lane;
    part_stem(job, index, stem);
    int fd = open_part(job->service, stem, &lane);
    if (fd == -ENOENT)
        return 0;
    int r = fd < 0 ? fd : queue_file_read(fd, job->arena, &part, why);
    if (r == 0) {
        snprintf(connector, sizeof connector, "%.*s", (int)part.envelope.via.len, part.envelope.via.at);
        int to = service_folder(job->service, FOLDER_MTS_OUT, connector);
        r = to < 0 ? to : spool_move(lane, stem, to, stem);
        if (r == 0)
            service_log_move(job->service, stem, job->folder, job->connector, VERDICT_SPLIT, FOLDER_MTS_OUT,
                             connector, NULL);
    }
    if (r < 0)
        why_set(why, "4.3.0", "cannot move part %s: %s", stem, strerror(-r));
    if (fd >= 0)
        close(fd);
    if (lane >= 0)
        close(lane);
    return r;
}

int
job_split_resume(struct job *job, struct why *why)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < (size_t)job->file.envelope.committed; i++)
        r = resume_part(job, i, why);
    return r;
}

/* ---- report requests ---- */

static int
no_memory(struct why *why)
{
    why_set(why, "4.3.0", "too many recipients for this worker's memory");
    return -ENOMEM;
}

/* The marks of the request's own recipients, which are numbered anew. */
static int
print_request_marks(struct job *job, const struct recipient_mark *marks, size_t n, struct buf *journal,
                    struct why *why)
{
    struct recipient_mark *own = arena_alloc(job->arena, n * sizeof *own);
    if (own == NULL)
        return no_memory(why);
    for (size_t i = 0; i < n; i++) {
        own[i] = marks[i];
        own[i].index = (uint32_t)i;
    }
    for (size_t done = 0; done < n; done += piece(n - done)) {
        struct journal_entry entry = {.kind = JOURNAL_MARK,
                                      .time_ms = time_ms(),
                                      .by = span_of(job->service->instance),
                                      .marks = &own[done],
                                      .n_marks = piece(n - done)};
        journal_print(&entry, journal);
    }
    return 0;
}

/* *reported rN*: the recipients that are settled count as reported; those that are only delayed stay pending. One entry, since
 * the number is what recovery looks for; the texts stand in the request. */
static int
append_reported(struct job *job, const struct recipient_mark *marks, size_t n, struct why *why)
{
    struct recipient_mark *reported = arena_alloc(job->arena, n * sizeof *reported);
    struct journal_entry entry = {
        .kind = JOURNAL_REPORTED, .number = job->file.envelope.next_report, .marks = reported, .n_marks = n};
    if (reported == NULL)
        return no_memory(why);
    if (planted_bug("noreported"))
        return 0;
    for (size_t i = 0; i < n; i++) {
        enum recipient_state state =
            marks[i].state == RECIPIENT_DELAYED ? RECIPIENT_DELAYED : RECIPIENT_REPORTED;
        reported[i] =
            (struct recipient_mark){.index = marks[i].index, .state = state, .status = marks[i].status};
    }
    int r = flush_records(why);
    if (r == 0)
        r = job_journal(job, &entry, why);
    int synced = r == 0 && !planted_bug("nosync") ? queue_file_sync(job->fd) : 0;
    if (synced < 0)
        log_say(LOG_GENERAL, LEVEL_MINIMUM, job->parts.stem,
                "cannot make its journal durable: %s; after a power cut a report may be made twice",
                strerror(-synced));
    return r;
}

static uint64_t
return_limit(const struct job *job)
{
    const struct envelope *envelope = &job->file.envelope;
    uint64_t limit = job->service->root->reports.return_bytes;
    uint64_t header = (uint64_t)envelope->header_bytes;
    if (job->file.body_bytes <= limit && !span_equal_nocase(envelope->ret, SPAN("HDRS")))
        return UINT64_MAX;
    return header < limit && header > 0 ? header : limit;
}

int
job_request_report(struct job *job, const struct recipient_mark *marks, size_t n_marks, struct why *why)
{
    struct service *service = job->service;
    struct envelope envelope;
    char stem[QUEUE_NAME_MAX];
    uint32_t *indexes = arena_alloc(job->arena, n_marks * sizeof *indexes);
    BUG_UNLESS(n_marks > 0 && indexes != NULL);
    for (size_t i = 0; i < n_marks; i++)
        indexes[i] = marks[i].index;
    int r = sub_envelope(job, indexes, n_marks, &envelope, why);
    if (r < 0)
        return r;
    if (envelope.full_bytes == 0)
        envelope.full_bytes = (int64_t)job->file.body_bytes;
    if (snprintf(stem, sizeof stem, "%s.r%lld", job->parts.stem, (long long)envelope.next_report) >=
        (int)sizeof stem)
        return why_set(why, "5.6.0", "more report requests than a name can number");
    struct buf journal = {0};
    uint64_t journal_end = job->file.journal_end;
    r = print_request_marks(job, marks, n_marks, &journal, why);
    if (r == 0)
        r = write_temp(job, stem, &envelope, return_limit(job), buf_span(&journal), why);
    buf_clear(&journal);
    if (r == 0)
        r = append_reported(job, marks, n_marks, why);
    if (r < 0 && job->file.journal_end == journal_end)
        spool_remove(service->temp_fd, stem); /* never told of: the next try may need no request */
    if (r < 0)
        return r;
    /* From here on the message says that it was told of: whatever fails now, the request goes on. */
    if (commit_itself(job, stem, why) < 0)
        log_say(LOG_GENERAL, LEVEL_MINIMUM, stem, "%s", why->text);
    service_log_move(service, stem, job->folder, job->connector, VERDICT_REPORT, FOLDER_BOUNCE, NULL, NULL);
    log_flush();
    int to = service_folder(service, FOLDER_BOUNCE, NULL);
    r = to < 0 ? to : spool_move(service->temp_fd, stem, to, stem);
    if (r < 0) { /* committed: the message itself goes on */
        log_say(LOG_GENERAL, LEVEL_MINIMUM, stem, "cannot move it to %s: %s; it is tried again",
                folder_name(FOLDER_BOUNCE), strerror(-r));
        stuck_add(service, stem, to);
    }
    return 0;
}

int
job_request_owed(struct job *job, struct why *why)
{
    const struct envelope *envelope = &job->file.envelope;
    struct recipient_mark *marks = arena_alloc(job->arena, envelope->n_recipients * sizeof *marks);
    size_t n = 0;
    if (marks == NULL) {
        why_set(why, "4.3.0", "too many recipients for this worker's memory");
        return -ENOMEM;
    }
    for (size_t i = 0; i < envelope->n_recipients; i++) {
        const struct recipient *recipient = &envelope->recipients[i];
        if (recipient->state == RECIPIENT_FAILED || recipient->state == RECIPIENT_RELAYED)
            marks[n++] = (struct recipient_mark){.index = (uint32_t)i,
                                                 .state = recipient->state,
                                                 .status = recipient->status,
                                                 .text = recipient->text,
                                                 .remote = recipient->remote};
    }
    return n > 0 ? job_request_report(job, marks, n, why) : 0;
}
