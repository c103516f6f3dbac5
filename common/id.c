/* id.c - queue ids and the names of queue files (see id.h) */
#include "common/id.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

static const char digits[33] = "0123456789ABCDEFGHIJKLMNOPQRSTUV";

static struct {
    int64_t last_ms;
    uint64_t counter; /* 50 bits are used */
    uint16_t node, slot;
    bool started;
} state;

__extension__ typedef unsigned __int128 wide;

#define COUNTER_MASK ((UINT64_C(1) << 50) - 1)

void
id_start(uint16_t node_id, uint16_t slot)
{
    if (getrandom(&state.counter, sizeof state.counter, 0) != (ssize_t)sizeof state.counter)
        state.counter = (uint64_t)monotonic_ms() << 20;
    state.node = node_id;
    state.slot = slot;
    state.last_ms = 0;
    state.started = true;
}

bool
id_started(void)
{
    return state.started;
}

/* 130 bits leave in 26 groups of five: 128 in one number, and the top two of the milliseconds apart. */
void
id_new(char id[ID_LEN + 1])
{
    BUG_UNLESS(state.started);
    int64_t now = time_ms();
    if (now < state.last_ms)
        now = state.last_ms;
    state.last_ms = now;
    uint64_t counter = state.counter++ & COUNTER_MASK;
    wide bits = (wide)state.slot << 50 | counter;
    bits |= (wide)state.node << 66;
    uint64_t ms = (uint64_t)now & ((UINT64_C(1) << 48) - 1);
    bits |= (wide)ms << 82;
    unsigned top = (unsigned)(ms >> 46);
    for (int i = ID_LEN - 1; i > 0; i--) {
        id[i] = digits[(unsigned)bits & 31];
        bits >>= 5;
    }
    id[0] = digits[((unsigned)bits & 7) | top << 3];
    id[ID_LEN] = '\0';
}

static int
digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'V')
        return c - 'A' + 10;
    return -1;
}

int64_t
id_time_ms(const char *id)
{
    int64_t ms = 0;
    for (int i = 0; i < ID_LEN; i++) {
        int value = digit_value(id[i]);
        if (value < 0)
            return -1;
        if (i < 9)
            ms = ms << 5 | value;
        else if (i == 9)
            ms = ms << 3 | value >> 2; /* 9 digits are 45 bits: three more */
    }
    return ms;
}

/* Reads up to `max` decimal digits; returns how many, 0 for none or a leading zero before others. */
static size_t
decimal(const char *text, size_t max, int64_t *value)
{
    size_t n = 0;
    int64_t sum = 0;
    for (; n < max && text[n] >= '0' && text[n] <= '9'; n++)
        sum = sum * 10 + (text[n] - '0');
    if (n > 1 && text[0] == '0')
        return 0;
    *value = sum;
    return n;
}

bool
queue_name_parse(const char *name, struct queue_name *parts)
{
    memset(parts, 0, sizeof *parts);
    size_t len = strnlen(name, QUEUE_NAME_MAX);
    if (len >= QUEUE_NAME_MAX || id_time_ms(name) < 0)
        return false;
    memcpy(parts->id, name, ID_LEN);
    const char *p = name + ID_LEN;
    for (int depth = 0; *p == '.'; depth++) {
        bool request = p[1] == 'r';
        int64_t number;
        size_t n = decimal(p + (request ? 2 : 1), 6, &number);
        if (n == 0 || number == 0 || parts->is_request || depth >= ID_PARTS_MAX)
            return false;
        parts->is_request = request;
        parts->is_part = parts->is_part || !request;
        p += (request ? 2 : 1) + n;
    }
    memcpy(parts->stem, name, (size_t)(p - name));
    if (*p == '@') {
        size_t n = decimal(p + 1, 18, &parts->time_s);
        if (n == 0)
            return false;
        parts->has_time = true;
        p += 1 + n;
    }
    return *p == '\0';
}

void
queue_name_at(const char *stem, int64_t time_s, char name[QUEUE_NAME_MAX])
{
    BUG_UNLESS(time_s >= 0);
    int n = snprintf(name, QUEUE_NAME_MAX, "%s@%lld", stem, (long long)time_s);
    BUG_UNLESS(n > 0 && n < QUEUE_NAME_MAX);
}
