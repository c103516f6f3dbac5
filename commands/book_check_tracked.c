/* book_check_tracked.c - one-offs of the tracking log that could be proxies (see book_check.h)
 *
 * Whom the book does not know goes through viaduct as a one-off: his mail arrives, but the host's people find him in no list, and
 * what they keep as his address stops working when he moves. The log says who such people are, and how much mail they have.
 */
#include <errno.h>
#include <inttypes.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands/book.h"
#include "commands/book_check.h"
#include "common/id.h"
#include "common/track_read.h"
#include "common/utc.h"

enum {
    MOST = 1 << 16, /* one-offs that are told apart */
    SHOWN = 20      /* of them to a person; a program gets all */
};

struct oneoff {
    char *address; /* what it stands for, with its type */
    uint64_t n_messages;
    int64_t last_ms;
    char id[QUEUE_NAME_MAX + 1]; /* of the message counted last: it has a record for each recipient */
};

struct tracked {
    struct book *book;
    struct arena *arena;
    void *tree; /* of tsearch(3), by address: chosen ones cannot make it slow */
    struct oneoff *found[MOST];
    size_t n;
    uint64_t n_left; /* records of one-offs beyond these */
};

static int
by_address(const void *a, const void *b)
{
    return strcasecmp(((const struct oneoff *)a)->address, ((const struct oneoff *)b)->address);
}

static int
by_messages(const void *a, const void *b)
{
    const struct oneoff *x = *(struct oneoff *const *)a, *y = *(struct oneoff *const *)b;
    if (x->n_messages != y->n_messages)
        return x->n_messages > y->n_messages ? -1 : 1;
    return by_address(x, y);
}

/* The one-off of an address, made where it is new; NULL where there are too many. */
static struct oneoff *
oneoff_of(struct tracked *tracked, const struct address *address)
{
    struct buf text = {0};
    address_print(address, &text);
    struct oneoff **known = tfind(&(struct oneoff){.address = text.at}, &tracked->tree, by_address);
    struct oneoff *oneoff = known != NULL ? *known : NULL;
    if (oneoff == NULL && tracked->n < MOST) {
        oneoff = xcalloc(1, sizeof *oneoff);
        oneoff->address = xstrdup(text.at);
        tsearch(oneoff, &tracked->tree,
                by_address); /* without memory he is counted as somebody new each time */
        tracked->found[tracked->n++] = oneoff;
    }
    buf_clear(&text);
    return oneoff;
}

static void
note_mailbox(struct tracked *tracked, struct span mailbox, const struct track_line *line)
{
    struct address address;
    struct book_entry entry;
    char id[QUEUE_NAME_MAX + 1];
    arena_reset(tracked->arena);
    if (span_starts_nocase(mailbox, SPAN("SMTP:")))
        mailbox = (struct span){mailbox.at + 5, mailbox.len - 5};
    if (imcea_decode(mailbox, tracked->arena, &address, NULL) != 0 ||
        book_find(tracked->book, &address, tracked->arena, &entry) != -ENOENT)
        return;
    struct oneoff *oneoff = oneoff_of(tracked, &address);
    if (oneoff == NULL) {
        tracked->n_left++;
        return;
    }
    snprintf(id, sizeof id, "%.*s", (int)line->id.len, line->id.at);
    oneoff->n_messages += strcmp(oneoff->id, id) != 0;
    oneoff->last_ms = line->time_ms;
    memcpy(oneoff->id, id, sizeof id);
}

static int
read_log(struct tracked *tracked, int folder, int64_t since_ms)
{
    struct track_reader *reader =
        track_reader_new(folder, &(struct track_range){.since_ms = since_ms, .must_contain = SPAN("IMCEA")});
    struct track_line line;
    int r;
    while ((r = track_reader_next(reader, &line)) > 0) {
        if (line.event != TRACK_RECEIVE)
            continue;
        note_mailbox(tracked, line.sender, &line);
        note_mailbox(tracked, line.rcpt, &line);
    }
    track_reader_free(reader);
    return r;
}

static void
tell(struct tracked *tracked, struct findings *findings)
{
    qsort(tracked->found, tracked->n, sizeof tracked->found[0], by_messages);
    size_t shown = findings->listed || tracked->n < SHOWN ? tracked->n : SHOWN;
    for (size_t i = 0; i < shown; i++) {
        const struct oneoff *oneoff = tracked->found[i];
        struct buf who = {0};
        char last[UTC_LEN + 1];
        text_add_clean(&who, span_of(oneoff->address));
        utc_print(oneoff->last_ms, last);
        finding_of(findings, "note", who.at,
                   "%" PRIu64 " message%s from or to a one-off of it, the last at %s: an entry with this "
                   "address would give it a proxy",
                   oneoff->n_messages, oneoff->n_messages == 1 ? "" : "s", last);
        buf_clear(&who);
    }
    if (shown < tracked->n)
        finding(findings, "note", "book", "... and one-offs of %zu more addresses; --json shows them all",
                tracked->n - shown);
    if (tracked->n_left > 0)
        finding(findings, "note", "book",
                "... and %" PRIu64 " records of others: there are too many to tell apart; "
                "--since reads a shorter time",
                tracked->n_left);
}

int
book_check_tracked(struct command *command, int64_t since_ms, struct book *book, struct findings *findings)
{
    int folder;
    int r = command_open_track(command, &folder);
    if (r != 0)
        return r;
    struct tracked *tracked = xcalloc(1, sizeof *tracked);
    tracked->book = book;
    tracked->arena = arena_new(BOOK_ARENA);
    r = read_log(tracked, folder, since_ms);
    close(folder);
    if (r < 0)
        r = command_fail_errno(-r, "the tracking log in %s", command->spool_path);
    tell(tracked, findings);
    for (size_t i = 0; i < tracked->n; i++) {
        tdelete(tracked->found[i], &tracked->tree, by_address);
        free(tracked->found[i]->address);
        free(tracked->found[i]);
    }
    arena_free(tracked->arena);
    free(tracked);
    return r;
}
