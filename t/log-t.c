/* log-t.c - log lines: form, levels, framing for each target, and harmlessness of hostile values */
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "t/tap.h"

static char text[300000];

/* What was written to a file since it was last read. */
static const char *
read_new(int fd)
{
    ssize_t n = read(fd, text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

/* A descriptor for the log, and another for reading it. */
static int
new_file(const char *folder, const char *name, int *in)
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = log_open_target(path);
    *in = open(path, O_RDONLY);
    if (fd < 0 || *in < 0)
        printf("Bail out! cannot make %s\n", path);
    return fd;
}

/* The same, with " time=...Z" taken off the end of each line, so that lines can be compared. */
static const char *
read_without_time(int fd)
{
    char *to = text;
    read_new(fd);
    for (char *p = text; *p != '\0';) {
        if (strncmp(p, " time=20", 8) == 0 && p[30] == '\n')
            p += 30;
        *to++ = *p++;
    }
    *to = '\0';
    return text;
}

static void
test_pairs(void)
{
    const struct {
        struct span value;
        const char *want;
    } rows[] = {
        {SPAN("plain-value@x.example/1,2"), "k=plain-value@x.example/1,2"},
        {SPAN(""), "k=\"\""},
        {SPAN("two words"), "k=\"two words\""},
        {SPAN("a=b"), "k=\"a=b\""},
        {SPAN("say \"hi\" \\ bye"), "k=\"say \\\"hi\\\" \\\\ bye\""},
        {SPAN("line\nend\r\t"), "k=\"line\\x0Aend\\x0D\\x09\""},
        {SPAN("nul\0byte"), "k=\"nul\\x00byte\""},
        {SPAN("caf\xc3\xa9@x.example"), "k=caf\xc3\xa9@x.example"},
        {SPAN("latin\xe9"), "k=\"latin\\xE9\""},
        {SPAN("overlong\xc0\xaf"), "k=\"overlong\\xC0\\xAF\""},
        {SPAN("surrogate\xed\xa0\x80"), "k=\"surrogate\\xED\\xA0\\x80\""},
        {SPAN("sep\xe2\x80\xa8\xe2\x80\xa9"), "k=\"sep\\xE2\\x80\\xA8\\xE2\\x80\\xA9\""},
        {SPAN("csi\xc2\x9b"
              "31m"),
         "k=\"csi\\xC2\\x9B31m\""},
        {SPAN("esc\x1b[31m\x7f"), "k=\"esc\\x1B[31m\\x7F\""},
        {SPAN("bidi\xe2\x80\xae"), "k=\"bidi\\xE2\\x80\\xAE\""},
        {SPAN("\xf0\x9f\x93\xa8"), "k=\xf0\x9f\x93\xa8"},
    };
    struct buf out = {0}, value = {0};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        buf_reset(&out);
        log_print_pair(&out, "k", rows[i].value);
        is_bytes(out.at, out.len, rows[i].want, "value %zu is printed harmlessly", i);
        struct span line = buf_span(&out), key;
        bool read = log_next_pair(&line, &key, &value) && line.len == 0;
        ok(read && span_equal(buf_span(&value), rows[i].value), "value %zu comes back as it was", i);
    }
    buf_clear(&out);
    buf_clear(&value);
}

static void
test_every_byte(void)
{
    struct buf out = {0}, value = {0};
    char bytes[512];
    for (int i = 0; i < 512; i++)
        bytes[i] = (char)(i < 256 ? i : 511 - i);
    struct span all = {bytes, sizeof bytes}, key;
    log_print_pair(&out, "first", SPAN("1"));
    log_print_pair(&out, "k", all);
    log_print_pair(&out, "last", SPAN("2"));
    ok(memchr(out.at, '\n', out.len) == NULL, "no byte of a value makes a line end");
    struct span line = buf_span(&out);
    log_next_pair(&line, &key, &value);
    ok(log_next_pair(&line, &key, &value) && span_equal(buf_span(&value), all), "all bytes come back");
    ok(log_next_pair(&line, &key, &value) && span_equal(key, SPAN("last")), "and the pair behind them");
    ok(!log_next_pair(&line, &key, &value) && line.len == 0, "the end is no error");
    buf_clear(&out);
    buf_clear(&value);
}

static void
test_malformed(void)
{
    static const char *const lines[] = {
        "word",  "=x",       "k=",         "k=\"open", "k=\"a\\q\"", "k=\"a\\x4\"", "k=\"a\"b=c",  "k=a\"b\"",
        "k=a=b", "k=a\tb=c", "k=\"a\nb\"", "k\x01=a",  "k=a\\x41",   "k=\"a\\",     "k=\"\\xZ0\"", "k =a"};
    struct buf value = {0};
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        struct span line = span_of(lines[i]), key;
        int n = 0;
        while (log_next_pair(&line, &key, &value))
            n++;
        ok(line.len > 0, "malformed line %zu is told from the end", i);
    }
    struct span line = SPAN("time=1 rcpt=bob@exa torn\n"), key;
    ok(log_next_pair(&line, &key, &value) && log_next_pair(&line, &key, &value) &&
           !log_next_pair(&line, &key, &value) && line.len > 0,
       "a line torn by a kill is malformed");
    buf_clear(&value);
}

