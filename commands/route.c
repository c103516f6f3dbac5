/* route.c - `viaduct route`: which connector gets a recipient's mail, and why
 *
 * The router's own code answers (common/route.c), with the same book; nothing is sent and nothing written.
 */
#include <errno.h>
#include <stdio.h>

#include "commands/listing.h"
#include "commands/lookup.h"

struct route_row {
    const struct lookup *lookup;
    const char *given;
    bool found;
    struct route_answer answer;
    struct why why;
};

enum route_field {
    RF_ADDRESS,
    RF_CONNECTOR,
    RF_TARGET,
    RF_SPACE,
    RF_COST,
    RF_PLACE,
    RF_STATUS,
    RF_REASON,
    RF_COUNT
};

static const struct field route_fields[RF_COUNT] = {
    [RF_ADDRESS] = {"address", FIELD_TEXT, COST_NAME, 30, "as given", false},
    [RF_CONNECTOR] = {"connector", FIELD_TEXT, COST_NAME, 12, "who is responsible", false},
    [RF_TARGET] = {"target", FIELD_TEXT, COST_NAME, 30, "the address that decided", false},
    [RF_SPACE] = {"space", FIELD_TEXT, COST_NAME, 24, "the address space that decided", false},
    [RF_COST] = {"cost", FIELD_NUMBER, COST_NAME, 4, "its cost", false},
    [RF_PLACE] = {"place", FIELD_TEXT, COST_NAME, 30, "where it is configured", false},
    [RF_STATUS] = {"status", FIELD_CODE, COST_NAME, 6, "of the report there would be", false},
    [RF_REASON] = {"reason", FIELD_TEXT, COST_NAME, 0, "why", false},
};

static bool
space_value(const struct route_row *row, enum route_field field, struct field_value *value)
{
    const struct conf_address_space *space = row->answer.space;
    struct arena *arena = row->lookup->arena;
    const char *text = "";
    if (space == NULL || !row->found)
        return field_text(value, SPAN(""));
    if (field == RF_SPACE)
        text = arena_printf(arena, "%s:%s", space->type, space->pattern);
    else if (space->place.file != NULL)
        text = arena_printf(arena, "%s:%d", space->place.file, space->place.line);
    return field_text(value, span_of(text != NULL ? text : ""));
}

static bool
route_get(const void *item, size_t field, size_t i, struct field_value *value)
{
    const struct route_row *row = item;
    *value = (struct field_value){0};
    if (i > 0)
        return false;
    switch ((enum route_field)field) {
    case RF_ADDRESS:
        return field_text(value, span_of(row->given));
    case RF_CONNECTOR:
        return field_text(value, span_of(row->found ? row->answer.connector : ""));
    case RF_TARGET:
        return field_text(value, row->found ? lookup_text(row->lookup, &row->answer.target) : SPAN(""));
    case RF_SPACE:
    case RF_PLACE:
        return space_value(row, (enum route_field)field, value);
    case RF_COST:
        return field_number(value, row->found && row->answer.space != NULL,
                            row->answer.space != NULL ? row->answer.space->cost : 0);
    case RF_STATUS:
        return field_text(value, span_of(row->found ? "" : row->why.status));
    default:
        return field_text(value, span_of(!row->found                  ? row->why.text
                                         : row->answer.reason != NULL ? row->answer.reason
                                                                      : ""));
    }
}

static void
print_route(const struct route_row *row)
{
    const struct conf_address_space *space = row->answer.space;
    if (!row->found) {
        printf("%s: no connector: %s %s\n", row->given, row->why.status, row->why.text);
        return;
    }
    printf("%s -> %s%s%s as ", row->given, colour_on(COLOUR_BOLD), row->answer.connector,
           colour_on(COLOUR_NONE));
    lookup_print(&row->answer.target);
    printf(" (%s", row->answer.reason != NULL ? row->answer.reason : "");
    if (space != NULL && space->place.file != NULL)
        printf("; %s:%d", space->place.file, space->place.line);
    printf(")\n");
}

static void
find_route(struct lookup *lookup, struct route_row *row)
{
    struct address address;
    int r = address_parse(span_of(row->given), lookup->arena, &address, &row->why);
    if (r == 0)
        r = route_find(lookup->command->root, lookup->book, &address, 0, lookup->arena, &row->answer,
                       &row->why);
    row->found = r == 0;
}

int
route_show(struct command *command)
{
    struct lookup lookup;
    struct listing listing;
    if (command->n_operands == 0)
        return command_usage(command, "which address?");
    int r = listing_init(&listing, command, route_fields, RF_COUNT, "address,connector,target,status,reason",
                         route_get);
    if (r != 0)
        return r;
    lookup_open(&lookup, command);
    for (size_t i = 0; i < command->n_operands; i++) {
        struct route_row row = {.lookup = &lookup, .given = command->operands[i]};
        arena_reset(lookup.arena);
        find_route(&lookup, &row);
        r = row.found ? r : EXIT_NOTHING;
        if (!listing_wanted(command))
            print_route(&row);
        else if (!listing_add(&listing, &row))
            break;
    }
    listing_end(&listing);
    lookup_close(&lookup);
    return r;
}
