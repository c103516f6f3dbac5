/* track-read-t.c - tracking logs read back: order, repetitions, damage, the books, retention */
#include "common/track_read.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "common/id.h"
#include "common/track_seen.h"
#include "common/utc.h"
#include "t/tap.h"

static const int64_t day_1 = 1764028800000; /* 2025-11-25 */
static int folder;

static const char A[] = "0000000000000000000000000A", B[] = "0000000000000000000000000B";

/* A folder of its own for each test. */
static void
new_folder(void)
{
    folder = open(tap_folder(), O_RDONLY | O_DIRECTORY);
}

static void
append(const char *name, const char *text)
{
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        printf("Bail out! cannot write %s\n", name);
    close(fd);
}

/* A record `after_s` seconds after the first day began. */
static void
put(const char *stem, int after_s, const char *event, const char *id, const char *rcpt, int attempt)
{
    char time[UTC_LEN + 1], day[UTC_DAY_LEN + 1], name[100], text[400];
    int64_t ms = day_1 + (int64_t)after_s * 1000;
    utc_print(ms, time);
    utc_print_day(ms, day);
    snprintf(name, sizeof name, "%s.%s", stem, day);
    snprintf(text, sizeof text, "time=%s event=%s id=%s by=x rcpt=%s attempt=%d\n", time, event, id, rcpt,
             attempt);
    append(name, text);
}

/* What a reader gives, as "EVENT:rcpt EVENT:rcpt ". */
static const char *
story(struct track_reader *reader)
{
    static char text[4000];
    struct track_line line;
    size_t len = 0;
    text[0] = '\0';
    while (track_reader_next(reader, &line) > 0 && len < sizeof text - 100)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s:%.*s%s ", track_event_names[line.event],
                                (int)line.rcpt.len, line.rcpt.at, line.repeated ? "!" : "");
    return text;
}

static const char *
story_of(const struct track_range *range)
{
    struct track_reader *reader = track_reader_new(folder, range);
    const char *text = story(reader);
    track_reader_free(reader);
    return text;
}

static void
test_order(void)
{
    new_folder();
    put("cleanup.0", 20, "SUBMIT", A, "b", 0);
    put("cleanup.0", 86400 + 20, "SUBMIT", B, "b", 0);
    put("pickup.0", 10, "RECEIVE", A, "b", 0);
    put("pickup.0", 86400 + 10, "RECEIVE", B, "b", 0);
    put("pickup.1", 15, "RECEIVE", A, "c", 0);
    put("outbound-gateway-branch.0", 86400 * 40, "SEND", A, "b", 1);
    append("notes.txt", "time=2025-11-25T00:00:00.000Z event=SEND id=X rcpt=no\n");
    append("x.20251301", "time=2025-11-25T00:00:00.000Z event=SEND id=X rcpt=no\n");
    is_text(story_of(&(struct track_range){0}), "RECEIVE:b RECEIVE:c SUBMIT:b RECEIVE:b SUBMIT:b SEND:b ",
            "files are merged by time, day by day; what is no tracking log is left alone");
    is_text(
        story_of(&(struct track_range){.since_ms = day_1 + 15000, .until_ms = day_1 + (86400 + 20) * 1000LL}),
        "RECEIVE:c SUBMIT:b RECEIVE:b ", "a range has its first moment and not its last");
    is_text(story_of(&(struct track_range){.must_contain = SPAN("rcpt=c")}), "RECEIVE:c ",
            "lines without wanted bytes are passed over");
    struct track_reader *reader = track_reader_new(-1, &(struct track_range){0});
    struct track_line line;
    is_int(track_reader_next(reader, &line), -EBADF, "no folder is an error");
    track_reader_free(reader);
}

static void
test_repeats(void)
{
    new_folder();
    put("a.0", 1, "RECEIVE", A, "b", 0);
    put("a.0", 2, "DEFER", A, "b", 1);
    put("a.0", 3, "DEFER", A, "b", 1);
    put("a.0", 4, "DEFER", A, "b", 2);
    put("a.0", 5, "SEND", A, "b", 3);
    put("a.1", 86400 + 6, "SEND", A, "b", 3);
    put("a.0", 7, "SEND", A, "c", 3);
    is_text(story_of(&(struct track_range){0}), "RECEIVE:b DEFER:b DEFER:b SEND:b SEND:c ",
            "what a kill made twice is given once, over days and processes");
    is_text(story_of(&(struct track_range){.repeats = true}),
            "RECEIVE:b DEFER:b DEFER:b! DEFER:b SEND:b SEND:c SEND:b! ", "unless repetitions are wanted");
}

