/* simulate_show.c - what a simulation has found, for people and for programs (see simulate.h) */
#include "commands/simulate.h"

#include <stdio.h>

/* ---- telling it ---- */

/* Lines, each behind `before`; control bytes as '?'. */
static void
print_lines(const char *before, struct span text, size_t most)
{
    for (size_t n = 0; text.len > 0; n++) {
        const char *end = memchr(text.at, '\n', text.len);
        struct span line = {text.at, end != NULL ? (size_t)(end - text.at) : text.len};
        struct buf clean = {0};
        size_t used = line.len + (end != NULL);
        if (n == most) {
            printf("%s...\n", before);
            return;
        }
        if (line.len > 0 && line.at[line.len - 1] == '\r')
            line.len--;
        text_add_clean(&clean, line);
        printf("%s%s\n", before, clean.at != NULL ? clean.at : "");
        buf_clear(&clean);
        text = (struct span){text.at + used, text.len - used};
    }
}

static void
print_recipient(const struct simulation *simulation, const struct sim_recipient *recipient)
{
    printf("%s\n", recipient->given);
    if (recipient->side != NULL)
        printf("  routed to %s (%s)\n", recipient->side->name, recipient->route);
    if (recipient->side != NULL && recipient->side->sender_why.status[0] == '\0' &&
        !recipient->side->sender_waits) {
        printf("  sender becomes ");
        lookup_print(&recipient->side->sender);
        printf(" (%s)\n", address_rule_word(recipient->side->sender_rule));
    }
    if (recipient->fails == NULL || strcmp(recipient->fails, "conversion") == 0) {
        printf("  recipient becomes ");
        lookup_print(&recipient->becomes.address);
        printf(" (%s)\n", address_rule_word(recipient->becomes.rule));
    }
    if (recipient->fails == NULL)
        return;
    const char *status = recipient->why.status, *text = recipient->why.text;
    if (recipient->waits)
        printf("  would wait at %s: %s %s\n", recipient->fails, status, text);
    else if (!sim_is_reported(recipient))
        printf("  would be Badmail at %s: %s %s\n", recipient->fails, status, text);
    else if (simulation->sender.value.len == 0)
        printf("  fails at %s: %s %s; nobody would be told, since it has no sender\n", recipient->fails, status,
               text);
    else
        printf("  fails at %s: the sender would be told %s %s\n", recipient->fails, status, text);
}

enum { LINES_SHOWN = 60 };

static void
print_side(const struct sim_side *side)
{
    if (!side->converts && side->headers.len == 0) {
        printf("%s would be given the message as it is\n", side->name);
        return;
    }
    printf("%s would be given\n", side->name);
    if (side->headers.len > 0)
        printf("  addresses in the header:\n");
    print_lines("    ", buf_span(&side->headers), LINES_SHOWN);
    if (!side->converts) {
        printf("  the rest as it is\n");
        return;
    }
    if (side->lost.len > 0)
        printf("  lost or changed in the conversion:\n");
    else if (!side->failed)
        printf("  nothing is lost in the conversion\n");
    print_lines("    ", buf_span(&side->lost), LINES_SHOWN);
    if (!side->failed)
        printf("  %llu bytes, as the module writes them:\n", (unsigned long long)side->item_bytes);
    print_lines("    | ", buf_span(&side->item), LINES_SHOWN);
}

static bool
was_tried(const struct simulation *simulation, const struct sim_side *side)
{
    for (size_t i = 0; i < simulation->n; i++)
        if (simulation->recipients[i].side == side && (simulation->recipients[i].fails == NULL || side->failed))
            return true;
    return false;
}

void
sim_print(const struct simulation *simulation)
{
    for (size_t i = 0; i < simulation->n; i++)
        print_recipient(simulation, &simulation->recipients[i]);
    for (size_t i = 0; i < simulation->n_sides; i++)
        if (was_tried(simulation, &simulation->sides[i]))
            print_side(&simulation->sides[i]);
    if (simulation->report.len > 0)
        printf("the sender would get this report:\n");
    print_lines("    | ", buf_span(&simulation->report), SIZE_MAX);
}

/* ---- the listing ---- */

enum sim_field {
    SF_RCPT,
    SF_CONNECTOR,
    SF_ROUTE,
    SF_SENDER,
    SF_SENDER_RULE,
    SF_BECOMES,
    SF_RULE,
    SF_FATE,
    SF_AT,
    SF_CODE,
    SF_HEADERS,
    SF_LOST,
    SF_BYTES,
    SF_ITEM,
    SF_REPORT,
    SF_REASON,
    SF_COUNT
};

