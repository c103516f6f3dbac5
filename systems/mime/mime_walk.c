/* mime_walk.c - the structure of a MIME message (see mime_walk.h)
 *
 *              empty line                       boundary of an open multipart
 *     HEADER ---------------> BODY of the part ------------------------------> HEADER of its next part
 *                                |   closing boundary: BODY of the multipart (its epilogue: nobody's)
 */
#include "systems/mime/mime_walk.h"

#include <errno.h>
#include <stdlib.h>

#include "systems/mime/mime_header.h"

enum { LINE_KEPT = 1200 }; /* of a line: a boundary has 70 octets, a header line is kept whole elsewhere */

struct open_part {
    int part;
    size_t since; /* the first part within whose whole end is not known */
    char boundary[256];
    size_t len;
};

struct walker {
    struct mime_tree *tree;
    struct mime_walk_options options;
    struct open_part open[MIME_DEPTH_MAX];
    int depth;   /* open multiparts */
    int current; /* the part whose content passes; -1: a preamble or an epilogue */
    bool in_header;
    struct buf header; /* of the part being read */
    char line[LINE_KEPT];
    size_t kept;
    uint64_t line_start, offset;
};

static struct mime_part *
add_part(struct walker *walker, int parent, uint64_t at)
{
    struct mime_tree *tree = walker->tree;
    if ((tree->n & (tree->n - 1)) == 0) /* at each power of two */
        tree->parts = xrealloc(tree->parts, (tree->n > 0 ? tree->n * 2 : 1) * sizeof *tree->parts);
    struct mime_part *part = &tree->parts[tree->n];
    memset(part, 0, sizeof *part);
    part->parent = parent;
    part->level = parent >= 0 ? tree->parts[parent].level + 1 : 0;
    part->header_start = part->start = part->end = at;
    walker->current = (int)tree->n++;
    if (parent >= 0)
        tree->parts[parent].has_children = true;
    return part;
}

bool
mime_field(struct span header, const char *name, struct span *body)
{
    struct span want = span_of(name);
    if (header.len == 0)
        return false;
    const char *p = header.at, *end = header.at + header.len;
    while (p < end) {
        const char *line = p;
        do { /* with what is folded to it */
            const char *lf = memchr(p, '\n', (size_t)(end - p));
            p = lf != NULL ? lf + 1 : end;
        } while (p < end && (*p == ' ' || *p == '\t'));
        struct span field = {line, (size_t)(p - line)};
        if (!span_starts_nocase(field, want))
            continue;
        size_t colon = want.len;
        while (colon < field.len && (field.at[colon] == ' ' || field.at[colon] == '\t'))
            colon++;
        if (colon == field.len || field.at[colon] != ':')
            continue;
        *body = span_trim((struct span){field.at + colon + 1, field.len - colon - 1});
        return true;
    }
    return false;
}

/* A boundary is plain ASCII in practice; what is decoded is taken as it stands. */
static bool
open_multipart(struct walker *walker, struct span type)
{
    struct buf boundary = {0};
    bool fine = mime_parameter(type, "boundary", &boundary) && boundary.len > 0 &&
                boundary.len < sizeof walker->open[0].boundary;
    if (fine && walker->depth == MIME_DEPTH_MAX) {
        walker->tree->too_deep = true;
        fine = false;
    }
    if (fine) {
        struct open_part *open = &walker->open[walker->depth++];
        open->part = walker->current;
        open->since = walker->tree->n;
        open->len = boundary.len;
        memcpy(open->boundary, boundary.at, boundary.len);
        while (open->len > 1 && open->boundary[open->len - 1] == ' ')
            open->len--;
    }
    buf_clear(&boundary);
    return fine;
}

static void
read_name(struct mime_part *part, struct span type, struct span disposition)
{
    struct buf name = {0};
    bool found = disposition.len > 0 && mime_parameter(disposition, "filename", &name) && name.len > 0;
    if (!found && type.len > 0)
        found = mime_parameter(type, "name", &name) && name.len > 0;
    part->name = found && name.len < 4000 ? xstrdup(name.at) : NULL;
    buf_clear(&name);
}

static void
read_charset(struct mime_part *part, struct span type)
{
    struct buf charset = {0};
    if (mime_parameter(type, "charset", &charset) && charset.len > 0 && charset.len < sizeof part->charset)
        memcpy(part->charset, charset.at, charset.len + 1);
    buf_clear(&charset);
}

static void begin_part(struct walker *walker, int parent, uint64_t at);

/* A message that is not encoded, and wanted. Its header follows at once. */
static bool
enters_message(struct walker *walker, const struct mime_part *part)
{
    if (!walker->options.enter_messages || part->encoding != MIME_IDENTITY ||
        (strcmp(part->type, "message/rfc822") != 0 && strcmp(part->type, "message/global") != 0))
        return false;
    if (part->level < MIME_DEPTH_MAX)
        return true;
    walker->tree->too_deep = true;
    return false;
}

