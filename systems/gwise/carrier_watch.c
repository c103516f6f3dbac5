/* carrier_watch.c - what becomes of a header once it lies in API_IN
 *
 * Each poll lists API_IN and then GWPROB, once, however many messages wait: on a share every look costs a round trip.
 * In this order a header that the gateway moves between the two looks is seen twice, and never nowhere.
 *
 * A refusal that comes after its message was settled cannot be reported to its sender any more; it must not vanish
 * all the same. Its marker, which lives some minutes longer, holds the id and the word "settled".
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "systems/gwise/api_read.h"
#include "systems/gwise/carrier_out.h"
#include "systems/gwise/convert.h"

enum { LISTED_MAX = 100000 };

/* ---- lists of names ---- */

/* The base names of a folder's files with one extension, in small letters and ordered. */
struct listing {
    char (*bases)[9];
    size_t n, size;
};

static int
by_base(const void *a, const void *b)
{
    return memcmp(a, b, 9);
}

static void
note_name(struct listing *listing, const char *name, const char *extension)
{
    if (strlen(name) != 12 || name[8] != '.' || !span_equal_nocase(span_of(name + 9), span_of(extension)))
        return;
    if (listing->n == listing->size) {
        listing->size = listing->size > 0 ? listing->size * 2 : 64;
        listing->bases = xrealloc(listing->bases, listing->size * sizeof *listing->bases);
    }
    char *base = listing->bases[listing->n++];
    for (int i = 0; i < 8; i++)
        base[i] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] + 32) : name[i];
    base[8] = '\0';
}

/* 0, or -errno where the folder could not be read to its end: what is not in the list may be there then. */
static int
list_names(int folder_fd, const char *extension, struct listing *listing)
{
    const struct dirent *entry;
    int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    int error = 0;
    if (folder == NULL) {
        error = -errno;
        if (fd >= 0)
            close(fd);
        return error;
    }
    errno = 0;
    while (listing->n < LISTED_MAX && (entry = readdir(folder)) != NULL)
        note_name(listing, entry->d_name, extension);
    error = listing->n == LISTED_MAX ? -EMFILE : -errno;
    closedir(folder);
    if (listing->n > 0)
        qsort(listing->bases, listing->n, sizeof *listing->bases, by_base);
    return error;
}

static bool
is_listed(const struct listing *listing, const char base[9])
{
    return listing->n > 0 && bsearch(base, listing->bases, listing->n, sizeof *listing->bases, by_base) != NULL;
}

/* ---- refusals ---- */

/* The lines that the gateway put behind the header say why. */
static void
refusal_reason(const struct buf *text, struct viaduct_reason *reason)
{
    struct arena *arena = arena_new(API_ARENA_MAX);
    struct api_file file;
    struct buf lines = {0};
    if (api_read(buf_span(text), arena, &file, NULL) == 0 && file.trailer.len > 0) {
        struct span trailer = span_trim(file.trailer);
        for (size_t i = 0; i < trailer.len && i < 400; i++)
            if (trailer.at[i] == '\n')
                buf_add_text(&lines, "; ");
            else if (trailer.at[i] != '\r')
                buf_add_byte(&lines, (unsigned char)trailer.at[i] < 0x80 ? trailer.at[i] : '?');
    }
    bool unknown = lines.len > 0 && memmem(lines.at, lines.len, "Unknown destination", 19) != NULL;
    reason_fill(reason, unknown ? "5.1.1" : "5.6.0", "the GroupWise gateway refused it: %s",
                lines.len > 0 ? lines.at : "it gave no reason");
    buf_clear(&lines);
    arena_free(arena);
}

static void
refuse(struct carrier_out *carrier, struct transfer *transfer, const struct buf *text)
{
    struct viaduct_reason reason;
    refusal_reason(text, &reason);
    carrier->services->say(carrier->gateway, VIADUCT_LOG_ERROR, transfer->delivery->id,
                           "refused by the gateway, evidence in GWPROB as %s.api: %s", transfer->base,
                           reason.text);
    out_end_transfer(carrier, transfer, VIADUCT_REFUSED, false, &reason);
}

/* ---- watching ---- */

void
out_wait(struct carrier_out *carrier, struct transfer *transfer)
{
    transfer->state = TRANSFER_WAITING;
    transfer->since_ms = monotonic_ms();
    carrier->services->delivery_waits(transfer->delivery);
}

static void
warn_stuck(struct carrier_out *carrier, struct transfer *transfer, int64_t now_ms)
{
    int64_t waited_ms = now_ms - transfer->since_ms;
    transfer->state = TRANSFER_WAITING;
    if (transfer->warned || waited_ms < carrier->confirm_ms)
        return;
    transfer->warned = true;
    carrier->services->say(carrier->gateway, VIADUCT_LOG_ERROR, transfer->delivery->id,
                           "%s.api has been in API_IN for %lld s: the GroupWise gateway takes nothing",
                           transfer->base, (long long)(waited_ms / 1000));
}

