/* connector.c - the connectors: how they are, holding and releasing them, running them (`test` is in probe.c)
 *
 * The light is honest: red says what the gateway itself says of its peer, or that the gateway does not run;
 * unknown is shown as such, never as green.
 */
#include "commands/connector.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "commands/exchange.h"
#include "commands/listing.h"
#include "commands/master.h"
#include "common/log.h"

const struct field connector_fields[CF_COUNT] = {
    [CF_NAME] = {"name", FIELD_TEXT, COST_NAME, 12, "its name", false},
    [CF_TYPE] = {"type", FIELD_TEXT, COST_NAME, 7, "its system", false},
    [CF_LIGHT] = {"light", FIELD_TEXT, COST_NAME, 8,
                  "up, resting (by its schedule), down, held, trouble, stopped or unknown", false},
    [CF_SINCE] = {"since", FIELD_DURATION, COST_NAME, 6, "how long it has been so", false},
    [CF_IN] = {"in", FIELD_NUMBER, COST_NAME, 5, "messages on the way in", false},
    [CF_OUT] = {"out", FIELD_NUMBER, COST_NAME, 5, "messages on the way out, deferred ones included", false},
    [CF_DEFERRED] = {"deferred", FIELD_NUMBER, COST_NAME, 8, "of those, deferred", false},
    [CF_OLDEST] = {"oldest", FIELD_DURATION, COST_NAME, 6, "age of the oldest", false},
    [CF_BADMAIL] = {"badmail", FIELD_NUMBER, COST_NAME, 7, "in Badmail", false},
    [CF_LAST_OK] = {"last_success", FIELD_TIME, COST_NAME, 20, "last success with the system", false},
    [CF_HOLD] = {"hold", FIELD_TEXT, COST_NAME, 4, "directions on hold", false},
    [CF_WHY] = {"why", FIELD_TEXT, COST_NAME, 0, "why it is not up", false},
};

/* ---- looking ---- */

struct counting {
    struct connector_view *views;
    size_t n;
    bool hold;
};

static bool
count_one(struct message *message, void *arg)
{
    struct counting *counting = arg;
    const struct place *place = message->place;
    int64_t age = message->now_s - id_time_ms(message->parts.id) / 1000;
    for (size_t i = 0; i < counting->n; i++) {
        struct connector_view *view = &counting->views[i];
        if (strcmp(view->name, place->connector) != 0)
            continue;
        bool in = strcmp(folder_direction(place->folder), "in") == 0;
        bool out = strcmp(folder_direction(place->folder), "out") == 0;
        view->n_in += in;
        view->n_out += out;
        view->n_deferred += place->folder == FOLDER_DEFERRED;
        view->n_badmail += place->folder == FOLDER_BADMAIL;
        if ((in || out) && age > view->oldest_s)
            view->oldest_s = age;
        return true;
    }
    return true;
}

static void
light(struct connector_view *view, const char *word, enum colour colour, int64_t since_ms, const char *why)
{
    view->light = word;
    view->colour = colour;
    view->since_ms = since_ms;
    snprintf(view->why, sizeof view->why, "%s", why);
}

struct looking {
    const struct command *command;
    struct buf master; /* its state file */
};

/* What the master says of a worker: "running", "waiting" ...; NULL: there is no such worker. */
static const char *
state_of(const struct looking *looking, const char *instance)
{
    static char word[16];
    struct buf state = {0};
    bool there = master_worker_state(buf_span(&looking->master), instance, &state);
    snprintf(word, sizeof word, "%s", there ? state.at : "");
    buf_clear(&state);
    return there ? word : NULL;
}

/* What one gateway says, and where it does not run the master; the worse of both directions is shown. Returns how bad it is.
 */
static int
judge_gateway(const struct looking *looking, struct connector_view *view, const struct hold_order *hold,
              const char *instance, int worst)
{
    static struct state_page page;
    const struct command *command = looking->command;
    int64_t now = time_ms();
    int r = instance_state(command->spool_fd, instance, &page);
    if (r == 0 && page.last_ok_ms > view->last_ok_ms)
        view->last_ok_ms = page.last_ok_ms;
    if (hold->held && worst < 4)
        return light(view, "held", COLOUR_YELLOW, 0, hold->reason), 4;
    if (command->offline && worst < 3)
        return light(view, "stopped", COLOUR_DIM, 0, "the daemons are stopped"), 3;
    const char *state = command->offline || looking->master.len == 0 ? "" : state_of(looking, instance);
    if (state == NULL && (r < 0 || page.pid == 0))
        return worst; /* its system has no such direction */
    if (state != NULL && strcmp(state, "waiting") == 0 && worst < 5)
        return light(view, "down", COLOUR_RED, r == 0 ? page.beat_ms : 0,
                     r == 0 && page.last_error_ms >= page.started_ms && page.last_error[0] != '\0'
                         ? page.last_error
                         : "its gateway cannot be started, which is tried again and again: see the log"),
               5;
    if (r < 0 && worst < 2)
        return light(view, "unknown", COLOUR_YELLOW, 0, "its gateway has written no state yet"), 2;
    if (r == 0 && page.pid != 0 && page.trouble_ms > 0 && worst < 6)
        return light(view, "trouble", COLOUR_RED, page.trouble_ms, page.trouble), 6;
    bool dead = r == 0 && !command->offline && (page.pid == 0 || page.beat_ms < now - 60000);
    if (dead && worst < 5)
        return light(view, "down", COLOUR_RED, page.beat_ms,
                     page.pid == 0 ? "its gateway has ended" : "its gateway does not answer"),
               5;
    if (r == 0 && worst < 1)
        return light(view, "up", COLOUR_GREEN, page.last_ok_ms > 0 ? page.last_ok_ms : page.started_ms, ""), 1;
    return worst;
}

