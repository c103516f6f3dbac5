/* convert.h - the chapters of `viaduct convert`: what a conversion makes of a message or an item, apart from the road
 *
 *     convert.c           which connector, the message's envelope, the conversion
 *     convert_show.c      telling it; writing the files
 */
#ifndef VIADUCT_COMMANDS_CONVERT_H
#define VIADUCT_COMMANDS_CONVERT_H

#include "commands/simulate.h"
#include "commands/trial.h"

/* One of those whom a message names: where it comes from, or goes to. */
struct convert_person {
    struct convert_person *next;
    const char *word; /* "from", "to", "cc", "bcc" */
    struct address address;
    struct translation becomes;
    bool left_out;  /* no address there: `why` */
    bool elsewhere; /* gets it by another road */
    struct why why;
};

struct conversion {
    struct command *command;
    struct lookup lookup;
    const struct conf_connector *connector;
    bool to_host;
    struct sim_message message;
    struct convert_person *people, **people_end;
    struct trial trial;
};

/* All of it in words, or as one JSON object. */
void convert_print(const struct conversion *conversion);
void convert_print_json(const struct conversion *conversion);

/* Writes the files into the folder of --out, which is made where it is not there; never over another file. 0, or an exit code
 * after saying why. */
int convert_write(const struct conversion *conversion);

/* Whether there is a result to show. */
bool convert_has_result(const struct conversion *conversion);

#endif
