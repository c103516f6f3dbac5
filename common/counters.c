/* counters.c - counters in a mapped file: an addition each, no system call (see log.h)
 *
 * The file outlives the process, so totals continue over restarts. Two processes of one instance may count at
 * once while a reload drains the old one, so additions are atomic; a file is never made shorter while it may be
 * mapped (that would kill the other by SIGBUS), but replaced.
 *
 * What is hostile here: readers meet files that another worker wrote.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/crc32c.h"
#include "common/log.h"
#include "spool-layout/layout.h"

enum { HEADER_LEN = 128, FILE_LEN = HEADER_LEN + COUNTER_COUNT * 8 };

#define TYPE_IS_TOTAL    false
#define TYPE_IS_GAUGE    true
#define PER_IS_CONNECTOR false
#define PER_IS_WORKER    true

const struct counter_row counter_table[COUNTER_COUNT] = {
#define COUNTER(symbol, name, type, per, meaning)                                                              \
    [COUNTER_##symbol] = {name, TYPE_IS_##type, PER_IS_##per, meaning},
#include "common/events.def"
};

static int64_t unmapped[COUNTER_COUNT];
static int64_t *values = unmapped;

/* Files whose counters have other names, or another order, are of another version. */
static uint32_t
names_crc(void)
{
    uint32_t crc = 0;
    for (int i = 0; i < COUNTER_COUNT; i++)
        crc = crc32c(crc, counter_table[i].name, strlen(counter_table[i].name) + 1);
    return crc;
}

static void
print_header(const char *connector, char header[HEADER_LEN])
{
    memset(header, 0, HEADER_LEN);
    snprintf(header, HEADER_LEN, "viaduct-counters 1 %08x %s\n", (unsigned)names_crc(), connector);
}

/* ---- writing ---- */

/* Readers refuse a file without its header, which is written last. Room is taken now, since counting on a page
 * for which the disk has no room would end the process. */
static int
make_file(int folder_fd, const char *name, const char *connector)
{
    char header[HEADER_LEN];
    int fd = openat(folder_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
    if (fd < 0)
        return -errno;
    print_header(connector, header);
    int r = -posix_fallocate(fd, 0, FILE_LEN);
    if (r == 0 && pwrite(fd, header, HEADER_LEN, 0) != HEADER_LEN)
        r = -EIO;
    if (r == 0)
        return fd;
    close(fd);
    spool_remove(folder_fd, name);
    return r;
}

static int
open_file(int folder_fd, const char *name, const char *connector)
{
    char wanted[HEADER_LEN], header[HEADER_LEN];
    struct stat st;
    int fd = openat(folder_fd, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno != ENOENT)
        return -errno;
    if (fd >= 0) {
        print_header(connector, wanted);
        if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == FILE_LEN &&
            pread(fd, header, HEADER_LEN, 0) == HEADER_LEN && memcmp(header, wanted, HEADER_LEN) == 0)
            return fd;
        close(fd);
        int r = spool_remove(folder_fd, name);
        if (r < 0 && r != -ENOENT)
            return r;
    }
    return make_file(folder_fd, name, connector);
}

/* Takes over what was counted before the file was there. */
static void
use_mapping(int64_t *mapped)
{
    values = mapped;
    for (int i = 0; i < COUNTER_COUNT; i++) {
        if (counter_table[i].gauge)
            counter_set((enum counter)i, unmapped[i]);
        else
            counter_add((enum counter)i, unmapped[i]);
        unmapped[i] = 0;
    }
}

void
counters_start(int counters_folder_fd, const char *name, const char *connector)
{
    BUG_UNLESS(values == unmapped);
    int fd = open_file(counters_folder_fd, name, connector);
    int error = fd < 0 ? -fd : 0;
    void *memory = MAP_FAILED;
    if (fd >= 0) {
        memory = mmap(NULL, FILE_LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        error = errno;
        close(fd);
    }
    if (memory == MAP_FAILED)
        log_say(LOG_GENERAL, LEVEL_MINIMUM, NULL,
                "counters are kept in memory only: cannot map the file %s: %s", name, strerror(error));
    else
        use_mapping((int64_t *)(void *)((char *)memory + HEADER_LEN));
}

void
counter_add(enum counter counter, int64_t by)
{
    BUG_UNLESS(counter < COUNTER_COUNT);
    __atomic_fetch_add(&values[counter], by, __ATOMIC_RELAXED);
}

void
counter_set(enum counter counter, int64_t value)
{
    BUG_UNLESS(counter < COUNTER_COUNT);
    __atomic_store_n(&values[counter], value, __ATOMIC_RELAXED);
}

/* Buckets of a Prometheus histogram hold all that is at most their bound. */
void
counter_add_stage(int64_t ms)
{
    static const struct {
        int64_t limit_ms;
        enum counter counter;
    } buckets[] = {
        {100, COUNTER_STAGE_LE_100MS}, {1000, COUNTER_STAGE_LE_1S},    {10000, COUNTER_STAGE_LE_10S},
        {60000, COUNTER_STAGE_LE_1M},  {600000, COUNTER_STAGE_LE_10M}, {3600000, COUNTER_STAGE_LE_1H},
    };
    ms = ms < 0 ? 0 : ms;
    for (size_t i = 0; i < COUNT_OF(buckets); i++)
        if (ms <= buckets[i].limit_ms)
            counter_add(buckets[i].counter, 1);
    counter_add(COUNTER_STAGE_SUM_MS, ms);
    counter_add(COUNTER_STAGE_COUNT, 1);
}

/* ---- reading ---- */

/* The connector in a header: what stands behind the fixed words up to the line end. */
static bool
read_header(const char header[HEADER_LEN], char connector[64])
{
    char fixed[HEADER_LEN];
    print_header("", fixed);
    size_t fixed_len = strlen(fixed) - 1; /* without the line end */
    const char *end = memchr(header, '\n', HEADER_LEN);
    if (end == NULL || memcmp(header, fixed, fixed_len) != 0 || end < header + fixed_len)
        return false;
    size_t len = (size_t)(end - (header + fixed_len));
    if (len >= 64)
        return false;
    memcpy(connector, header + fixed_len, len);
    connector[len] = '\0';
    return len == 0 || connector_name_valid(connector);
}

int
counters_read(int fd, char connector[64], int64_t result[COUNTER_COUNT])
{
    char bytes[FILE_LEN + 1];
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || st.st_size != FILE_LEN)
        return -EINVAL;
    if (pread(fd, bytes, sizeof bytes, 0) != FILE_LEN || !read_header(bytes, connector))
        return -EINVAL;
    memcpy(result, bytes + HEADER_LEN, sizeof(int64_t) * COUNTER_COUNT);
    return 0;
}
