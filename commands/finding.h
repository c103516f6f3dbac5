/* finding.h - what a check has found: lines for people, rows for programs */
#ifndef VIADUCT_COMMANDS_FINDING_H
#define VIADUCT_COMMANDS_FINDING_H

#include "commands/listing.h"

struct findings {
    struct listing listing;
    bool listed; /* --json, --columns, --sort or --limit was said */
};

/* 0 or EXIT_USAGE, as listing_init(). */
int findings_open(struct findings *findings, const struct command *command);
void findings_close(struct findings *findings);

/* One finding: `level` is error, wrong, note, live or ok; `subject` what it is about, in the listing only where the text
 * names it (see finding_of). NULL `findings`: printed. */
void finding(struct findings *findings, const char *level, const char *subject, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The same printed as "SUBJECT: text". */
void finding_of(struct findings *findings, const char *level, const char *subject, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
