/* convert_plan.c - what becomes of each part of a message on its way to GroupWise (see convert_out.h)
 *
 * GroupWise has one body, plain text in a code page, and files. The text for reading becomes the body, HTML only where no
 * plain text stands beside it; everything else is a file. What is signed or encrypted goes whole and untouched as a file
 * as well, since nothing less can be verified or opened; the body says so.
 */
#include <stdlib.h>

#include "common/address.h"
#include "systems/gwise/convert_out.h"
#include "systems/mime/mime_header.h"

static bool
note_text(void *arg, struct span bytes)
{
    bool *blank = arg;
    *blank = span_trim(bytes).len == 0;
    return *blank;
}

/* Whether there is nothing to read in a part, as in the plain text that some programs put beside their HTML. */
static bool
is_blank(struct out_item *item, const struct mime_part *part)
{
    bool blank = true;
    out_decode_part(item, part, note_text, &blank);
    return blank;
}

/* Marks the alternatives around a plain text: their HTML need not be read. */
static void
mark_plain(const struct mime_tree *tree, size_t leaf, bool *has_plain)
{
    for (int i = tree->parts[leaf].parent; i >= 0; i = tree->parts[i].parent)
        if (strcmp(tree->parts[i].type, "multipart/alternative") == 0)
            has_plain[i] = true;
}

static bool
has_plain_beside(const struct mime_tree *tree, size_t leaf, const bool *has_plain)
{
    for (int i = tree->parts[leaf].parent; i >= 0; i = tree->parts[i].parent)
        if (has_plain[i])
            return true;
    return false;
}

static bool
is_body(const struct mime_part *part, const char *type)
{
    return !part->multipart && !part->raw && !part->attachment && strcmp(part->type, type) == 0;
}

/* ---- signed, encrypted ---- */

static const struct {
    const char *type, *name, *words;
    bool readable; /* its text is shown as well */
} sealed[] = {
    {"multipart/signed", "signed.eml", "This message is signed. The signed original is the file signed.eml.",
     true},
    {"multipart/encrypted", "encrypted.eml",
     "This message is encrypted. It is the file encrypted.eml, for a program that has the key.", false},
    {"application/pkcs7-mime", "smime.p7m",
     "This message is encrypted or signed (S/MIME). It is the file smime.p7m, for a program that can open it.",
     false},
    {"application/x-pkcs7-mime", "smime.p7m",
     "This message is encrypted or signed (S/MIME). It is the file smime.p7m, for a program that can open it.",
     false},
};

static bool
is_signature(const struct mime_part *part)
{
    return strcmp(part->type, "application/pgp-signature") == 0 ||
           strcmp(part->type, "application/pkcs7-signature") == 0 ||
           strcmp(part->type, "application/x-pkcs7-signature") == 0;
}

/* The seal that a part is, or lies in: an index into `sealed`; -1 for none. */
static int
seal_of(const struct mime_part *part)
{
    for (size_t k = 0; k < COUNT_OF(sealed); k++)
        if (strcmp(part->type, sealed[k].type) == 0)
            return (int)k;
    return -1;
}

static void
plan_seal(struct out_item *item, size_t index, int seal)
{
    struct out_part *part = &item->parts[index];
    const struct mime_part *mime = &item->tree.parts[index];
    part->file = true;
    part->whole = mime->multipart;
    part->name = mime->name == NULL || mime->multipart ? sealed[seal].name : NULL;
    buf_printf(&item->after, "[%s]\n", sealed[seal].words);
    gwise_report(item->out, "a part of the type %s is sent as the file %s, as it came", sealed[seal].type,
                 part->name != NULL ? part->name : mime->name);
}

/* Whether a part lies in one that goes whole, and is not shown as well. */
static bool
lies_sealed(const struct out_item *item, size_t index)
{
    const struct mime_tree *tree = &item->tree;
    for (int i = tree->parts[index].parent; i >= 0; i = tree->parts[i].parent) {
        int seal = seal_of(&tree->parts[i]);
        if (seal >= 0 && (!sealed[seal].readable || is_signature(&tree->parts[index])))
            return true;
    }
    return false;
}

/* ---- the plan ---- */

static void
plan_html(struct out_item *item, size_t index, bool plain_beside)
{
    const char *how = gwise_option(item->in, "convert.html");
    item->parts[index].body = !plain_beside;
    item->parts[index].file = how != NULL && strcmp(how, "attach") == 0;
    item->parts[index].name = "message.html";
    if (item->parts[index].file)
        gwise_report(item->out, "the HTML form of the body is sent as the file message.html");
    else if (plain_beside)
        gwise_report(item->out, "the HTML form of the body is left out, its plain text is sent");
}

/* Its body counts where the message has no text of its own; files in it that cannot be sent are told of in the body, so it
 * is known before the body is written. */
static void
plan_tnef(struct out_item *item, size_t index, bool has_text)
{
    struct out_part *part = &item->parts[index];
    part->tnef = out_tnef_open(item, &item->tree.parts[index]);
    part->file = part->tnef == NULL;
    part->body = part->tnef != NULL && !has_text && out_tnef_has_body(part->tnef);
}

