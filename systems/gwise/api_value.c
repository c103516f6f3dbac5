/* api_value.c - looking up and understanding what api_read() found (see api_read.h) */
#include <time.h>

#include "systems/gwise/api_read.h"

const struct api_item *
api_find(const struct api_item *parent, const char *key)
{
    struct span name = span_of(key);
    if (parent == NULL)
        return NULL;
    for (const struct api_item *item = parent->children; item != NULL; item = item->next)
        if (item->kind != API_ELEMENT && span_equal_nocase(item->key, name))
            return item;
    return NULL;
}

const struct api_item *
api_find_next(const struct api_item *item)
{
    for (const struct api_item *next = item->next; next != NULL; next = next->next)
        if (next->kind == item->kind && span_equal_nocase(next->key, item->key))
            return next;
    return NULL;
}

struct span
api_text(const struct api_item *parent, const char *key)
{
    const struct api_item *item = api_find(parent, key);
    if (item == NULL || item->kind != API_SCALAR || span_equal(item->text, SPAN("\\")))
        return (struct span){"", 0};
    return item->text;
}

static struct span
unquote(struct span text)
{
    text = span_trim(text);
    if (text.len >= 2 && text.at[0] == '"' && text.at[text.len - 1] == '"')
        return (struct span){text.at + 1, text.len - 2};
    return text;
}

bool
api_split_address(struct span text, struct api_address *address)
{
    text = span_trim(text);
    if (text.len == 0)
        return false;
    const char *end = text.at + text.len;
    const char *one = memchr(text.at, '.', text.len);
    const char *two = one != NULL ? memchr(one + 1, '.', (size_t)(end - one - 1)) : NULL;
    if (two == NULL)
        return false;
    address->domain = span_trim((struct span){text.at, (size_t)(one - text.at)});
    address->office = span_trim((struct span){one + 1, (size_t)(two - one - 1)});
    address->user = unquote((struct span){two + 1, (size_t)(end - two - 1)});
    return address->domain.len > 0 && address->office.len > 0 && address->user.len > 0;
}

bool
api_address(const struct api_item *element, struct api_address *address)
{
    if (element == NULL || element->kind != API_ELEMENT || element->children == NULL)
        return false;
    const struct api_item *first = element->children;
    if (first->kind == API_SCALAR && first->key.len == 0)
        return api_split_address(first->text, address);
    address->domain = api_text(element, "WPD");
    address->office = api_text(element, "WPPO");
    address->user = unquote(api_text(element, "WPU"));
    if (address->domain.len == 0 && address->user.len == 0) {
        struct span token = api_text(element, "CDBA");
        return token.len > 0 && token.at[0] != '^' && api_split_address(token, address);
    }
    return address->domain.len > 0 && address->user.len > 0;
}

static bool
take_number(struct span *text, uint64_t max, int *value)
{
    size_t n = 0;
    uint64_t number;
    *text = span_trim(*text);
    if (text->len == 0)
        return false;
    while (n < text->len && text->at[n] >= '0' && text->at[n] <= '9')
        n++;
    if (!span_to_u64((struct span){text->at, n}, max, &number))
        return false;
    *value = (int)number;
    *text = span_trim((struct span){text->at + n, text->len - n});
    return true;
}

static bool
take_sign(struct span *text, char sign)
{
    if (text->len == 0 || text->at[0] != sign)
        return false;
    text->at++;
    text->len--;
    return true;
}

/* The zone in seconds east of UTC. */
static bool
take_zone(struct span text, int *zone_s)
{
    int sign = take_sign(&text, '-') ? -1 : 1, hours, minutes = 0;
    if (sign > 0 && !take_sign(&text, '+'))
        return false;
    if (!take_number(&text, 1400, &hours))
        return false;
    if (hours > 14) {
        minutes = hours % 100;
        hours /= 100;
    }
    if (take_sign(&text, ':') && !take_number(&text, 59, &minutes))
        return false;
    *zone_s = sign * (hours * 3600 + minutes * 60);
    return text.len == 0;
}

bool
api_read_clock(struct span text, struct api_clock *clock)
{
    *clock = (struct api_clock){.year = 0};
    if (!take_number(&text, 31, &clock->day) || !take_sign(&text, '/') ||
        !take_number(&text, 12, &clock->month) || !take_sign(&text, '/') ||
        !take_number(&text, 9999, &clock->year))
        return false;
    if (clock->year < 100)
        clock->year += clock->year < 70 ? 2000 : 1900;
    if (clock->day < 1 || clock->month < 1 || clock->year < 1970)
        return false;
    if (text.len > 0 && (!take_number(&text, 23, &clock->hour) || !take_sign(&text, ':') ||
                         !take_number(&text, 59, &clock->minute)))
        return false;
    if (take_sign(&text, ':') && !take_number(&text, 60, &clock->second))
        return false;
    clock->zoned = text.len > 0;
    return !clock->zoned || take_zone(text, &clock->zone_s);
}

bool
api_read_date(struct span text, int64_t *time_s)
{
    struct api_clock clock;
    if (!api_read_clock(text, &clock))
        return false;
    struct tm tm = {.tm_year = clock.year - 1900,
                    .tm_mon = clock.month - 1,
                    .tm_mday = clock.day,
                    .tm_hour = clock.hour,
                    .tm_min = clock.minute,
                    .tm_sec = clock.second,
                    .tm_isdst = -1};
    *time_s = clock.zoned ? timegm(&tm) - clock.zone_s : mktime(&tm);
    return true;
}

bool
api_token(struct span token, const char tag[4], struct span *value)
{
    for (size_t i = 0; i + 6 <= token.len; i++) {
        size_t sign =
            ((unsigned char)token.at[i + 1] & 0xc0) == 0xc0 ? 2 : 1; /* a character of two octets in UTF-8 */
        size_t at = i + 1 + sign;
        if (token.at[i] != '^' || at + 4 > token.len || memcmp(token.at + at, tag, 4) != 0)
            continue;
        const char *from = token.at + at + 4, *end = memchr(from, '^', token.len - at - 4);
        *value = (struct span){from, end != NULL ? (size_t)(end - from) : token.len - at - 4};
        return true;
    }
    return false;
}