static void
test_requeue(void)
{
    new_folder();
    put("a.0", 1, "RECEIVE", A, "b", 0);
    put("a.0", 2, "BADMAIL", A, "b", 0);
    put("a.0", 3, "BADMAIL", A, "b", 0);
    put("command", 4, "REQUEUE", A, "b", 0);
    put("command", 5, "REQUEUE", A, "b", 0);
    put("a.0", 6, "BADMAIL", A, "b", 0);
    put("command", 7, "REQUEUE", A, "b", 0);
    put("a.0", 8, "BADMAIL", A, "b", 0);
    put("command", 9, "DELETE", A, "b", 0);
    put("command", 10, "DELETE", A, "b", 0);
    is_text(story_of(&(struct track_range){0}),
            "RECEIVE:b BADMAIL:b REQUEUE:b BADMAIL:b REQUEUE:b BADMAIL:b DELETE:b ",
            "what is sent again from Badmail begins anew");
    struct track_balance balance;
    is_int(track_balance(folder, &(struct track_range){0}, &balance), 0, "the books can be closed");
    ok(balance.accepted == 1 && balance.badmail == 0 && balance.deleted == 1 && balance.in_spool == 0,
       "and who is deleted from Badmail is counted once");
}

/* A recipient that failed without a report and is tried again is not lost twice. */
static void
test_reopened(void)
{
    new_folder();
    put("a.0", 1, "RECEIVE", A, "b", 0);
    put("o.0", 2, "FAIL", A, "b", 3);
    put("command", 4, "REQUEUE", A, "b", 0);
    put("command", 5, "REQUEUE", A, "b", 0);
    struct track_balance balance;
    track_balance(folder, &(struct track_range){0}, &balance);
    ok(balance.failed == 0 && balance.badmail == 0 && balance.in_spool == 1 && balance.repeated == 1,
       "who failed and is sent again is on its way, once");
    put("o.0", 6, "FAIL", A, "b", 3);
    put("command", 7, "REQUEUE", A, "b", 0);
    put("o.0", 8, "SEND", A, "b", 1);
    track_balance(folder, &(struct track_range){0}, &balance);
    ok(balance.failed == 0 && balance.badmail == 0 && balance.delivered == 1 && balance.in_spool == 0,
       "as often as that happens");
}

static void
test_export(void)
{
    new_folder();
    put("a.0", 1, "RECEIVE", A, "b", 0);
    put("command", 2, "EXPORT", A, "b", 1);
    put("command", 3, "EXPORT", A, "b", 1);
    put("command", 4, "IMPORT", A, "b", 1);
    put("command", 5, "IMPORT", A, "b", 1);
    put("command", 6, "EXPORT", A, "b", 1);
    is_text(story_of(&(struct track_range){0}), "RECEIVE:b EXPORT:b IMPORT:b EXPORT:b ",
            "what is exported, imported and exported again was taken out twice");
    put("command", 7, "IMPORT", B, "b", 0);
    put("command", 8, "IMPORT", B, "b", 0);
    put("command", 9, "DELETE", B, "b", 0);
    put("command", 10, "IMPORT", B, "b", 0);
    struct track_balance balance;
    track_balance(folder, &(struct track_range){0}, &balance);
    ok(balance.accepted == 1 && balance.exported == 2 && balance.imported == 3 && balance.deleted == 1 &&
           balance.in_spool == 1,
       "accepted and imported = exported, deleted, and what is on its way");
}

