/* counters-t.c - counters: they outlive the process, survive strange files, and are read with suspicion */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/log.h"
#include "t/tap.h"

static int folder_fd;
static int64_t values[COUNTER_COUNT];
static char connector[64];

static int
read_counters(const char *name)
{
    int fd = openat(folder_fd, name, O_RDONLY);
    int r = fd < 0 ? -errno : counters_read(fd, connector, values);
    close(fd);
    return r;
}

/* A process counts and is gone without a farewell. */
static void
count_in_child(const char *name, const char *for_connector, int64_t messages, int64_t in_hand)
{
    pid_t pid = fork();
    if (pid == 0) {
        counter_add(COUNTER_MESSAGES_IN, messages - 1);
        counters_start(folder_fd, name, for_connector);
        counter_add(COUNTER_MESSAGES_IN, 1);
        if (in_hand != 0)
            counter_set(COUNTER_IN_HAND, in_hand);
        counter_add_stage(100);
        counter_add_stage(5000);
        counter_add_stage(-5);
        counter_add_stage(INT64_C(4000000));
        _exit(0);
    }
    waitpid(pid, NULL, 0);
}

static void
test_life(void)
{
    count_in_child("cleanup", "", 3, 7);
    is_int(read_counters("cleanup"), 0, "a counter file can be read when its process is gone");
    is_text(connector, "", "of a worker there is one of");
    is_int(values[COUNTER_MESSAGES_IN], 3, "with what was counted, also before the file was there");
    is_int(values[COUNTER_IN_HAND], 7, "and what was set");
    is_int(values[COUNTER_STAGE_LE_100MS], 2, "the histogram's bound belongs to its bucket");
    is_int(values[COUNTER_STAGE_LE_1S], 2, "a bucket holds those of the smaller ones");
    is_int(values[COUNTER_STAGE_LE_10S], 3, "and its own");
    is_int(values[COUNTER_STAGE_LE_1H], 3, "what took longer stands in none");
    is_int(values[COUNTER_STAGE_COUNT], 4, "but in the count");
    is_int(values[COUNTER_STAGE_SUM_MS], 4005100, "and the sum, in which time does not run backwards");
    count_in_child("cleanup", "", 2, 0);
    is_int(read_counters("cleanup"), 0, "another process continues the file");
    is_int(values[COUNTER_MESSAGES_IN], 5, "totals go on");
    is_int(values[COUNTER_IN_HAND], 0, "gauges begin at 0");
}

static void
test_other_version(void)
{
    int fd = openat(folder_fd, "old", O_RDWR | O_CREAT, 0600);
    static const char header[] = "viaduct-counters 0 x\n";
    ok(write(fd, header, sizeof header) > 0, "(a file of another version)");
    is_int(read_counters("old"), -EINVAL, "cannot be read");
    count_in_child("old", "branch", 1, 0);
    is_int(read_counters("old"), 0, "but is replaced at the next start");
    is_text(connector, "branch", "with the connector's name");
    is_int(values[COUNTER_MESSAGES_IN], 1, "and counts from 0");
    struct stat st;
    ok(fstat(fd, &st) == 0 && st.st_size == (off_t)sizeof header && st.st_nlink == 0,
       "the old file is left as it is for who has it mapped");
    close(fd);
}

static void
damage(const char *name, off_t at, const char *bytes, size_t len)
{
    int fd = openat(folder_fd, name, O_RDWR);
    if (pwrite(fd, bytes, len, at) != (ssize_t)len)
        printf("Bail out! cannot damage %s\n", name);
    close(fd);
}

/* The names' checksum differs, the size does not: an event was renamed or moved in the list. */
static void
test_other_names(void)
{
    count_in_child("renamed", "branch", 5, 0);
    damage("renamed", 19, "0", 1);
    damage("renamed", 20, "x", 1);
    is_int(read_counters("renamed"), -EINVAL, "a file with other counters of the same number cannot be read");
    count_in_child("renamed", "branch", 1, 0);
    is_int(read_counters("renamed"), 0, "and is replaced");
    is_int(values[COUNTER_MESSAGES_IN], 1, "so that no counter continues another");
}

static void
test_hostile(void)
{
    count_in_child("hostile", "branch", 1, 0);
    damage("hostile", 28, "a\"b\n", 4);
    is_int(read_counters("hostile"), -EINVAL, "a connector that cannot be one is refused");
    damage("hostile", 28,
           "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
           "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
           100);
    is_int(read_counters("hostile"), -EINVAL, "a header without end too");
    count_in_child("short", "branch", 1, 0);
    int fd = openat(folder_fd, "short", O_RDWR);
    ok(ftruncate(fd, 200) == 0, "(a short file)");
    close(fd);
    is_int(read_counters("short"), -EINVAL, "a short file is refused");
    mkfifoat(folder_fd, "fifo", 0600);
    fd = openat(folder_fd, "fifo", O_RDONLY | O_NONBLOCK);
    is_int(counters_read(fd, connector, values), -EINVAL, "what is no file is refused");
    close(fd);
}

static void
test_no_file(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        counters_start(-1, "x", "");
        counter_add(COUNTER_MOVES, 1);
        _exit(0);
    }
    int status;
    waitpid(pid, &status, 0);
    is_int(status, 0, "where no file can be made the worker counts in memory and goes on");
}

int
main(void)
{
    folder_fd = open(tap_folder(), O_RDONLY | O_DIRECTORY);
    log_set_level(-1, LEVEL_NONE);
    test_life();
    test_other_version();
    test_other_names();
    test_hostile();
    test_no_file();
    return tap_done();
}
