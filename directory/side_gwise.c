/* side_gwise.c - GroupWise's directory as a side: asked for, waited for, read (see side_gwise.h)
 *
 *     nothing asked --ask--> asked --answer--> answered --read--> nothing asked
 *                              +--foreign.answer is over--> nothing asked (the run fails, the next one asks again)
 */
#include "directory/side_gwise.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "directory/words.h"

/* ---- our own domain ---- */

/* The literal text before the first dot of "GWISE:Exchange.First.%m". */
static bool
domain_of_template(struct span template, char domain[64])
{
    if (!span_starts_nocase(template, SPAN("GWISE:")))
        return false;
    struct span text = {template.at + 6, template.len - 6};
    const char *dot = text.len > 0 ? memchr(text.at, '.', text.len) : NULL;
    size_t len = dot != NULL ? (size_t)(dot - text.at) : 0;
    if (len == 0 || len >= 64 || memchr(text.at, '%', len) != NULL)
        return false;
    snprintf(domain, 64, "%.*s", (int)len, text.at);
    return true;
}

bool
gwise_own_domain(const struct conf_root *root, const struct conf_dirsync *dirsync, char domain[64])
{
    const struct conf_connector *connector = conf_connector_find(root, dirsync->connector);
    const char *named = dirsync->foreign.domain != NULL ? dirsync->foreign.domain
                        : connector != NULL             ? connector->peer.domain
                                                        : NULL;
    if (named != NULL && named[0] != '\0') {
        snprintf(domain, 64, "%s", named);
        return true;
    }
    for (size_t i = 0; i < root->policies_n; i++)
        for (size_t k = 0; k < root->policies[i].proxy.n; k++)
            if (domain_of_template(span_of(root->policies[i].proxy.at[k]), domain))
                return true;
    return false;
}

/* ---- open, close ---- */

static struct dir_traits
traits_of(const struct gwise_side *side)
{
    struct dir_traits traits = {
        .no_adoption = true, /* who lies in our own domain is ours already */
        .hides = true,
        .proxies = side->foreign->alias != NULL ? DIR_PROXIES_MAIL : DIR_PROXIES_NONE,
        .naming = DIR_NAMED_ADDRESS,
        .needs_surname = true,
    };
    static const struct {
        enum dir_attribute attribute;
        uint16_t limit;
    } kept[] = {
#define ATTRIBUTE(symbol, keyword, characters) {DIR_FROM_##symbol, characters},
#define DIR_FROM_LAST_NAME                     DIR_SURNAME
#define DIR_FROM_FIRST_NAME                    DIR_GIVEN
#define DIR_FROM_DESCRIPTION                   DIR_DISPLAY
#define DIR_FROM_ACCOUNT_ID                    DIR_ATTRIBUTES
#define DIR_FROM_TITLE                         DIR_TITLE
#define DIR_FROM_DEPARTMENT                    DIR_DEPARTMENT
#define DIR_FROM_PHONE                         DIR_PHONE
#define DIR_FROM_FAX                           DIR_FAX
#define DIR_FROM_NETWORK_ID                    DIR_ATTRIBUTES
#define DIR_FROM_USER_DEF_5                    DIR_ATTRIBUTES
#include "systems/gwise/directory.def"
    };
    for (size_t i = 0; i < COUNT_OF(kept); i++)
        if (kept[i].attribute != DIR_ATTRIBUTES) {
            traits.attributes |= UINT32_C(1) << kept[i].attribute;
            traits.limits[kept[i].attribute] = kept[i].limit;
        }
    return traits;
}

static int
gwise_open(struct dir_side *base, struct why *why)
{
    struct gwise_side *side = (struct gwise_side *)base;
    const struct dir_context *context = base->context;
    if (!gwise_own_domain(context->root, context->dirsync, side->domain)) {
        why_set(why, "5.3.5",
                "which GroupWise domain stands for the host is not known: foreign.domain or the connector's "
                "peer.domain names it");
        return -EINVAL;
    }
    base->writable = context->dirsync->export.set;
    base->traits = traits_of(side);
    return 0;
}

static void
gwise_close(struct dir_side *base)
{
    struct gwise_side *side = (struct gwise_side *)base;
    codepage_free(side->codepage);
    dir_set_free(side->current);
    arena_free(side->arena);
    dir_words_free(side->offices);
    buf_clear(&side->office_file);
    buf_clear(&side->file);
    for (size_t i = 0; i < side->n_files; i++)
        buf_clear(&side->files[i]);
    free(side->files);
    free(side->waiting);
    free(side);
}

/* ---- reading ---- */

static void
note_reading(const struct gwise_side *side, struct dir_reading *reading, bool asked)
{
    snprintf(reading->source, sizeof reading->source, "gwise:%s", side->connector->title);
    buf_reset(&reading->cookie);
    if (asked)
        reading->full_s = reading->read_s = time_ms() / 1000;
}

/* After this run has written: what the gateway will make of it is not known before it was asked again, which is the next run's to
 * do; asked at once it would answer what was before. */
static int
take_written(struct gwise_side *side, struct dir_set **set, struct dir_reading *reading)
{
    dir_set_free(*set);
    *set = side->current;
    side->current = NULL;
    note_reading(side, reading, false);
    return 0;
}

static int
gwise_read(struct dir_side *base, struct dir_set **set, struct dir_reading *reading, bool full, struct why *why)
{
    struct gwise_side *side = (struct gwise_side *)base;
    struct buf text = {0};
    (void)full; /* there is nothing less to ask for */
    if (side->current != NULL)
        return take_written(side, set, reading);
    int err = gwise_answered(side, &text, why);
    if (err == -ENOENT)
        err = gwise_ask(side, why);
    if (err == 0) {
        struct dir_set *new = dir_set_new();
        err = gwise_take_answer(side, buf_span(&text), *set, new, why);
        gwise_forget(side);
        if (err == 0) {
            dir_set_free(*set);
            *set = new;
            note_reading(side, reading, true);
        } else {
            dir_set_free(new);
        }
    }
    buf_clear(&text);
    return err;
}

/* ---- new ---- */

struct dir_side *
side_gwise_new(const struct dir_context *context, const struct conf_foreign *foreign, struct why *why)
{
    static const struct dir_side_ops ops = {"gwise",     gwise_open,  gwise_read,
                                            gwise_apply, gwise_flush, gwise_close};
    const struct conf_connector *connector =
        context->dirsync != NULL ? conf_connector_find(context->root, context->dirsync->connector) : NULL;
    if (connector == NULL) {
        why_set(why, "5.3.5", "GroupWise's directory is read through a connector, and there is none");
        return NULL;
    }
    struct codepage *codepage = codepage_new(connector->convert.codepage);
    if (codepage == NULL) {
        why_set(why, "5.3.5", "convert.codepage = \"%s\" is no code page known here",
                connector->convert.codepage);
        return NULL;
    }
    struct gwise_side *side = xcalloc(1, sizeof *side);
    struct span how = span_of(connector->convert.unmappable);
    side->side = (struct dir_side){.ops = &ops, .context = context, .title = connector->title};
    side->foreign = foreign;
    side->connector = connector;
    side->codepage = codepage;
    side->unmappable = span_equal(how, SPAN("question"))   ? UNMAPPABLE_QUESTION
                       : span_equal(how, SPAN("entities")) ? UNMAPPABLE_ENTITIES
                                                           : UNMAPPABLE_BEST_FIT;
    return &side->side;
}
