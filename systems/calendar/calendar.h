/* calendar.h - meeting items between foreign systems and iCalendar
 *
 * Foreign systems have appointments, tasks and notes of their own; Internet mail carries them as text/calendar (iTIP over
 * MIME). This is the form between: one `struct calendar_item` for one thing that a message says of one event.
 *
 *   calendar_read()   text of a calendar -> item. What an item has no place for is reported, a line each.
 *   calendar_write()  item -> text of a calendar, with the whole VTIMEZONE of its zone.
 *
 * What is read is the first event, task or note of the first calendar. Its text is first reduced to the properties that are
 * wanted (calendar_lines.c), so that the library sees little, in known shapes. A series is its first date, with words that
 * say how it recurs. Times mean something by their VTIMEZONE, or, where that is missing or not understood, by the name of
 * their zone (IANA or Windows); a name that nobody knows makes them floating, and a floating time is one of the site's.
 *
 * What is hostile here: the whole text. It has CALENDAR_TEXT_MAX octets at most, components nest as deep as iCalendar
 * has them, memory is a few times the text's and the arena's. Called in converters only. Not for several threads: libical
 * has settings for the whole process, which these functions set.
 *
 * Sources: RFC 5545, RFC 5546 (iTIP), RFC 6047 (iMIP).
 */
#ifndef VIADUCT_CALENDAR_H
#define VIADUCT_CALENDAR_H

#include "common/arena.h"
#include "common/buf.h"
#include "systems/calendar/calendar_zone.h"

enum { CALENDAR_TEXT_MAX = 1 << 20, CALENDAR_PEOPLE_MAX = 500, CALENDAR_ARENA_MAX = 8 << 20 };

enum calendar_component { CALENDAR_EVENT, CALENDAR_TASK, CALENDAR_NOTE };

enum calendar_method {
    CALENDAR_NO_METHOD, /* none given, or one that iTIP does not have */
    CALENDAR_PUBLISH,
    CALENDAR_REQUEST,
    CALENDAR_REPLY,
    CALENDAR_ADD,
    CALENDAR_CANCEL,
    CALENDAR_REFRESH,
    CALENDAR_COUNTER,
    CALENDAR_DECLINE_COUNTER
};

/* What an attendee says. */
enum calendar_answer {
    CALENDAR_NO_ANSWER,
    CALENDAR_ACCEPTED,
    CALENDAR_DECLINED,
    CALENDAR_TENTATIVE,
    CALENDAR_DELEGATED,
    CALENDAR_COMPLETED,
    CALENDAR_IN_PROCESS
};

enum calendar_role { CALENDAR_REQUIRED, CALENDAR_OPTIONAL, CALENDAR_CHAIR, CALENDAR_INFORMED };

enum calendar_class { CALENDAR_PUBLIC, CALENDAR_PRIVATE, CALENDAR_CONFIDENTIAL };

struct calendar_person {
    struct span mailbox; /* "user@host"; where the address is no mailto: its URI */
    struct span name;
    enum calendar_role role;
    enum calendar_answer answer;
    bool rsvp;
};

enum calendar_form {
    CALENDAR_UNSET,
    CALENDAR_UTC,
    CALENDAR_ZONED,
    CALENDAR_FLOATING,
    CALENDAR_DATE /* a whole day: the clock shows 0:00 of it */
};

struct calendar_time {
    enum calendar_form form;
    struct calendar_clock clock; /* as written */
    int64_t time_s;              /* when that is; of floating times and dates, at the site */
    struct span zone;            /* CALENDAR_ZONED: the name of its zone, as written */
};

struct calendar_item {
    enum calendar_component component;
    enum calendar_method method;
    struct span uid;
    int sequence;
    struct span summary, location, description, comment; /* UTF-8, LF line ends */
    struct calendar_person organizer;                    /* mailbox empty: none */
    struct calendar_person *people;
    size_t n_people;
    struct calendar_time begin,
        end; /* of a task: start and due; end of an event as it is told, or by its duration */
    struct calendar_time one_of; /* RECURRENCE-ID: this is one date of a series */
    bool recurs;
    struct span recurs_words; /* "every 2 weeks on Monday until 31 December 2026" */
    bool cancelled;           /* STATUS:CANCELLED */
    bool free;                /* TRANSP:TRANSPARENT: shown as free time */
    int priority;             /* 1 the highest to 9; 0 none */
    int percent;              /* of a task that is done; -1 none */
    enum calendar_class class;
    int64_t stamp_s; /* DTSTAMP; 0 none */
};

/* "REQUEST": as in METHOD and in the parameter of the media type; "" for none. */
const char *calendar_method_word(enum calendar_method method);
/* The method by its name, in any case. */
enum calendar_method calendar_method_of(struct span word);

/* What an attendee with this mailbox (any case) says; NULL where he is not among them. */
const struct calendar_person *calendar_find(const struct calendar_item *item, struct span mailbox);

/* Reads a calendar; `site` is whose time floating times are. report(arg, line) tells what was not understood or has no place
 * in an item; may be NULL. Spans live in the arena. 0; -EINVAL with `why` where this is no calendar with one of the three
 * components, is longer than CALENDAR_TEXT_MAX, or does not fit into the arena. */
int calendar_read(struct span text, const struct calendar_zone *site, struct arena *arena,
                  void (*report)(void *arg, const char *line), void *arg, struct calendar_item *item,
                  struct why *why);

/* Adds a calendar with LF line ends, folded at 75 octets. `zone` is what zoned times are in (their clocks are made anew from
 * time_s); NULL, or one without a name: UTC. Times of the form CALENDAR_UTC and dates are written as they are. The uid must
 * not be empty, an event must begin. Text that is no UTF-8, or holds control characters, is mended. */
void calendar_write(const struct calendar_item *item, const struct calendar_zone *zone, struct buf *out);

#endif