/* The content begins at `at`. */
static void
end_header(struct walker *walker, uint64_t at)
{
    struct mime_part *part = &walker->tree->parts[walker->current];
    struct span header = buf_span(&walker->header), type = {"", 0}, field, disposition = {"", 0};
    walker->in_header = false;
    part->start = part->end = at;
    bool digest = part->parent >= 0 && strcmp(walker->tree->parts[part->parent].type, "multipart/digest") == 0;
    memcpy(part->type, "text/plain", sizeof "text/plain");
    if (mime_field(header, "Content-Type", &type))
        mime_value(type, part->type, sizeof part->type);
    else if (digest)
        memcpy(part->type, "message/rfc822", sizeof "message/rfc822");
    if (strchr(part->type, '/') == NULL)
        memcpy(part->type, "text/plain", sizeof "text/plain");
    if (mime_field(header, "Content-Transfer-Encoding", &field))
        part->encoding = mime_encoding_of(field);
    if (mime_field(header, "Content-Disposition", &disposition)) {
        char value[20];
        mime_value(disposition, value, sizeof value);
        part->attachment = strcmp(value, "attachment") == 0;
    }
    part->inline_id = mime_field(header, "Content-ID", &field);
    read_name(part, type, disposition);
    part->attachment = part->attachment || part->name != NULL;
    read_charset(part, type);
    if (strncmp(part->type, "multipart/", 10) == 0) {
        part->multipart = open_multipart(walker, type);
        part->raw = !part->multipart;
        if (part->multipart)
            walker->current = -1; /* its preamble */
    }
    if (walker->tree->n == 1) {
        walker->tree->header = walker->header;
        walker->header = (struct buf){0};
    }
    buf_reset(&walker->header);
    part->container = enters_message(walker, part);
    if (part->container)
        begin_part(walker, walker->current, at);
}

static void
begin_part(struct walker *walker, int parent, uint64_t at)
{
    struct mime_part *part = add_part(walker, parent, at);
    if (walker->tree->n == walker->options.parts_max) { /* this one and all that follows: raw text to the end */
        walker->tree->too_many = true;
        walker->depth = 0;
        part->raw = part->attachment = true;
        memcpy(part->type, "text/plain", sizeof "text/plain");
        return;
    }
    walker->in_header = true;
}

/* The open multipart whose boundary the line is; -1 for none. */
static int
boundary_of(const struct walker *walker, bool *closing)
{
    size_t len = walker->kept;
    if (len < 3 || walker->line[0] != '-' || walker->line[1] != '-')
        return -1;
    while (len > 2 && strchr(" \t\r\n", walker->line[len - 1]) != NULL && walker->line[len - 1] != '\0')
        len--;
    for (int i = walker->depth - 1; i >= 0; i--) {
        const struct open_part *open = &walker->open[i];
        if (len < open->len + 2 || memcmp(walker->line + 2, open->boundary, open->len) != 0)
            continue;
        size_t rest = len - open->len - 2;
        *closing = rest == 2 && memcmp(walker->line + len - 2, "--", 2) == 0;
        if (rest == 0 || *closing)
            return i;
    }
    return -1;
}

/* The LF before a boundary belongs to it (RFC 2046 section 5.1.1). */
static void
end_at_line(const struct walker *walker, int index)
{
    struct mime_part *part = &walker->tree->parts[index];
    part->end = walker->line_start > part->start ? walker->line_start - 1 : part->start;
}

/* With what follows their own closing boundaries, the parts within a multipart go up to its next boundary. */
static void
end_whole(const struct walker *walker, struct open_part *open)
{
    struct mime_tree *tree = walker->tree;
    for (; open->since < tree->n; open->since++) {
        struct mime_part *part = &tree->parts[open->since];
        if (part->whole_end == 0)
            part->whole_end = walker->line_start > part->start ? walker->line_start - 1 : part->start;
    }
}

/* A boundary ends the part at hand, and the multiparts that are open within the one it belongs to. */
static void
end_content(const struct walker *walker, int first_closed)
{
    if (walker->current >= 0)
        end_at_line(walker, walker->current);
    for (int i = first_closed; i < walker->depth; i++)
        end_at_line(walker, walker->open[i].part);
}

static bool
take_boundary(struct walker *walker)
{
    bool closing = false;
    int which = boundary_of(walker, &closing);
    if (which < 0)
        return false;
    for (size_t i = 0; i < walker->kept; i++)
        walker->tree->odd_boundary = walker->tree->odd_boundary || (unsigned char)walker->line[i] > 127;
    while (walker->in_header) { /* a part that ends before its header did; twice where it was to be a message */
        end_header(walker, walker->line_start);
        which = boundary_of(walker, &closing);
    }
    end_content(walker, closing ? which : which + 1);
    end_whole(walker, &walker->open[which]);
    walker->depth = closing ? which : which + 1;
    walker->current = -1;
    if (!closing)
        begin_part(walker, walker->open[which].part, walker->offset);
    return true;
}

