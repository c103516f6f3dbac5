/* pending.c - what hides since when (see plan.h)
 *
 *     viaduct-pending 1
 *     host 1711111111 6a0e1111-...
 *     foreign 1711111111 GWDOM.PO1.ABEEBE
 *     end 2 2e189d21                         how many, CRC32C of all before
 *
 * Where the file is lost, hiding begins anew: nobody is deleted earlier for it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/crc32c.h"
#include "directory/plan.h"
#include "directory/status.h"
#include "directory/words.h"

enum { FILE_BYTES_MAX = 1 << 28 };

struct dir_pending {
    struct dir_words *since; /* by "h" or "f" and the id; 0: no longer */
    size_t n;
};

struct dir_pending *
dir_pending_new(void)
{
    struct dir_pending *pending = xcalloc(1, sizeof *pending);
    pending->since = dir_words_new();
    return pending;
}

void
dir_pending_free(struct dir_pending *pending)
{
    if (pending == NULL)
        return;
    dir_words_free(pending->since);
    free(pending);
}

size_t
dir_pending_count(const struct dir_pending *pending)
{
    return pending->n;
}

static struct span
key_of(bool host, struct span id, char key[DIR_ID_MAX + 2])
{
    size_t len = id.len <= DIR_ID_MAX ? id.len : DIR_ID_MAX;
    key[0] = host ? 'h' : 'f';
    if (len > 0)
        memcpy(key + 1, id.at, len);
    return (struct span){key, len + 1};
}

int64_t
dir_pending_since(const struct dir_pending *pending, bool host, struct span id)
{
    char key[DIR_ID_MAX + 2];
    return dir_words_get(pending->since, key_of(host, id, key), 0);
}

void
dir_pending_set(struct dir_pending *pending, bool host, struct span id, int64_t since_s)
{
    char key[DIR_ID_MAX + 2];
    struct span word = key_of(host, id, key);
    bool was = dir_words_get(pending->since, word, 0) != 0;
    if (!was && since_s == 0)
        return;
    dir_words_set(pending->since, word, since_s);
    pending->n += (since_s != 0) - (size_t)was;
}

void
dir_pending_prune(struct dir_pending *pending, bool host, const struct dir_set *set)
{
    int64_t since;
    for (size_t i = 0; i < dir_words_count(pending->since); i++) {
        struct span key = dir_words_at(pending->since, i, &since), id = {key.at + 1, key.len - 1};
        if (since != 0 && (key.at[0] == 'h') == host && dir_set_find_id(set, id) == SIZE_MAX)
            dir_pending_set(pending, host, id, 0);
    }
}

/* ---- the file ---- */

int
dir_pending_write(const struct dir_pending *pending, int folder_fd, const char *name, struct why *why)
{
    struct buf out = {0};
    int64_t since;
    buf_add_text(&out, "viaduct-pending 1\n");
    for (size_t i = 0; i < dir_words_count(pending->since); i++) {
        struct span key = dir_words_at(pending->since, i, &since);
        if (since == 0)
            continue;
        buf_printf(&out, "%s %" PRId64 " ", key.at[0] == 'h' ? "host" : "foreign", since);
        buf_add(&out, key.at + 1, key.len - 1);
        buf_add_byte(&out, '\n');
    }
    buf_printf(&out, "end %zu %08" PRIx32 "\n", pending->n, crc32c(0, out.at, out.len));
    int r = dir_file_write(folder_fd, name, buf_span(&out), false);
    buf_clear(&out);
    if (r < 0)
        why_set(why, "4.3.0", "%s cannot be written: %s", name, strerror(-r));
    return r;
}

/* "host SINCE ID" */
static bool
take_line(struct dir_pending *pending, struct span line)
{
    bool host = line.len > 5 && memcmp(line.at, "host ", 5) == 0;
    size_t at = host ? 5 : 8;
    uint64_t since;
    if (line.len <= at || (!host && memcmp(line.at, "foreign ", 8) != 0))
        return false;
    const char *blank = memchr(line.at + at, ' ', line.len - at);
    if (blank == NULL ||
        !span_to_u64((struct span){line.at + at, (size_t)(blank - line.at) - at}, INT64_MAX, &since))
        return false;
    struct span id = {blank + 1, line.len - (size_t)(blank + 1 - line.at)};
    if (since == 0 || id.len == 0 || id.len > DIR_ID_MAX || dir_pending_since(pending, host, id) != 0)
        return false;
    dir_pending_set(pending, host, id, (int64_t)since);
    return true;
}

static bool
take_file(struct dir_pending *pending, struct span text)
{
    char end[60];
    bool first = true;
    struct span rest = text;
    for (const char *stop; rest.len > 0 && (stop = memchr(rest.at, '\n', rest.len)) != NULL; first = false) {
        struct span line = {rest.at, (size_t)(stop - rest.at)};
        if (!first && line.len >= 4 && memcmp(line.at, "end ", 4) == 0) {
            snprintf(end, sizeof end, "end %zu %08" PRIx32, pending->n,
                     crc32c(0, text.at, (size_t)(line.at - text.at)));
            return span_equal(line, span_of(end)) && rest.len == line.len + 1;
        }
        if (first ? !span_equal(line, SPAN("viaduct-pending 1")) : !take_line(pending, line))
            return false;
        rest = (struct span){stop + 1, rest.len - line.len - 1};
    }
    return false;
}

int
dir_pending_read(struct dir_pending *pending, int folder_fd, const char *name, struct why *why)
{
    struct buf text = {0};
    int r = dir_file_read(folder_fd, name, FILE_BYTES_MAX, &text);
    if (r < 0) {
        why_set(why, "4.3.0", "%s cannot be read: %s", name, strerror(-r));
    } else if (!take_file(pending, buf_span(&text))) {
        dir_words_free(pending->since);
        pending->since = dir_words_new();
        pending->n = 0;
        r = why_set(why, "4.3.0", "%s is torn or damaged; what hides waits its time again", name);
    }
    buf_clear(&text);
    return r;
}
