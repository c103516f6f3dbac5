/* address_form.c - parts and one-off forms of each address type (see address_form.h)
 *
 * GroupWise: Domain.PostOffice.Object, where the first dot ends the domain, the second the post office, and the
 * rest is the user, dots included. An address of the Internet is our foreign domain, the post office SMTP, and
 * the address in quotes as the user; any foreign domain is taken on the way back.
 */
#include "common/address_form.h"

#include <errno.h>

enum { REGISTERED_MAX = 16 };

static int
gwise_oneoff_out(const char *domain, const struct address *smtp, struct arena *arena, struct address *foreign)
{
    struct span value = smtp->value;
    if (domain == NULL || domain[0] == '\0' || strchr(domain, '.') != NULL)
        return -EINVAL;
    const char *text = arena_printf(arena, "%s.SMTP.\"%.*s\"", domain, (int)value.len, value.at);
    if (text == NULL)
        return -ENOMEM;
    *foreign = (struct address){SPAN("GWISE"), span_of(text)};
    return address_check(foreign, false, NULL);
}

static const struct address_form gwise_form;

static int
gwise_oneoff_in(const struct address *foreign, struct arena *arena, struct address *smtp)
{
    struct span parts[ADDRESS_PARTS_MAX];
    size_t n = address_form_split(&gwise_form, foreign->value, parts);
    if (n < 3 || !span_equal_nocase(parts[1], SPAN("SMTP")))
        return -ENOENT;
    struct span user = parts[2];
    /* The outer quotes are ours; the address may have its own within. */
    if (user.len >= 2 && user.at[0] == '"' && user.at[user.len - 1] == '"')
        user = (struct span){user.at + 1, user.len - 2};
    return address_make(SPAN("SMTP"), user, false, arena, smtp, NULL) == 0 ? 0 : -ENOENT;
}

static const struct address_form gwise_form = {"GWISE", ".", 3, gwise_oneoff_out, gwise_oneoff_in};

static const struct address_form known[] = {
    {"SMTP", "@", 2, NULL, NULL},
    {"NOTES", "/@", ADDRESS_PARTS_MAX, NULL, NULL},
    {"X400", ";", ADDRESS_PARTS_MAX, NULL, NULL},
    {"EX", "/", ADDRESS_PARTS_MAX, NULL, NULL},
    {"MS", "/", 3, NULL, NULL},
};

static const struct address_form unknown = {"", "./@;", ADDRESS_PARTS_MAX, NULL, NULL};

static const struct address_form *registered[REGISTERED_MAX];
static size_t registered_n;

static bool
is_type(const struct address_form *form, struct span type)
{
    return span_equal_nocase(span_of(form->type), type);
}

const struct address_form *
address_form_find(struct span type)
{
    for (size_t i = 0; i < registered_n; i++)
        if (is_type(registered[i], type))
            return registered[i];
    if (is_type(&gwise_form, type))
        return &gwise_form;
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (is_type(&known[i], type))
            return &known[i];
    return &unknown;
}

int
address_form_register(const struct address_form *form)
{
    BUG_UNLESS(form->parts_max >= 1 && form->parts_max <= ADDRESS_PARTS_MAX);
    for (size_t i = 0; i < registered_n; i++) {
        if (is_type(registered[i], span_of(form->type))) {
            registered[i] = form;
            return 0;
        }
    }
    if (registered_n == REGISTERED_MAX)
        return -ENOSPC;
    registered[registered_n++] = form;
    return 0;
}

size_t
address_form_split(const struct address_form *form, struct span value, struct span parts[ADDRESS_PARTS_MAX])
{
    size_t n = 0, start = 0;
    for (size_t i = 0; i < value.len && n + 1 < form->parts_max; i++) {
        if (value.at[i] == '\0' || strchr(form->separators, value.at[i]) == NULL)
            continue;
        parts[n++] = (struct span){value.at + start, i - start};
        start = i + 1;
    }
    parts[n++] = (struct span){value.at + start, value.len - start};
    return n;
}