/* By its schedule nothing is sent now, which explains mail that waits; nothing worse than that is known. */
static void
look_at_schedule(const struct command *command, struct connector_view *view)
{
    char why[sizeof view->why];
    const struct conf_root *root = command->root;
    const struct conf_connector *conf = root != NULL ? conf_connector_find(root, view->name) : NULL;
    bool host = strcmp(view->name, "host") == 0;
    const char *schedule = conf != NULL ? conf->schedule : root != NULL && host ? root->host.schedule : NULL;
    if (strcmp(view->light, "up") != 0 || schedule == NULL ||
        conf_schedule_open(root, schedule, time_ms() / 1000))
        return;
    snprintf(why, sizeof why, "its schedule \"%.100s\" is closed: nothing is sent now", schedule);
    light(view, "resting", COLOUR_YELLOW, 0, why);
}

static void
look(const struct looking *looking, struct connector_view *view)
{
    const struct command *command = looking->command;
    char instance[INSTANCE_MAX];
    instance_name(WORKER_INBOUND, view->name, instance);
    instance_hold(command->spool_fd, instance, &view->hold_in);
    int worst = judge_gateway(looking, view, &view->hold_in, instance, 0);
    instance_name(WORKER_OUTBOUND, view->name, instance);
    instance_hold(command->spool_fd, instance, &view->hold_out);
    judge_gateway(looking, view, &view->hold_out, instance, worst);
    look_at_schedule(command, view);
    snprintf(view->held, sizeof view->held, "%s%s%s", view->hold_in.held ? "in" : "",
             view->hold_in.held && view->hold_out.held ? "+" : "", view->hold_out.held ? "out" : "");
}

/* The empty mailbox of a connector that was removed is no news. Returns how many views are left. */
static size_t
drop_left_over(const struct command *command, struct connector_view *views, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        const struct connector_view *view = &views[i];
        bool has_mail = view->n_in + view->n_out + view->n_deferred + view->n_badmail > 0;
        bool known = command->root == NULL || strcmp(view->name, "host") == 0 ||
                     conf_connector_find(command->root, view->name) != NULL;
        if (known || has_mail)
            views[kept++] = *view;
    }
    return kept;
}

int
connector_views(const struct command *command, const struct spool_map *map, struct connector_view **views,
                size_t *n)
{
    struct filter all;
    struct counting counting = {.n = map->n_connectors};
    struct looking looking = {.command = command};
    counting.views = xcalloc(counting.n, sizeof *counting.views);
    master_state(command->spool_fd, &looking.master);
    for (size_t i = 0; i < counting.n; i++) {
        struct connector_view *view = &counting.views[i];
        const char *name = map->connectors[i];
        const struct conf_connector *conf =
            command->root != NULL ? conf_connector_find(command->root, name) : NULL;
        snprintf(view->name, sizeof view->name, "%s", name);
        light(view, "unknown", COLOUR_YELLOW, 0, "no gateway of it runs");
        view->type = conf != NULL ? conf->type : strcmp(name, "host") == 0 ? "host" : "";
        if (view->type == NULL)
            view->type = "";
        look(&looking, view);
        if (command->root != NULL && conf == NULL && strcmp(name, "host") != 0)
            light(view, "unknown", COLOUR_YELLOW, 0,
                  "no connector of this name is configured: reroute its mail");
    }
    buf_clear(&looking.master);
    filter_init(&all, message_fields, message_field_count);
    spool_walk(map, FOLDER_COUNT, &all, COST_NAME, count_one, &counting);
    *views = counting.views;
    *n = drop_left_over(command, counting.views, counting.n);
    return 0;
}

/* ---- list and show ---- */

