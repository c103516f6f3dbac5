/* mime_seek.c - any place of an encoded part, decoded (see mime_seek.h)
 *
 * One block of decoded octets is held: what a step gave. Reading on from it decodes the next; going back begins at the
 * last mark before the place that is wanted.
 */
#include "systems/mime/mime_seek.h"

#include <errno.h>
#include <stdlib.h>

enum { PIECE = 16 << 10 };

struct mark {
    uint64_t at, offset; /* in the encoded octets, and in the decoded ones */
    struct mime_decoder decoder;
};

struct mime_seek {
    mime_read_fn *read;
    void *arg;
    uint64_t end;
    struct mark *marks; /* ascending, the first is the beginning */
    size_t n_marks;
    struct mark now; /* behind the block */
    bool whole;      /* the decoder's end was taken */
    uint64_t block_offset;
    struct buf block;
};

struct mime_seek *
mime_seek_new(mime_read_fn *read, void *arg, const struct mime_part *part)
{
    struct mime_seek *seek = xcalloc(1, sizeof *seek);
    seek->read = read;
    seek->arg = arg;
    seek->end = part->end;
    seek->now.at = part->start;
    mime_decoder_start(&seek->now.decoder, part->encoding);
    seek->marks = xmalloc(sizeof *seek->marks);
    seek->marks[seek->n_marks++] = seek->now;
    return seek;
}

void
mime_seek_free(struct mime_seek *seek)
{
    if (seek == NULL)
        return;
    buf_clear(&seek->block);
    free(seek->marks);
    free(seek);
}

static void
note_mark(struct mime_seek *seek)
{
    if (seek->now.offset < seek->marks[seek->n_marks - 1].offset + MIME_SEEK_STEP)
        return;
    if ((seek->n_marks & (seek->n_marks - 1)) == 0) /* doubles */
        seek->marks = xrealloc(seek->marks, 2 * seek->n_marks * sizeof *seek->marks);
    seek->marks[seek->n_marks++] = seek->now;
}

/* Decodes the next piece into the block. 1, 0 at the end, or -errno. */
static int
next_block(struct mime_seek *seek)
{
    char bytes[PIECE];
    buf_reset(&seek->block);
    seek->block_offset = seek->now.offset;
    while (seek->block.len == 0 && !seek->whole) {
        size_t want = seek->end - seek->now.at < PIECE ? (size_t)(seek->end - seek->now.at) : PIECE;
        ssize_t n = want > 0 ? seek->read(seek->arg, seek->now.at, bytes, want) : 0;
        if (n < 0 || (n == 0 && want > 0))
            return n < 0 ? (int)n : -EIO;
        mime_decode(&seek->now.decoder, bytes, (size_t)n, &seek->block);
        seek->now.at += (uint64_t)n;
        seek->whole = seek->now.at >= seek->end;
        if (seek->whole)
            mime_decode_end(&seek->now.decoder, &seek->block);
    }
    seek->now.offset += seek->block.len;
    if (!seek->whole)
        note_mark(seek);
    return seek->block.len > 0;
}

static void
go_back(struct mime_seek *seek, uint64_t offset)
{
    size_t low = 0, high = seek->n_marks; /* the last mark that is not behind the place lies in [low, high) */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (seek->marks[middle].offset <= offset)
            low = middle;
        else
            high = middle;
    }
    seek->now = seek->marks[low];
    seek->whole = false;
    seek->block_offset = seek->now.offset;
    buf_reset(&seek->block);
}

ssize_t
mime_seek_read(void *arg, uint64_t offset, void *bytes, size_t size)
{
    struct mime_seek *seek = arg;
    /* forward over what has marks already is a jump as well */
    bool far = seek->n_marks > 0 && offset > seek->now.offset &&
               seek->marks[seek->n_marks - 1].offset > seek->now.offset;
    if (offset < seek->block_offset || far)
        go_back(seek, offset);
    while (offset >= seek->block_offset + seek->block.len) {
        int r = next_block(seek);
        if (r <= 0)
            return r;
    }
    size_t from = (size_t)(offset - seek->block_offset), left = seek->block.len - from;
    size_t n = size < left ? size : left;
    memcpy(bytes, seek->block.at + from, n);
    return (ssize_t)n;
}

int
mime_seek_bytes(struct mime_seek *seek, uint64_t *bytes)
{
    int r = 1;
    go_back(seek, UINT64_MAX);
    while (r > 0)
        r = next_block(seek);
    *bytes = seek->now.offset;
    return r;
}
