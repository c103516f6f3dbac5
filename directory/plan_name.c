/* plan_name.c - DNs, and names that are unique (see plan_inside.h)
 *
 * A new copy is named by its display name, and where that is taken by display name and address, "Ann Beebe (PO1.ABEEBE)"; with a
 * number behind it where even that is taken. A name that was made so stays as long as the display name does, so that nobody is
 * renamed because somebody else came or went.
 *
 * What is hostile here: DNs, of which any octets are taken. Source: RFC 4514.
 */
#include <stdio.h>

#include "common/hex.h"
#include "common/utf8.h"
#include "directory/plan_inside.h"

enum { SUFFIX_CHARACTERS = 40, NUMBER_MAX = 10000000 };

static char
lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* ---- DNs ---- */

/* One octet of a DN as it stands there, escapes undone. */
struct octet {
    char octet;
    bool escaped;
    size_t len; /* how many octets it took */
};

static struct octet
octet_at(struct span dn, size_t at)
{
    if (dn.at[at] != '\\' || at + 1 == dn.len)
        return (struct octet){dn.at[at], false, 1};
    int octet = at + 2 < dn.len ? hex_octet(dn.at + at + 1) : -1;
    return octet >= 0 ? (struct octet){(char)octet, true, 3} : (struct octet){dn.at[at + 1], true, 2};
}

static bool
is_separator(struct octet octet)
{
    return !octet.escaped && (octet.octet == ',' || octet.octet == '+' || octet.octet == ';');
}

static void
fold_octet(struct buf *out, char c)
{
    if ((unsigned char)c < 0x20 || c == 0x7f || (c != '\0' && strchr(",+;=\\\"<>#", c) != NULL))
        buf_printf(out, "\\%02x", (unsigned char)c);
    else
        buf_add_byte(out, lower(c));
}

static void
add_times(struct buf *out, const char *text, size_t n)
{
    for (; n > 0; n--)
        buf_add_text(out, text);
}

/* Blanks count inside of a value, and where they are escaped: at its ends these stay escaped. */
void
name_fold(struct span dn, struct buf *out)
{
    bool in_value = false, at_start = true;
    size_t blanks = 0, solid = 0; /* that wait; those of them up to the last that was escaped */
    buf_reset(out);
    buf_add(out, "", 0);
    for (size_t at = 0; at < dn.len;) {
        struct octet octet = octet_at(dn, at);
        at += octet.len;
        bool equals = !octet.escaped && octet.octet == '=' && !in_value;
        if (octet.octet == ' ') {
            if (at_start && octet.escaped)
                buf_add_text(out, "\\20");
            else
                blanks += !at_start;
            solid = octet.escaped ? blanks : solid;
            at_start = at_start && !octet.escaped;
            continue;
        }
        if (equals || is_separator(octet)) {
            add_times(out, "\\20", solid);
            buf_add_byte(out, octet.octet == ';' ? ',' : octet.octet);
            in_value = equals;
            at_start = true;
        } else {
            add_times(out, " ", blanks);
            fold_octet(out, octet.octet);
            at_start = false;
        }
        blanks = solid = 0;
    }
    add_times(out, "\\20", solid);
}

struct span
name_parent(struct span dn)
{
    for (size_t at = 0; at < dn.len;) {
        struct octet octet = octet_at(dn, at);
        at += octet.len;
        if (!is_separator(octet) || octet.octet == '+')
            continue;
        while (at < dn.len && dn.at[at] == ' ')
            at++;
        return (struct span){dn.at + at, dn.len - at};
    }
    return (struct span){dn.at, 0};
}

bool
name_value(struct planner *planner, struct span dn, struct span *value)
{
    const char *equals = dn.len > 0 ? memchr(dn.at, '=', dn.len) : NULL;
    size_t at = equals != NULL ? (size_t)(equals - dn.at) : 0, len = 0, end = 0;
    if (!span_equal_nocase(span_trim((struct span){dn.at, at}), SPAN("CN")))
        return false;
    char *text = plan_memory(planner->scratch, dn.len, 1);
    for (at++; at < dn.len;) {
        struct octet octet = octet_at(dn, at);
        if (is_separator(octet) && octet.octet == '+')
            return false;
        if (is_separator(octet))
            break;
        at += octet.len;
        if (len == 0 && octet.octet == ' ' && !octet.escaped)
            continue;
        text[len++] = octet.octet;
        if (octet.octet != ' ' || octet.escaped)
            end = len;
    }
    *value = (struct span){text, end};
    return true;
}

