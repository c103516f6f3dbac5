/* tnef_attribute.c - what attributes say of a message and its attachments (see tnef_gather.h)
 *
 * Only where no property says it better: attributes are the older form, in octets and local times.
 *
 * Source: [MS-OXTNEF] section 2.1.3.3.
 */
#include <stdlib.h>

#include "systems/mime/tnef_gather.h"
#include "systems/mime/tnef_inside.h"

enum { HEAD_MAX = 16 };

static struct tnef_message *
message_of(struct tnef_gathering *gathering)
{
    return &gathering->tree->messages[gathering->message];
}

/* Reads the first octets of an attribute, at most `size`. The number read, or -errno. */
static int
read_head(struct tnef_gathering *gathering, struct tnef_place data, unsigned char head[HEAD_MAX], size_t size)
{
    size_t want = data.bytes < size ? (size_t)data.bytes : size, len = 0;
    ssize_t got = 1;
    memset(head, 0, HEAD_MAX);
    while (len < want && got > 0) {
        got = tnef_read_some(&gathering->source, data.offset + len, head + len, want - len);
        len += got > 0 ? (size_t)got : 0;
    }
    return got < 0 ? (int)got : (int)len;
}

/* ---- numbers and times ---- */

static int
gather_number(struct tnef_gathering *gathering, struct tnef_place data, size_t bytes, int64_t *number)
{
    unsigned char head[HEAD_MAX];
    int got = read_head(gathering, data, head, bytes);
    if (got >= (int)bytes && *number == TNEF_NOT_GIVEN)
        *number = (int32_t)tnef_u32(head);
    return got < 0 ? got : 0;
}

/* Days since 1970 of a date of the Gregorian calendar: years begin in March, four centuries have 146,097 days. */
static int64_t
days_of(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t century = year / 400, of = year % 400, from_march = (month + 9) % 12;
    return century * 146097 + of * 365 + of / 4 - of / 100 + (153 * from_march + 2) / 5 + day - 1 - 719468;
}

/* Year, month, day, hour, minute, second, day of the week: seven numbers of two octets. */
static int
gather_date(struct tnef_gathering *gathering, struct tnef_place data, int64_t *time_s)
{
    unsigned char head[HEAD_MAX];
    int got = read_head(gathering, data, head, 14);
    if (got < 12)
        return got < 0 ? got : 0;
    int64_t part[6];
    for (size_t i = 0; i < 6; i++)
        part[i] = tnef_u16(head + 2 * i);
    if (part[0] < 1601 || part[0] > 9999 || part[1] < 1 || part[1] > 12 || part[2] < 1 || part[2] > 31 ||
        part[3] > 23 || part[4] > 59 || part[5] > 60)
        return 0;
    *time_s = days_of(part[0], part[1], part[2]) * 86400 + part[3] * 3600 + part[4] * 60 + part[5];
    return 0;
}

/* 1 high, 2 normal, 3 low. */
static int
gather_priority(struct tnef_gathering *gathering, struct tnef_place data, int64_t *importance)
{
    int64_t said = TNEF_NOT_GIVEN;
    int error = gather_number(gathering, data, 2, &said);
    if (said >= 1 && said <= 3 && *importance == TNEF_NOT_GIVEN)
        *importance = 3 - said;
    return error;
}

static int
gather_codepage(struct tnef_gathering *gathering, struct tnef_place data)
{
    struct tnef_message *message = message_of(gathering);
    int error = gather_number(gathering, data, 4, &message->codepage);
    char name[CHARSET_NAME_MAX];
    if (message->codepage > 0 && charset_of_number((uint32_t)message->codepage, name))
        memcpy(gathering->octets, name, sizeof name);
    return error;
}

/* ---- texts ---- */

static int
gather_text(struct tnef_gathering *gathering, struct tnef_place data, char **text)
{
    return *text != NULL ? 0 : tnef_gather_text(gathering, data, gathering->octets, text);
}

/* Names of classes that Microsoft Mail used, and that writers still put into attMessageClass. */
static void
rename_class(struct tnef_tree *tree, char **class)
{
    static const char *const names[][2] = {
        {"IPM.Microsoft Mail.Note", "IPM.Note"},
        {"IPM.Microsoft Mail.Read Receipt", "REPORT.IPM.Note.IPNRN"},
        {"IPM.Microsoft Mail.Non-Delivery", "REPORT.IPM.Note.NDR"},
        {"IPM.Microsoft Schedule.MtgReq", "IPM.Schedule.Meeting.Request"},
        {"IPM.Microsoft Schedule.MtgRespP", "IPM.Schedule.Meeting.Resp.Pos"},
        {"IPM.Microsoft Schedule.MtgRespN", "IPM.Schedule.Meeting.Resp.Neg"},
        {"IPM.Microsoft Schedule.MtgRespA", "IPM.Schedule.Meeting.Resp.Tent"},
        {"IPM.Microsoft Schedule.MtgCncl", "IPM.Schedule.Meeting.Canceled"}};
    for (size_t i = 0; i < COUNT_OF(names) && *class != NULL; i++)
        if (span_equal_nocase(span_of(*class), span_of(names[i][0]))) {
            tree->text_bytes -= strlen(*class);
            free(*class);
            *class = xstrdup(names[i][1]);
            tree->text_bytes += strlen(*class);
        }
}