static void
watch_gone(struct carrier_out *carrier, struct transfer *transfer, int64_t now_ms)
{
    struct viaduct_reason reason;
    if (transfer->state == TRANSFER_WAITING) {
        transfer->state = TRANSFER_GONE;
        transfer->gone_ms = now_ms;
    } else if (now_ms - transfer->gone_ms >= carrier->settle_ms) {
        reason_fill(&reason, "2.0.0", "the GroupWise gateway took it as %s.api", transfer->base);
        out_end_transfer(carrier, transfer, VIADUCT_RELAYED, false, &reason);
    }
}

static void
watch_one(struct carrier_out *carrier, struct transfer *transfer, const struct listing *waiting,
          const struct listing *refused)
{
    struct buf text = {0};
    int64_t now_ms = monotonic_ms();
    if (transfer->tmp_left && out_remove_tmp(carrier, transfer->base))
        transfer->tmp_left = false;
    if (is_listed(waiting, transfer->base))
        warn_stuck(carrier, transfer, now_ms);
    else if (is_listed(refused, transfer->base) &&
             out_holds_id(carrier->tree.fd[GWPROB], transfer->base, "api", transfer->delivery->id, &text))
        refuse(carrier, transfer, &text);
    else
        watch_gone(carrier, transfer, now_ms);
    buf_clear(&text);
}

void
out_watch(struct carrier_out *carrier)
{
    struct listing waiting = {0}, refused = {0};
    bool seen = list_names(carrier->tree.fd[API_IN], "api", &waiting) == 0 &&
                gateway_tree_alive(&carrier->tree, API_IN); /* else the share is gone, not the files */
    int problems = gateway_optional(&carrier->tree, GWPROB);
    seen = seen && (problems < 0 || list_names(problems, "api", &refused) == 0);
    for (struct transfer *transfer = carrier->transfers, *next; seen && transfer != NULL; transfer = next) {
        next = transfer->next;
        if (transfer->state != TRANSFER_WRITING)
            watch_one(carrier, transfer, &waiting, &refused);
    }
    free(waiting.bases);
    free(refused.bases);
}

/* ---- refusals that come too late ---- */

static bool
is_in_hand(const struct carrier_out *carrier, const char *base)
{
    const struct transfer *transfer = carrier->transfers;
    while (transfer != NULL && strcmp(transfer->base, base) != 0)
        transfer = transfer->next;
    return transfer != NULL;
}

/* The id that a marker of a settled message holds, into `id`. */
static bool
settled_id(int att_in, const char *base, char id[300])
{
    struct buf text = {0};
    char name[32];
    size_t prefix = sizeof GWISE_ID_PREFIX - 1;
    bool good = gateway_read_file(att_in, out_file_name(base, "via", name), 1000, &text) == 0 &&
                text.len > prefix && memcmp(text.at, GWISE_ID_PREFIX, prefix) == 0 &&
                out_is_marked(&text, "settled");
    if (good)
        snprintf(id, 300, "%.*s", (int)strcspn(text.at + prefix, "\r\n"), text.at + prefix);
    buf_clear(&text);
    return good;
}

static void
report_late(struct carrier_out *carrier, const char *base)
{
    char id[300], name[32];
    struct buf text = {0};
    struct viaduct_reason reason;
    if (!is_in_hand(carrier, base) && settled_id(carrier->tree.fd[ATT_IN], base, id) &&
        out_holds_id(carrier->tree.fd[GWPROB], base, "api", id, &text)) {
        refusal_reason(&text, &reason);
        carrier->services->say(
            carrier->gateway, VIADUCT_LOG_ERROR, id,
            "refused by the gateway when it was settled as relayed already, so its sender is not "
            "told; evidence in GWPROB as %s.api: %s %s",
            base, reason.status, reason.text);
        unlinkat(carrier->tree.fd[ATT_IN], out_file_name(base, "via", name), 0); /* said once */
    }
    buf_clear(&text);
}

void
out_report_late(struct carrier_out *carrier)
{
    struct listing markers = {0}, refused = {0};
    int problems = gateway_optional(&carrier->tree, GWPROB);
    if (problems >= 0 && list_names(problems, "api", &refused) == 0 && refused.n > 0 &&
        list_names(carrier->tree.fd[ATT_IN], "via", &markers) == 0)
        for (size_t i = 0; i < refused.n; i++)
            if (is_listed(&markers, refused.bases[i]))
                report_late(carrier, refused.bases[i]);
    free(markers.bases);
    free(refused.bases);
}