/* A piece of a header line; the line is whole when it ends in LF. */
static void
take_header_piece(struct walker *walker, const char *at, size_t len, bool first)
{
    size_t max = walker->tree->n == 1 ? MIME_ROOT_HEADER_MAX : MIME_PART_HEADER_MAX;
    if (first && (len == 1 || (len == 2 && at[0] == '\r')) && at[len - 1] == '\n') {
        end_header(walker, walker->offset);
        return;
    }
    if (walker->header.len + len <= max)
        buf_add(&walker->header, at, len);
    else if (walker->tree->n == 1)
        walker->tree->header_cut = true;
}

/* A piece of a line, at most LINE_KEPT long unless it is the rest of a longer one. */
static void
take_piece(struct walker *walker, const char *at, size_t len, bool first)
{
    if (first) {
        walker->kept = len < sizeof walker->line ? len : sizeof walker->line;
        memcpy(walker->line, at, walker->kept);
    }
    if (first && walker->depth > 0 && len < LINE_KEPT && take_boundary(walker))
        return;
    int part =
        walker->current < 0 && walker->depth > 0 ? walker->open[walker->depth - 1].part : walker->current;
    if (walker->options.octets != NULL && part >= 0)
        walker->options.octets(walker->options.arg, (size_t)part, walker->in_header, at, len);
    if (walker->in_header)
        take_header_piece(walker, at, len, first);
    else if (walker->current >= 0)
        walker->tree->parts[walker->current].end = walker->offset;
}

/* Cuts what was read into lines. A line's beginning is handed over in one piece, as long as the buffer allows.
 */
static size_t
take_lines(struct walker *walker, const char *at, size_t len, bool last, bool *line_open)
{
    size_t done = 0;
    while (done < len) {
        const char *lf = memchr(at + done, '\n', len - done);
        size_t piece = lf != NULL ? (size_t)(lf + 1 - (at + done)) : len - done;
        if (lf == NULL && !last && !*line_open && piece < LINE_KEPT)
            break; /* wait for more of its beginning */
        if (!*line_open)
            walker->line_start = walker->offset;
        walker->offset += piece;
        take_piece(walker, at + done, piece, !*line_open);
        *line_open = lf == NULL;
        done += piece;
    }
    return done;
}

/* Multiparts that turned out to have no parts are leaves of their own text. */
static void
settle_empty(struct walker *walker)
{
    struct mime_tree *tree = walker->tree;
    for (int i = 0; i < walker->depth; i++)
        tree->parts[walker->open[i].part].end = walker->offset;
    for (size_t i = 0; i < tree->n; i++)
        if (tree->parts[i].whole_end == 0)
            tree->parts[i].whole_end = walker->offset;
    for (size_t i = 0; i < tree->n; i++)
        if (tree->parts[i].multipart && !tree->parts[i].has_children) {
            tree->parts[i].multipart = false;
            tree->parts[i].raw = true;
        }
}

int
mime_walk(mime_read_fn *read, void *arg, struct mime_tree *tree)
{
    static const struct mime_walk_options none;
    return mime_walk_with(read, arg, &none, tree);
}

int
mime_walk_with(mime_read_fn *read, void *arg, const struct mime_walk_options *options, struct mime_tree *tree)
{
    enum { SIZE = 64 << 10 };
    memset(tree, 0, sizeof *tree);
    struct walker *walker = xcalloc(1, sizeof *walker);
    char *buffer = xmalloc(SIZE);
    size_t filled = 0;
    uint64_t offset = 0;
    bool line_open = false;
    ssize_t got;
    walker->tree = tree;
    walker->options = *options;
    if (walker->options.parts_max == 0)
        walker->options.parts_max = MIME_PARTS_MAX;
    begin_part(walker, -1, 0);
    do {
        got = read(arg, offset, buffer + filled, SIZE - filled);
        if (got < 0)
            break;
        offset += (uint64_t)got;
        filled += (size_t)got;
        size_t done = take_lines(walker, buffer, filled, got == 0, &line_open);
        memmove(buffer, buffer + done, filled - done);
        filled -= done;
    } while (got > 0);
    while (walker->in_header)
        end_header(walker, walker->offset);
    settle_empty(walker);
    buf_clear(&walker->header);
    free(walker);
    free(buffer);
    return got < 0 ? (int)got : 0;
}

void
mime_tree_clear(struct mime_tree *tree)
{
    for (size_t i = 0; i < tree->n; i++)
        free(tree->parts[i].name);
    free(tree->parts);
    buf_clear(&tree->header);
    memset(tree, 0, sizeof *tree);
}
