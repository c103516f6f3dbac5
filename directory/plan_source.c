/* plan_source.c - who is exported at all, and what his copy shall be (see plan_inside.h)
 *
 * An entry that cannot be mapped is present all the same: a rule that fails for everybody must not look as if everybody had left
 * (that was how connectors emptied directories).
 */
#include <stdlib.h>

#include "common/address_form.h"
#include "directory/plan_inside.h"

/* ---- reading ---- */

bool
source_get(struct flow *flow, size_t place, struct dir_room *room, struct dir_entry *entry)
{
    const struct planner *planner = flow->planner;
    if (!dir_set_get(flow->from, place, room, entry))
        return false;
    if (!flow->import && planner->extra_of != NULL && planner->extra_of[place] > 0) {
        const struct extra *extra = &planner->extras[planner->extra_of[place] - 1];
        entry->proxies = extra->proxies;
        entry->n_proxies = extra->n;
    }
    return true;
}

/* ---- judging ---- */

static bool
goes_elsewhere(const struct dir_entry *entry)
{
    return entry->kind == DIR_CONTACT || entry->kind == DIR_MAIL_USER;
}

static const struct address *
pick_address(const struct flow *flow, const struct dir_entry *entry)
{
    struct span type = span_of(flow->planner->in->address_type);
    const struct dir_proxy *proxy = dir_entry_proxy(entry, type);
    if (!flow->import)
        return proxy != NULL ? &proxy->address : NULL;
    if (span_equal(entry->target.type, type))
        return &entry->target;
    if (goes_elsewhere(entry))
        return NULL;
    if (proxy != NULL)
        return &proxy->address;
    return entry->target.type.len > 0 ? &entry->target : NULL;
}

const struct address *
source_address(const struct flow *flow, const struct dir_entry *entry)
{
    const struct address *address = pick_address(flow, entry);
    return address != NULL && address->value.len > 0 ? address : NULL;
}

/* Whether the configuration leaves it out: the flow's own rules. */
static bool
is_left_out(struct flow *flow, const struct dir_entry *entry)
{
    const struct planner *planner = flow->planner;
    const struct conf_export *export = &planner->in->dirsync->export;
    struct span type = span_of(planner->in->address_type), dirsync, id;
    bool copy = dir_mark_parse(entry->mark, &dirsync, &id), ours = span_equal(entry->target.type, type);
    if (entry->kind == DIR_GROUP && span_equal(span_of(flow->groups), SPAN("no")))
        return true;
    if (flow->import) /* what another dirsync wrote there is the host's, and what goes elsewhere is not theirs */
        return copy || (goes_elsewhere(entry) && !ours);
    if ((goes_elsewhere(entry) || copy) && (!export->contacts || ours))
        return true;
    return planner->filter != NULL && !dir_filter_matches_entry(planner->filter, entry);
}

enum source_state
source_judge(struct flow *flow, const struct dir_entry *entry)
{
    struct planner *planner = flow->planner;
    const struct conf_texts *containers = &planner->in->dirsync->export.containers;
    bool elsewhere = !flow->import && containers->n > 0 && !name_within(planner, entry->name, containers);
    if (entry->opted_out || elsewhere || (!entry->broken && is_left_out(flow, entry)))
        return SOURCE_OUT;
    if (entry->broken) {
        if (flow->on)
            plan_notice(planner, DIR_REMARK, !flow->import, entry->id, entry->name,
                        "it cannot be mapped, and nothing is done for it: %.*s", SHOWN(entry->trouble));
        return SOURCE_PRESENT;
    }
    if (source_address(flow, entry) == NULL) {
        if (!flow->import) /* how an administrator takes somebody out */
            return SOURCE_OUT;
        if (flow->on)
            plan_notice(planner, DIR_REMARK, false, entry->id, entry->name,
                        "it has no %s address, and nothing is done for it", planner->in->address_type);
        return SOURCE_PRESENT;
    }
    return entry->hidden ? SOURCE_HIDDEN : SOURCE_GOOD;
}

/* ---- the copy that is wished ---- */

/* The user's part of an address. */
static struct span
user_of(const struct address *address)
{
    struct mailbox_parts parts;
    struct span pieces[ADDRESS_PARTS_MAX];
    if (address_is_smtp(address))
        return mailbox_parse(address->value, &parts, NULL) == 0 ? parts.local : address->value;
    if (span_equal(address->type, SPAN("GWISE"))) {
        size_t n = address_form_split(address_form_find(address->type), address->value, pieces);
        return n > 0 && pieces[n - 1].len > 0 ? pieces[n - 1] : address->value;
    }
    const char *end = memrchr(address->value.at, '@', address->value.len);
    struct span user = {address->value.at,
                        end != NULL ? (size_t)(end - address->value.at) : address->value.len};
    end = memchr(user.at, '/', user.len);
    return end != NULL && end != user.at ? (struct span){user.at, (size_t)(end - user.at)} : user;
}

