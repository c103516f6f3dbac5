/* convert.c - `viaduct convert`: a message as a system would get it, an item of a system's as the host would
 *
 * With the configuration and the book, where there is one, but without a running instance; the module works as in its
 * converter (trial.h), and nothing is kept. A message's envelope is made of its header, or of --sender and --rcpt.
 *
 * What is hostile here: the file.
 */
#include "commands/convert.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>

#include "common/header_scan.h"
#include "systems/registry.h"

/* ---- which connector ---- */

static const struct viaduct_system *
system_of(const struct command *command, const struct conf_connector *connector, struct why *why)
{
    return registry_for(command->root, connector, false, why);
}

/* Whether --to means this connector: by its name, its type, or the type of its addresses. */
static bool
is_meant(const struct command *command, const struct conf_connector *connector, const char *to)
{
    struct why why;
    if (strcmp(connector->title, to) == 0 || strcasecmp(connector->type, to) == 0)
        return true;
    const struct viaduct_system *system = registry_builtin_for(command->root, connector, false);
    if (system == NULL && strcmp(to, "host") == 0)
        system = system_of(command, connector, &why);
    if (strcmp(to, "host") == 0)
        return system != NULL && system->always_convert && trial_has_files(system);
    return system != NULL && strcasecmp(system->address_type, to) == 0;
}

static int
find_named(struct conversion *conversion, const char *to)
{
    struct command *command = conversion->command;
    const char *name = command->values[OPTION_CONNECTOR];
    conversion->connector = conf_connector_find(command->root, name);
    if (conversion->connector == NULL)
        return command_fail(EXIT_USAGE, "there is no connector \"%s\"; `viaduct connector list` shows them",
                            name);
    if (!conversion->to_host && !is_meant(command, conversion->connector, to))
        return command_fail(EXIT_USAGE, "connector \"%s\" is of type %s, not %s", name,
                            conversion->connector->type, to);
    return 0;
}

static int
find_connector(struct conversion *conversion, const char *to)
{
    struct command *command = conversion->command;
    const struct conf_root *root = command->root;
    struct buf names = {0};
    size_t n = 0;
    if (command_has(command, OPTION_CONNECTOR))
        return find_named(conversion, to);
    for (size_t i = 0; i < root->connectors_n; i++) {
        if (!is_meant(command, &root->connectors[i], to))
            continue;
        buf_printf(&names, "%s%s", n++ > 0 ? ", " : "", root->connectors[i].title);
        conversion->connector = &root->connectors[i];
    }
    int r = 0;
    if (n == 0)
        r = command_fail(EXIT_USAGE,
                         conversion->to_host ? "no connector of the configuration converts what comes in"
                                             : "the configuration has no connector of type \"%s\"",
                         to);
    else if (n > 1)
        r = command_fail(EXIT_USAGE, "there are several connectors (%s): say which with --connector", names.at);
    buf_clear(&names);
    return r;
}

static int
find_system(struct conversion *conversion)
{
    struct why why;
    BUG_UNLESS(conversion->connector != NULL);
    const struct viaduct_system *system = system_of(conversion->command, conversion->connector, &why);
    const char *title = conversion->connector->title;
    if (system == NULL)
        return command_fail(EXIT_NOTHING, "connector \"%s\": %s", title, why.text);
    bool converts = system->always_convert && system->convert != NULL;
    if (!converts ||
        (conversion->to_host ? system->convert->from_foreign == NULL : system->convert->to_foreign == NULL))
        return command_fail(EXIT_NOTHING,
                            "connector \"%s\" (type %s) takes messages as they are: nothing is converted",
                            title, system->name);
    if (conversion->to_host && !trial_has_files(system))
        return command_fail(EXIT_NOTHING, "the module %s cannot read items from files", system->name);
    conversion->trial.system = system;
    return 0;
}

/* ---- the envelope of a message ---- */

/* Whether the router would give him to another connector. */
static bool
goes_elsewhere(const struct conversion *conversion, const struct address *address)
{
    struct route_answer answer;
    struct why why;
    return route_find(conversion->command->root, conversion->lookup.book, address, 0, conversion->lookup.arena,
                      &answer, &why) == 0 &&
           strcmp(answer.connector, conversion->connector->title) != 0;
}

