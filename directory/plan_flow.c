/* plan_flow.c - a flow's settings, and which copy belongs to which source (see plan_inside.h)
 *
 * The links are the marks. A copy whose mark does not say whose it is (where the directory keeps no marks) is that of the source
 * whose address it has.
 */
#include <stdlib.h>

#include "directory/plan_inside.h"

/* ---- settings ---- */

static const struct dir_traits everything = {.attributes = UINT32_MAX,
                                             .hides = true,
                                             .members = true,
                                             .proxies = DIR_PROXIES_ALL,
                                             .naming = DIR_NAMED_DN};

static bool
lists(const struct conf_texts *texts, struct span name)
{
    for (size_t i = 0; i < texts->n; i++)
        if (span_equal_nocase(span_of(texts->at[i]), name))
            return true;
    return false;
}

/* Which attributes are kept in step, and which are set once. */
static void
take_attributes(struct flow *flow, const struct conf_texts *initial, const struct conf_texts *omit)
{
    uint32_t both = flow->from_traits->attributes & flow->to_traits->attributes;
    /* these two are made of others where the source has none */
    both |= flow->to_traits->attributes & (UINT32_C(1) << DIR_DISPLAY | UINT32_C(1) << DIR_ALIAS);
    for (unsigned i = 0; i < DIR_ATTRIBUTES; i++) {
        struct span name = span_of(dir_attribute_name((enum dir_attribute)i));
        uint32_t bit = UINT32_C(1) << i;
        if ((both & bit) != 0 && !lists(omit, name))
            flow->kept |= bit;
        if (lists(initial, name))
            flow->initial |= bit;
    }
    if (flow->to_traits->needs_surname && (flow->to_traits->attributes & UINT32_C(1) << DIR_SURNAME) != 0)
        flow->kept |= UINT32_C(1) << DIR_SURNAME;
    flow->proxies_initial = lists(initial, SPAN("proxyAddresses"));
    flow->proxies_omitted = lists(omit, SPAN("proxyAddresses"));
    flow->hides = flow->from_traits->hides && flow->to_traits->hides && !lists(omit, SPAN("hidden")) &&
                  !lists(initial, SPAN("hidden"));
    flow->renames =
        flow->to_traits->naming != DIR_NAMED_ADDRESS && !lists(initial, SPAN("cn")) && !lists(omit, SPAN("cn"));
}

static void
take_import(struct flow *flow)
{
    const struct conf_import *import = &flow->planner->in->dirsync->import;
    const struct conf_directory *directory = flow->planner->directory;
    flow->container = import->container;
    flow->groups = import->groups;
    flow->delete_s = import->delete_s;
    take_attributes(flow, &import->initial, &import->omit);
    flow->on = import->set && (directory == NULL || directory->writable) && !flow->planner->in->host_read_only;
    if (import->set && !flow->on)
        plan_notice(flow->planner, DIR_REFUSAL, true, SPAN(""), SPAN(""),
                    "nothing is imported: directory \"%s\" is not writable; make it so (writable, mark), or "
                    "take import away",
                    flow->to_title);
}

/* A filter that cannot be must not let everybody through, nor nobody. */
static bool
take_filter(struct flow *flow, const char *filter)
{
    struct why why;
    if (filter == NULL)
        return true;
    flow->planner->filter = dir_filter_new(span_of(filter), &why);
    if (flow->planner->filter == NULL)
        plan_notice(flow->planner, DIR_REFUSAL, false, SPAN(""), SPAN(""),
                    "nothing is exported, and nothing taken back: export.filter: %s", why.text);
    return flow->planner->filter != NULL;
}

static void
take_export(struct flow *flow)
{
    const struct conf_dirsync *dirsync = flow->planner->in->dirsync;
    const struct conf_export *export = &dirsync->export;
    bool ldap = span_equal(span_of(dirsync->foreign.format), SPAN("ldap"));
    bool read_only = flow->planner->in->foreign_read_only || (ldap && !dirsync->foreign.directory.writable);
    flow->container = export->container;
    flow->groups = export->groups;
    flow->delete_s = export->delete_s;
    take_attributes(flow, &export->initial, &export->omit);
    flow->on = export->set && !read_only && take_filter(flow, export->filter);
    if (export->set && read_only)
        plan_notice(flow->planner, DIR_REFUSAL, false, SPAN(""), SPAN(""),
                    "nothing is exported: the foreign directory is not writable; make it so (writable, mark), "
                    "or take export away");
}

static void
make_room(struct flow *flow)
{
    size_t from = dir_set_places(flow->from) + 1, to = dir_set_places(flow->to) + 1;
    flow->copy_of = xcalloc(from, sizeof *flow->copy_of);
    flow->source_of = xcalloc(to, sizeof *flow->source_of);
    flow->state = xcalloc(from, sizeof *flow->state);
    flow->fate = xcalloc(to, sizeof *flow->fate);
    flow->move = xcalloc(to, sizeof *flow->move);
    flow->news = xcalloc(from, sizeof *flow->news);
    flow->claimed = dir_words_new();
}

