/* route.c - what would become of an address or a message: route, address, simulate
 *
 * The same code as in the workers answers (common/translate.h), with the same book; nothing is sent and nothing
 * written.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands/listing.h"
#include "common/header_scan.h"
#include "common/translate.h"
#include "systems/registry.h"

enum { ROUTE_ARENA = 64 << 20 };

struct lookup {
    struct command *command;
    struct book *book;
    int book_fd;
    struct arena *arena;
};

static void
lookup_open(struct lookup *lookup, struct command *command)
{
    struct why why = {"", ""};
    lookup->command = command;
    lookup->arena = arena_new(ROUTE_ARENA);
    if (command->spool_fd < 0) {
        fprintf(stderr,
                "(the spool %s is not there yet, and no address book; `viaduct spool create` makes it)\n",
                command->spool_path);
        lookup->book_fd = -ENOENT;
        lookup->book = book_new(-1);
        return;
    }
    command_check_readable(command, FOLDER_BOOK);
    lookup->book_fd = command->spool_fd >= 0 ? folder_open(command->spool_fd, FOLDER_BOOK, NULL) : -ENOENT;
    lookup->book = book_new(lookup->book_fd);
    int r = lookup->book_fd >= 0 ? book_refresh(lookup->book, &why) : -ENOENT;
    if (r == -EAGAIN)
        command_fail(EXIT_NOTHING, "the address book cannot be read: %s", why.text);
    else if (r >= 0 && why.text[0] != '\0')
        command_fail(EXIT_NOTHING, "%s; generation %llu is in use", why.text,
                     (unsigned long long)book_generation(lookup->book));
    else if (r == -ENOENT)
        fprintf(stderr, "(there is no address book; `viaduct book build` makes one)\n");
}

static void
lookup_close(struct lookup *lookup)
{
    book_free(lookup->book);
    arena_free(lookup->arena);
    if (lookup->book_fd >= 0)
        close(lookup->book_fd);
}

static void
print_address(const struct address *address)
{
    struct buf out = {0}, clean = {0};
    address_print(address, &out);
    text_add_clean(&clean, buf_span(&out));
    fputs(clean.at != NULL ? clean.at : "", stdout);
    buf_clear(&out);
    buf_clear(&clean);
}

static void
json_address(struct json *json, const char *key, const struct address *address)
{
    struct buf out = {0};
    address_print(address, &out);
    json_add_span(json, key, buf_span(&out));
    buf_clear(&out);
}

/* ---- route ---- */

static void
print_route_json(const char *text, const struct route_answer *answer, int r, const struct why *why)
{
    struct buf out = {0};
    struct json json;
    json_start(&json, &out);
    json_begin_object(&json, NULL);
    json_add_text(&json, "address", text);
    if (r == 0) {
        json_add_text(&json, "connector", answer->connector);
        json_address(&json, "target", &answer->target);
        json_add_text(&json, "reason", answer->reason);
    } else {
        json_add_text(&json, "status", why->status);
        json_add_text(&json, "reason", why->text);
    }
    json_end_object(&json);
    puts(out.at);
    buf_clear(&out);
}

static int
route_one(struct lookup *lookup, const char *text, bool json)
{
    struct address address;
    struct route_answer answer = {0};
    struct why why = {0};
    arena_reset(lookup->arena);
    int r = address_parse(span_of(text), lookup->arena, &address, &why);
    if (r == 0)
        r = route_find(lookup->command->root, lookup->book, &address, 0, lookup->arena, &answer, &why);
    if (json) {
        print_route_json(text, &answer, r, &why);
        return r == 0 ? EXIT_DONE : EXIT_NOTHING;
    }
    if (r < 0) {
        printf("%s: no connector: %s %s\n", text, why.status, why.text);
        return EXIT_NOTHING;
    }
    printf("%s -> %s%s%s as ", text, colour_on(COLOUR_BOLD), answer.connector, colour_on(COLOUR_NONE));
    print_address(&answer.target);
    printf(" (%s", answer.reason != NULL ? answer.reason : "");
    if (answer.space != NULL)
        printf("; %s:%s cost %ld, %s:%d", answer.space->type, answer.space->pattern, answer.space->cost,
               answer.space->place.file != NULL ? answer.space->place.file : "", answer.space->place.line);
    printf(")\n");
    return EXIT_DONE;
}

int
route_show(struct command *command)
{
    struct lookup lookup;
    int r = EXIT_DONE;
    if (command->n_operands == 0)
        return command_usage(command, "which address?");
    lookup_open(&lookup, command);
    for (size_t i = 0; i < command->n_operands; i++) {
        int one = route_one(&lookup, command->operands[i], command_has(command, OPTION_JSON));
        r = r != EXIT_DONE ? r : one;
    }
    lookup_close(&lookup);
    return r;
}

/* ---- address ---- */

