/* simulate.c - what would become of a message: route, addresses, conversion, and the report there would be
 *
 * The same code as in the workers answers, with the same book; nothing is sent and nothing written. As for the router,
 * the host's mail goes by book and address spaces, and mail of a foreign system to the host: which it is, the sender
 * tells.
 *
 * What is hostile here: the message; only a child reads its body (simulate_side.c).
 */
#include "commands/simulate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/dsn.h"
#include "common/header_scan.h"

/* ---- the message ---- */

/* Copies it into memory as the spool would have it: lines end in LF. */
static int
copy_message(int from, struct sim_message *message)
{
    char bytes[16 * 1024], out[sizeof bytes + 1];
    bool cr = false;
    ssize_t n = 0;
    message->fd = memfd_create("message", MFD_CLOEXEC);
    while (message->fd >= 0 && (n = read(from, bytes, sizeof bytes)) > 0) {
        size_t len = 0;
        for (ssize_t i = 0; i < n; i++) {
            if (cr && bytes[i] != '\n')
                out[len++] = '\r';
            cr = bytes[i] == '\r';
            message->eight_bit = message->eight_bit || (bytes[i] & 0x80) != 0;
            if (!cr)
                out[len++] = bytes[i];
        }
        if (write(message->fd, out, len) != (ssize_t)len)
            return -errno;
        message->bytes += len;
    }
    return message->fd < 0 || n < 0 ? -errno : 0;
}

static void
scan_message(struct sim_message *message, struct header_scan *scan)
{
    char bytes[16 * 1024];
    header_scan_start(scan, NULL);
    for (off_t at = 0; !scan->ended && message->header.len < SIM_HEADER_MAX;) {
        ssize_t n = pread(message->fd, bytes, sizeof bytes, at);
        if (n <= 0)
            break;
        at += n;
        buf_add(&message->header, bytes, header_scan_feed(scan, bytes, (size_t)n));
    }
    if (!scan->ended)
        header_scan_finish(scan);
    if (scan->no_header)
        buf_reset(&message->header);
    struct span subject;
    if (header_find(buf_span(&message->header), SPAN("Subject"), &subject))
        dsn_subject_decode(subject, &message->subject);
}

int
sim_message_read(const char *path, struct sim_message *message, struct header_scan *scan)
{
    int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return command_fail_errno(errno, "the message %s", path);
    int r = copy_message(fd, message);
    close(fd);
    if (r < 0)
        return command_fail_errno(-r, "the message %s", path);
    scan_message(message, scan);
    return 0;
}

void
sim_message_clear(struct sim_message *message)
{
    buf_clear(&message->header);
    buf_clear(&message->subject);
    if (message->fd >= 0)
        close(message->fd);
}

static int
read_message(struct simulation *simulation, const char *path, bool quiet)
{
    struct header_scan scan = {0};
    int r = sim_message_read(path, &simulation->message, &scan);
    if (r != 0 || quiet)
        return r;
    printf("message %s, %llu bytes, header %llu bytes, %u hops%s\n", path,
           (unsigned long long)simulation->message.bytes, (unsigned long long)scan.bytes, (unsigned)scan.hops,
           scan.has_nul ? ", with NUL bytes" : "");
    if (scan.no_header)
        printf("  it has no header\n");
    if (!scan.has_date)
        printf("  it has no Date: one would be added\n");
    if (!scan.has_msgid)
        printf("  it has no Message-ID: one would be added\n");
    return 0;
}

/* ---- the road ---- */

static void
find_origin(struct simulation *simulation)
{
    struct lookup *lookup = &simulation->lookup;
    struct route_answer answer;
    struct why why;
    bool known =
        simulation->sender.value.len > 0 && route_find(lookup->command->root, lookup->book, &simulation->sender,
                                                       0, lookup->arena, &answer, &why) == 0;
    simulation->origin = known ? answer.connector : "host"; /* the host sends us mail of the whole world */
}