/* Both folded. */
static bool
is_below(struct span parent, struct span container)
{
    if (container.len == 0 || parent.len < container.len)
        return container.len == 0;
    size_t more = parent.len - container.len;
    return memcmp(parent.at + more, container.at, container.len) == 0 &&
           (more == 0 || parent.at[more - 1] == ',');
}

bool
name_below(struct flow *flow, struct span dn)
{
    struct buf *key = &flow->planner->key;
    if (flow->container == NULL || flow->to_traits->naming != DIR_NAMED_DN)
        return true;
    struct span parent = name_parent(dn);
    if (flow->last_parent.at == NULL || !span_equal(parent, flow->last_parent)) {
        name_fold(parent, key);
        flow->last_below = is_below(buf_span(key), buf_span(&flow->container_key));
        flow->last_parent = parent;
    }
    return flow->last_below;
}

bool
name_within(struct planner *planner, struct span dn, const struct conf_texts *containers)
{
    struct span parent = name_parent(dn);
    if (planner->last_parent.at != NULL && span_equal(parent, planner->last_parent))
        return planner->last_within;
    struct buf container = {0};
    name_fold(parent, &planner->key);
    planner->last_within = false;
    for (size_t i = 0; i < containers->n && !planner->last_within; i++) {
        name_fold(span_of(containers->at[i]), &container);
        planner->last_within = is_below(buf_span(&planner->key), buf_span(&container));
    }
    planner->last_parent = parent;
    buf_clear(&container);
    return planner->last_within;
}

/* ---- names of copies ---- */

struct span
name_cut(struct span text, size_t n)
{
    size_t at = 0;
    for (; n > 0 && at < text.len; n--) {
        size_t len = utf8_sequence(text.at + at, text.len - at);
        at += len > 0 ? len : 1;
    }
    return span_trim((struct span){text.at, at < text.len ? at : text.len});
}

/* A display name as an RDN's value: runs of blanks are one. */
static struct span
base_name(struct planner *planner, const struct wish *wish)
{
    struct span display = wish->value[DIR_DISPLAY];
    if (display.len == 0 || !utf8_printable(display))
        display = wish->target.value;
    char *text = plan_memory(planner->scratch, display.len + 1, 1);
    size_t len = 0;
    for (size_t i = 0; i < display.len; i++)
        if (display.at[i] != ' ' || (len > 0 && text[len - 1] != ' '))
            text[len++] = display.at[i];
    return name_cut((struct span){text, len}, NAME_CHARACTERS);
}

static size_t
characters(struct span text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++)
        n += ((unsigned char)text.at[i] & 0xc0) != 0x80;
    return n;
}

/* "Ann Beebe (PO1.ABEEBE)": of a GroupWise address what stands behind the domain. */
static struct span
longer_name(struct planner *planner, const struct wish *wish, struct span base)
{
    struct span suffix = wish->target.value;
    const char *dot = span_equal(wish->target.type, SPAN("GWISE")) ? memchr(suffix.at, '.', suffix.len) : NULL;
    if (dot != NULL)
        suffix = (struct span){dot + 1, suffix.len - (size_t)(dot + 1 - suffix.at)};
    suffix = name_cut(suffix, SUFFIX_CHARACTERS);
    base = name_cut(base, NAME_CHARACTERS - 8 - characters(suffix));
    char *text =
        arena_printf(planner->scratch, "%.*s (%.*s)", (int)base.len, base.at, (int)suffix.len, suffix.at);
    BUG_UNLESS(text != NULL);
    return span_of(text);
}

/* Whether a name was made so, with a number or without. */
static bool
is_made_so(struct span name, struct span base, struct span longer)
{
    if (span_equal_nocase(name, base))
        return true;
    if (!span_starts_nocase(name, longer))
        return false;
    struct span rest = {name.at + longer.len, name.len - longer.len};
    uint64_t number;
    return rest.len == 0 ||
           (rest.at[0] == ' ' && span_to_u64((struct span){rest.at + 1, rest.len - 1}, NUMBER_MAX, &number));
}