static struct span
system_type(const struct conf_root *root, const struct conf_connector *connector)
{
    struct why why;
    const struct viaduct_system *system = connector != NULL ? registry_for(root, connector, false, &why) : NULL;
    return system != NULL ? span_of(system->address_type) : SPAN("SMTP");
}

/* The connector that a name or an address type means: `*connector` NULL is the host (which type SMTP means). */
static int
find_side(const struct command *command, const char *word, const struct conf_connector **connector)
{
    const struct conf_root *root = command->root;
    *connector = conf_connector_find(root, word);
    if (*connector != NULL || strcmp(word, "host") == 0)
        return 0;
    for (size_t i = 0; i < root->connectors_n; i++) {
        struct span type = system_type(root, &root->connectors[i]);
        if (span_equal_nocase(type, span_of(word)) && !span_equal(type, SPAN("SMTP"))) {
            *connector = &root->connectors[i];
            return 0;
        }
    }
    if (span_equal_nocase(span_of(word), SPAN("SMTP")))
        return 0;
    return command_fail(EXIT_USAGE, "no connector has the name or the address type \"%s\"", word);
}

static int
translate_one(struct lookup *lookup, const struct conf_connector *connector, bool outwards,
              const struct address *address, enum address_role role, struct translation *translation,
              struct why *why)
{
    struct buf errors = {0};
    const struct conf_root *root = lookup->command->root;
    struct translator *translator =
        translator_new(root, connector, system_type(root, connector), lookup->book, &errors);
    if (translator == NULL) {
        why_set(why, "4.3.5", "the mapping cannot be read: %s", errors.at != NULL ? errors.at : "");
        buf_clear(&errors);
        return -EIO;
    }
    buf_clear(&errors);
    int r = outwards ? translate_out(translator, address, role, lookup->arena, translation, why)
                     : translate_in(translator, address, role, lookup->arena, translation, why);
    if (r == 0) /* the title belongs to the configuration, the value may belong to the translator */
        translation->address.value = arena_span(lookup->arena, translation->address.value);
    translator_free(translator);
    return r;
}

static int
show_translation(struct lookup *lookup, const struct conf_connector *connector, bool outwards, const char *text,
                 const struct address *address, enum address_role role)
{
    static const char *const roles[] = {"as originator", "as recipient", "in a header"};
    struct translation translation = {0};
    struct why why = {0};
    int r = translate_one(lookup, connector, outwards, address, role, &translation, &why);
    const char *direction = outwards ? "out" : "in";
    if (command_has(lookup->command, OPTION_JSON)) {
        struct buf out = {0};
        struct json json;
        json_start(&json, &out);
        json_begin_object(&json, NULL);
        json_add_text(&json, "address", text);
        json_add_text(&json, "connector", connector != NULL ? connector->title : "host");
        json_add_text(&json, "direction", direction);
        json_add_text(&json, "role", roles[role]);
        if (r == 0) {
            json_address(&json, "becomes", &translation.address);
            json_add_text(&json, "rule", address_rule_word(translation.rule));
        } else {
            json_add_text(&json, "status", why.status);
            json_add_text(&json, "reason", why.text);
        }
        json_end_object(&json);
        puts(out.at);
        buf_clear(&out);
        return r == 0 ? EXIT_DONE : EXIT_NOTHING;
    }
    printf("%-4s %-14s ", direction, roles[role]);
    if (r < 0) {
        printf("not mapped: %s %s\n", why.status, why.text);
        return EXIT_NOTHING;
    }
    print_address(&translation.address);
    printf("  (%s%s%s)\n", address_rule_word(translation.rule),
           translation.rule_title != NULL && translation.rule_title[0] != '\0' ? " " : "",
           translation.rule_title != NULL ? translation.rule_title : "");
    return EXIT_DONE;
}

/* Which direction the types tell: towards a foreign connector is out, from it in. */
static int
find_direction(struct command *command, const struct conf_connector **connector, bool *outwards)
{
    const struct conf_connector *from = NULL, *to = NULL;
    const char *from_word = command->values[OPTION_FROM], *to_word = command->values[OPTION_TO];
    const char *name = command->values[OPTION_CONNECTOR];
    int r = from_word != NULL ? find_side(command, from_word, &from) : 0;
    if (r == 0 && to_word != NULL)
        r = find_side(command, to_word, &to);
    if (r != 0)
        return r;
    if (from_word == NULL && to_word == NULL && name == NULL)
        return command_usage(command, "say with --to or --from which address type or connector");
    *outwards = to != NULL || from == NULL;
    *connector = to != NULL ? to : from;
    return name != NULL ? find_side(command, name, connector) : 0;
}