static struct sim_side *
find_side(struct simulation *simulation, const char *name)
{
    for (size_t i = 0; i < simulation->n_sides; i++)
        if (strcmp(simulation->sides[i].name, name) == 0)
            return &simulation->sides[i];
    struct sim_side *side = &simulation->sides[simulation->n_sides++];
    struct lookup *lookup = &simulation->lookup;
    *side = (struct sim_side){.name = name, .connector = conf_connector_find(lookup->command->root, name)};
    side->translator = lookup_translator(lookup, side->connector, &side->sender_why);
    if (side->translator == NULL) {
        side->sender_waits = true;
        return side;
    }
    struct translation translation = {0};
    int r = translate_out(side->translator, &simulation->sender, ROLE_ORIGINATOR, lookup->arena, &translation,
                          &side->sender_why);
    if (r == 0)
        side->sender_why = (struct why){"", ""};
    side->sender_waits = r == -EAGAIN;
    side->sender = translation.address;
    side->sender_rule = translation.rule;
    return side;
}

static void
fails(struct sim_recipient *recipient, const char *where, int error)
{
    recipient->fails = where;
    recipient->waits = error == -EAGAIN;
}

static void
route_recipient(struct simulation *simulation, struct sim_recipient *recipient)
{
    struct lookup *lookup = &simulation->lookup;
    const struct conf_root *root = lookup->command->root;
    struct route_answer answer = {0};
    if (strcmp(simulation->origin, "host") != 0) {
        recipient->side = find_side(simulation, "host");
        recipient->route =
            arena_printf(lookup->arena, "from connector %s: the host routes it", simulation->origin);
        return;
    }
    int r = route_find(root, lookup->book, &recipient->address, 0, lookup->arena, &answer, &recipient->why);
    bool to_host = r == 0 && strcmp(answer.connector, "host") == 0;
    if ((r == -ENOENT || to_host) && route_is_host_postmaster(root, &recipient->address)) {
        recipient->side = find_side(simulation, "host");
        recipient->route = "the host's postmaster";
        return;
    }
    if (to_host && address_equal(&answer.target, &recipient->address)) {
        why_set(&recipient->why, "5.4.6",
                "the host sent it here, but %.*s is an address of the host itself: a loop",
                (int)recipient->address.value.len, recipient->address.value.at);
        r = -ENOENT;
    }
    if (r < 0) {
        fails(recipient, "routing", r);
        return;
    }
    recipient->side = find_side(simulation, answer.connector);
    recipient->route = answer.reason;
}

static void
follow_recipient(struct simulation *simulation, struct sim_recipient *recipient)
{
    struct lookup *lookup = &simulation->lookup;
    int r = address_parse(span_of(recipient->given), lookup->arena, &recipient->address, &recipient->why);
    if (r < 0) {
        recipient->address = (struct address){SPAN("SMTP"), span_of(recipient->given)};
        fails(recipient, "reading the address", r);
        return;
    }
    route_recipient(simulation, recipient);
    struct sim_side *side = recipient->side;
    if (recipient->fails != NULL)
        return;
    if (side->sender_waits || side->sender_why.status[0] != '\0') {
        recipient->why = side->sender_why;
        fails(recipient, "translating the sender", side->sender_waits ? -EAGAIN : -ENOENT);
        return;
    }
    r = translate_out(side->translator, &recipient->address, ROLE_RESPONSIBLE, lookup->arena,
                      &recipient->becomes, &recipient->why);
    if (r < 0)
        fails(recipient, "translating the recipient", r);
}

static void
convert_side(struct simulation *simulation, struct sim_side *side)
{
    size_t going = 0;
    for (size_t i = 0; i < simulation->n; i++)
        going += simulation->recipients[i].side == side && simulation->recipients[i].fails == NULL;
    if (going == 0)
        return;
    sim_side_convert(&simulation->lookup, side, &simulation->message, simulation->recipients, simulation->n);
    for (size_t i = 0; side->failed && i < simulation->n; i++) {
        struct sim_recipient *recipient = &simulation->recipients[i];
        if (recipient->side != side || recipient->fails != NULL)
            continue;
        recipient->why = side->why;
        fails(recipient, "conversion", why_is_temporary(&side->why) ? -EAGAIN : -ENOENT);
    }
}

/* ---- the report ---- */

bool
sim_is_reported(const struct sim_recipient *recipient)
{
    return recipient->fails != NULL && !recipient->waits &&
           (recipient->side == NULL || !recipient->side->bad || strcmp(recipient->fails, "conversion") != 0);
}