bool
connector_get(const void *item, size_t field, size_t i, struct field_value *value)
{
    const struct connector_view *view = item;
    const char *text = "";
    if (i > 0)
        return false;
    *value = (struct field_value){0};
    switch ((enum connector_field)field) {
    case CF_NAME:
        text = view->name;
        break;
    case CF_TYPE:
        text = view->type;
        break;
    case CF_LIGHT:
        text = view->light;
        break;
    case CF_HOLD:
        text = view->held;
        break;
    case CF_WHY:
        text = view->why;
        break;
    case CF_SINCE:
        value->number = (time_ms() - view->since_ms) / 1000;
        value->unknown = view->since_ms == 0;
        return true;
    case CF_OLDEST:
        value->number = view->oldest_s;
        value->unknown = view->n_in + view->n_out == 0;
        return true;
    case CF_LAST_OK:
        value->number = view->last_ok_ms / 1000;
        value->unknown = view->last_ok_ms == 0;
        return true;
    default:
        value->number = (int64_t)(field == CF_IN         ? view->n_in
                                  : field == CF_OUT      ? view->n_out
                                  : field == CF_DEFERRED ? view->n_deferred
                                                         : view->n_badmail);
        return true;
    }
    value->text = span_of(text);
    value->unknown = value->text.len == 0;
    return true;
}

static int
list_views(struct command *command, const char *only)
{
    struct listing listing;
    struct spool_map map;
    struct connector_view *views;
    size_t n, found = 0;
    int r = listing_init(&listing, command, connector_fields, CF_COUNT,
                         "name,type,light,since,in,out,deferred,oldest,badmail,hold,why", connector_get);
    if (r == 0)
        r = spool_map_open(&map, command);
    if (r != 0)
        return r;
    connector_views(command, &map, &views, &n);
    for (size_t i = 0; i < n; i++) {
        if (only != NULL && strcmp(only, views[i].name) != 0)
            continue;
        found++;
        if (!listing_add(&listing, &views[i]))
            break;
    }
    listing_end(&listing);
    if (!listing.json && command->offline)
        printf("%s(offline)%s\n", colour_on(COLOUR_DIM), colour_on(COLOUR_NONE));
    free(views);
    spool_map_close(&map);
    return found > 0 ? EXIT_DONE : EXIT_NOTHING;
}

int
connector_list(struct command *command)
{
    return command->n_operands > 0 ? command_usage(command, "it takes no operand") : list_views(command, NULL);
}

/* The connector that the first operand names; NULL after saying that there is none. */
static const char *
named(struct command *command, int *r)
{
    const char *name = command->n_operands > 0 ? command->operands[0] : NULL;
    *r = 0;
    if (name == NULL)
        *r = command_usage(command, "which connector?");
    else if (!connector_name_valid(name) || (strcmp(name, "host") != 0 && command->root != NULL &&
                                             conf_connector_find(command->root, name) == NULL))
        *r =
            command_fail(EXIT_USAGE, "there is no connector \"%s\"; `viaduct connector list` shows them", name);
    return *r == 0 ? name : NULL;
}

static void
show_gateway(const struct command *command, enum worker_id worker, const char *name, const char *direction)
{
    static struct state_page page;
    char instance[INSTANCE_MAX], age[24];
    struct hold_order hold;
    instance_name(worker, name, instance);
    printf("%s%s (%s)%s\n", colour_on(COLOUR_BOLD), direction, instance, colour_on(COLOUR_NONE));
    if (instance_hold(command->spool_fd, instance, &hold) == 0 && hold.held) {
        char until[32] = "released";
        if (hold.until_s > 0)
            print_time(hold.until_s, until);
        printf("  on hold by %s until %s: %s\n", hold.by, until, hold.reason);
    }
    if (instance_state(command->spool_fd, instance, &page) < 0) {
        printf("  no state: it has not run here\n");
        return;
    }
    print_age((time_ms() - page.started_ms) / 1000, age);
    printf("  %s, pid %d, started %s ago, %" PRIu64 " moves, %u in hand, %u waiting\n",
           page.pid != 0 && !command->offline ? "runs" : "stopped", (int)page.pid, age, page.moves,
           (unsigned)page.in_hand, (unsigned)page.waiting);
    if (page.last_ok_ms > 0) {
        print_age((time_ms() - page.last_ok_ms) / 1000, age);
        printf("  last success %s ago\n", age);
    }
    if (page.trouble_ms > 0) {
        print_age((time_ms() - page.trouble_ms) / 1000, age);
        printf("  trouble for %s: %s\n", age, page.trouble);
    }
    if (page.last_error_ms > 0) {
        print_age((time_ms() - page.last_error_ms) / 1000, age);
        printf("  last error %s ago: %s\n", age, page.last_error);
    }
    if (page.sandbox[0] != '\0')
        printf("  confined: %s\n", page.sandbox);
}

