/* message_fields.c - the facts of a message: what filters, columns and sorting know (see spool_walk.h) */
#include "commands/spool_walk.h"

#include "commands/badmail.h"

enum message_field {
    MF_ID,
    MF_FOLDER,
    MF_CONNECTOR,
    MF_DIR,
    MF_STATE,
    MF_AGE,
    MF_ARRIVAL,
    MF_NEXT,
    MF_UNTIL,
    MF_SIZE,
    MF_SENDER,
    MF_RCPT,
    MF_DOMAIN,
    MF_RCPTS,
    MF_PENDING,
    MF_ATTEMPTS,
    MF_CODE,
    MF_REASON,
    MF_REMOTE,
    MF_CLASS,
    MF_MSGID,
    MF_SUBJECT,
    MF_ORIGIN,
    MF_CLIENT,
    MF_STAGE,
    MF_SIGNATURE,
    MF_COUNT
};

const struct field message_fields[] = {
    [MF_ID] = {"id", FIELD_TEXT, COST_NAME, 28, "queue id; a part is id.1, a report request id.r1", false},
    [MF_FOLDER] = {"folder", FIELD_TEXT, COST_NAME, 13, "folder of the spool: MTS-IN, Deferred, ...", false},
    [MF_CONNECTOR] = {"connector", FIELD_TEXT, COST_NAME, 10, "connector in whose folder it lies", false},
    [MF_DIR] = {"dir", FIELD_TEXT, COST_NAME, 3, "in (from the system) or out", false},
    [MF_STATE] =
        {"state", FIELD_TEXT, COST_NAME, 8,
         "incoming, routing, outgoing, converting, deferred, fetched, directory, bounce, badmail, held; "
         "transfer: a worker has it in hand",
         false},
    [MF_AGE] = {"age", FIELD_DURATION, COST_NAME, 6, "since acceptance", false},
    [MF_ARRIVAL] = {"arrival", FIELD_TIME, COST_NAME, 20, "when it was accepted", false},
    [MF_NEXT] = {"next", FIELD_TIME, COST_NAME, 20, "deferred: when the next attempt is due", false},
    [MF_UNTIL] = {"until", FIELD_TIME, COST_NAME, 20, "held: until when", false},
    [MF_SIZE] = {"size", FIELD_BYTES, COST_STAT, 6, "of the file", false},
    [MF_SENDER] = {"sender", FIELD_TEXT, COST_FILE, 28, "envelope sender", false},
    [MF_RCPT] = {"rcpt", FIELD_TEXT, COST_FILE, 28, "envelope recipients", true},
    [MF_DOMAIN] = {"domain", FIELD_TEXT, COST_FILE, 20, "domains of the recipients", true},
    [MF_RCPTS] = {"rcpts", FIELD_NUMBER, COST_FILE, 5, "number of recipients", false},
    [MF_PENDING] = {"pending", FIELD_NUMBER, COST_FILE, 7, "recipients not yet settled", false},
    [MF_ATTEMPTS] = {"attempts", FIELD_NUMBER, COST_FILE, 8, "transfers tried", false},
    [MF_CODE] = {"code", FIELD_CODE, COST_FILE, 6, "status of the last attempt: 4.4.1, or 4.4 for all of them",
                 false},
    [MF_REASON] = {"reason", FIELD_TEXT, COST_FILE, 0, "why it failed or waits", false},
    [MF_REMOTE] = {"remote", FIELD_TEXT, COST_FILE, 20, "who said so", false},
    [MF_CLASS] = {"class", FIELD_TEXT, COST_FILE, 10, "message class", false},
    [MF_MSGID] = {"msgid", FIELD_TEXT, COST_FILE, 30, "Message-ID", false},
    [MF_SUBJECT] = {"subject", FIELD_TEXT, COST_FILE, 30, "Subject, where it is kept", false},
    [MF_ORIGIN] = {"origin", FIELD_TEXT, COST_FILE, 10, "connector it came from, or report", false},
    [MF_CLIENT] = {"client", FIELD_TEXT, COST_FILE, 15, "address of the system that sent it", false},
    [MF_STAGE] = {"stage", FIELD_TEXT, COST_FILE, 12, "badmail: the worker that gave up", false},
    [MF_SIGNATURE] = {"signature", FIELD_TEXT, COST_FILE, 40, "badmail: the reason without what differs",
                      false},
};
const size_t message_field_count = COUNT_OF(message_fields);

const char *
folder_direction(enum folder folder)
{
    switch (folder) {
    case FOLDER_MTS_IN:
    case FOLDER_READY_IN:
    case FOLDER_DIR_IN:
        return "in";
    case FOLDER_MTS_OUT:
    case FOLDER_CONVERT:
    case FOLDER_READY_OUT:
    case FOLDER_DEFERRED:
    case FOLDER_DIR_OUT:
        return "out";
    default:
        return "";
    }
}

const char *
folder_state(enum folder folder)
{
    static const char *const words[FOLDER_COUNT] = {
        [FOLDER_DROP] = "dropped",      [FOLDER_MTS_IN] = "incoming",    [FOLDER_SPOOLER_QUEUE] = "routing",
        [FOLDER_MTS_OUT] = "outgoing",  [FOLDER_CONVERT] = "converting", [FOLDER_READY_OUT] = "ready",
        [FOLDER_DEFERRED] = "deferred", [FOLDER_READY_IN] = "fetched",   [FOLDER_DIR_OUT] = "directory",
        [FOLDER_DIR_IN] = "directory",  [FOLDER_BOUNCE] = "bounce",      [FOLDER_BADMAIL] = "badmail",
        [FOLDER_HOLD] = "held",
    };
    return words[folder] != NULL ? words[folder] : "";
}

