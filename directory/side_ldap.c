/* side_ldap.c - a directory behind LDAP: Active Directory, Domino, any other (see side.h and side_ldap.h) */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "directory/run.h"
#include "directory/side_ldap.h"

enum { ENTRY_BYTES_MAX = 256 << 20 };

void
side_note(const struct ldap_side *side, const char *format, ...)
{
    char text[700];
    va_list args;
    va_start(args, format);
    int len = snprintf(text, sizeof text, "%s: ", side->side.title);
    vsnprintf(text + len, sizeof text - (size_t)len, format, args);
    va_end(args);
    if (side->side.context->note != NULL)
        side->side.context->note(side->side.context->arg, text);
}

/* ---- what the server is ---- */

static bool
knows(void *arg, const char *name)
{
    return ldap_link_knows(arg, name);
}

/* A server whose schema cannot be read says that it knows everything. */
static bool
tells_schema(struct ldap_link *link)
{
    return !ldap_link_knows(link, "viaductKnowsNothing");
}

static enum side_kind
kind_of(struct ldap_link *link, const struct conf_directory *directory)
{
    struct span kind = span_of(directory->kind);
    if (span_equal(kind, SPAN("ad")))
        return SIDE_AD;
    if (span_equal(kind, SPAN("domino")))
        return SIDE_DOMINO;
    if (span_equal(kind, SPAN("ldap")))
        return SIDE_PLAIN;
    if (ldap_link_server(link)->active_directory)
        return SIDE_AD;
    if (!tells_schema(link))
        return SIDE_PLAIN;
    if (ldap_link_knows(link, "dominoPerson"))
        return SIDE_DOMINO;
    return ldap_link_knows(link, "contact") && ldap_link_knows(link, "proxyAddresses") ? SIDE_AD : SIDE_PLAIN;
}

struct asking {
    struct side_names *names;
    bool too_many;
};

static void
ask_name(void *arg, struct span name)
{
    struct asking *asking = arg;
    asking->too_many |= !side_names_ask(asking->names, name);
}

/* What the filter looks at is asked for too: a change of it alone must be a change (DirSync). */
static void
ask_filter(const struct ldap_side *side, struct asking *asking)
{
    struct why why;
    struct dir_filter *filter =
        side->directory->filter != NULL ? dir_filter_new(span_of(side->directory->filter), &why) : NULL;
    if (filter != NULL) /* one that only the server understands is its own */
        dir_filter_names(filter, ask_name, asking);
    dir_filter_free(filter);
}

static int
learn_names(struct ldap_side *side, struct why *why)
{
    const struct conf_texts *pairs = &side->directory->opt_out;
    struct asking asking = {.names = &side->names};
    int r = side_names_init(&side->names, kind_of(side->link, side->directory), side->directory,
                            ldap_link_server(side->link)->active_directory, knows, side->link, why);
    if (r < 0)
        return r;
    if (side->names.slot[SLOT_ID][0] == '\0' && side->directory->id != NULL)
        return why_set(why, "5.3.5", "id: the server's schema has no attribute \"%.60s\"", side->directory->id);
    for (size_t i = 0; i < pairs->n; i++) {
        const char *equals = strchr(pairs->at[i], '=');
        if (equals != NULL)
            ask_name(&asking, (struct span){pairs->at[i], (size_t)(equals - pairs->at[i])});
    }
    if (side->policies != NULL)
        dir_policies_names(side->policies, ask_name, &asking);
    ask_filter(side, &asking);
    if (asking.too_many)
        return why_set(why, "5.3.5",
                       "opt-out, filter and the filters of recipient-policies name more than %d attributes",
                       SIDE_EXTRAS_MAX);
    side_names_seal(&side->names);
    side_filter(&side->names, side->directory, &side->filter);
    return 0;
}

#define KEPT(attribute) (UINT32_C(1) << DIR_##attribute)

/* Of what is kept in step, groups have little. */
static uint32_t
kept_of_groups(enum side_kind kind)
{
    static const uint32_t kept[SIDE_KINDS] = {[SIDE_AD] =
                                                  KEPT(DISPLAY) | KEPT(ALIAS) | KEPT(INFO) | KEPT(PHONE),
                                              [SIDE_DOMINO] = KEPT(DISPLAY),
                                              [SIDE_PLAIN] = KEPT(DISPLAY) | KEPT(INFO)};
    return kept[kind];
}

static void
set_traits(struct ldap_side *side)
{
    struct dir_traits *traits = &side->side.traits;
    const struct side_names *names = &side->names;
    memset(traits, 0, sizeof *traits);
    for (unsigned i = 0; i < DIR_ATTRIBUTES; i++)
        if (names->slot[i][0] != '\0')
            traits->attributes |= UINT32_C(1) << i;
    traits->hides = names->slot[SLOT_HIDDEN][0] != '\0';
    traits->members = names->slot[SLOT_MEMBER][0] != '\0' || names->slot[SLOT_UNIQUE_MEMBER][0] != '\0';
    traits->proxies = names->slot[SLOT_PROXIES][0] != '\0'            ? DIR_PROXIES_ALL
                      : names->kind == SIDE_PLAIN && !side->side.host ? DIR_PROXIES_NONE
                                                                      : DIR_PROXIES_MAIL;
    traits->naming = DIR_NAMED_DN;
    traits->not_of_groups = traits->attributes & ~kept_of_groups(names->kind);
    traits->no_target = names->kind == SIDE_AD      ? names->slot[SLOT_TARGET][0] == '\0'
                        : names->kind == SIDE_PLAIN ? side->side.host
                                                    : false;
    traits->needs_surname = names->kind != SIDE_AD;
}

