/* metrics-t.c - the census of the spool, and what Prometheus is told */
#include "common/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/id.h"
#include "t/tap.h"

static int spool_fd;
static char spool[300];

static void
put(enum folder folder, const char *connector, const char *sub, const char *name)
{
    char path[SPOOL_PATH_MAX], whole[SPOOL_PATH_MAX + 300];
    folder_path(folder, connector, path);
    snprintf(whole, sizeof whole, "%s/%s", path, sub);
    mkdirat(spool_fd, whole, 0700);
    snprintf(whole, sizeof whole, "%s/%s%s", path, sub, name);
    int fd = openat(spool_fd, whole, O_CREAT | O_WRONLY | O_EXCL, 0600);
    if (fd < 0)
        printf("Bail out! cannot make %s\n", whole);
    close(fd);
}

static const struct census_row *
row_of(const struct census *census, enum folder folder, const char *connector)
{
    static const struct census_row none = {.count = 999};
    for (size_t i = 0; i < census->n; i++)
        if (census->rows[i].folder == folder && strcmp(census->rows[i].connector, connector) == 0)
            return &census->rows[i];
    return &none;
}

static void
make_spool(void)
{
    static const char *const connectors[] = {"host", "branch"};
    char id[ID_LEN + 1], name[100];
    snprintf(spool, sizeof spool, "%s", tap_folder());
    if (spool_create(spool, connectors, 2, NULL) < 0)
        printf("Bail out! cannot make a spool\n");
    spool_fd = open(spool, O_RDONLY | O_DIRECTORY);
    id_start(1, 1);
    for (int i = 0; i < 3; i++) {
        id_new(id);
        put(FOLDER_MTS_OUT, "branch", "", id);
        id_new(id);
        snprintf(name, sizeof name, "%s.why", id);
        put(FOLDER_BADMAIL, "host", "", id);
        put(FOLDER_BADMAIL, "host", "", name);
    }
    put(FOLDER_DEFERRED, "branch", "", "05LVQKGC00000000000000000A@1900000000");
    id_new(id);
    snprintf(name, sizeof name, "%s@1900000000", id);
    put(FOLDER_DEFERRED, "branch", "", name);
    put(FOLDER_HOLD, NULL, "mailbox+branch+MTS-OUT/", name);
    put(FOLDER_DROP, NULL, "", "letter one.eml");
    put(FOLDER_DROP, NULL, "", ".being-written");
    put(FOLDER_SPOOLER_QUEUE, NULL, "", "stray");
}

static void
test_census(void)
{
    struct census census;
    is_int(census_take(spool_fd, 1000000, &census), 0, "a census can be taken");
    ok(census.complete, "and is complete");
    is_int(row_of(&census, FOLDER_MTS_OUT, "branch")->count, 3, "messages are counted");
    is_int(row_of(&census, FOLDER_MTS_OUT, "host")->count, 0, "empty folders have rows too");
    is_int(row_of(&census, FOLDER_BADMAIL, "host")->count, 3, "the reason beside a Badmail is no message");
    is_int(row_of(&census, FOLDER_DEFERRED, "branch")->count, 2, "deferred ones are counted");
    is_int(row_of(&census, FOLDER_DEFERRED, "branch")->oldest_ms, id_time_ms("05LVQKGC00000000000000000A"),
           "the oldest is told by the time in its id");
    is_int(row_of(&census, FOLDER_HOLD, "")->count, 1, "held ones are found in their sub-folders");
    is_int(row_of(&census, FOLDER_DROP, "")->count, 1,
           "a dropped file counts, one that is being written does not");
    is_int(row_of(&census, FOLDER_DROP, "")->oldest_ms, -1, "and its age is not guessed");
    is_int(row_of(&census, FOLDER_SPOOLER_QUEUE, "")->count, 0, "what is no queue file is no message");
    is_int(row_of(&census, FOLDER_STATE, "")->count, 999, "folders without messages have no rows");
    census_clear(&census);
    census_take(spool_fd, 5, &census);
    ok(!census.complete, "a census of more names than allowed says that it is not complete");
    census_clear(&census);
    ok(census_take(-1, 10, &census) < 0 && census.n == 0, "no spool is an error");
    census_clear(&census);
}

