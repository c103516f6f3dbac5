/* track-t.c - tracking records: form, order, full disks and torn files */
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <signal.h>

#include "common/log.h"
#include "common/utc.h"
#include "t/tap.h"

static int track_fd;
static char text[600000];

static const char *
file_name(const char *stem)
{
    static char name[200];
    char day[UTC_DAY_LEN + 1];
    utc_print_day(time_ms(), day);
    snprintf(name, sizeof name, "%s.%s", stem, day);
    return name;
}

static const char *
read_file(const char *stem)
{
    int fd = openat(track_fd, file_name(stem), O_RDONLY);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    close(fd);
    return text;
}

static void
add(const char *id, const char *rcpt)
{
    struct track_record record = {.event = TRACK_RECEIVE, .id = id, .rcpt = span_of(rcpt)};
    track_add(&record);
}

static void
test_form(void)
{
    track_start(track_fd, "outbound-gateway-branch");
    struct track_record record = {.event = TRACK_SEND,
                                  .id = "ID1",
                                  .rcpt = SPAN("a b@x.example"),
                                  .sender = SPAN("s@x.example"),
                                  .status = SPAN("2.0.0"),
                                  .remote = SPAN("mx [127.0.0.1]"),
                                  .bytes = 4096,
                                  .attempt = 2,
                                  .n_rcpts = 1};
    track_add(&record);
    record = (struct track_record){.event = TRACK_BADMAIL, .id = "ID2", .connector = "host"};
    track_add(&record);
    is_text(read_file("outbound-gateway-branch"), "", "records wait for log_flush()");
    is_int(log_flush(), 0, "which succeeds");
    read_file("outbound-gateway-branch");
    struct span time = {text + 5, UTC_LEN};
    int64_t ms;
    ok(utc_parse(time, &ms) && ms <= time_ms() && ms > time_ms() - 600000, "a record begins with its time");
    char *second = strchr(text, '\n') + 1;
    second[-1] = '\0';
    is_text(text + 5 + UTC_LEN,
            " event=SEND id=ID1 by=outbound-gateway connector=branch rcpt=\"a b@x.example\" attempt=2 "
            "sender=s@x.example status=2.0.0 remote=\"mx [127.0.0.1]\" bytes=4096 rcpts=1",
            "says event, worker and connector, and what is known");
    is_text(second + 5 + UTC_LEN, " event=BADMAIL id=ID2 by=outbound-gateway connector=host\n",
            "and leaves out what is not");
    struct stat st;
    ok(fstatat(track_fd, file_name("outbound-gateway-branch"), &st, 0) == 0 && (st.st_mode & 07777) == 0640,
       "the file is for its owner and group");
}

static void
test_hostile(void)
{
    track_start(track_fd, "hostile");
    struct buf big = {0}, value = {0};
    for (int i = 0; i < 20000; i++)
        buf_add(&big, "\n\"\x9b", 3);
    struct span all = buf_span(&big), key;
    struct track_record record = {TRACK_FAIL, "ID1", "branch", all, all, all, all, all,
                                  all,        all,   all,      all, 1,   1,   1};
    track_add(&record);
    log_flush();
    read_file("hostile");
    char *end = strchr(text, '\n');
    ok(end != NULL && end[1] == '\0' && strlen(text) <= 4000,
       "a hostile record is one line of at most 4,000 bytes");
    struct span line = span_of(text);
    int pairs = 0;
    while (log_next_pair(&line, &key, &value))
        pairs++;
    ok(line.len == 0 && pairs == 17, "with all its pairs");
    buf_clear(&big);
    buf_clear(&value);
}

/* A full disk, played by a limit on the size of files. */
static void
test_full(void)
{
    struct rlimit unlimited, tight;
    getrlimit(RLIMIT_FSIZE, &unlimited);
    tight = unlimited;
    tight.rlim_cur = 250;
    signal(SIGXFSZ, SIG_IGN);
    track_start(track_fd, "full");
    for (int i = 0; i < 5; i++)
        add("ID1", "bob@x.example");
    setrlimit(RLIMIT_FSIZE, &tight);
    int first = log_flush(), second = log_flush();
    setrlimit(RLIMIT_FSIZE, &unlimited); /* the limit holds for this test's output too */
    is_int(first, -EFBIG, "log_flush() says that the tracking log could not be written");
    is_int(second, -EFBIG, "and says it again");
    ok(strlen(read_file("full")) == 250, "(the write had ended within a record)");
    is_int(log_flush(), 0, "when there is room again it succeeds");
    read_file("full");
    int whole = 0;
    for (char *p = text, *end; (end = strchr(p, '\n')) != NULL; p = end + 1)
        whole += strncmp(p, "time=", 5) == 0 && strncmp(end - 13, "bob@x.example", 13) == 0;
    is_int(whole, 5, "and every record stands there once, whole");
}

