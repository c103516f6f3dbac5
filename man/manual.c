/* manual.c - manual pages made of templates and the tables that are the truth
 *
 *     manual TEMPLATE > PAGE      a page
 *     manual --map                the figure of the road in README.md (t/readme.t compares them)
 *
 * Copies the template; a line that is just @name@ is replaced by the table of that name as an mdoc list. So a
 * page cannot say what the program does not do: workers, folders, moves, envelope records, log categories,
 * tracking events, counters, verbs and options come from the same declarations as the code.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base.h"

/* mdoc text: a line must not begin with a dot or a quote, and a backslash is an escape. */
static void
put_text(const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '\\')
            fputs("\\e", stdout);
        else if (*p == '-')
            fputs("\\-", stdout);
        else
            putchar(*p);
    }
}

static void
put_item(const char *macro, const char *name, const char *text)
{
    printf(".It %s \"", macro);
    for (const char *p = name; *p != '\0'; p++)
        fputs(*p == '"' ? "\\(dq" : *p == '\\' ? "\\e" : (char[2]){*p, '\0'}, stdout);
    printf("\"\n\\&");
    put_text(text);
    putchar('\n');
}

static void
begin_list(void)
{
    puts(".Bl -tag -width Ds -compact");
}

static void
end_list(void)
{
    puts(".El");
}

/* ---- the figure of the road, for README.md ---- */

struct edge {
    const char *worker, *from, *verdict, *to;
};

