/* track.c - message tracking: the path of messages by id, Message-ID, sender, recipient, event, ...
 *
 * A queue id also finds its parts (id.1) and the reports about it (parent=id).
 */
#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "commands/listing.h"
#include "commands/track_balance.h"
#include "common/id.h"
#include "common/track_read.h"

enum track_field {
    TF_TIME,
    TF_EVENT,
    TF_ID,
    TF_CONNECTOR,
    TF_BY,
    TF_SENDER,
    TF_RCPT,
    TF_TRANSLATED,
    TF_DOMAIN,
    TF_CODE,
    TF_REMOTE,
    TF_ATTEMPT,
    TF_SIZE,
    TF_MSGID,
    TF_SUBJECT,
    TF_PARENT,
    TF_AGE,
    TF_REASON,
    TF_COUNT
};

const struct field track_fields[TF_COUNT] = {
    [TF_TIME] = {"time", FIELD_MOMENT, COST_NAME, 24, "when", false},
    [TF_EVENT] = {"event", FIELD_TEXT, COST_NAME, 8,
                  "RECEIVE, SUBMIT, TRANSFER, SEND, DELIVER, DSN, FAIL, DEFER, ...", false},
    [TF_ID] = {"id", FIELD_TEXT, COST_NAME, 28, "queue id; finds parts and reports too", false},
    [TF_CONNECTOR] = {"connector", FIELD_TEXT, COST_NAME, 10, "connector", false},
    [TF_BY] = {"by", FIELD_TEXT, COST_NAME, 16, "worker", false},
    [TF_SENDER] = {"sender", FIELD_TEXT, COST_NAME, 28, "envelope sender", false},
    [TF_RCPT] = {"rcpt", FIELD_TEXT, COST_NAME, 28, "recipient in host form, or as translated", false},
    [TF_TRANSLATED] = {"translated", FIELD_TEXT, COST_NAME, 20, "recipient as the other side knows it", false},
    [TF_DOMAIN] = {"domain", FIELD_TEXT, COST_NAME, 20, "recipient's domain", false},
    [TF_CODE] = {"code", FIELD_CODE, COST_NAME, 6, "status", false},
    [TF_REMOTE] = {"remote", FIELD_TEXT, COST_NAME, 20, "far end", false},
    [TF_ATTEMPT] = {"attempt", FIELD_NUMBER, COST_NAME, 7, "number of the attempt", false},
    [TF_SIZE] = {"size", FIELD_BYTES, COST_NAME, 6, "bytes", false},
    [TF_MSGID] = {"msgid", FIELD_TEXT, COST_NAME, 30, "Message-ID", false},
    [TF_SUBJECT] = {"subject", FIELD_TEXT, COST_NAME, 30, "Subject, where it is kept", false},
    [TF_PARENT] = {"parent", FIELD_TEXT, COST_NAME, 28, "the message a report is about", false},
    [TF_AGE] = {"age", FIELD_DURATION, COST_NAME, 6, "how long ago", false},
    [TF_REASON] = {"reason", FIELD_TEXT, COST_NAME, 0, "why", false},
};
const size_t track_field_count = TF_COUNT;

/* Typed addresses are known without their type too when it is SMTP. */
static struct span
untyped(struct span address)
{
    if (span_starts_nocase(address, SPAN("SMTP:")))
        return (struct span){address.at + 5, address.len - 5};
    return address;
}

static struct span
domain_of(struct span address)
{
    const char *at = address.len > 0 ? memrchr(address.at, '@', address.len) : NULL;
    return at == NULL ? (struct span){NULL, 0}
                      : (struct span){at + 1, (size_t)(address.at + address.len - at - 1)};
}

static bool
track_get(const void *item, size_t field, size_t i, struct field_value *value)
{
    const struct track_line *line = item;
    *value = (struct field_value){0};
    if (i > 0)
        return false;
    switch ((enum track_field)field) {
    case TF_TIME:
        return field_number(value, true, line->time_ms);
    case TF_AGE:
        return field_number(value, true, (time_ms() - line->time_ms) / 1000);
    case TF_EVENT:
        return field_text(value, span_of(track_event_names[line->event]));
    case TF_ID:
        return field_text(value, line->id);
    case TF_CONNECTOR:
        return field_text(value, line->connector);
    case TF_BY:
        return field_text(value, line->by);
    case TF_SENDER:
        return field_text(value, untyped(line->sender));
    case TF_RCPT:
        return field_text(value, untyped(line->rcpt));
    case TF_TRANSLATED:
        return field_text(value, line->translated);
    case TF_DOMAIN:
        return field_text(value, domain_of(line->rcpt));
    case TF_CODE:
        return field_text(value, line->status);
    case TF_REMOTE:
        return field_text(value, line->remote);
    case TF_ATTEMPT:
        return field_number(value, line->attempt > 0, line->attempt);
    case TF_SIZE:
        return field_number(value, line->bytes > 0, (int64_t)line->bytes);
    case TF_MSGID:
        return field_text(value, line->msgid);
    case TF_SUBJECT:
        return field_text(value, line->subject);
    case TF_PARENT:
        return field_text(value, line->parent);
    default:
        return field_text(value, line->reason);
    }
}