static void
test_torn(void)
{
    int fd = openat(track_fd, file_name("torn"), O_WRONLY | O_CREAT, 0600);
    static const char torn[] = "time=2026-11-25T00:00:00.000Z event=RECEIVE id=ID1 rcpt=bob@x.exam";
    ok(write(fd, torn, sizeof torn - 1) > 0, "(a file torn by a kill)");
    close(fd);
    track_start(track_fd, "torn");
    add("ID1", "bob@x.example");
    log_flush();
    read_file("torn");
    char *second = strchr(text, '\n') + 1;
    ok(strncmp(second, "time=", 5) == 0, "behind a torn record a new line begins");
    struct span line = {text, (size_t)(second - text)}, key;
    struct buf value = {0};
    while (log_next_pair(&line, &key, &value))
        ;
    ok(line.len > 0, "and the torn record is malformed, so its cut address is not believed");
    buf_clear(&value);
}

static void
test_links(const char *folder)
{
    char path[400];
    snprintf(path, sizeof path, "%s/target", folder);
    ok(symlinkat(path, track_fd, file_name("link")) == 0, "(a link in the folder)");
    track_start(track_fd, "link");
    add("ID1", "bob@x.example");
    ok(log_flush() < 0 && access(path, F_OK) < 0, "a link is not followed");
    track_start(-1, "");
    add("ID1", "bob@x.example");
    is_int(log_flush(), 0, "without a folder records are dropped");
}

static void
test_names(void)
{
    is_text(track_event_names[TRACK_REDIRECT], "REDIRECT", "events have their names");
    ok(track_event_signs[TRACK_RECEIVE] == 1 && track_event_signs[TRACK_SEND] == -1 &&
           track_event_signs[TRACK_DEFER] == 0,
       "and signs");
}

static void
test_times(void)
{
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {951782400000, "2000-02-29T00:00:00.000Z"},
        {1709251199999, "2024-02-29T23:59:59.999Z"},
        {4107542400000, "2100-03-01T00:00:00.000Z"},
        {253402300799999, "9999-12-31T23:59:59.999Z"},
        {-62167219200000, "0000-01-01T00:00:00.000Z"},
    };
    char printed[UTC_LEN + 1];
    int64_t ms;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        utc_print(rows[i].ms, printed);
        is_text(printed, rows[i].text, "%s is printed", rows[i].text);
        ok(utc_parse(span_of(rows[i].text), &ms) && ms == rows[i].ms, "%s is read", rows[i].text);
    }
    utc_print(INT64_MAX, printed);
    is_bytes(printed, 4, "9999", "times beyond all years are the last");
    static const char *const wrong[] = {"2023-02-29T00:00:00Z",
                                        "2024-13-01T00:00:00Z",
                                        "2024-01-01T24:00:00Z",
                                        "2024-01-01 00:00:00Z",
                                        "2024-01-01T00:00:00",
                                        "2024-01-01T00:00:00.Z",
                                        "2024-01-01T00:00:00.1234567890Z",
                                        "Z",
                                        "",
                                        "2024-00-01T00:00:00Z"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        ok(!utc_parse(span_of(wrong[i]), &ms), "\"%s\" is no time", wrong[i]);
    ok(utc_parse(SPAN("2024-01-01T00:00:00.5Z"), &ms) && ms == 1704067200500, "fractions are decimal");
    ok(utc_parse_day(SPAN("20241231"), &ms) && ms == 1735603200000 && !utc_parse_day(SPAN("20240230"), &ms),
       "days are read");
}

int
main(void)
{
    const char *folder = tap_folder();
    char path[400];
    snprintf(path, sizeof path, "%s/records", folder);
    mkdir(path, 0700);
    track_fd = open(path, O_RDONLY | O_DIRECTORY);
    log_start("outbound-gateway/branch", STDERR_FILENO, false, LEVEL_NONE);
    test_form();
    test_hostile();
    test_full();
    test_torn();
    test_links(folder);
    test_names();
    test_times();
    return tap_done();
}
