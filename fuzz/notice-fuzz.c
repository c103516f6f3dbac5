/* notice-fuzz.c - any octets as a report of the host's; each recipient that is found makes reports of every kind, which
 * are then read as what they are
 */
#include <errno.h>

#include "systems/mime/notice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static ssize_t
read_text(void *arg, uint64_t offset, void *bytes, size_t size)
{
    const struct span *text = arg;
    size_t left = offset < text->len ? text->len - (size_t)offset : 0, n = left < size ? left : size;
    if (n > 0)
        memcpy(bytes, text->at + offset, n);
    return (ssize_t)n;
}

static int
read_all(struct span message, void (*found)(void *, const struct notice *), void *arg)
{
    struct mime_tree tree = {0};
    BUG_UNLESS(mime_walk(read_text, &message, &tree) == 0);
    int n = notice_read(read_text, &message, &tree, found, arg);
    BUG_UNLESS(n >= 0 && n <= NOTICE_RECIPIENTS_MAX && (n == 0 || notice_is_report(&tree)));
    mime_tree_clear(&tree);
    return n;
}

struct told {
    enum notice_kind kind;
    int n, written;
};

static void
note(void *arg, const struct notice *notice)
{
    struct told *told = arg;
    told->kind = notice->kind;
    told->n++;
}

static void
write_again(void *arg, const struct notice *notice)
{
    struct told *all = arg;
    all->n++;
    for (int kind = NOTICE_DELIVERED; kind <= NOTICE_DELETED && all->written < 50; kind++, all->written++) {
        struct notice copy = *notice;
        struct told told = {NOTICE_NONE, 0, 0};
        struct buf out = {0};
        copy.kind = (enum notice_kind)kind;
        copy.time_s = 1795600000;
        notice_write(&copy, "=_fuzz", &out);
        BUG_UNLESS(memchr(out.at, '\0', out.len) == NULL && memchr(out.at, '\r', out.len) == NULL);
        int n = read_all(buf_span(&out), note, &told);
        BUG_UNLESS(n == told.n && n <= 1 && (n == 0 || told.kind == copy.kind));
        BUG_UNLESS(n == 1 || copy.recipient.len == 0);
        buf_clear(&out);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct told told = {NOTICE_NONE, 0, 0};
    if (size > 64 << 10)
        return 0;
    int n = read_all((struct span){(const char *)data, size}, write_again, &told);
    BUG_UNLESS(n == told.n);
    return 0;
}