int64_t
message_age_s(const struct message *message)
{
    int64_t arrival = id_time_ms(message->parts.id) / 1000;
    return message->now_s > arrival ? message->now_s - arrival : 0;
}

/* What the name and the folder tell. */
static bool
get_from_name(const struct message *message, enum message_field field, struct field_value *value)
{
    const struct place *place = message->place;
    enum folder origin = place->folder == FOLDER_HOLD ? place->held_from : place->folder;
    switch (field) {
    case MF_ID:
        return field_text(value, span_of(message->parts.stem));
    case MF_FOLDER:
        return field_text(value, span_of(folder_name(place->folder)));
    case MF_CONNECTOR:
        return field_text(value, span_of(place->connector));
    case MF_DIR:
        return field_text(value, span_of(folder_direction(origin)));
    case MF_STATE:
        return field_text(value, span_of(message->locked ? "transfer" : folder_state(place->folder)));
    case MF_AGE:
        return field_number(value, true, message_age_s(message));
    case MF_ARRIVAL:
        return field_number(value, true, id_time_ms(message->parts.id) / 1000);
    case MF_NEXT: /* 0 means that it is due now */
        return field_number(value, place->folder == FOLDER_DEFERRED && message->parts.has_time,
                            message->parts.time_s > 0 ? message->parts.time_s : message->now_s);
    default:
        return field_number(value, place->folder == FOLDER_HOLD && message->parts.time_s > 0,
                            message->parts.time_s);
    }
}

static struct span
address_shown(const struct message *message, const struct address *address)
{
    struct buf out = {0};
    if (span_equal(address->type, SPAN("SMTP")))
        return address->value;
    address_print(address, &out);
    struct span copy = arena_span(message->arena, buf_span(&out));
    buf_clear(&out);
    return copy;
}

static bool
get_recipient(const struct message *message, enum message_field field, size_t i, struct field_value *value)
{
    if (i >= message->n_recipients)
        return false;
    const struct recipient *recipient = message->recipients[i];
    if (field == MF_RCPT)
        return field_text(value, address_shown(message, &recipient->address));
    struct span address = recipient->address.value;
    const char *at = address.len > 0 ? memrchr(address.at, '@', address.len) : NULL;
    if (at == NULL)
        return field_text(value, recipient->address.type);
    return field_text(value, (struct span){at + 1, (size_t)(address.at + address.len - at - 1)});
}

/* The reason of the last attempt, else of the first recipient that has one, else the damage. */
static bool
get_reason(const struct message *message, enum message_field field, struct field_value *value)
{
    const struct envelope *envelope = &message->file.envelope;
    if (message->damaged)
        return field == MF_REMOTE
                   ? field_text(value, SPAN(""))
                   : field_text(value, span_of(field == MF_CODE ? message->why.status : message->why.text));
    if (message->place->folder == FOLDER_BADMAIL && field == MF_REASON && message->bad_reason.len > 0)
        return field_text(value, message->bad_reason);
    struct span status = envelope->last_status, reason = envelope->last_text, remote = envelope->last_remote;
    for (size_t i = 0; i < envelope->n_recipients && status.len == 0 && reason.len == 0; i++) {
        status = envelope->recipients[i].status;
        reason = envelope->recipients[i].text;
        remote = envelope->recipients[i].remote;
    }
    return field_text(value, field == MF_CODE ? status : field == MF_REASON ? reason : remote);
}

static bool
get_sender(const struct message *message, struct field_value *value)
{
    const struct address *originator = &message->file.envelope.originator;
    if (originator->value.len == 0)
        return field_text(value, SPAN("<>"));
    return field_text(value, address_shown(message, originator));
}

static bool
get_from_file(const struct message *message, enum message_field field, struct field_value *value)
{
    const struct envelope *envelope = &message->file.envelope;
    switch (field) {
    case MF_SENDER:
        return get_sender(message, value);
    case MF_RCPTS:
        return field_number(value, true, (int64_t)envelope->n_recipients);
    case MF_PENDING:
        return field_number(value, true, (int64_t)envelope_count(envelope, RECIPIENT_PENDING));
    case MF_ATTEMPTS:
        return field_number(value, true, envelope->attempts);
    case MF_CLASS:
        return field_text(value, envelope->class);
    case MF_MSGID:
        return field_text(value, envelope->msgid);
    case MF_SUBJECT:
        return field_text(value, envelope->subject);
    case MF_ORIGIN:
        return field_text(value, envelope->origin);
    default:
        return field_text(value, envelope->client);
    }
}

bool
message_get(const void *item, size_t field, size_t i, struct field_value *value)
{
    const struct message *message = item;
    enum message_field f = (enum message_field)field;
    bool several = f == MF_RCPT || f == MF_DOMAIN;
    *value = (struct field_value){0};
    if (i > 0 && !several)
        return false;
    if (message_fields[field].cost == COST_NAME)
        return get_from_name(message, f, value);
    if (f == MF_SIZE)
        return message->has_stat ? field_number(value, true, message->stat.st_size)
                                 : field_number(value, message->file.size > 0, (int64_t)message->file.size);
    if (f == MF_STAGE)
        return field_text(value, message->stage);
    if (f == MF_SIGNATURE)
        return field_text(value, message->signature);
    if (!message->has_file)
        return i == 0 && field_text(value, SPAN(""));
    if (f == MF_CODE || f == MF_REASON || f == MF_REMOTE)
        return get_reason(message, f, value);
    if (message->damaged)
        return i == 0 && field_text(value, SPAN(""));
    return several ? get_recipient(message, f, i, value) : get_from_file(message, f, value);
}