static int
show_ldif(const struct command *command, const char *name)
{
    struct buf out = {0};
    const struct conf_connector *connector =
        command->root != NULL ? conf_connector_find(command->root, name) : NULL;
    if (command->root == NULL)
        return command_fail(EXIT_CONFIG, "--ldif is made of the configuration, which cannot be read");
    if (connector == NULL)
        return command_usage(command, "the host is no connector object");
    exchange_print(command->conf, connector, &out);
    fwrite(out.at, 1, out.len, stdout);
    buf_clear(&out);
    return EXIT_DONE;
}

int
connector_show(struct command *command)
{
    int r;
    const char *name = named(command, &r);
    if (name == NULL)
        return r;
    if (command_has(command, OPTION_LDIF))
        return show_ldif(command, name);
    r = list_views(command, name);
    if (r != EXIT_DONE || command_has(command, OPTION_JSON))
        return r;
    show_gateway(command, WORKER_INBOUND, name, "in");
    show_gateway(command, WORKER_OUTBOUND, name, "out");
    return EXIT_DONE;
}

/* ---- orders ---- */

/* Which directions: --direction, or a second operand. */
static int
directions(struct command *command, bool *in, bool *out)
{
    const char *word = command->values[OPTION_DIRECTION];
    if (word == NULL && command->n_operands > 1)
        word = command->operands[1];
    if (command->n_operands > 2)
        return command_usage(command, "what is \"%s\"?", command->operands[2]);
    *in = word == NULL || strcmp(word, "in") == 0 || strcmp(word, "both") == 0;
    *out = word == NULL || strcmp(word, "out") == 0 || strcmp(word, "both") == 0;
    return *in || *out ? 0 : command_usage(command, "the direction is in, out or both, not \"%s\"", word);
}

static int
order(struct command *command, enum worker_id worker, const char *name, const char *file, const char *text)
{
    char instance[INSTANCE_MAX];
    instance_name(worker, name, instance);
    if (command_has(command, OPTION_DRY_RUN)) {
        printf("%s %s: would be %s\n", instance, file, text != NULL ? "written" : "removed");
        return 0;
    }
    int r = instance_order(command->spool_fd, instance, file, text);
    if (r == -ENOENT && text == NULL) {
        printf("%s was not on hold\n", instance);
        return EXIT_NOTHING;
    }
    return r < 0 ? command_fail_errno(-r, "the order for %s", instance) : 0;
}

static int
order_both(struct command *command, const char *file, const char *text, const char *done)
{
    bool in = false, out = false;
    int r, r_in = 0, r_out = 0;
    const char *name = named(command, &r);
    if (name == NULL)
        return r;
    r = directions(command, &in, &out);
    if (r != 0)
        return r;
    if (in)
        r_in = order(command, WORKER_INBOUND, name, file, text);
    if (out)
        r_out = order(command, WORKER_OUTBOUND, name, file, text);
    /* Releasing both of which one was held is no failure. */
    r = r_in > EXIT_NOTHING ? r_in : r_out > EXIT_NOTHING ? r_out : 0;
    if (r == 0 && (!in || r_in == EXIT_NOTHING) && (!out || r_out == EXIT_NOTHING))
        return EXIT_NOTHING;
    if (r == 0 && !command_has(command, OPTION_DRY_RUN))
        printf("%s (%s) %s%s\n", name,
               in && out ? "both directions"
               : in      ? "in"
                         : "out",
               done, command->offline ? "; it counts when the daemons start (offline)" : "");
    return r;
}

int
connector_hold(struct command *command)
{
    int64_t until = 0;
    const char *text = command->values[OPTION_UNTIL];
    const char *reason =
        command_has(command, OPTION_REASON) ? command->values[OPTION_REASON] : "by an operator";
    if (text != NULL && strcmp(text, "never") != 0 &&
        (!parse_when(text, false, &until) || until <= time_ms() / 1000))
        return command_usage(command, "--until wants a time to come, like 2h or 2026-11-25T07:00:00Z");
    struct buf line = {0};
    struct span cut = span_of(reason);
    cut.len = cut.len < 150 ? cut.len : 150;
    log_print_pair(&line, "reason", cut);
    buf_printf(&line, " until=%" PRId64, until);
    log_print_pair(&line, "by", span_of(command_who()));
    buf_add_byte(&line, '\n');
    int r = order_both(command, "hold", line.at, "on hold");
    buf_clear(&line);
    return r;
}

int
connector_release(struct command *command)
{
    return order_both(command, "hold", NULL, "released");
}

int
connector_run(struct command *command)
{
    char text[80];
    snprintf(text, sizeof text, "by=%s\n", command_who());
    if (command->n_operands > 1)
        return command_usage(command, "what is \"%s\"?", command->operands[1]);
    return order_both(command, "run", text, "told to run now");
}