/* What there is to read: in the whole, and which alternatives have it as plain text. */
struct texts {
    bool any, *has_plain;
};

static void
find_texts(struct out_item *item, struct texts *texts)
{
    const struct mime_tree *tree = &item->tree;
    *texts = (struct texts){false, xcalloc(tree->n, sizeof *texts->has_plain)};
    for (size_t i = 0; i < tree->n; i++) {
        bool plain = is_body(&tree->parts[i], "text/plain");
        if ((!plain && !is_body(&tree->parts[i], "text/html")) || is_blank(item, &tree->parts[i]))
            continue;
        texts->any = true;
        if (plain)
            mark_plain(tree, i, texts->has_plain);
    }
}

static void
plan_leaf(struct out_item *item, size_t index, const struct texts *texts)
{
    const struct mime_part *part = &item->tree.parts[index];
    if (out_is_tnef(part))
        plan_tnef(item, index, texts->any);
    else if (is_body(part, "text/plain"))
        item->parts[index].body = true;
    else if (is_body(part, "text/html"))
        plan_html(item, index, has_plain_beside(&item->tree, index, texts->has_plain));
    else
        item->parts[index].file = true;
}

void
out_plan(struct out_item *item)
{
    const struct mime_tree *tree = &item->tree;
    struct texts texts;
    item->parts = xcalloc(tree->n, sizeof *item->parts);
    find_texts(item, &texts);
    for (size_t i = 0; i < tree->n; i++) {
        int seal = tree->parts[i].raw ? -1 : seal_of(&tree->parts[i]);
        if (lies_sealed(item, i))
            continue;
        if (seal >= 0)
            plan_seal(item, i, seal);
        else if (!tree->parts[i].multipart)
            plan_leaf(item, i, &texts);
    }
    free(texts.has_plain);
    if (tree->too_deep)
        gwise_report(item->out, "parts nested deeper than %d are sent as one file", MIME_DEPTH_MAX);
    if (tree->too_many)
        gwise_report(item->out, "what follows part %d is sent as one file", MIME_PARTS_MAX);
    if (tree->header_cut)
        gwise_report(item->out, "the header is longer than can be read, its end is left out");
}

/* ---- what only words can carry ---- */

/* Fields without a keyword: GroupWise answers the sender alone, and forgets nothing by itself. */
static const struct {
    const char *field, *label;
} worded[] = {
    {"Reply-To", "Replies to"},
    {"Sender", "Sent by"},
    {"Expires", "Expires"},
    {"Expiry-Date", "Expires"},
};

static struct span
field_of(const struct out_item *item, const char *name)
{
    struct span body = {"", 0};
    mime_field(buf_span(&item->tree.header), name, &body);
    return span_trim(body);
}

static void
add_words(struct out_item *item, const char *label, struct span body)
{
    enum { WORDS_MAX = 500 };
    struct buf text = {0};
    mime_decode_text(body, &text);
    size_t len = text.len < WORDS_MAX ? text.len : WORDS_MAX;
    while (len > 0 && len < text.len && ((unsigned char)text.at[len] & 0xc0) == 0x80)
        len--;
    buf_printf(&item->before, "%s: %.*s\n", label, (int)len, text.at);
    buf_clear(&text);
}

static void
note_author(const struct header_address *found, void *arg)
{
    struct span *author = arg;
    if (author->len == 0)
        *author = found->mailbox;
}

/* The item's sender is the envelope's, whom the gateway's answers reach; of a mailing list that is not who wrote it. */
static void
tell_author(struct out_item *item, struct span from)
{
    struct viaduct_text originator = item->in->message->originator;
    struct span author = {"", 0};
    struct buf address = {0}, display = {0};
    header_addresses(from, note_author, &author);
    if (originator.len > 0 && author.len > 0 && out_translate(item, author, &address, &display) &&
        !span_equal_nocase(buf_span(&address), (struct span){originator.at, originator.len})) {
        add_words(item, "From", from);
        gwise_report(item->out,
                     "the field From names another than the envelope's sender: it stands in the body");
    }
    buf_clear(&address);
    buf_clear(&display);
}

void
out_words(struct out_item *item)
{
    struct span from = field_of(item, "From"), sensitivity = field_of(item, "Sensitivity");
    if (item->in->message != NULL)
        tell_author(item, from);
    for (size_t i = 0; i < COUNT_OF(worded); i++) {
        struct span body = field_of(item, worded[i].field);
        if (body.len == 0 || span_equal(body, from))
            continue;
        add_words(item, worded[i].label, body);
        gwise_report(item->out, "the field %s has no place in GroupWise: it stands in the body",
                     worded[i].field);
    }
    if (field_of(item, "In-Reply-To").len > 0 || field_of(item, "References").len > 0)
        gwise_report(item->out,
                     "which message it answers (In-Reply-To, References) has no place in GroupWise: left out");
    if (span_starts_nocase(sensitivity, SPAN("p")))
        gwise_report(item->out, "the sensitivity %.*s is sent as Confidential",
                     (int)(sensitivity.len < 60 ? sensitivity.len : 60), sensitivity.at);
}
