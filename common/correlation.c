/* correlation.c - records of messages that have left the spool (see correlation.h) */
#include "common/correlation.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "common/crc32c.h"
#include "common/hex.h"
#include "common/utc.h"
#include "spool-layout/layout.h"

enum {
    NAME_SIZE = UTC_DAY_LEN + 4,
    CRC_DIGITS = 8,
    BLOCK = 64 << 10,
    LINE_MAX_BYTES = 2 * (CORRELATION_KEY_MAX + CORRELATION_VALUE_MAX) + 16 /* every octet escaped */
};

/* ---- names ---- */

static void
file_name(int64_t ms, struct span key, char name[NAME_SIZE])
{
    char day[UTC_DAY_LEN + 1];
    utc_print_day(ms, day);
    snprintf(name, NAME_SIZE, "%s.%02x", day, (unsigned)(crc32c(0, key.at, key.len) & 0xff));
}

static bool
parse_name(const char *name, int64_t *day_ms)
{
    struct span day = {name, UTC_DAY_LEN};
    return strlen(name) == NAME_SIZE - 1 && name[UTC_DAY_LEN] == '.' &&
           hex_octet(name + UTC_DAY_LEN + 1) >= 0 && utc_parse_day(day, day_ms);
}

/* ---- lines ---- */

static void
add_escaped(struct buf *line, struct span text)
{
    static const char octets[] = "\\\n \0", signs[] = "\\ns0";
    for (size_t i = 0; i < text.len; i++) {
        const char *found = memchr(octets, text.at[i], sizeof octets - 1);
        if (found != NULL)
            buf_add_byte(line, '\\');
        buf_add_byte(line, found != NULL ? signs[found - octets] : text.at[i]);
    }
}

static void
add_unescaped(struct buf *out, struct span text)
{
    static const char signs[] = "ns0", octets[] = "\n \0";
    for (size_t i = 0; i < text.len; i++) {
        bool escaped = text.at[i] == '\\' && i + 1 < text.len;
        i += escaped;
        const char *found = escaped ? memchr(signs, text.at[i], sizeof signs - 1) : NULL;
        buf_add_byte(out, found != NULL ? octets[found - signs] : text.at[i]);
    }
}

/* The value in a line of this key (escaped); false for any other line, damaged ones among them. */
static bool
match(struct span line, struct span key, struct span *value)
{
    uint64_t crc = 0;
    if (line.len < CRC_DIGITS + 1 + key.len + 1 || line.at[CRC_DIGITS] != ' ' ||
        memcmp(line.at + CRC_DIGITS + 1, key.at, key.len) != 0 || line.at[CRC_DIGITS + 1 + key.len] != ' ')
        return false;
    for (int i = 0; i < CRC_DIGITS; i++) {
        int digit = hex_digit(line.at[i]);
        if (digit < 0)
            return false;
        crc = crc * 16 + (uint64_t)digit;
    }
    if (crc != crc32c(0, line.at + CRC_DIGITS + 1, line.len - CRC_DIGITS - 1))
        return false;
    size_t before = CRC_DIGITS + 1 + key.len + 1;
    *value = (struct span){line.at + before, line.len - before};
    return true;
}

/* ---- writing ---- */

int
correlation_put(int folder_fd, int64_t now_ms, struct span key, struct span value, struct why *why)
{
    char name[NAME_SIZE], digits[CRC_DIGITS + 1];
    struct buf record = {0}, line = {0};
    if (key.len == 0 || key.len > CORRELATION_KEY_MAX || value.len > CORRELATION_VALUE_MAX) {
        why_set(why, "5.3.4", "what is to be remembered of it is too long (%zu octets under %zu)", value.len,
                key.len);
        return -EMSGSIZE;
    }
    add_escaped(&record, key);
    buf_add_byte(&record, ' ');
    add_escaped(&record, value);
    snprintf(digits, sizeof digits, "%08x", crc32c(0, record.at, record.len));
    buf_printf(&line, "\n%s ", digits); /* the LF in front closes what a power cut tore */
    buf_add_span(&line, buf_span(&record));
    buf_add_byte(&line, '\n');
    file_name(now_ms, key, name);
    int fd = openat(folder_fd, name, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0660);
    ssize_t n = fd < 0 ? -1 : write(fd, line.at, line.len);
    int r = n < 0 ? -errno : (size_t)n < line.len ? -ENOSPC : 0;
    if (r == 0 && fdatasync(fd) < 0)
        r = -errno;
    if (r < 0)
        why_set(why, "4.3.0", "cannot remember it in %s/%s: %s", folder_name(FOLDER_CORRELATION), name,
                strerror(-r));
    if (fd >= 0)
        close(fd);
    buf_clear(&record);
    buf_clear(&line);
    return r;
}

/* ---- reading ---- */

/* Passes whole lines of what is collected; the rest stays. The newest match replaces what was found before. */
static bool
search_lines(struct buf *lines, struct span key, struct buf *found)
{
    bool any = false;
    size_t at = 0;
    for (const char *end; (end = memchr(lines->at + at, '\n', lines->len - at)) != NULL;) {
        struct span line = {lines->at + at, (size_t)(end - lines->at) - at}, value;
        if (match(line, key, &value)) {
            buf_reset(found);
            add_unescaped(found, value);
            any = true;
        }
        at += line.len + 1;
    }
    memmove(lines->at, lines->at + at, lines->len - at);
    lines->len -= at;
    return any;
}

static int
search_file(int fd, struct span key, struct buf *found)
{
    struct buf lines = {0};
    int any = 0;
    ssize_t n = 1;
    for (off_t at = 0; n > 0; at += n) {
        buf_reserve(&lines, BLOCK);
        n = pread(fd, lines.at + lines.len, BLOCK, at);
        lines.len += n > 0 ? (size_t)n : 0;
        if (n > 0 && search_lines(&lines, key, found))
            any = 1;
        if (lines.len > LINE_MAX_BYTES) /* no line of ours: the next LF ends it */
            buf_reset(&lines);
    }
    int r = n < 0 ? -errno : any;
    buf_clear(&lines);
    return r;
}

int
correlation_get(int folder_fd, int64_t now_ms, int keep_days, struct span key, struct buf *value)
{
    char name[NAME_SIZE];
    struct buf escaped = {0}, found = {0};
    int r = 0;
    add_escaped(&escaped, key);
    for (int day = 0; r == 0 && key.len > 0 && day < keep_days; day++) {
        file_name(now_ms - (int64_t)day * UTC_DAY_MS, key, name);
        int fd = openat(folder_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        r = fd >= 0 ? search_file(fd, buf_span(&escaped), &found) : errno == ENOENT ? 0 : -errno;
        if (fd >= 0)
            close(fd);
    }
    if (r > 0)
        buf_add_span(value, buf_span(&found));
    buf_clear(&escaped);
    buf_clear(&found);
    return r;
}

/* ---- forgetting ---- */

int
correlation_purge(int folder_fd, int64_t now_ms, int keep_days)
{
    int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), removed = 0, error = 0;
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        error = -errno;
        if (fd >= 0)
            close(fd);
        return error;
    }
    int64_t oldest = now_ms - (int64_t)keep_days * UTC_DAY_MS, day_ms;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (!parse_name(entry->d_name, &day_ms) || day_ms > oldest)
            continue;
        int r = spool_remove(folder_fd, entry->d_name);
        removed += r == 0;
        if (r < 0 && error == 0)
            error = r;
    }
    closedir(dir);
    return error < 0 ? error : removed;
}