static const char *
folder_word(const char *symbol)
{
#define FOLDER(name, path, per, kind, meaning)                                                                 \
    if (strcmp(symbol, #name) == 0)                                                                            \
        return strrchr("/" path, '/') + 1;
#include "spool-layout/flow.def"
    return strcmp(symbol, "GONE") == 0 ? "gone" : "system";
}

static const char *
verdict_text(const char *symbol)
{
#define VERDICT(name, word, meaning)                                                                           \
    if (strcmp(symbol, #name) == 0)                                                                            \
        return word;
#include "spool-layout/flow.def"
    return symbol;
}

static const struct edge edges[] = {
#define MOVE(worker, from, verdict, to, how) {#worker, #from, #verdict, #to},
#include "spool-layout/flow.def"
};

/* One line: all that a worker does with what it takes from one folder, equal destinations together. */
static void
put_edges(const char *program, size_t first)
{
    const char *before = "";
    printf("    %-18s %-13s -->", program, folder_word(edges[first].from));
    for (size_t i = first; i < COUNT_OF(edges); i++) {
        if (strcmp(edges[i].worker, edges[first].worker) != 0 || strcmp(edges[i].from, edges[first].from) != 0)
            continue;
        bool told = false;
        for (size_t k = first; k < i; k++)
            told = told || (strcmp(edges[k].worker, edges[i].worker) == 0 &&
                            strcmp(edges[k].from, edges[i].from) == 0 && strcmp(edges[k].to, edges[i].to) == 0);
        if (told)
            continue;
        printf("%s %s (", before, folder_word(edges[i].to));
        const char *comma = "";
        for (size_t k = i; k < COUNT_OF(edges); k++)
            if (strcmp(edges[k].worker, edges[i].worker) == 0 && strcmp(edges[k].from, edges[i].from) == 0 &&
                strcmp(edges[k].to, edges[i].to) == 0) {
                printf("%s%s", comma, verdict_text(edges[k].verdict));
                comma = ", ";
            }
        printf(")");
        before = ",";
    }
    putchar('\n');
}

static void
put_map_of(const char *worker, const char *program)
{
    for (size_t i = 0; i < COUNT_OF(edges); i++) {
        bool first = strcmp(edges[i].worker, worker) == 0;
        for (size_t k = 0; first && k < i; k++)
            first = strcmp(edges[k].worker, worker) != 0 || strcmp(edges[k].from, edges[i].from) != 0;
        if (first)
            put_edges(program, i);
    }
}

static void
put_map(void)
{
#define WORKER(symbol, program, per, meaning)                                                                  \
    if (strcmp(program, "command") != 0)                                                                       \
        put_map_of(#symbol, program);
#include "spool-layout/flow.def"
}

/* ---- the tables ---- */

static void
put_envelope(void)
{
    begin_list();
#define ENVELOPE(member, kind, tag, meaning) put_item("Cm", tag, meaning);
#include "common/mte.def"
    end_list();
}

static void
put_recipient(void)
{
    begin_list();
#define RECIPIENT(member, kind, tag, meaning) put_item("Cm", tag, meaning);
#include "common/mte.def"
    end_list();
}

static void
put_properties(void)
{
    begin_list();
#define PROPERTY(tag, id, scope, meaning)                                                                      \
    put_item("Cm", tag, #scope[0] == 'M' ? meaning " (message, " #id ")" : meaning " (recipient, " #id ")");
#include "common/mte.def"
    end_list();
}

static void
put_workers(void)
{
    begin_list();
#define WORKER(symbol, program, per, meaning)                                                                  \
    if (strcmp(program, "command") != 0)                                                                       \
        put_item("Nm", "viaduct-" program,                                                                     \
                 strcmp(#per, "ONE") == 0         ? meaning                                                    \
                 : strcmp(#per, "CONNECTOR") == 0 ? meaning "; one for each connector and one for the host"    \
                                                  : meaning "; where the connector's system converts bodies");
#include "spool-layout/flow.def"
    end_list();
}

static void
put_folders(void)
{
    begin_list();
#define FOLDER(symbol, path, per, kind, meaning) put_item("Pa", path, meaning);
#include "spool-layout/flow.def"
    end_list();
}

static void
put_moves(void)
{
    puts(".Bd -literal");
#define MOVE(worker, from, verdict, to, how)                                                                   \
    printf("%-20s %-14s %-8s %-14s %s\n", #worker, #from, #verdict, #to, #how);
#include "spool-layout/flow.def"
    puts(".Ed");
}

static void
put_verdicts(void)
{
    begin_list();
#define VERDICT(symbol, word, meaning) put_item("Cm", word, meaning);
#include "spool-layout/flow.def"
    end_list();
}

static void
put_categories(void)
{
    begin_list();
#define CATEGORY(symbol, word, meaning) put_item("Cm", word, meaning);
#include "common/events.def"
    end_list();
}

static void
put_track(void)
{
    begin_list();
#define TRACK(symbol, name, sign, meaning)                                                                     \
    put_item("Cm", name, (sign) > 0 ? meaning " (+1)" : (sign) < 0 ? meaning " (-1)" : meaning);
#include "common/events.def"
    end_list();
}

static void
put_counters(void)
{
    begin_list();
#define COUNTER(symbol, name, type, labels, meaning) put_item("Li", name "}", meaning);
#include "common/events.def"
    end_list();
}

static void
put_verbs(void)
{
    begin_list();
#define VERB(noun, verb, function, needs, options, operands, help)                                             \
    if ((const char *)(help) != NULL)                                                                          \
        put_item("Cm", noun " " verb " " operands, (const char *)(help));
#include "commands/commands.def"
    end_list();
}

static void
put_options(void)
{
    begin_list();
#define OPTION(symbol, name, letter, value, help) put_item("Fl", "-" name, help);
#include "commands/commands.def"
    end_list();
}

static const struct {
    const char *name;
    void (*put)(void);
} tables[] = {
    {"@envelope@\n", put_envelope}, {"@recipient@\n", put_recipient},   {"@properties@\n", put_properties},
    {"@workers@\n", put_workers},   {"@folders@\n", put_folders},       {"@moves@\n", put_moves},
    {"@verdicts@\n", put_verdicts}, {"@categories@\n", put_categories}, {"@track@\n", put_track},
    {"@counters@\n", put_counters}, {"@verbs@\n", put_verbs},           {"@options@\n", put_options},
};

static int
put_line(const char *line)
{
    for (size_t i = 0; i < COUNT_OF(tables); i++)
        if (strcmp(line, tables[i].name) == 0) {
            tables[i].put();
            return 0;
        }
    if (line[0] == '@') {
        fprintf(stderr, "manual: no table %s", line);
        return -1;
    }
    fputs(line, stdout);
    return 0;
}

int
main(int argc, char **argv)
{
    char line[1000];
    int r = 0;
    if (argc == 2 && strcmp(argv[1], "--map") == 0) {
        put_map();
        return fflush(stdout) != 0;
    }
    FILE *file = argc == 2 ? fopen(argv[1], "r") : NULL;
    if (file == NULL) {
        fprintf(stderr, "usage: manual TEMPLATE | --map\n");
        return 2;
    }
    while (r == 0 && fgets(line, sizeof line, file) != NULL)
        r = put_line(line);
    fclose(file);
    return r < 0 || fflush(stdout) != 0;
}