static void
test_lines(const char *folder)
{
    int in, fd = new_file(folder, "text.log", &in);
    log_start("cleanup", fd, false, LEVEL_MEDIUM);
    struct log_line line = log_begin(LOG_MOVES, LEVEL_MEDIUM, "ID1");
    log_add_text(&line, "from", "MTS-IN");
    log_say(LOG_GENERAL, LEVEL_MINIMUM, NULL, "in %s", "between");
    log_add(&line, "why", SPAN("no such user"));
    log_add_number(&line, "n", -5);
    log_end(&line);
    is_text(read_new(in), "", "nothing is written before log_flush()");
    is_int(log_flush(), 0, "log_flush() succeeds");
    is_text(read_without_time(in),
            "by=cleanup say=\"in between\"\n"
            "id=ID1 by=cleanup from=MTS-IN why=\"no such user\" n=-5\n",
            "lines begin with the id and carry their pairs; log_say() may come between");
    log_flush();
    is_text(read_new(in), "", "a flush of nothing writes nothing");

    log_say(LOG_ROUTING, LEVEL_MAXIMUM, NULL, "diagnosis");
    log_set_level(LOG_ROUTING, LEVEL_MAXIMUM);
    log_say(LOG_ROUTING, LEVEL_MAXIMUM, NULL, "wanted");
    log_say(LOG_MOVES, LEVEL_MAXIMUM, NULL, "not wanted");
    log_set_level(-1, LEVEL_NONE);
    log_say(LOG_MOVES, LEVEL_MINIMUM, NULL, "nothing");
    line = log_begin(LOG_MOVES, LEVEL_MINIMUM, "ID2");
    ok(line.buf == NULL, "a line that is not wanted is not built");
    log_add_text(&line, "k", "v");
    log_end(&line);
    log_flush();
    is_text(read_without_time(in), "by=cleanup say=wanted\n", "levels choose lines by category");
    log_set_level(-1, LEVEL_MEDIUM);
}

static void
test_long(const char *folder, bool json)
{
    int in, fd = new_file(folder, json ? "long.json" : "long.log", &in);
    log_start("router", fd, json, LEVEL_MEDIUM);
    struct buf value = {0};
    for (int i = 0; i < 3000; i++)
        buf_add(&value, "\x01\xc3\xa9\"", 4);
    struct log_line line = log_begin(LOG_MOVES, LEVEL_MEDIUM, "ID1");
    for (int i = 0; i < 9; i++)
        log_add(&line, "value", buf_span(&value));
    log_end(&line);
    log_flush();
    read_new(in);
    const char *end = strchr(text, '\n');
    ok(end != NULL && end[1] == '\0', "a long line is one line%s", json ? " (JSON)" : "");
    ok(strlen(text) > 2000 && strlen(text) <= 4000, "of at most 4,000 bytes");
    ok(strstr(text, "...\"") != NULL, "whose values end in ...");
    if (!json) {
        struct buf back = {0};
        struct span rest = span_of(text), key, last = {0};
        while (log_next_pair(&rest, &key, &back))
            last = key;
        ok(rest.len == 0, "and which can be taken apart");
        ok(span_equal(last, SPAN("time")), "and still tells the time");
        buf_clear(&back);
    } else {
        ok(text[0] == '{' && end[-1] == '}', "and which is a whole object");
    }
    buf_clear(&value);
}

static void
test_json(const char *folder)
{
    int in, fd = new_file(folder, "json.log", &in);
    log_start("outbound-gateway/branch", fd, true, LEVEL_MEDIUM);
    struct log_line line = log_begin(LOG_TRANSFER, LEVEL_MINIMUM, "ID1");
    log_add(&line, "reply", SPAN("550 \"no\"\r\n\xff\xe2\x80\xa8"));
    log_add_number(&line, "n", 7);
    log_end(&line);
    log_flush();
    read_new(in);
    ok(strncmp(text, "{\"time\":\"20", 11) == 0, "a JSON line begins with its time");
    is_text(strchr(text, ',') + 1,
            "\"id\":\"ID1\",\"by\":\"outbound-gateway/branch\",\"category\":\"transfer\",\"level\":\"minimum\","
            "\"reply\":\"550 \\\"no\\\"\\u000d\\n\xef\xbf\xbd\\u2028\",\"n\":7}\n",
            "and holds what the text form holds, as valid JSON");
}