/* For filters a record has more values than it shows: its message's id without the part, the message a report
 * is about, and both forms of the recipient. */
static bool
track_match_get(const void *item, size_t field, size_t i, struct field_value *value)
{
    const struct track_line *line = item;
    *value = (struct field_value){0};
    if (field == TF_ID && i == 1)
        return field_text(value, (struct span){line->id.at, line->id.len > ID_LEN ? ID_LEN : line->id.len});
    if (field == TF_ID && i == 2)
        return field_text(value, line->parent);
    if (field == TF_RCPT && i == 1)
        return field_text(value, line->translated);
    if (field == TF_MSGID && i == 1 && line->msgid.len > 2 && line->msgid.at[0] == '<')
        return field_text(value, (struct span){line->msgid.at + 1, line->msgid.len - 2});
    return track_get(item, field, i, value);
}

/* ---- the command ---- */

/* An exact id narrows what must be read: every line that it can be about contains it. */
static struct span
needle(const struct filter *filter)
{
    struct span found = {NULL, 0};
    for (size_t i = 0; i < filter->n_terms; i++) {
        const struct filter_term *term = &filter->terms[i];
        if (term->field != TF_ID || term->op != '=')
            continue;
        if (found.len > 0 || strchr(term->text, '*') != NULL || id_time_ms(term->text) < 0)
            return (struct span){NULL, 0};
        found = span_of(term->text);
    }
    return found;
}

/* Prints what is there now. -errno where it cannot be read. */
static int
read_on(struct track_reader *reader, const struct filter *filter, struct listing *listing, size_t *matched,
        bool *full)
{
    struct track_line line;
    int r;
    while (!*full && (r = track_reader_next(reader, &line)) != 0) {
        if (r < 0)
            return r;
        if (!filter_match(filter, COST_NAME, track_match_get, &line))
            continue;
        ++*matched;
        *full = !listing_add(listing, &line);
    }
    return 0;
}

static void
pause_second(void)
{
    struct timespec wait = {.tv_sec = 1};
    fflush(stdout);
    nanosleep(&wait, NULL);
}

static int
track_run(struct command *command, int folder, const struct filter *filter, struct listing *listing)
{
    struct track_range range = {.must_contain = needle(filter)};
    size_t matched = 0;
    bool full = false;
    int r = command_since(command, &range.since_ms);
    if (r != 0)
        return r;
    struct track_reader *reader = track_reader_new(folder, &range);
    r = read_on(reader, filter, listing, &matched, &full);
    while (r == 0 && !full && command_has(command, OPTION_FOLLOW) && !ferror(stdout)) {
        pause_second();
        r = read_on(reader, filter, listing, &matched, &full);
    }
    listing_end(listing);
    uint64_t malformed = track_reader_malformed(reader);
    track_reader_free(reader);
    if (malformed > 0 && !listing->json)
        fprintf(stderr, "%llu lines of the tracking log could not be read\n", (unsigned long long)malformed);
    if (r < 0)
        return command_fail_errno(-r, "the tracking log");
    if (matched == 0 && !listing->json)
        fprintf(stderr, "no record matches\n");
    return matched > 0 ? EXIT_DONE : EXIT_NOTHING;
}

int
track_show(struct command *command)
{
    struct filter filter;
    struct listing listing;
    struct why why;
    filter_init(&filter, track_fields, TF_COUNT);
    for (size_t i = 0; i < command->n_operands; i++)
        if (filter_add(&filter, command->operands[i], &why) < 0)
            return command_usage(command, "%s", why.text);
    if (filter_check_values(&filter, "event", track_event_names, TRACK_COUNT, &why) < 0)
        return command_usage(command, "%s", why.text);
    bool balance = command_has(command, OPTION_BALANCE);
    if (balance && (!filter_is_empty(&filter) || command_has(command, OPTION_SINCE) ||
                    command_has(command, OPTION_FOLLOW)))
        return command_usage(command, "--balance is of everything: no filter, --since or --follow");
    if (!balance && filter_is_empty(&filter) && !command_has(command, OPTION_SINCE) &&
        !command_has(command, OPTION_FOLLOW))
        return command_usage(command, "say a filter, --since, --follow or --balance; `all` for everything");
    int r = listing_init(&listing, command, track_fields, TF_COUNT,
                         "time,event,id,connector,sender,rcpt,code,reason", track_get);
    if (r != 0)
        return r;
    if (command_has(command, OPTION_FOLLOW) && command_has(command, OPTION_SORT))
        return command_usage(command, "--follow cannot be sorted: what comes later is not known yet");
    int folder;
    r = command_open_track(command, &folder);
    if (r != 0)
        return r;
    r = balance ? track_balance_print(command, folder) : track_run(command, folder, &filter, &listing);
    close(folder);
    return r;
}
