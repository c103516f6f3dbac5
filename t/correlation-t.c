/* correlation-t.c - what is remembered of messages that have left: found again, through damage, until it is old */
#include "common/correlation.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/utc.h"
#include "t/tap.h"

static int folder;
static const int64_t noon = 1795608000000; /* 2026-11-25T12:00:00Z */

static int
put(int64_t when, const char *key, const char *value)
{
    struct why why;
    return correlation_put(folder, when, span_of(key), span_of(value), &why);
}

/* The value under a key seen at a time, "-" where there is none, "!" where it cannot be read. */
static const char *
get(int64_t when, const char *key)
{
    static struct buf value;
    buf_reset(&value);
    int r = correlation_get(folder, when, 7, span_of(key), &value);
    buf_add_byte(&value, '\0');
    return r > 0 ? value.at : r == 0 ? "-" : "!";
}

/* The one file that has records of that day for the key written last. */
static int
open_only_file(int flags)
{
    DIR *dir = opendir(".");
    int fd = -1;
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;)
        if (entry->d_name[0] != '.')
            fd = open(entry->d_name, flags);
    if (dir != NULL)
        closedir(dir);
    return fd;
}

static int
count_files(void)
{
    DIR *dir = opendir(".");
    int n = 0;
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;)
        n += entry->d_name[0] != '.';
    if (dir != NULL)
        closedir(dir);
    return n;
}

static void
test_record(void)
{
    char all[256], back[256];
    struct buf value = {0};
    struct why why;
    is_text(get(noon, "a"), "-", "what nobody kept is not there");
    is_int(put(noon, "a", "one"), 0, "a record is kept");
    is_text(get(noon, "a"), "one", "and found");
    is_text(get(noon, "b"), "-", "under its own key only");
    is_int(put(noon, "a", "two"), 0, "kept once more");
    is_text(get(noon, "a"), "two", "the newest counts");
    is_int(put(noon, "empty", ""), 0, "an empty value can be kept");
    is_text(get(noon, "empty"), "", "and is not the same as none");
    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    is_int(correlation_put(folder, noon, (struct span){all, 256}, (struct span){all, 256}, &why), 0,
           "keys and values of any octets can be kept");
    is_int(correlation_get(folder, noon, 7, (struct span){all, 256}, &value), 1, "and are found");
    memcpy(back, value.at, value.len == 256 ? 256 : 0);
    ok(value.len == 256 && memcmp(back, all, 256) == 0, "as they were");
    buf_clear(&value);
    is_int(correlation_put(folder, noon, (struct span){all, 0}, span_of("v"), &why), -EMSGSIZE,
           "no key is refused");
}

static void
test_limits(void)
{
    struct buf key = {0}, value = {0}, found = {0};
    struct why why;
    for (int i = 0; i < CORRELATION_KEY_MAX; i++)
        buf_add_byte(&key, '\\');
    for (int i = 0; i < CORRELATION_VALUE_MAX; i++)
        buf_add_byte(&value, '\n');
    is_int(correlation_put(folder, noon, buf_span(&key), buf_span(&value), &why), 0,
           "the longest key and value, every octet escaped, are kept");
    is_int(correlation_get(folder, noon, 7, buf_span(&key), &found), 1, "and found");
    ok(span_equal(buf_span(&found), buf_span(&value)), "whole");
    buf_add_byte(&value, 'x');
    is_int(correlation_put(folder, noon, buf_span(&key), buf_span(&value), &why), -EMSGSIZE,
           "one octet more is refused");
    buf_clear(&key);
    buf_clear(&value);
    buf_clear(&found);
}

static void
test_days(void)
{
    int64_t day = UTC_DAY_MS;
    is_int(put(noon - 6 * day, "old", "six"), 0, "a record of six days ago");
    is_int(put(noon - 7 * day, "older", "seven"), 0, "and one of seven days ago");
    is_text(get(noon, "old"), "six", "the first is found in seven days");
    is_text(get(noon, "older"), "-", "the other is not");
    int before = count_files();
    int removed = correlation_purge(folder, noon, 7);
    is_int(removed, 1, "the purge removes what cannot be found any more");
    is_int(count_files(), before - 1, "and nothing else");
    is_text(get(noon, "old"), "six", "the last day is kept whole");
    close(open("20200101.zz", O_WRONLY | O_CREAT, 0600));
    close(open("notes", O_WRONLY | O_CREAT, 0600));
    is_int(put(noon - 100 * day, "ancient", "x"), 0, "beside names of others");
    is_int(correlation_purge(folder, noon, 7), 1, "only files of this form go");
    ok(access("notes", F_OK) == 0 && access("20200101.zz", F_OK) == 0, "others stay");
    unlink("notes");
    unlink("20200101.zz");
}

static void
empty_folder(void)
{
    DIR *dir = opendir(".");
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;)
        unlink(entry->d_name);
    if (dir != NULL)
        closedir(dir);
}

static void
test_damage(void)
{
    struct stat st;
    empty_folder();
    put(noon, "k", "first");
    put(noon, "k", "second");
    int fd = open_only_file(O_RDWR);
    fstat(fd, &st);
    ok(ftruncate(fd, st.st_size - 5) == 0, "the newest record is torn");
    is_text(get(noon, "k"), "first", "the one before it counts");
    is_int(put(noon, "k", "third"), 0, "the next is written behind what is torn");
    is_text(get(noon, "k"), "third", "and is found");
    ok(pwrite(fd, "X", 1, 3) == 1 && pwrite(fd, "Z", 1, 12) == 1, "the first record is damaged");
    is_text(get(noon, "k"), "third", "what stands behind it is found");
    close(fd);
    fd = open_only_file(O_WRONLY | O_APPEND);
    for (int i = 0; i < 3000; i++)
        if (write(fd, "a line that no converter wrote, and that never ends ", 52) != 52)
            break;
    is_text(get(noon, "k"), "third", "150 KB without a line's end hide nothing before them");
    is_int(put(noon, "k", "fourth"), 0, "nor do they stop a record behind them");
    is_text(get(noon, "k"), "fourth", "which is found");
    close(fd);
}

static void
test_refused(void)
{
    struct why why;
    struct buf value = {0};
    empty_folder();
    put(noon, "k", "v");
    DIR *dir = opendir(".");
    char name[300] = "";
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        if (entry->d_name[0] != '.')
            snprintf(name, sizeof name, "%s", entry->d_name);
    closedir(dir);
    unlink(name);
    is_int(symlink("/dev/full", name), 0, "a link lies where the file was");
    is_int(correlation_put(folder, noon, span_of("k"), span_of("v"), &why), -ELOOP,
           "it is not followed to write");
    is_text(why.status, "4.3.0", "which is a reason to wait");
    is_int(correlation_get(folder, noon, 7, span_of("k"), &value), -ELOOP, "nor to read");
    is_int(correlation_purge(-1, noon, 7), -EBADF, "a folder that cannot be read is an error");
    buf_clear(&value);
}

int
main(void)
{
    const char *path = tap_folder();
    folder = open(path, O_RDONLY | O_DIRECTORY);
    if (folder < 0 || chdir(path) < 0)
        return 1;
    test_record();
    test_limits();
    test_days();
    test_damage();
    test_refused();
    return tap_done();
}