int
address_show(struct command *command)
{
    const struct conf_connector *connector = NULL;
    struct lookup lookup;
    bool outwards = true;
    int r;
    if (command->n_operands == 0)
        return command_usage(command, "which address?");
    r = find_direction(command, &connector, &outwards);
    if (r != 0)
        return r;
    lookup_open(&lookup, command);
    for (size_t i = 0; i < command->n_operands; i++) {
        struct address address;
        struct why why = {0};
        arena_reset(lookup.arena);
        if (address_parse(span_of(command->operands[i]), lookup.arena, &address, &why) < 0) {
            r = command_fail(EXIT_NOTHING, "%s: %s", command->operands[i], why.text);
            continue;
        }
        for (int role = ROLE_ORIGINATOR; role <= ROLE_RESPONSIBLE; role++) {
            int one = show_translation(&lookup, connector, outwards, command->operands[i], &address,
                                       (enum address_role)role);
            r = r != EXIT_DONE ? r : one;
        }
        struct translation back = {0};
        if (!command_has(command, OPTION_JSON) &&
            translate_one(&lookup, connector, outwards, &address, ROLE_RESPONSIBLE, &back, &why) == 0) {
            printf("and back:\n");
            show_translation(&lookup, connector, !outwards, command->operands[i], &back.address,
                             ROLE_ORIGINATOR);
        }
    }
    lookup_close(&lookup);
    return r;
}

/* ---- simulate ---- */

static void
simulate_message(const char *path, int fd)
{
    struct header_scan scan;
    char bytes[16 * 1024];
    struct stat st;
    header_scan_start(&scan, NULL);
    for (ssize_t n; !scan.ended && (n = read(fd, bytes, sizeof bytes)) > 0;)
        header_scan_feed(&scan, bytes, (size_t)n);
    if (!scan.ended)
        header_scan_finish(&scan);
    printf("message %s", path);
    if (fstat(fd, &st) == 0)
        printf(", %lld bytes", (long long)st.st_size);
    printf(", header %llu bytes, %u hops%s\n", (unsigned long long)scan.bytes, (unsigned)scan.hops,
           scan.has_nul ? ", with NUL bytes" : "");
    if (scan.no_header)
        printf("  it has no header\n");
    if (!scan.has_date)
        printf("  it has no Date: one would be added\n");
    if (!scan.has_msgid)
        printf("  it has no Message-ID: one would be added\n");
}

static int
simulate_recipient(struct lookup *lookup, const struct address *sender, const char *text)
{
    struct address rcpt;
    struct route_answer answer;
    struct translation translation = {0};
    struct why why = {0};
    const char *where = "routing";
    int r = address_parse(span_of(text), lookup->arena, &rcpt, &why);
    if (r == 0)
        r = route_find(lookup->command->root, lookup->book, &rcpt, 0, lookup->arena, &answer, &why);
    if (r == 0) {
        const struct conf_connector *connector = conf_connector_find(lookup->command->root, answer.connector);
        printf("%s\n  routed to %s (%s)\n", text, answer.connector, answer.reason);
        where = "translating the sender";
        r = translate_one(lookup, connector, true, sender, ROLE_ORIGINATOR, &translation, &why);
        if (r == 0) {
            printf("  sender becomes ");
            print_address(&translation.address);
            printf(" (%s)\n", address_rule_word(translation.rule));
            where = "translating the recipient";
            r = translate_one(lookup, connector, true, &answer.target, ROLE_RESPONSIBLE, &translation, &why);
        }
    } else {
        printf("%s\n", text);
    }
    if (r == 0) {
        printf("  recipient becomes ");
        print_address(&translation.address);
        printf(" (%s)\n", address_rule_word(translation.rule));
        return EXIT_DONE;
    }
    if (r == -EAGAIN)
        printf("  would wait: %s %s\n", why.status, why.text);
    else if (sender->value.len == 0)
        printf("  fails at %s: %s %s; nobody would be told, since it has no sender\n", where, why.status,
               why.text);
    else
        printf("  fails at %s: the sender would be told %s %s\n", where, why.status, why.text);
    return EXIT_NOTHING;
}

int
simulate(struct command *command)
{
    struct lookup lookup;
    struct address sender = {SPAN("SMTP"), SPAN("")};
    struct why why = {0};
    const char *from = command->values[OPTION_SENDER];
    if (command->n_operands != 1 || command->n_rcpts == 0)
        return command_usage(command, "say a file, --sender and at least one --rcpt");
    int fd = open(command->operands[0], O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return command_fail_errno(errno, "the message %s", command->operands[0]);
    lookup_open(&lookup, command);
    int r = EXIT_DONE;
    if (from != NULL && from[0] != '\0' && strcmp(from, "<>") != 0 &&
        address_parse(span_of(from), lookup.arena, &sender, &why) < 0)
        r = command_fail(EXIT_USAGE, "the sender %s: %s", from, why.text);
    if (r == EXIT_DONE)
        simulate_message(command->operands[0], fd);
    for (size_t i = 0; r != EXIT_USAGE && i < command->n_rcpts; i++) {
        int one = simulate_recipient(&lookup, &sender, command->rcpts[i]);
        r = r != EXIT_DONE ? r : one;
    }
    lookup_close(&lookup);
    close(fd);
    return r;
}