/* The words that the sender would read: one report for all that fail at the same place. */
static void
make_report(struct simulation *simulation)
{
    const struct conf_root *root = simulation->lookup.command->root;
    struct arena *arena = simulation->lookup.arena;
    struct queue_file about = {.fd = -1, .body_bytes = simulation->message.bytes};
    struct recipient *recipients = xcalloc(simulation->n + 1, sizeof *recipients);
    struct dsn_texts texts = {0};
    struct why why = {0};
    const char *domain = root->host.domains.n > 0 ? root->host.domains.at[0] : root->node;
    for (size_t i = 0; i < simulation->n; i++)
        if (sim_is_reported(&simulation->recipients[i]))
            recipients[about.envelope.n_recipients++] =
                (struct recipient){.address = simulation->recipients[i].address,
                                   .state = RECIPIENT_FAILED,
                                   .status = span_of(simulation->recipients[i].why.status),
                                   .text = span_of(simulation->recipients[i].why.text)};
    about.envelope.recipients = recipients;
    about.envelope.originator = simulation->sender;
    about.envelope.id = SPAN("(the queue id)");
    about.envelope.arrival_ms = time_ms();
    if (dsn_texts_load(&texts, root->reports.templates, &why) < 0)
        command_fail(EXIT_NOTHING, "%s", why.text);
    struct dsn dsn = {.about = &about,
                      .id = "",
                      .node = root->node != NULL ? root->node : "this node",
                      .domain = domain != NULL ? domain : "",
                      .postmaster = root->admin_address != NULL ? root->admin_address
                                                                : arena_printf(arena, "postmaster@%s", domain),
                      .texts = &texts,
                      .return_bytes = root->reports.return_bytes,
                      .now_s = time_ms() / 1000};
    dsn_plan(&dsn, arena);
    if (dsn.worst != DSN_NONE) {
        buf_add_text(&simulation->report, "Subject: ");
        dsn_text_subject(&dsn, buf_span(&simulation->message.subject), &simulation->report);
        buf_add_text(&simulation->report, "\n\n");
        dsn_text_body(&dsn, buf_span(&simulation->message.subject), &simulation->report);
    }
    dsn_texts_clear(&texts);
    free(recipients);
}

/* ---- the command ---- */

static int
parse_sender(struct simulation *simulation, const char *from)
{
    struct why why = {0};
    simulation->sender = (struct address){SPAN("SMTP"), SPAN("")};
    if (from[0] == '\0' || strcmp(from, "<>") == 0)
        return 0;
    if (address_parse(span_of(from), simulation->lookup.arena, &simulation->sender, &why) < 0)
        return command_fail(EXIT_USAGE, "the sender %s: %s", from, why.text);
    return 0;
}

static int
run(struct simulation *simulation, struct listing *listing)
{
    struct command *command = simulation->lookup.command;
    int r = parse_sender(simulation, command->values[OPTION_SENDER]);
    if (r == 0)
        r = read_message(simulation, command->operands[0], listing != NULL);
    if (r != 0)
        return r;
    find_origin(simulation);
    for (size_t i = 0; i < simulation->n; i++) {
        simulation->recipients[i].given = command->rcpts[i];
        follow_recipient(simulation, &simulation->recipients[i]);
        r = simulation->recipients[i].fails != NULL ? EXIT_NOTHING : r;
    }
    for (size_t i = 0; i < simulation->n_sides; i++) {
        convert_side(simulation, &simulation->sides[i]);
        r = simulation->sides[i].failed ? EXIT_NOTHING : r;
    }
    make_report(simulation);
    if (listing != NULL)
        sim_list(simulation, listing);
    else
        sim_print(simulation);
    return r;
}

int
simulate(struct command *command)
{
    struct simulation simulation = {.message = {.fd = -1}};
    struct listing listing;
    if (command->n_operands != 1 || command->n_rcpts == 0 || !command_has(command, OPTION_SENDER))
        return command_usage(command, "say a file, --sender (\"<>\" for none) and at least one --rcpt");
    int r = sim_listing(&listing, command);
    if (r != 0)
        return r;
    lookup_open(&simulation.lookup, command);
    simulation.n = command->n_rcpts;
    simulation.recipients = xcalloc(simulation.n, sizeof *simulation.recipients);
    simulation.sides = xcalloc(command->root->connectors_n + 1, sizeof *simulation.sides);
    r = run(&simulation, listing_wanted(command) ? &listing : NULL);
    for (size_t i = 0; i < simulation.n_sides; i++)
        sim_side_clear(&simulation.sides[i]);
    free(simulation.sides);
    free(simulation.recipients);
    sim_message_clear(&simulation.message);
    buf_clear(&simulation.report);
    lookup_close(&simulation.lookup);
    return r;
}