static void
tell_person(const struct convert_person *person, struct buf *out)
{
    buf_printf(out, "%s ", person->word);
    buf_add_span(out, person->address.value);
    buf_add_text(out, " -> ");
    if (person->left_out)
        buf_printf(out, "nobody: %s %s\n", person->why.status, person->why.text);
    else
        buf_printf(out, "%.*s (%s)%s\n", (int)person->becomes.address.value.len,
                   person->becomes.address.value.at, address_rule_word(person->becomes.rule),
                   person->elsewhere ? ", who gets it by another road" : "");
}

static void
add_person(struct conversion *conversion, const char *word, struct span text)
{
    struct arena *arena = conversion->lookup.arena;
    struct convert_person *person = arena_alloc(arena, sizeof *person);
    if (person == NULL)
        return;
    *person = (struct convert_person){.word = word};
    struct span copy = arena_span(arena, text);
    bool sender = strcmp(word, "from") == 0;
    int r = address_parse(copy, arena, &person->address, &person->why);
    if (r < 0)
        person->address = (struct address){SPAN("SMTP"), copy};
    else
        r = translate_out(conversion->trial.translator, &person->address,
                          sender ? ROLE_ORIGINATOR : ROLE_RESPONSIBLE, arena, &person->becomes, &person->why);
    person->left_out = r < 0;
    person->elsewhere = !sender && goes_elsewhere(conversion, &person->address);
    *conversion->people_end = person;
    conversion->people_end = &person->next;
}

struct taking {
    struct conversion *conversion;
    const char *word;
    bool only_first;
};

static void
take_mailbox(const struct header_address *found, void *arg)
{
    struct taking *taking = arg;
    if (found->mailbox.len > 0 && taking->word != NULL)
        add_person(taking->conversion, taking->word, found->mailbox);
    if (found->mailbox.len > 0 && taking->only_first)
        taking->word = NULL;
}

static void
take_field(struct conversion *conversion, const char *name, const char *word)
{
    struct taking taking = {conversion, word, strcmp(word, "from") == 0};
    struct span header = buf_span(&conversion->message.header), key, value;
    while (header_next(&header, &key, &value))
        if (span_equal_nocase(key, span_of(name)) && taking.word != NULL)
            header_addresses(value, take_mailbox, &taking);
}

static void
take_envelope(struct conversion *conversion)
{
    const struct command *command = conversion->command;
    const char *sender = command->values[OPTION_SENDER];
    if (sender == NULL)
        take_field(conversion, "From", "from");
    else if (sender[0] != '\0' && strcmp(sender, "<>") != 0)
        add_person(conversion, "from", span_of(sender));
    for (size_t i = 0; i < command->n_rcpts; i++)
        add_person(conversion, "to", span_of(command->rcpts[i]));
    if (command->n_rcpts > 0)
        return;
    take_field(conversion, "To", "to");
    take_field(conversion, "Cc", "cc");
    take_field(conversion, "Bcc", "bcc");
}

/* A message that nobody gets by this connector is converted as if all did. */
static void
tell_people(struct conversion *conversion)
{
    bool any = false;
    for (const struct convert_person *p = conversion->people; p != NULL; p = p->next)
        any = any || (strcmp(p->word, "from") != 0 && !p->left_out && !p->elsewhere);
    for (struct convert_person *p = conversion->people; p != NULL; p = p->next) {
        p->elsewhere = p->elsewhere && any;
        tell_person(p, &conversion->trial.envelope);
    }
}

/* ---- towards the system ---- */

static struct viaduct_text
text_of(struct span span)
{
    return (struct viaduct_text){span.at, span.len};
}

/* As the converter's; who has no address there is shown, and gets nothing. */
static size_t
fill_delivery(const struct conversion *conversion, struct viaduct_delivery *delivery,
              struct viaduct_recipient_out *out)
{
    *delivery = (struct viaduct_delivery){.size = sizeof *delivery,
                                          .id = TRIAL_ID,
                                          .body_8bit = conversion->message.eight_bit,
                                          .recipients = out,
                                          .bytes = conversion->message.bytes,
                                          .arrival_ms = time_ms()};
    for (const struct convert_person *p = conversion->people; p != NULL; p = p->next) {
        if (p->left_out)
            continue;
        if (strcmp(p->word, "from") == 0)
            delivery->originator = text_of(p->becomes.address.value);
        else
            out[delivery->n_recipients++] =
                (struct viaduct_recipient_out){.address = text_of(p->becomes.address.value),
                                               .original = text_of(p->address.value),
                                               .display = text_of(p->becomes.display),
                                               .kind = p->word[0] == 'c'   ? 2
                                                       : p->word[0] == 'b' ? 3
                                                                           : 1,
                                               .responsible = !p->elsewhere};
    }
    return delivery->n_recipients;
}