static void
count(const char *name, const char *connector, int64_t messages, int64_t stage_ms)
{
    pid_t pid = fork();
    if (pid == 0) {
        int folder = folder_open(spool_fd, FOLDER_COUNTERS, NULL);
        counters_start(folder, name, connector);
        counter_add(COUNTER_MESSAGES_IN, messages);
        counter_add(COUNTER_MOVES, messages);
        counter_add_stage(stage_ms);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
}

static bool
has(const struct buf *out, const char *line)
{
    const char *at = strstr(out->at, line);
    return at != NULL && (at == out->at || at[-1] == '\n') && at[strlen(line)] == '\n';
}

/* Every line is a comment or a sample, every family is begun once, and no sample comes twice. */
static bool
is_well_formed(const struct buf *out)
{
    for (const char *p = out->at, *end; *p != '\0'; p = end + 1) {
        end = strchr(p, '\n');
        if (end == NULL)
            return false;
        size_t label_len = 0;
        if (strncmp(p, "# HELP viaduct_", 15) == 0 || strncmp(p, "# TYPE viaduct_", 15) == 0)
            label_len = (size_t)(end - p);
        else if (strncmp(p, "viaduct_", 8) == 0) {
            const char *brace = memrchr(p, '}', (size_t)(end - p));
            if (brace == NULL || brace[1] != ' ' ||
                strspn(brace + 2, "-.0123456789") != (size_t)(end - brace - 2))
                return false;
            label_len = (size_t)(brace - p) + 1;
        } else
            return false;
        if (memmem(end, strlen(end), p, label_len) != NULL && p[0] != '#')
            return false;
    }
    return true;
}

static void
test_metrics(void)
{
    struct buf out = {0};
    count("inbound-gateway-branch.0", "branch", 3, 50);
    count("inbound-gateway-branch.1", "branch", 4, 2000);
    count("outbound-gateway-branch.0", "branch", 5, 50);
    count("cleanup.0", "", 7, 50);
    is_int(metrics_print(spool_fd, "gw\"1\n", &out), 0, "metrics can be printed");
    ok(is_well_formed(&out), "every line is a comment or a sample, and none comes twice");
    ok(has(&out, "viaduct_messages_total{direction=\"in\",outcome=\"accepted\",node=\"gw\\\"1?\",connector="
                 "\"branch\"} 12"),
       "messages are summed over a connector's workers and lanes; the node is escaped");
    ok(has(&out, "viaduct_moves_total{node=\"gw\\\"1?\",connector=\"branch\",worker=\"inbound-gateway\"} 7"),
       "moves are told for each worker");
    ok(has(&out, "viaduct_moves_total{node=\"gw\\\"1?\",worker=\"cleanup\"} 7"), "also without a connector");
    ok(has(&out, "viaduct_stage_seconds_bucket{le=\"0.1\",node=\"gw\\\"1?\",connector=\"branch\",worker="
                 "\"inbound-gateway\"} 1") &&
           has(&out, "viaduct_stage_seconds_bucket{le=\"10\",node=\"gw\\\"1?\",connector=\"branch\",worker="
                     "\"inbound-gateway\"} 2") &&
           has(&out, "viaduct_stage_seconds_bucket{le=\"+Inf\",node=\"gw\\\"1?\",connector=\"branch\",worker="
                     "\"inbound-gateway\"} 2") &&
           has(&out, "viaduct_stage_seconds_sum{node=\"gw\\\"1?\",connector=\"branch\",worker=\"inbound-"
                     "gateway\"} 2.050") &&
           has(&out, "viaduct_stage_seconds_count{node=\"gw\\\"1?\",connector=\"branch\",worker=\"inbound-"
                     "gateway\"} 2"),
       "the histogram is one, in seconds");
    ok(strstr(out.at, "sum_ms") == NULL, "milliseconds are not shown");
    ok(has(&out, "viaduct_queue_messages{folder=\"MTS-OUT\",node=\"gw\\\"1?\",connector=\"branch\"} 3"),
       "queues are told");
    ok(strstr(out.at,
              "viaduct_queue_oldest_seconds{folder=\"Deferred\",node=\"gw\\\"1?\",connector=\"branch\"} ") !=
           NULL,
       "and their oldest");
    ok(has(&out,
           "viaduct_queue_oldest_seconds{folder=\"MTS-IN\",node=\"gw\\\"1?\",connector=\"branch\"} 0.000"),
       "which is 0 for an empty folder");
    ok(has(&out, "# TYPE viaduct_messages_total counter") &&
           has(&out, "# TYPE viaduct_stage_seconds histogram"),
       "families have their types");
    buf_clear(&out);
}

/* Every counter belongs to a family: a new one that is forgotten would not be shown. */
static void
test_families(void)
{
    static const char *const families[] = {
#define FAMILY(name, type, help) name,
#include "common/events.def"
    };
    for (int i = 0; i < COUNTER_COUNT; i++) {
        const char *name = counter_table[i].name;
        bool found = false;
        for (size_t f = 0; f < COUNT_OF(families); f++) {
            size_t len = strlen(families[f]);
            found = found || (strncmp(name, families[f], len) == 0 && (name[len] == '{' || name[len] == '_'));
        }
        ok(found, "%s is of a family", name);
    }
}

static void
test_hostile(void)
{
    struct metrics_row *rows;
    ssize_t before = metrics_read(spool_fd, &rows);
    free(rows);
    count("liar-other", "branch", 1, 1);
    count("quote\"} 5", "", 1, 1);
    count("cleanup.x", "", 1, 1);
    count("-branch", "branch", 1, 1);
    count("cleanup_branch", "branch", 1, 1);
    put(FOLDER_COUNTERS, NULL, "", "empty");
    put(FOLDER_COUNTERS, NULL, "", ".hidden");
    int folder = folder_open(spool_fd, FOLDER_COUNTERS, NULL);
    ok(symlinkat("cleanup.0", folder, "link") == 0 && mkfifoat(folder, "fifo", 0600) == 0, "(strange files)");
    ssize_t after = metrics_read(spool_fd, &rows);
    free(rows);
    is_int(after, before, "files that no worker of ours made are left out");
    struct buf out = {0};
    metrics_print(spool_fd, "gw1", &out);
    ok(is_well_formed(&out), "and no name makes a sample of its own");
    buf_clear(&out);
    is_int(metrics_read(-1, &rows), -EBADF, "no spool is an error");
}

int
main(void)
{
    log_set_level(-1, LEVEL_NONE);
    make_spool();
    test_census();
    test_metrics();
    test_families();
    test_hostile();
    return tap_done();
}