void
flow_begin(struct planner *planner, struct flow *flow, bool import)
{
    const struct dir_plan_input *in = planner->in;
    const struct dir_traits *host = in->host_traits != NULL ? in->host_traits : &everything;
    const struct dir_traits *foreign = in->foreign_traits != NULL ? in->foreign_traits : &everything;
    const char *host_title = planner->directory != NULL ? planner->directory->title : "the host";
    const char *foreign_title = in->dirsync->connector != NULL ? in->dirsync->connector : in->dirsync->title;
    flow->planner = planner;
    flow->import = import;
    flow->from = import ? in->foreign : in->host;
    flow->to = import ? in->host : in->foreign;
    flow->from_traits = import ? foreign : host;
    flow->to_traits = import ? host : foreign;
    flow->from_title = import ? foreign_title : host_title;
    flow->to_title = import ? host_title : foreign_title;
    flow->may_add = import ? in->host_complete : in->foreign_complete;
    if (import)
        take_import(flow);
    else
        take_export(flow);
    if (flow->container != NULL)
        name_fold(span_of(flow->container), &flow->container_key);
    make_room(flow);
}

void
flow_clear(struct flow *flow)
{
    free(flow->copy_of);
    free(flow->source_of);
    free(flow->state);
    free(flow->fate);
    free(flow->move);
    free(flow->news);
    free(flow->added);
    free(flow->stamps);
    free(flow->renamed);
    buf_clear(&flow->container_key);
    dir_words_free(flow->claimed);
    dir_words_free(flow->names);
    dir_words_free(flow->numbers);
    dir_room_clear(&flow->from_room);
    dir_room_clear(&flow->to_room);
    dir_room_clear(&flow->other_room);
}

struct flow *
flow_back(const struct flow *flow)
{
    return flow->import ? &flow->planner->export : &flow->planner->import;
}

/* ---- links ---- */

bool
plan_is_ours(const struct planner *planner, struct span mark, struct span *source)
{
    struct span dirsync, id;
    if (mark.len == 0 || !dir_mark_parse(mark, &dirsync, &id) ||
        !span_equal(dirsync, span_of(planner->in->dirsync->title)))
        return false;
    if (source != NULL)
        *source = id;
    return true;
}

/* The source whose address a copy without an id has; the address may be one that only the book keeps. */
static size_t
find_by_address(struct flow *flow, const struct dir_entry *copy)
{
    const struct dir_set *given = flow->planner->in->given;
    struct dir_entry source;
    bool more;
    if (copy->target.type.len == 0)
        return SIZE_MAX;
    size_t place = dir_set_find_address(flow->from, &copy->target, &more);
    if (place == SIZE_MAX && !flow->import && given != NULL) {
        size_t kept = dir_set_find_address(given, &copy->target, &more);
        if (kept != SIZE_MAX && dir_set_get(given, kept, &flow->other_room, &source))
            place = dir_set_find_id(flow->from, source.id);
    }
    if (place == SIZE_MAX || !source_get(flow, place, &flow->from_room, &source))
        return SIZE_MAX;
    const struct address *address = source_address(flow, &source);
    return address != NULL && address_equal(address, &copy->target) ? place : SIZE_MAX;
}

static size_t
find_source(struct flow *flow, const struct dir_entry *copy, struct span id)
{
    struct dir_entry source;
    size_t place = id.len > 0 ? dir_set_find_id(flow->from, id) : find_by_address(flow, copy);
    if (place == SIZE_MAX || !dir_set_get(flow->from, place, &flow->from_room, &source) ||
        plan_is_ours(flow->planner, source.mark, NULL))
        return SIZE_MAX;
    return place;
}

static void
link_copy(struct flow *flow, size_t place, const struct dir_entry *copy, struct span id)
{
    size_t source = find_source(flow, copy, id);
    struct dir_entry first;
    if (source == SIZE_MAX)
        return;
    if (flow->copy_of[source] == 0) {
        flow->copy_of[source] = (uint32_t)place + 1;
        flow->source_of[place] = (uint32_t)source + 1;
        flow->planner->plan->linked++;
        return;
    }
    flow->source_of[place] = (uint32_t)source + 1; /* it is not taken for one whose source is gone */
    if (dir_set_get(flow->to, flow->copy_of[source] - 1, &flow->other_room, &first))
        plan_notice(flow->planner, DIR_CONFLICT, flow->import, copy->id, copy->name,
                    "it has the same mark as %.*s, which is kept in step; take one of them away, or its mark",
                    SHOWN(first.name));
}

void
flow_link(struct flow *flow)
{
    struct dir_entry copy;
    struct span id;
    for (size_t place = 0; place < dir_set_places(flow->to); place++) {
        if (!dir_set_get(flow->to, place, &flow->to_room, &copy) ||
            !plan_is_ours(flow->planner, copy.mark, &id))
            continue;
        flow->copies++;
        flow->planner->plan->linked_kinds[flow->import][copy.kind]++;
        link_copy(flow, place, &copy, id);
    }
}