static int
convert_out(struct conversion *conversion, const char *path)
{
    struct header_scan scan;
    struct viaduct_delivery delivery;
    size_t n = 1;
    int r = sim_message_read(path, &conversion->message, &scan);
    if (r != 0)
        return r;
    if (scan.no_header || conversion->message.header.len == 0)
        return command_fail(EXIT_NOTHING, "%s is no message: it does not begin with a header (RFC 5322)", path);
    take_envelope(conversion);
    tell_people(conversion);
    for (const struct convert_person *p = conversion->people; p != NULL; p = p->next)
        n++;
    struct viaduct_recipient_out *out = xcalloc(n, sizeof *out);
    conversion->trial.delivery = &delivery;
    conversion->trial.fd = conversion->message.fd;
    conversion->trial.bytes = conversion->message.bytes;
    if (fill_delivery(conversion, &delivery, out) > 0) {
        trial_run(&conversion->trial);
    } else {
        conversion->trial.answer = VIADUCT_CONVERT_REFUSED;
        why_set(&conversion->trial.why, "5.1.0",
                "none of its recipients has an address of type %s in the book or the mapping; --rcpt names one "
                "(%s:...)",
                conversion->trial.system->address_type, conversion->trial.system->address_type);
    }
    conversion->trial.delivery = NULL;
    free(out);
    return 0;
}

/* ---- towards the host ---- */

static int
convert_in(struct conversion *conversion, const char *path)
{
    struct stat st;
    if (strcmp(path, "-") == 0)
        return command_usage(conversion->command,
                             "an item has files beside it: name the main one instead of -");
    if (stat(path, &st) < 0)
        return command_fail_errno(errno, "the item %s", path);
    if (!S_ISREG(st.st_mode))
        return command_fail(EXIT_NOTHING, "the item %s: it is no regular file", path);
    conversion->trial.path = path;
    trial_run(&conversion->trial);
    return 0;
}

/* ---- the command ---- */

static int
run(struct conversion *conversion)
{
    struct command *command = conversion->command;
    struct why why = {"", ""};
    conversion->trial.lookup = &conversion->lookup;
    conversion->trial.connector = conversion->connector;
    conversion->trial.translator = lookup_translator(&conversion->lookup, conversion->connector, &why);
    conversion->trial.spreads = trial_has_files(conversion->trial.system);
    if (conversion->trial.translator == NULL)
        return command_fail(EXIT_CONFIG, "%s", why.text);
    int r = conversion->to_host ? convert_in(conversion, command->operands[0])
                                : convert_out(conversion, command->operands[0]);
    if (r != 0)
        return r;
    if (command_has(command, OPTION_OUT) && convert_has_result(conversion))
        r = convert_write(conversion);
    if (command_has(command, OPTION_JSON))
        convert_print_json(conversion);
    else
        convert_print(conversion);
    bool fine = conversion->trial.answer == VIADUCT_CONVERTED ||
                conversion->trial.answer == VIADUCT_CONVERT_NOTHING ||
                conversion->trial.answer == VIADUCT_CONVERT_ANSWERED;
    return r != 0 ? r : fine ? EXIT_DONE : EXIT_NOTHING;
}

int
convert_run(struct command *command)
{
    struct conversion conversion = {.command = command, .message = {.fd = -1}};
    const char *to = command->values[OPTION_TO];
    if (command->n_operands != 1)
        return command_usage(command, "say one file; - is standard input");
    if (to == NULL)
        return command_usage(command, "say with --to which system shall get it, or `host`");
    conversion.to_host = strcmp(to, "host") == 0;
    conversion.people_end = &conversion.people;
    int r = find_connector(&conversion, to);
    if (r == 0)
        r = find_system(&conversion);
    if (r != 0)
        return r;
    lookup_open(&conversion.lookup, command);
    if (conversion.lookup.bookless) { /* then it is as if nobody were in it: mapping and one-offs are left */
        book_free(conversion.lookup.book);
        conversion.lookup.book = NULL;
    }
    r = run(&conversion);
    translator_free(conversion.trial.translator);
    trial_clear(&conversion.trial);
    sim_message_clear(&conversion.message);
    lookup_close(&conversion.lookup);
    return r;
}
