/* metrics.c - counters and queues as Prometheus reads them (see metrics.h) */
#include "common/metrics.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/shown.h"

enum { CENSUS_MOST = 20000000 };

/* ---- reading ---- */

/* Takes "outbound-gateway-branch.1" apart: worker and connector, which the file's header names. Where the name
 * does not end in the connector's, the file is not one that the skeleton made. */
static bool
name_row(const char *file_name, const char *connector, struct metrics_row *row)
{
    size_t len = strcspn(file_name, "."), connector_len = strlen(connector);
    const char *lane = file_name + len;
    if (*lane != '\0' && (lane[1] == '\0' || lane[1 + strspn(lane + 1, "0123456789")] != '\0'))
        return false;
    if (connector_len > 0) {
        if (len < connector_len + 2 || file_name[len - connector_len - 1] != '-' ||
            memcmp(file_name + len - connector_len, connector, connector_len) != 0)
            return false;
        len -= connector_len + 1;
    }
    if (len == 0 || len >= sizeof row->worker)
        return false;
    memcpy(row->worker, file_name, len);
    row->worker[len] = '\0';
    memcpy(row->connector, connector, connector_len + 1);
    return row->worker[strspn(row->worker, "abcdefghijklmnopqrstuvwxyz0123456789-")] == '\0';
}

static bool
read_row(int folder_fd, const char *name, struct metrics_row *row)
{
    char connector[64];
    int fd = openat(folder_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return false;
    int r = counters_read(fd, connector, row->values);
    close(fd);
    return r == 0 && strlen(connector) < sizeof row->connector && name_row(name, connector, row);
}

static int
compare_rows(const void *a, const void *b)
{
    const struct metrics_row *x = a, *y = b;
    int r = strcmp(x->connector, y->connector);
    return r != 0 ? r : strcmp(x->worker, y->worker);
}

/* Adds up with wrap-around: files may hold any numbers. */
static void
add_values(int64_t *to, const int64_t *from)
{
    for (int i = 0; i < COUNTER_COUNT; i++)
        to[i] = (int64_t)((uint64_t)to[i] + (uint64_t)from[i]);
}

/* Sums the files of one worker, which lie side by side. */
static size_t
merge_rows(struct metrics_row *rows, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (kept > 0 && compare_rows(&rows[kept - 1], &rows[i]) == 0)
            add_values(rows[kept - 1].values, rows[i].values);
        else
            rows[kept++] = rows[i];
    }
    return kept;
}

ssize_t
metrics_read(int spool_fd, struct metrics_row **rows)
{
    *rows = NULL;
    int fd = folder_open(spool_fd, FOLDER_COUNTERS, NULL);
    if (fd < 0)
        return fd;
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        close(fd);
        return -ENOMEM;
    }
    size_t n = 0, size = 0;
    const struct dirent *entry;
    while (n < METRICS_FILES_MAX && (entry = readdir(dir)) != NULL) {
        if (n == size) {
            size = size > 0 ? size * 2 : 16;
            *rows = xrealloc(*rows, size * sizeof **rows);
        }
        if (read_row(fd, entry->d_name, &(*rows)[n]))
            n++;
    }
    closedir(dir);
    if (n > 0)
        qsort(*rows, n, sizeof **rows, compare_rows);
    return (ssize_t)merge_rows(*rows, n);
}

/* ---- printing ---- */

struct printing {
    const char *node;
    struct buf *out;
    const struct metrics_row *rows; /* sorted by connector */
    size_t n;
};