static const struct field sim_fields[SF_COUNT] = {
    [SF_RCPT] = {"rcpt", FIELD_TEXT, COST_NAME, 30, "recipient as given", false},
    [SF_CONNECTOR] = {"connector", FIELD_TEXT, COST_NAME, 12, "who is responsible", false},
    [SF_ROUTE] = {"route", FIELD_TEXT, COST_NAME, 30, "why", false},
    [SF_SENDER] = {"sender", FIELD_TEXT, COST_NAME, 28, "what the sender becomes", false},
    [SF_SENDER_RULE] = {"sender_rule", FIELD_TEXT, COST_NAME, 11, "by which rule", false},
    [SF_BECOMES] = {"becomes", FIELD_TEXT, COST_NAME, 28, "what the recipient becomes", false},
    [SF_RULE] = {"rule", FIELD_TEXT, COST_NAME, 9, "by which rule", false},
    [SF_FATE] = {"fate", FIELD_TEXT, COST_NAME, 7, "goes, waits, fails or badmail", false},
    [SF_AT] = {"at", FIELD_TEXT, COST_NAME, 25, "where it fails or waits", false},
    [SF_CODE] = {"code", FIELD_CODE, COST_NAME, 6, "status", false},
    [SF_HEADERS] = {"headers", FIELD_TEXT, COST_NAME, 40, "addresses of the header that change", true},
    [SF_LOST] = {"lost", FIELD_TEXT, COST_NAME, 40, "what the conversion loses or changes", true},
    [SF_BYTES] = {"bytes", FIELD_BYTES, COST_NAME, 6, "size of what the module writes", false},
    [SF_ITEM] = {"item", FIELD_TEXT, COST_NAME, 20, "what the module writes, its beginning", false},
    [SF_REPORT] = {"report", FIELD_TEXT, COST_NAME, 20, "the report the sender would get", false},
    [SF_REASON] = {"reason", FIELD_TEXT, COST_NAME, 0, "why it fails or waits", false},
};

struct sim_row {
    const struct simulation *simulation;
    const struct sim_recipient *recipient;
};

/* Line number `i` of a text; false behind the last. */
static bool
line_value(struct span text, size_t i, struct field_value *value)
{
    while (text.len > 0) {
        const char *end = memchr(text.at, '\n', text.len);
        size_t len = end != NULL ? (size_t)(end - text.at) : text.len;
        if (i-- == 0)
            return field_text(value, (struct span){text.at, len});
        len += end != NULL;
        text = (struct span){text.at + len, text.len - len};
    }
    return false;
}

static const char *
fate_word(const struct sim_recipient *recipient)
{
    return recipient->fails == NULL     ? "goes"
           : recipient->waits           ? "waits"
           : sim_is_reported(recipient) ? "fails"
                                        : "badmail";
}

static bool
sim_get(const void *item, size_t field, size_t i, struct field_value *value)
{
    const struct sim_row *row = item;
    const struct sim_recipient *recipient = row->recipient;
    const struct sim_side *side = recipient->side;
    const struct lookup *lookup = &row->simulation->lookup;
    bool mapped = recipient->becomes.address.type.len > 0;
    *value = (struct field_value){0};
    if (field == SF_HEADERS || field == SF_LOST)
        return side != NULL && line_value(buf_span(field == SF_LOST ? &side->lost : &side->headers), i, value);
    if (i > 0)
        return false;
    switch ((enum sim_field)field) {
    case SF_RCPT:
        return field_text(value, span_of(recipient->given));
    case SF_CONNECTOR:
        return field_text(value, span_of(side != NULL ? side->name : ""));
    case SF_ROUTE:
        return field_text(value, span_of(recipient->route != NULL ? recipient->route : ""));
    case SF_SENDER:
        return field_text(value, side != NULL && side->sender.type.len > 0 ? lookup_text(lookup, &side->sender)
                                                                           : SPAN(""));
    case SF_SENDER_RULE:
        return field_text(
            value,
            span_of(side != NULL && side->sender.type.len > 0 ? address_rule_word(side->sender_rule) : ""));
    case SF_BECOMES:
        return field_text(value, mapped ? lookup_text(lookup, &recipient->becomes.address) : SPAN(""));
    case SF_RULE:
        return field_text(value, span_of(mapped ? address_rule_word(recipient->becomes.rule) : ""));
    case SF_FATE:
        return field_text(value, span_of(fate_word(recipient)));
    case SF_AT:
        return field_text(value, span_of(recipient->fails != NULL ? recipient->fails : ""));
    case SF_CODE:
        return field_text(value, span_of(recipient->fails != NULL ? recipient->why.status : ""));
    case SF_BYTES:
        return field_number(value, side != NULL && side->item_bytes > 0,
                            (int64_t)(side != NULL ? side->item_bytes : 0));
    case SF_ITEM:
        return field_text(value, side != NULL ? buf_span(&side->item) : SPAN(""));
    case SF_REPORT:
        return field_text(value, sim_is_reported(recipient) ? buf_span(&row->simulation->report) : SPAN(""));
    default:
        return field_text(value, span_of(recipient->fails != NULL ? recipient->why.text : ""));
    }
}

int
sim_listing(struct listing *listing, const struct command *command)
{
    return listing_init(listing, command, sim_fields, SF_COUNT, "rcpt,connector,becomes,fate,code,reason",
                        sim_get);
}

void
sim_list(const struct simulation *simulation, struct listing *listing)
{
    for (size_t i = 0; i < simulation->n; i++)
        if (!listing_add(listing, &(struct sim_row){simulation, &simulation->recipients[i]}))
            break;
    listing_end(listing);
}