/* The RDN with its parent, or the name alone where names are no DNs. */
static struct span
whole_name(struct flow *flow, struct span value, struct span parent)
{
    struct buf out = {0};
    if (flow->to_traits->naming != DIR_NAMED_DN)
        return value;
    buf_add_text(&out, "CN=");
    for (size_t i = 0; i < value.len; i++) {
        char c = value.at[i];
        bool edge = (i == 0 && (c == ' ' || c == '#')) || (i + 1 == value.len && c == ' ');
        if ((unsigned char)c < 0x20 || c == 0x7f)
            buf_printf(&out, "\\%02X", (unsigned char)c);
        else if (edge || strchr(",+\"\\<>;=", c) != NULL)
            buf_printf(&out, "\\%c", c);
        else
            buf_add_byte(&out, c);
    }
    if (parent.len > 0)
        buf_printf(&out, ",%.*s", (int)parent.len, parent.at);
    struct span name = arena_span(flow->planner->scratch, buf_span(&out));
    buf_clear(&out);
    BUG_UNLESS(name.at != NULL);
    return name;
}

static void
fold_name(const struct flow *flow, struct span name, struct buf *out)
{
    if (flow->to_traits->naming == DIR_NAMED_DN) {
        name_fold(name, out);
        return;
    }
    buf_reset(out);
    for (size_t i = 0; i < name.len; i++)
        buf_add_byte(out, lower(name.at[i]));
}

/* Who has which name; built when the first is needed, which in most plans never is. */
static void
gather_names(struct flow *flow)
{
    struct dir_room room = {0};
    struct dir_entry entry;
    flow->names = dir_words_new();
    flow->numbers = dir_words_new();
    for (size_t place = 0; place < dir_set_places(flow->to); place++)
        if (dir_set_get(flow->to, place, &room, &entry) && name_below(flow, entry.name)) {
            fold_name(flow, entry.name, &flow->planner->key);
            dir_words_set(flow->names, buf_span(&flow->planner->key), (int64_t)place + 1);
        }
    dir_room_clear(&room);
}

/* Takes a name for a copy (`own`, 1 + its place; 0: a new one). False where another one has it. */
static bool
take_name(struct flow *flow, struct span name, int64_t own)
{
    struct buf *key = &flow->planner->key;
    fold_name(flow, name, key);
    int64_t holder = dir_words_get(flow->names, buf_span(key), 0);
    if (holder != 0 && (own == 0 || holder != own))
        return false;
    dir_words_set(flow->names, buf_span(key), own > 0 ? own : -1);
    return true;
}

static struct span
free_name(struct flow *flow, struct span first, struct span longer, struct span parent, int64_t own)
{
    if (flow->names == NULL)
        gather_names(flow);
    struct span name = whole_name(flow, first, parent);
    if (take_name(flow, name, own))
        return name;
    unsigned n = (unsigned)dir_words_get(flow->numbers, longer, 0) + 1;
    for (; n < NUMBER_MAX; n++) {
        char *text = n == 1 ? arena_printf(flow->planner->scratch, "%.*s", (int)longer.len, longer.at)
                            : arena_printf(flow->planner->scratch, "%.*s %u", (int)longer.len, longer.at, n);
        name = whole_name(flow, span_of(text), parent);
        if (take_name(flow, name, own))
            break;
    }
    dir_words_set(flow->numbers, longer,
                  n); /* so that many of one name are not counted from the beginning each */
    return name;
}

bool
name_is_kept(const struct flow *flow, size_t copy_place, const struct dir_entry *copy)
{
    return !flow->renames || dir_mark_adopted(copy->mark) || flow->fate[copy_place] == COPY_ADOPTED;
}

struct span
name_choose(struct flow *flow, const struct wish *wish, const struct dir_entry *copy)
{
    struct planner *planner = flow->planner;
    if (flow->to_traits->naming == DIR_NAMED_ADDRESS)
        return wish->target.value;
    struct span base = base_name(planner, wish), longer = longer_name(planner, wish, base);
    struct span container = span_of(flow->container), value = copy != NULL ? copy->name : base;
    if (copy == NULL)
        return free_name(flow, base, longer, container, 0);
    if (flow->to_traits->naming == DIR_NAMED_DN && !name_value(planner, copy->name, &value))
        return copy->name; /* named by another attribute: by somebody else's hand */
    bool below = name_below(flow, copy->name), good = is_made_so(value, base, longer);
    if (below && good)
        return copy->name;
    int64_t own = (int64_t)dir_set_find_id(flow->to, copy->id) + 1;
    return free_name(flow, good ? value : base, longer, below ? name_parent(copy->name) : container, own);
}