/* ---- open, close ---- */

static bool
is_to_be_written(const struct dir_side *side)
{
    const struct conf_dirsync *dirsync = side->context->dirsync;
    return dirsync != NULL && (side->host ? dirsync->import.container : dirsync->export.container) != NULL;
}

int
side_ldap_open(struct dir_side *base, struct why *why)
{
    struct ldap_side *side = (struct ldap_side *)base;
    int r = ldap_link_open(side->link, why);
    if (r == 0)
        r = learn_names(side, why);
    if (r < 0)
        return r;
    snprintf(side->source, sizeof side->source, "%.200s %016llx", ldap_link_server(side->link)->identity,
             (unsigned long long)side_digest(side));
    set_traits(side);
    base->writable = side->directory->writable && side->names.slot[SLOT_MARK][0] != '\0';
    if (side->directory->writable && !base->writable && is_to_be_written(base))
        side_note(side, "it cannot be written: no attribute for marks is named (option mark), or the server's "
                        "schema lacks it");
    return 0;
}

static void
side_ldap_close(struct dir_side *base)
{
    struct ldap_side *side = (struct ldap_side *)base;
    side_writer_free(side->writer);
    ldap_link_free(side->link);
    dir_policies_free(side->policies);
    arena_free(side->reader.arena);
    free(side->reader.proxies);
    buf_clear(&side->reader.trouble);
    buf_clear(&side->filter);
    free(side);
}

/* ---- what the configuration says of the foreign system ---- */

/* The domain of the connector's NOTES address spaces: groups of Domino's name none themselves. */
static void
find_mail_domain(struct ldap_side *side, const struct conf_connector *connector)
{
    for (size_t i = 0; connector != NULL && i < connector->address_spaces_n; i++) {
        const struct conf_address_space *space = &connector->address_spaces[i];
        struct span name, domain;
        if (space->pattern == NULL || !span_equal_nocase(span_of(space->type), SPAN("NOTES")))
            continue;
        side_notes_split(span_of(space->pattern), &name, &domain);
        if (domain.len > 0 && memchr(domain.at, '*', domain.len) == NULL &&
            memchr(domain.at, '?', domain.len) == NULL && memchr(domain.at, '%', domain.len) == NULL) {
            snprintf(side->mail_domain, sizeof side->mail_domain, "%.*s", (int)domain.len, domain.at);
            return;
        }
    }
}

static void
prepare_reader(struct ldap_side *side)
{
    const struct dir_context *context = side->side.context;
    if (context->dirsync != NULL) {
        snprintf(side->address_type, sizeof side->address_type, "%.20s",
                 run_address_type(context->root, context->dirsync));
        find_mail_domain(side, conf_connector_find(context->root, context->dirsync->connector));
    }
    /* What a host's entry is does not depend on who asks: its set is shared by all dirsyncs. */
    if (side->side.host)
        side->address_type[0] = side->mail_domain[0] = '\0';
    side->reader = (struct side_reader){
        .names = &side->names,
        .directory = side->directory,
        .policies = side->policies,
        .host = side->side.host,
        .address_type = span_of(side->address_type),
        .mail_domain = span_of(side->mail_domain),
        .arena = arena_new(ENTRY_BYTES_MAX),
        .proxies = xcalloc(DIR_PROXIES_MAX, sizeof *side->reader.proxies),
    };
}

/* What is written where nobody reads would be written again and again, and never deleted. */
static bool
reads_containers(const struct ldap_side *side, struct why *why)
{
    const struct conf_dirsync *dirsync = side->side.context->dirsync;
    const char *base = side->directory->base != NULL ? side->directory->base : "", *container = NULL;
    if (dirsync != NULL)
        container = side->side.host ? dirsync->import.container : dirsync->export.container;
    if (container == NULL || ldap_dn_below(span_of(container), span_of(base)))
        return true;
    why_set(why, "5.3.5", "%s \"%s\" does not lie below base \"%s\", so that nothing there would be read",
            side->side.host ? "import.container" : "export.into", container, base);
    return false;
}

struct dir_side *
side_ldap_new(const struct dir_context *context, const struct conf_directory *directory, bool host,
              struct why *why)
{
    static const struct dir_side_ops ops = {"ldap",          side_ldap_open,  side_ldap_read,
                                            side_ldap_apply, side_ldap_flush, side_ldap_close};
    struct ldap_side *side = xcalloc(1, sizeof *side);
    side->side = (struct dir_side){.ops = &ops, .context = context, .host = host};
    side->directory = directory;
    side->side.title = directory->title != NULL && directory->title[0] != '\0' ? directory->title
                       : context->dirsync != NULL                              ? context->dirsync->title
                                                                               : "directory";
    prepare_reader(side);
    if (host) {
        side->policies = dir_policies_new(context->root, why);
        side->reader.policies = side->policies;
    }
    if ((!host || side->policies != NULL) && reads_containers(side, why))
        side->link = ldap_link_new(directory, context->deadline_ms, context->note, context->arg, why);
    if (side->link != NULL)
        return &side->side;
    side_ldap_close(&side->side);
    return NULL;
}