/* What mailNickname may hold, of a text. */
static struct span
make_alias(struct planner *planner, struct span text)
{
    char *alias = plan_memory(planner->scratch, text.len + 1, 1);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.at[i] > ' ' && strchr("@()<>[]\\,;:\"", text.at[i]) == NULL)
            alias[len++] = text.at[i];
    return (struct span){alias, len};
}

static struct span
make_display(struct planner *planner, const struct dir_entry *source, struct span user)
{
    struct span given = span_trim(source->value[DIR_GIVEN]), surname = span_trim(source->value[DIR_SURNAME]);
    if (given.len == 0 || surname.len == 0) {
        struct span alias = span_trim(source->value[DIR_ALIAS]);
        return given.len > 0 ? given : surname.len > 0 ? surname : alias.len > 0 ? alias : user;
    }
    char *display = plan_memory(planner->scratch, given.len + surname.len + 1, 1);
    memcpy(display, given.at, given.len);
    display[given.len] = ' ';
    memcpy(display + given.len + 1, surname.at, surname.len);
    return (struct span){display, given.len + 1 + surname.len};
}

static void
wish_values(struct flow *flow, struct wish *wish)
{
    const struct dir_entry *source = wish->source;
    struct span user = user_of(&wish->target);
    for (unsigned i = 0; i < DIR_ATTRIBUTES; i++)
        wish->value[i] = (flow->from_traits->attributes >> i & 1) != 0 ? span_trim(source->value[i]) : SPAN("");
    if (wish->value[DIR_DISPLAY].len == 0)
        wish->value[DIR_DISPLAY] = make_display(flow->planner, source, user);
    if (wish->value[DIR_ALIAS].len == 0)
        wish->value[DIR_ALIAS] = make_alias(flow->planner, user);
    if (wish->value[DIR_SURNAME].len == 0 && flow->to_traits->needs_surname)
        wish->value[DIR_SURNAME] = wish->value[DIR_DISPLAY];
    for (unsigned i = 0; i < DIR_ATTRIBUTES; i++) {
        size_t limit = dir_attribute_limit((enum dir_attribute)i), theirs = flow->to_traits->limits[i];
        limit = theirs > 0 && theirs < limit ? theirs : limit;
        struct span whole = wish->value[i];
        if (whole.len > limit) /* octets: characters are fewer */
            wish->value[i] = name_cut(whole, limit);
        if (wish->value[i].len < whole.len)
            wish->cut |= UINT32_C(1) << i;
    }
}

/* ---- its addresses ---- */

static bool
flows(const struct flow *flow, const struct address *address)
{
    return flow->import || span_equal(address->type, span_of(flow->planner->in->address_type)) ||
           address_is_smtp(address) || span_equal(address->type, SPAN("X500"));
}

static bool
has(const struct wish *wish, const struct address *address)
{
    for (size_t i = 0; i < wish->n_proxies; i++)
        if (address_equal(&wish->proxies[i].address, address))
            return true;
    return false;
}

static bool
has_primary(const struct wish *wish, struct span type)
{
    for (size_t i = 0; i < wish->n_proxies; i++)
        if (wish->proxies[i].primary && span_equal(wish->proxies[i].address.type, type))
            return true;
    return false;
}

static void
wish_proxy(struct wish *wish, const struct address *address, bool primary)
{
    primary = primary && !has_primary(wish, address->type);
    if (wish->n_proxies < DIR_PROXIES_MAX && address->value.len > 0 && !has(wish, address))
        wish->proxies[wish->n_proxies++] = (struct dir_proxy){*address, primary};
}

static void
wish_proxies(struct flow *flow, struct wish *wish)
{
    const struct dir_entry *source = wish->source;
    wish->proxies = plan_memory(flow->planner->scratch, source->n_proxies + 2, sizeof *wish->proxies);
    if (flow->to_traits->proxies == DIR_PROXIES_ALL)
        wish_proxy(wish, &wish->target, true);
    if (flow->to_traits->proxies == DIR_PROXIES_MAIL) {
        const struct dir_proxy *mail = dir_entry_proxy(source, SPAN("SMTP"));
        if (mail != NULL || address_is_smtp(&wish->target))
            wish_proxy(wish, mail != NULL ? &mail->address : &wish->target, true);
        return;
    }
    for (size_t i = 0; i < source->n_proxies && !flow->proxies_omitted; i++)
        if (flows(flow, &source->proxies[i].address) && flow->to_traits->proxies == DIR_PROXIES_ALL)
            wish_proxy(wish, &source->proxies[i].address, source->proxies[i].primary);
}

void
source_wish(struct flow *flow, const struct dir_entry *source, struct wish *wish)
{
    const char *as = flow->planner->in->dirsync->import.create_as;
    *wish = (struct wish){.source = source, .target = *source_address(flow, source)};
    if (group_is_expanded(flow, source))
        wish->kind = DIR_GROUP;
    else
        wish->kind = flow->import && !span_equal(span_of(as), SPAN("contact")) && source->kind != DIR_GROUP
                         ? DIR_MAIL_USER
                         : DIR_CONTACT;
    wish_values(flow, wish);
    wish_proxies(flow, wish);
}