static void
test_balance(void)
{
    new_folder();
    put("a.0", 1, "RECEIVE", A, "b", 0);
    put("a.0", 1, "RECEIVE", A, "c", 0);
    put("a.0", 1, "RECEIVE", A, "d", 0);
    put("a.0", 1, "RECEIVE", A, "e", 0);
    put("a.0", 1, "RECEIVE", A, "f", 0);
    put("o.0", 2, "SEND", "0000000000000000000000000A.1", "b", 1);
    put("o.0", 2, "SEND", "0000000000000000000000000A.1", "b", 1);
    put("o.0", 2, "DELIVER", A, "c", 1);
    put("o.0", 3, "FAIL", A, "d", 1);
    put("o.0", 3, "BADMAIL", A, "e", 0);
    put("o.0", 3, "DEFER", A, "f", 1);
    put("bouncer.0", 4, "DSN", B, "s", 0);
    append("o.0.20251125",
           "time=2025-11-25T00:00:03.000Z event=SEND id=0000000000000000000000000A rcpt=f torn\n");
    struct track_balance balance;
    track_balance(folder, &(struct track_range){0}, &balance);
    ok(balance.accepted == 5 && balance.reports == 1 && balance.delivered == 2 && balance.failed == 1 &&
           balance.badmail == 1 && balance.deleted == 0 && balance.in_spool == 2,
       "accepted and reports = delivered, failed, Badmail, deleted, and what is on its way");
    ok(balance.repeated == 1 && balance.malformed == 1, "repetitions and torn records do not count");
}

static void
test_damage(void)
{
    new_folder();
    put("a.0", 1, "RECEIVE", A, "b", 0);
    append("a.0.20251125", "garbage\n\n time=\ntime=2025-11-25T00:00:02.000Z event=NONE id=X\n"
                           "time=2025-11-25T00:00:02.000Z event=SEND rcpt=noid\n"
                           "time=2025-11-25T00:00:02.000Z event=SEND id=X attempt=-1\n");
    for (int i = 0; i < 3000; i++)
        append("a.0.20251125", "0123456789abcdef");
    append("a.0.20251125", "\n");
    put("a.0", 3, "SEND", A, "b", 0);
    append("a.0.20251125", "time=2025-11-25T00:00:04.000Z event=SEND id=X rcpt=half");
    ok(symlinkat("a.0.20251125", folder, "link.0.20251125") == 0, "(a link)");
    ok(mkfifoat(folder, "fifo.0.20251125", 0600) == 0, "(a fifo)");
    struct track_reader *reader = track_reader_new(folder, &(struct track_range){0});
    is_text(story(reader), "RECEIVE:b SEND:b ", "damaged lines are passed over, and what follows them is read");
    ok(track_reader_malformed(reader) >= 6, "and counted");
    append("a.0.20251125", " attempt=1\n");
    put("new.0", 5, "SEND", A, "c", 0);
    is_text(story(reader), "SEND:half SEND:c ",
            "behind the end, what was added is read: half a line when it is whole");
    is_text(story(reader), "", "once");
    track_reader_free(reader);
}

static void
test_long_day(void)
{
    new_folder();
    char text[300];
    int fd = openat(folder, "a.0.20251125", O_WRONLY | O_CREAT, 0600);
    FILE *file = fdopen(fd, "w");
    for (int i = 0; i < 20000; i++) {
        char time[UTC_LEN + 1];
        utc_print(day_1 + i * 4000LL, time);
        snprintf(text, sizeof text, "time=%s event=SEND id=%026d rcpt=r%d\n", time, i, i);
        fputs(text, file);
    }
    fclose(file);
    struct track_range range = {.since_ms = day_1 + 19990 * 4000LL};
    is_text(story_of(&range),
            "SEND:r19990 SEND:r19991 SEND:r19992 SEND:r19993 SEND:r19994 SEND:r19995 SEND:r19996 "
            "SEND:r19997 SEND:r19998 SEND:r19999 ",
            "the end of a long day is found");
    range = (struct track_range){.since_ms = day_1 + 3 * 4000LL, .until_ms = day_1 + 5 * 4000LL};
    is_text(story_of(&range), "SEND:r3 SEND:r4 ", "and its beginning");
    int n = 0;
    struct track_line line;
    struct track_reader *reader = track_reader_new(folder, &(struct track_range){0});
    while (track_reader_next(reader, &line) > 0)
        n++;
    track_reader_free(reader);
    is_int(n, 20000, "and all of it");
}