static void
begin_family(struct printing *p, const char *name, const char *type, const char *help)
{
    buf_printf(p->out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
add_label(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, "%s%s=\"", out->at[out->len - 1] == '{' ? "" : ",", name);
    for (struct span rest = span_of(value); rest.len > 0;) {
        size_t n = shown_sequence(rest.at, rest.len);
        if (n == 0)
            buf_add_byte(out, '?');
        else if (rest.at[0] == '"' || rest.at[0] == '\\')
            buf_printf(out, "\\%c", rest.at[0]);
        else
            buf_add(out, rest.at, n);
        rest.at += n > 0 ? n : 1;
        rest.len -= n > 0 ? n : 1;
    }
    buf_add_byte(out, '"');
}

/* The labels that samples have in common, and the end of the label set. Empty ones are left out: to Prometheus
 * that is the same. */
static void
end_labels(struct printing *p, const char *connector, const char *worker)
{
    add_label(p->out, "node", p->node);
    if (connector[0] != '\0')
        add_label(p->out, "connector", connector);
    if (worker[0] != '\0')
        add_label(p->out, "worker", worker);
    buf_add_text(p->out, "} ");
}

static void
add_sample(struct printing *p, enum counter counter, const struct metrics_row *row, bool worker)
{
    buf_add_text(p->out, counter_table[counter].name);
    end_labels(p, row->connector, worker ? row->worker : "");
    buf_printf(p->out, "%lld\n", (long long)row->values[counter]);
}

static void
print_workers(struct printing *p, enum counter counter)
{
    for (size_t i = 0; i < p->n; i++)
        add_sample(p, counter, &p->rows[i], true);
}

static void
print_connectors(struct printing *p, enum counter counter)
{
    for (size_t i = 0; i < p->n;) {
        struct metrics_row sum = p->rows[i++];
        for (; i < p->n && strcmp(p->rows[i].connector, sum.connector) == 0; i++)
            add_values(sum.values, p->rows[i].values);
        add_sample(p, counter, &sum, false);
    }
}

/* One worker's histogram: buckets in their order, the last of all, sum and count. */
static void
print_histogram(struct printing *p, const char *family, const struct metrics_row *row)
{
    for (int i = COUNTER_STAGE_LE_100MS; i <= COUNTER_STAGE_LE_1H; i++)
        add_sample(p, (enum counter)i, row, true);
    buf_printf(p->out, "%s_bucket{le=\"+Inf\"", family);
    end_labels(p, row->connector, row->worker);
    buf_printf(p->out, "%lld\n", (long long)row->values[COUNTER_STAGE_COUNT]);
    buf_printf(p->out, "%s_sum{", family);
    end_labels(p, row->connector, row->worker);
    buf_printf(p->out, "%.3f\n", (double)row->values[COUNTER_STAGE_SUM_MS] / 1000);
    add_sample(p, COUNTER_STAGE_COUNT, row, true);
}

static void
print_family(struct printing *p, const char *name, const char *type, const char *help)
{
    size_t len = strlen(name);
    begin_family(p, name, type, help);
    if (strcmp(type, "histogram") == 0) {
        for (size_t i = 0; i < p->n; i++)
            print_histogram(p, name, &p->rows[i]);
        return;
    }
    for (int i = 0; i < COUNTER_COUNT; i++) {
        const struct counter_row *row = &counter_table[i];
        if (strncmp(row->name, name, len) != 0 || row->name[len] != '{')
            continue;
        if (row->per_worker)
            print_workers(p, (enum counter)i);
        else
            print_connectors(p, (enum counter)i);
    }
}

static void
print_counters(struct printing *p)
{
#define FAMILY(name, type, help) print_family(p, name, type, help);
#include "common/events.def"
}

static void
begin_queue_sample(struct printing *p, const char *family, const struct census_row *row)
{
    buf_printf(p->out, "%s{", family);
    add_label(p->out, "folder", folder_name(row->folder));
    end_labels(p, row->connector, "");
}

static void
print_queues(struct printing *p, const struct census *census)
{
    int64_t now = time_ms();
    begin_family(p, "viaduct_queue_messages", "gauge", "Messages in a folder.");
    for (size_t i = 0; i < census->n; i++) {
        begin_queue_sample(p, "viaduct_queue_messages", &census->rows[i]);
        buf_printf(p->out, "%llu\n", (unsigned long long)census->rows[i].count);
    }
    begin_family(p, "viaduct_queue_oldest_seconds", "gauge",
                 "Seconds since the oldest message in a folder was accepted; 0 for an empty folder.");
    for (size_t i = 0; i < census->n; i++) {
        int64_t oldest = census->rows[i].oldest_ms;
        begin_queue_sample(p, "viaduct_queue_oldest_seconds", &census->rows[i]);
        buf_printf(p->out, "%.3f\n", oldest < 0 || oldest > now ? 0.0 : (double)(now - oldest) / 1000);
    }
    begin_family(p, "viaduct_queue_complete", "gauge", "1 where all messages could be counted.");
    buf_add_text(p->out, "viaduct_queue_complete{");
    end_labels(p, "", "");
    buf_printf(p->out, "%d\n", census->complete ? 1 : 0);
    begin_family(p, "viaduct_queue_counted_time_seconds", "gauge",
                 "When messages were counted, in seconds since 1970.");
    buf_add_text(p->out, "viaduct_queue_counted_time_seconds{");
    end_labels(p, "", "");
    buf_printf(p->out, "%.3f\n", (double)census->taken_ms / 1000);
}

static void
print_room(struct printing *p, int spool_fd)
{
    struct statvfs vfs;
    if (fstatvfs(spool_fd, &vfs) < 0)
        return;
    begin_family(p, "viaduct_spool_free_bytes", "gauge", "Bytes free in the spool's file system.");
    buf_add_text(p->out, "viaduct_spool_free_bytes{");
    end_labels(p, "", "");
    buf_printf(p->out, "%llu\n", (unsigned long long)vfs.f_bavail * vfs.f_frsize);
    begin_family(p, "viaduct_spool_free_inodes", "gauge", "Inodes free in the spool's file system.");
    buf_add_text(p->out, "viaduct_spool_free_inodes{");
    end_labels(p, "", "");
    buf_printf(p->out, "%llu\n", (unsigned long long)vfs.f_favail);
}

int
metrics_print_census(int spool_fd, const char *node, const struct census *census, struct buf *out)
{
    struct metrics_row *rows;
    ssize_t n = metrics_read(spool_fd, &rows);
    if (n < 0 && census->n == 0)
        return (int)n;
    struct printing p = {node, out, rows, n < 0 ? 0 : (size_t)n};
    print_counters(&p);
    print_queues(&p, census);
    print_room(&p, spool_fd);
    free(rows);
    return 0;
}

int
metrics_print(int spool_fd, const char *node, struct buf *out)
{
    struct census census;
    census_take(spool_fd, CENSUS_MOST, &census);
    int r = metrics_print_census(spool_fd, node, &census, out);
    census_clear(&census);
    return r;
}
