/* smtp_downgrade_address.c - address lists of a header for readers who know ASCII only (see smtp_downgrade.h)
 *
 * A domain has another form, its A-labels. A local part has none: such a mailbox becomes a group without
 * members whose name shows what it was, so that a reader sees it and a reply goes nowhere. Within a group,
 * which cannot hold another, the whole list becomes part of the group's name.
 *
 * What is hostile here: the list. It is cut by header_addresses(), which takes anything.
 *
 * Sources: RFC 6857 sections 3.1.7 (groups) and 3.1.8 (mailboxes); RFC 6854 (groups in From and Sender); RFC 5322 section 3.4; RFC 5890.
 */
#include "common/address.h"
#include "systems/smtp/smtp_downgrade.h"

static const size_t NOWHERE = SIZE_MAX;

struct list {
    struct downgrade *d;
    struct fold *fold;
    struct span body;
    size_t done; /* octets of the body already written */
    bool translate;
    /* the open group: where its members begin in the body, and the field as it was before them */
    size_t group;
    struct fold group_fold;
    size_t group_out;
    bool group_lost; /* one of its members has no form in ASCII */
    size_t lost, changed;
};

static struct span
cut(struct span text, size_t from, size_t to)
{
    return (struct span){text.at + from, to - from};
}

bool
downgrade_mailbox(struct span mailbox, struct buf *out)
{
    struct mailbox_parts parts;
    struct buf domain = {0};
    if (downgrade_is_ascii(mailbox)) {
        buf_add_span(out, mailbox);
        return true;
    }
    bool fine = mailbox_parse(mailbox, &parts, NULL) == 0 && downgrade_is_ascii(parts.local) &&
                domain_to_ascii(parts.domain, &domain, NULL) == 0 && downgrade_is_ascii(buf_span(&domain));
    if (fine) {
        buf_add_span(out, parts.local);
        buf_add_byte(out, '@');
        buf_add_span(out, buf_span(&domain));
    }
    buf_clear(&domain);
    return fine;
}

static struct span
translated(struct downgrade *d, struct span mailbox)
{
    struct viaduct_text display, to;
    to = d->in->translate(d->in->arg, (struct viaduct_text){mailbox.at, mailbox.len}, true, &display);
    return to.len > 0 ? (struct span){to.at, to.len} : mailbox;
}

/* ---- groups ---- */

static void
open_group(struct list *list, size_t at)
{
    list->fold->blank = list->fold->encoded;
    list->group = at;
    list->group_fold = *list->fold;
    list->group_out = list->fold->out->len;
    list->group_lost = false;
    fold_token(list->fold, SPAN(":"));
    list->fold->blank = true;
}

static void
end_group(struct list *list, size_t at)
{
    if (list->group_lost) {
        list->fold->out->len = list->group_out;
        *list->fold = list->group_fold;
        list->fold->blank = true;
        fold_encoded(list->fold, span_trim(cut(list->body, list->group, at)));
        list->fold->blank = true;
        fold_token(list->fold, SPAN(":"));
    }
    list->group = NOWHERE;
    list->group_lost = false;
    list->fold->blank = false;
    fold_token(list->fold, SPAN(";"));
    list->fold->blank = true;
}

/* What stands between two addresses: commas, a group's name and its end. */
static void
write_gap(struct list *list, size_t to)
{
    struct span body = list->body;
    size_t from = list->done;
    for (size_t i = from; i < to;) {
        char c = body.at[i];
        if (c == '(')
            i = fold_skip_comment(body, i);
        else if (c == '"')
            i = fold_skip_quoted(body, i);
        else
            i++;
        if (c != ':' && c != ';')
            continue;
        if (c == ':' && list->group_lost) /* a group within a group: the first ends here */
            end_group(list, from);
        fold_structured(list->fold, cut(body, from, i - 1));
        if (c == ':')
            open_group(list, i);
        else
            end_group(list, i - 1);
        from = i;
    }
    if (from < to)
        fold_structured(list->fold, cut(body, from, to));
    list->done = to;
    list->fold->blank = true;
}