static void
test_round_trip(void)
{
    new_folder();
    log_start("outbound-gateway/branch", STDERR_FILENO, false, LEVEL_NONE);
    track_start(folder, "outbound-gateway-branch.0");
    struct track_record record = {TRACK_SEND,
                                  A,
                                  NULL,
                                  SPAN("s@x"),
                                  SPAN("\"a b\"@x"),
                                  SPAN("t"),
                                  SPAN("<m=1@x>"),
                                  SPAN("Re: \xe2\x80\xa8\n"),
                                  span_of(B),
                                  SPAN("2.0.0"),
                                  SPAN("ok \\"),
                                  SPAN("mx:25"),
                                  4096,
                                  7,
                                  2};
    track_add(&record);
    log_flush();
    struct track_line line;
    struct track_reader *reader = track_reader_new(folder, &(struct track_range){0});
    ok(track_reader_next(reader, &line) == 1, "what was written is read");
    ok(span_equal(line.rcpt, record.rcpt) && span_equal(line.subject, record.subject) &&
           span_equal(line.msgid, record.msgid) && span_equal(line.reason, record.reason) &&
           span_equal(line.sender, record.sender) && span_equal(line.translated, record.translated) &&
           span_equal(line.parent, record.parent) && span_equal(line.remote, record.remote) &&
           span_equal(line.status, record.status),
       "with the same texts");
    ok(line.attempt == 7 && line.bytes == 4096 && line.n_rcpts == 2 && line.event == TRACK_SEND &&
           span_equal(line.connector, SPAN("branch")) && span_equal(line.by, SPAN("outbound-gateway")),
       "and numbers");
    track_reader_free(reader);
}

static void
test_forgetting(void)
{
    struct track_seen *seen = track_seen_new(100);
    struct track_line line = {.event = TRACK_SEND, .id = span_of(A)};
    char rcpt[20];
    int repeated = 0;
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 90; i++) {
            line.rcpt = (struct span){rcpt, (size_t)snprintf(rcpt, sizeof rcpt, "r%d", i)};
            track_seen_note(seen, &line);
            repeated += line.repeated;
        }
    is_int(repeated, 90, "as many as there is room for are remembered");
    for (int i = 1000; i < 2000; i++) {
        line.rcpt = (struct span){rcpt, (size_t)snprintf(rcpt, sizeof rcpt, "r%d", i)};
        track_seen_note(seen, &line);
    }
    line.rcpt = SPAN("r0");
    track_seen_note(seen, &line);
    ok(!line.repeated, "the oldest are forgotten");
    track_seen_free(seen);
}

static void
test_expire(void)
{
    static const char *const names[] = {"a.0.20251125",     "a.0.20251126", "b-x.1.20251125", "notes.20251125x",
                                        ".hidden.20251125", "20251125",     "a.0.20251325",   "a b.20251125"};
    new_folder();
    for (size_t i = 0; i < COUNT_OF(names); i++)
        append(names[i], "x\n");
    mkdirat(folder, "dir.0.20251125", 0700);
    ok(symlinkat("a.0.20251126", folder, "link.0.20251125") == 0, "(a link)");
    is_int(track_expire(folder, 86400, day_1 + 2 * UTC_DAY_MS - 1), 0,
           "a day's log is kept for its time after its day ended");
    is_int(track_expire(folder, 86400, day_1 + 2 * UTC_DAY_MS), 2, "and then removed");
    ok(faccessat(folder, names[0], F_OK, 0) < 0 && faccessat(folder, names[2], F_OK, 0) < 0, "(those two)");
    bool kept = faccessat(folder, names[1], F_OK, 0) == 0;
    for (size_t i = 3; i < COUNT_OF(names); i++)
        kept = kept && faccessat(folder, names[i], F_OK, 0) == 0;
    ok(kept, "whatever has another name is left alone");
    struct stat st;
    ok(fstatat(folder, "link.0.20251125", &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           fstatat(folder, "dir.0.20251125", &st, 0) == 0,
       "and what is no file too");
    is_int(track_expire(folder, 0, day_1 + 900LL * UTC_DAY_MS), 0, "0 keeps all");
    ok(track_expire(-1, 1, day_1) < 0, "no folder is an error");
}

int
main(void)
{
    test_order();
    test_repeats();
    test_requeue();
    test_reopened();
    test_export();
    test_balance();
    test_damage();
    test_long_day();
    test_round_trip();
    test_forgetting();
    test_expire();
    return tap_done();
}