/* "SMTP:a@x.example" */
static int
gather_address(struct tnef_gathering *gathering, struct tnef_place place, char **type, char **address)
{
    char *whole = NULL;
    if (*address != NULL)
        return 0;
    int error = tnef_gather_text(gathering, place, gathering->octets, &whole);
    char *colon = whole != NULL ? strchr(whole, ':') : NULL;
    if (colon != NULL) {
        gathering->tree->text_bytes -= *type != NULL ? strlen(*type) : 0;
        free(*type);
        *type = xstrndup(whole, (size_t)(colon - whole));
        *address = xstrdup(colon + 1);
        free(whole);
    } else {
        *address = whole;
    }
    return error;
}

/* attFrom: four numbers, of which the last two are the lengths of the name and the address behind them. */
static int
gather_from(struct tnef_gathering *gathering, struct tnef_place data)
{
    struct tnef_message *message = message_of(gathering);
    unsigned char head[HEAD_MAX];
    int got = read_head(gathering, data, head, 8);
    uint64_t name = tnef_u16(head + 4), address = tnef_u16(head + 6);
    if (got < 8 || data.bytes - 8 < name + address)
        return got < 0 ? got : 0;
    int error = gather_text(gathering, (struct tnef_place){data.offset + 8, name}, &message->sender_name);
    return error != 0 ? error
                      : gather_address(gathering, (struct tnef_place){data.offset + 8 + name, address},
                                       &message->sender_type, &message->sender_address);
}

/* attSentFor: a name and an address, each behind its length. */
static int
gather_sent_for(struct tnef_gathering *gathering, struct tnef_place data)
{
    struct tnef_message *message = message_of(gathering);
    unsigned char head[HEAD_MAX];
    int got = read_head(gathering, data, head, 2);
    uint64_t name = tnef_u16(head);
    if (got < 2 || data.bytes < name + 4)
        return got < 0 ? got : 0;
    int error = gather_text(gathering, (struct tnef_place){data.offset + 2, name}, &message->from_name);
    if (error != 0)
        return error;
    struct tnef_place rest = {data.offset + 2 + name, data.bytes - 2 - name};
    got = read_head(gathering, rest, head, 2);
    uint64_t address = tnef_u16(head);
    if (got < 2 || rest.bytes - 2 < address)
        return got < 0 ? got : 0;
    return gather_address(gathering, (struct tnef_place){rest.offset + 2, address}, &message->from_type,
                          &message->from_address);
}

/* ---- attributes ---- */

static int
gather_of_message(struct tnef_gathering *gathering, uint32_t id, struct tnef_place data)
{
    struct tnef_message *message = message_of(gathering);
    int error;
    switch (id) {
    case TNEF_OEM_CODEPAGE:
        return gather_codepage(gathering, data);
    case TNEF_MESSAGE_CLASS:
        error = gather_text(gathering, data, &message->class);
        rename_class(gathering->tree, &message->class);
        return error;
    case TNEF_SUBJECT:
        return gather_text(gathering, data, &message->subject);
    case TNEF_FROM:
        return gather_from(gathering, data);
    case TNEF_SENT_FOR:
        return gather_sent_for(gathering, data);
    case TNEF_PRIORITY:
        return gather_priority(gathering, data, &message->importance);
    case TNEF_DATE_SENT:
        return gather_date(gathering, data, &message->sent_local_s);
    case TNEF_DATE_START:
        return gather_date(gathering, data, &message->meeting.start_local_s);
    case TNEF_DATE_END:
        return gather_date(gathering, data, &message->meeting.end_local_s);
    case TNEF_AID_OWNER:
        return gather_number(gathering, data, 4, &message->meeting.owner_appointment);
    case TNEF_REQUEST_RES:
        return gather_number(gathering, data, 2, &message->meeting.wants_response);
    case TNEF_BODY:
        if (message->text.kind == TNEF_NO_BODY)
            message->text = (struct tnef_body){.kind = TNEF_BODY_TEXT, .place = data};
        return 0;
    default:
        return 0;
    }
}

static int
gather_of_attachment(struct tnef_gathering *gathering, uint32_t id, struct tnef_place data)
{
    if (gathering->attachment < 0)
        return 0;
    struct tnef_attachment *attachment = &gathering->tree->attachments[gathering->attachment];
    switch (id) {
    case TNEF_ATTACH_REND_DATA:
        return gather_number(gathering, data, 2, &attachment->rendered_as);
    case TNEF_ATTACH_DATA:
        attachment->data = data;
        return 0;
    case TNEF_ATTACH_META_FILE:
        attachment->meta_file = data;
        return 0;
    case TNEF_ATTACH_TITLE:
        return gather_text(gathering, data, &attachment->title);
    case TNEF_ATTACH_TRANSPORT_NAME:
        return gather_text(gathering, data, &attachment->transport_name);
    default:
        return 0;
    }
}

int
tnef_gather_attribute(struct tnef_gathering *gathering, const struct tnef_attribute *attribute)
{
    if (attribute->level == TNEF_OF_MESSAGE)
        return gather_of_message(gathering, attribute->id, attribute->data);
    /* One that does not begin as it should begins with whatever comes first. */
    if (attribute->id == TNEF_ATTACH_REND_DATA || gathering->attachment == TNEF_NO_ATTACHMENT)
        tnef_begin_attachment(gathering);
    return gather_of_attachment(gathering, attribute->id, attribute->data);
}