static int
bind_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    unlink(path);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
        printf("Bail out! cannot bind %s\n", path);
    return fd;
}

static const char *
receive(int fd)
{
    ssize_t n = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static void
test_syslog(const char *folder)
{
    char path[90], target[120], want[200];
    snprintf(path, sizeof path, "%.70s/log", folder);
    snprintf(target, sizeof target, "syslog:%s", path);
    int server = bind_socket(path), fd = log_open_target(target);
    ok(fd >= 0, "syslog opens");
    log_start("outbound-gateway/branch", fd, false, LEVEL_MEDIUM);
    struct log_line line = log_begin(LOG_MOVES, LEVEL_MEDIUM, "ID1");
    log_add_text(&line, "verdict", "done");
    log_end(&line);
    log_say(LOG_GENERAL, LEVEL_MINIMUM, NULL, "broken");
    log_flush();
    snprintf(want, sizeof want,
             "<22>viaduct-outbound-gateway[%d]: id=ID1 by=outbound-gateway/branch verdict=done", (int)getpid());
    is_text(receive(server), want, "syslog gets a datagram a line, with priority and tag");
    snprintf(want, sizeof want, "<19>viaduct-outbound-gateway[%d]: by=outbound-gateway/branch say=broken",
             (int)getpid());
    is_text(receive(server), want, "errors have the priority of errors");
    is_text(receive(server), "", "and there are no more datagrams");

    close(server);
    log_say(LOG_GENERAL, LEVEL_MEDIUM, NULL, "lost");
    log_flush();
    server = bind_socket(path);
    log_say(LOG_GENERAL, LEVEL_MEDIUM, NULL, "again");
    log_flush();
    ok(strstr(receive(server), "say=again") != NULL, "a log daemon that was started again gets lines again");
    log_flush();
    ok(strstr(receive(server), "1 log lines could not be written") != NULL, "and is told how many were lost");

    for (int i = 0; i < 5000; i++) {
        log_say(LOG_GENERAL, LEVEL_MEDIUM, NULL, "many %d", i);
        if (i % 100 == 0)
            log_flush();
    }
    is_int(log_flush(), 0, "a log daemon that stands still is not waited for");
    int n = 0;
    while (receive(server)[0] != '\0')
        n++;
    log_say(LOG_GENERAL, LEVEL_MEDIUM, NULL, "awake");
    log_flush();
    log_flush();
    snprintf(want, sizeof want, "say=\"%d log lines could not be written", 5000 - n);
    ok(strstr(receive(server), "say=awake") != NULL && strstr(receive(server), want) != NULL,
       "and lines lost so are counted exactly");
    close(server);
    close(fd);
}

static void
test_journal(const char *folder)
{
    char path[90], target[120];
    snprintf(path, sizeof path, "%.70s/journal", folder);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%.70s/journal/socket", folder);
    snprintf(target, sizeof target, "journal:%s", path);
    int server = bind_socket(path), fd = log_open_target(target);
    log_start("router", fd, false, LEVEL_MEDIUM);
    struct log_line line = log_begin(LOG_MOVES, LEVEL_MEDIUM, "ID1");
    log_add(&line, "why", SPAN("a\nPRIORITY=0"));
    log_end(&line);
    log_flush();
    is_text(receive(server),
            "PRIORITY=6\nSYSLOG_FACILITY=2\nSYSLOG_IDENTIFIER=viaduct-router\nVIADUCT_ID=ID1\n"
            "MESSAGE=id=ID1 by=router why=\"a\\x0APRIORITY=0\"\n",
            "the journal gets its fields, and no value can make another");
    log_start("router", STDERR_FILENO, false, LEVEL_NONE);
    close(server);
    close(fd);
    unlink(path);
    is_int(log_open_target(target), STDERR_FILENO, "without a journal the log goes to stderr");
    ok(log_open_target("syslog:/nonexistent/log") == -ENOENT, "a syslog that is not there is an error");
    ok(log_open_target("/nonexistent/file") == -ENOENT, "so is a file that cannot be made");
    is_int(log_open_target("stderr"), STDERR_FILENO, "stderr is stderr");
}

static void
test_words(void)
{
    ok(log_level_by_word("none") == LEVEL_NONE && log_level_by_word("maximum") == LEVEL_MAXIMUM &&
           log_level_by_word("Maximum") == -1,
       "levels are known by their words");
    is_text(log_level_word(LEVEL_MEDIUM), "medium", "and words by their levels");
    ok(log_category_by_word("moves") == LOG_MOVES && log_category_by_word("") == -1, "categories too");
}

int
main(void)
{
    const char *folder = tap_folder();
    test_pairs();
    test_every_byte();
    test_malformed();
    test_lines(folder);
    test_json(folder);
    test_long(folder, false);
    test_long(folder, true);
    test_syslog(folder);
    test_journal(folder);
    test_words();
    return tap_done();
}
