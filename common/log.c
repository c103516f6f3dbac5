/* log.c - log lines, from log_begin() to the write (see log.h)
 *
 * A line is built in `draft` and joins `text` when it ends; log_say() has a draft of its own, so it may be
 * called while another line is under construction. Nothing is allocated once the buffers have grown to their
 * working size.
 */
#include "common/log.h"

#include <stdio.h>
#include <unistd.h>

#include "common/json_out.h"
#include "common/log_inside.h"
#include "common/utc.h"

enum {
    TEXT_MAX = 256 << 10, /* what waits longer than this for log_flush() is written at once */
    TAIL_ROOM = 40,       /* for time=... and the end of a line */
    SAY_MAX = 1500
};

const char *const log_category_words[LOG_CATEGORY_COUNT] = {
#define CATEGORY(symbol, word, meaning) [LOG_##symbol] = word,
#include "common/events.def"
};

static struct {
    char by[80];
    bool started, json;
    unsigned char levels[LOG_CATEGORY_COUNT];
    struct log_target target;
    struct buf text;           /* lines that wait for log_flush() */
    struct buf draft, sayings; /* the line under construction; that of log_say() */
    bool drafting;
} state = {
    .by = "viaduct",
    .target = {.fd = STDERR_FILENO},
    .levels =
        {
#define CATEGORY(symbol, word, meaning) [LOG_##symbol] = LEVEL_MEDIUM,
#include "common/events.def"
        },
};

/* ---- levels and categories ---- */

static const struct {
    const char *word;
    enum log_level level;
} level_words[] = {
    {"none", LEVEL_NONE},
    {"minimum", LEVEL_MINIMUM},
    {"medium", LEVEL_MEDIUM},
    {"maximum", LEVEL_MAXIMUM},
};

int
log_level_by_word(const char *word)
{
    for (size_t i = 0; i < COUNT_OF(level_words); i++)
        if (strcmp(level_words[i].word, word) == 0)
            return (int)level_words[i].level;
    return -1;
}

/* A level between two words is called by the lower. */
const char *
log_level_word(enum log_level level)
{
    size_t i = COUNT_OF(level_words) - 1;
    while (i > 0 && level_words[i].level > level)
        i--;
    return level_words[i].word;
}

int
log_category_by_word(const char *word)
{
    for (int i = 0; i < LOG_CATEGORY_COUNT; i++)
        if (strcmp(log_category_words[i], word) == 0)
            return i;
    return -1;
}

void
log_set_level(int category, enum log_level level)
{
    BUG_UNLESS(category >= -1 && category < LOG_CATEGORY_COUNT);
    for (int i = 0; i < LOG_CATEGORY_COUNT; i++)
        if (category == -1 || category == i)
            state.levels[i] = (unsigned char)level;
}

bool
log_wants(enum log_category category, enum log_level level)
{
    return level != LEVEL_NONE && level <= (enum log_level)state.levels[category];
}

void
log_start(const char *by, int fd, bool json, enum log_level level)
{
    log_flush();
    snprintf(state.by, sizeof state.by, "%s", by);
    state.json = json;
    state.started = true;
    log_target_start(&state.target, fd);
    log_set_level(-1, level);
}

const char *
log_by(void)
{
    return state.by;
}

/* ---- a line ---- */

/* What one more value may take in this line. */
static size_t
room_for(const struct log_line *line, const char *key)
{
    size_t used = line->buf->len + strlen(key) + 6 + TAIL_ROOM;
    if (used + 8 > LOG_LINE_MAX)
        return 0;
    return LOG_LINE_MAX - used < LOG_VALUE_MAX ? LOG_LINE_MAX - used : LOG_VALUE_MAX;
}

void
log_add(struct log_line *line, const char *key, struct span value)
{
    if (line->buf == NULL)
        return;
    size_t room = room_for(line, key);
    if (room == 0)
        return;
    if (!state.json) {
        if (line->buf->len > line->start)
            buf_add_byte(line->buf, ' ');
        log_print_cut(line->buf, key, value, room);
        return;
    }
    buf_add_text(line->buf, line->buf->len > line->start ? ",\"" : "{\"");
    buf_add_text(line->buf, key);
    buf_add_text(line->buf, "\":");
    json_print_string(line->buf, value, room);
}

void
log_add_text(struct log_line *line, const char *key, const char *value)
{
    if (line->buf != NULL)
        log_add(line, key, span_of(value));
}

void
log_add_number(struct log_line *line, const char *key, int64_t value)
{
    if (line->buf == NULL || room_for(line, key) < 24)
        return;
    if (state.json)
        buf_printf(line->buf, ",\"%s\":%lld", key, (long long)value);
    else
        buf_printf(line->buf, " %s=%lld", key, (long long)value);
}

/* Room for it is always left. */
static void
add_time(struct log_line *line)
{
    char text[UTC_LEN + 1];
    utc_print(time_ms(), text);
    buf_add_text(line->buf, state.json ? "{\"time\":\"" : " time=");
    buf_add(line->buf, text, UTC_LEN);
    if (state.json)
        buf_add_byte(line->buf, '"');
}

static struct log_line
begin(struct buf *draft, enum log_category category, enum log_level level, const char *id)
{
    buf_reset(draft);
    buf_reserve(draft, LOG_LINE_MAX);
    log_target_begin_line(&state.target, draft, state.by, level, id);
    struct log_line line = {draft, draft->len};
    if (state.json)
        add_time(&line);
    if (id != NULL)
        log_add_text(&line, "id", id);
    log_add_text(&line, "by", state.by);
    if (state.json) {
        log_add_text(&line, "category", log_category_words[category]);
        log_add_text(&line, "level", log_level_word(level));
    }
    return line;
}

static void
end(struct log_line *line)
{
    if (state.json)
        buf_add_byte(line->buf, '}');
    else if (state.target.framing == FRAMING_STREAM)
        add_time(line);
    log_target_end_line(&state.target, line->buf);
    buf_add(&state.text, line->buf->at, line->buf->len);
    if (!state.started || state.text.len > TEXT_MAX)
        log_target_write(&state.target, &state.text);
}

struct log_line
log_begin(enum log_category category, enum log_level level, const char *id)
{
    if (!log_wants(category, level))
        return (struct log_line){NULL, 0};
    BUG_UNLESS(!state.drafting);
    state.drafting = true;
    return begin(&state.draft, category, level, id);
}

void
log_end(struct log_line *line)
{
    if (line->buf == NULL)
        return;
    end(line);
    line->buf = NULL;
    state.drafting = false;
}

void
log_say(enum log_category category, enum log_level level, const char *id, const char *format, ...)
{
    if (!log_wants(category, level))
        return;
    char text[SAY_MAX + 1];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    BUG_UNLESS(len >= 0);
    struct log_line line = begin(&state.sayings, category, level, id);
    if (len > SAY_MAX)
        memcpy(text + SAY_MAX - 3, "...", 4);
    log_add_text(&line, "say", text);
    end(&line);
}

/* ---- writing ---- */

/* Told once something could be written again; stands in the log with the next flush. */
static void
tell_lost(void)
{
    uint64_t lost = state.target.lost;
    state.target.lost = 0;
    log_say(LOG_GENERAL, LEVEL_MINIMUM, NULL, "%llu log lines could not be written and are lost",
            (unsigned long long)lost);
}

int
log_flush(void)
{
    uint64_t lost = state.target.lost;
    bool something = state.text.len > 0;
    log_target_write(&state.target, &state.text);
    if (something && lost > 0 && state.target.lost == lost)
        tell_lost();
    return track_flush();
}
