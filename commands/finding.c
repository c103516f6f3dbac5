/* finding.c - what a check has found (see finding.h) */
#include "commands/finding.h"

#include <stdarg.h>
#include <stdio.h>

struct found {
    const char *level, *subject;
    struct span text;
};

enum found_field { FOUND_LEVEL, FOUND_SUBJECT, FOUND_TEXT, FOUND_COUNT };

static const struct field found_fields[FOUND_COUNT] = {
    [FOUND_LEVEL] = {"level", FIELD_TEXT, COST_NAME, 5, "error, wrong, note, live or ok", false},
    [FOUND_SUBJECT] = {"subject", FIELD_TEXT, COST_NAME, 30, "what it is about", false},
    [FOUND_TEXT] = {"text", FIELD_TEXT, COST_NAME, 0, "what was found", false},
};

static bool
found_get(const void *item, size_t field, size_t i, struct field_value *value)
{
    const struct found *found = item;
    *value = (struct field_value){0};
    if (i > 0)
        return false;
    if (field == FOUND_TEXT)
        return field_text(value, found->text);
    return field_text(value, span_of(field == FOUND_LEVEL ? found->level : found->subject));
}

int
findings_open(struct findings *findings, const struct command *command)
{
    findings->listed = listing_wanted(command);
    return listing_init(&findings->listing, command, found_fields, FOUND_COUNT, "level,subject,text",
                        found_get);
}

void
findings_close(struct findings *findings)
{
    listing_end(&findings->listing);
}

static void __attribute__((format(printf, 4, 0)))
add(struct findings *findings, const char *level, const char *subject, const char *format, va_list args)
{
    char text[2000];
    vsnprintf(text, sizeof text, format, args);
    size_t skip = strncmp(text, "note: ", 6) == 0 ? 6 : 0; /* the level says it */
    listing_add(&findings->listing, &(struct found){level, subject, span_trim(span_of(text + skip))});
}

void
finding(struct findings *findings, const char *level, const char *subject, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (findings != NULL && findings->listed) {
        add(findings, level, subject, format, args);
    } else {
        vprintf(format, args);
        putchar('\n');
    }
    va_end(args);
}

void
finding_of(struct findings *findings, const char *level, const char *subject, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (findings != NULL && findings->listed) {
        add(findings, level, subject, format, args);
    } else {
        printf("%s: ", subject);
        vprintf(format, args);
        putchar('\n');
    }
    va_end(args);
}