/* ---- one address ---- */

/* An element in three: what stands before its mailbox, and behind, without the angle brackets. An obsolete
 * route is left out (RFC 5322 section 4.4). */
struct pieces {
    struct span before, mailbox, behind;
    bool angle;
};

static struct pieces
take_apart(const struct header_address *element)
{
    struct span whole = element->whole;
    size_t at = (size_t)(element->mailbox.at - whole.at);
    struct pieces pieces = {cut(whole, 0, at), element->mailbox,
                            cut(whole, at + element->mailbox.len, whole.len), false};
    const char *close = pieces.behind.len > 0 ? memchr(pieces.behind.at, '>', pieces.behind.len) : NULL;
    const char *open = close != NULL && at > 0 ? memrchr(whole.at, '<', at) : NULL;
    if (open != NULL) {
        pieces.angle = true;
        pieces.before.len = (size_t)(open - whole.at);
        pieces.behind = cut(pieces.behind, (size_t)(close + 1 - pieces.behind.at), pieces.behind.len);
    }
    return pieces;
}

/* An address that has no form in ASCII. */
static void
write_lost(struct list *list, const struct pieces *pieces)
{
    list->lost++;
    if (list->group != NOWHERE) {
        list->group_lost = true;
        return;
    }
    fold_structured(list->fold, pieces->before);
    list->fold->blank = true;
    fold_encoded(list->fold, pieces->mailbox);
    fold_structured(list->fold, pieces->behind);
    list->fold->blank = true;
    fold_token(list->fold, SPAN(":;"));
}

static void
write_mailbox(struct list *list, const struct pieces *pieces, struct span mailbox)
{
    struct buf token = {0};
    fold_structured(list->fold, pieces->before);
    list->fold->blank = true;
    if (pieces->angle)
        buf_add_byte(&token, '<');
    buf_add_span(&token, mailbox);
    if (pieces->angle)
        buf_add_byte(&token, '>');
    fold_token(list->fold, buf_span(&token));
    fold_structured(list->fold, pieces->behind);
    buf_clear(&token);
}

static void
write_element(const struct header_address *element, void *arg)
{
    struct list *list = arg;
    struct buf ascii = {0};
    size_t at = (size_t)(element->whole.at - list->body.at);
    write_gap(list, at);
    list->done = at + element->whole.len;
    if (element->mailbox.len == 0) { /* none that can be read: shown as it was */
        struct pieces whole = {{element->whole.at, 0}, element->whole, {element->whole.at, 0}, false};
        if (downgrade_is_ascii(element->whole))
            fold_structured(list->fold, element->whole);
        else
            write_lost(list, &whole);
        return;
    }
    struct pieces pieces = take_apart(element);
    if (list->translate)
        pieces.mailbox = translated(list->d, pieces.mailbox);
    if (downgrade_mailbox(pieces.mailbox, &ascii))
        write_mailbox(list, &pieces, buf_span(&ascii));
    else
        write_lost(list, &pieces);
    buf_clear(&ascii);
}

void
downgrade_addresses(struct downgrade *d, struct span body, bool translate, struct fold *fold)
{
    struct list list = {.d = d, .fold = fold, .body = body, .translate = translate, .group = NOWHERE};
    header_addresses(body, write_element, &list);
    write_gap(&list, body.len);
    if (list.group_lost)
        end_group(&list, body.len);
    if (list.lost > 0)
        downgrade_report(
            d, "%zu addresses of the header have no form in ASCII: shown as text, not to be replied to",
            list.lost);
}

static void
compare_element(const struct header_address *element, void *arg)
{
    struct list *list = arg;
    if (element->mailbox.len > 0 && list->changed == 0)
        list->changed += !span_equal(translated(list->d, element->mailbox), element->mailbox);
}

bool
downgrade_translates(struct downgrade *d, struct span body)
{
    struct list list = {.d = d, .body = body};
    header_addresses(body, compare_element, &list);
    return list.changed > 0;
}
