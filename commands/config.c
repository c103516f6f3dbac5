/* config.c - the configuration: show, explain, check */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "commands/exchange.h"
#include "commands/finding.h"
#include "commands/probe.h"
#include "commands/tree.h"
#include "systems/readiness.h"

/* ---- show ---- */

enum setting_field { SET_KEY, SET_VALUE, SET_STANDARD, SET_PLACE, SET_COUNT };

static const struct field setting_fields[SET_COUNT] = {
    [SET_KEY] = {"key", FIELD_TEXT, COST_NAME, 36, "the option, with the titles of its sections", false},
    [SET_VALUE] = {"value", FIELD_TEXT, COST_NAME, 28, "as the file would have it; one text without its quotes",
                   false},
    [SET_STANDARD] = {"default", FIELD_TEXT, COST_NAME, 7, "yes where it is the default", false},
    [SET_PLACE] = {"place", FIELD_TEXT, COST_NAME, 0, "file and line that set it", false},
};

/* One plain text is itself; lists stay as they are written. */
static struct span
unquoted(struct span value)
{
    bool one = value.len > 1 && value.at[0] == '"' && value.at[value.len - 1] == '"';
    struct span inner = {value.at + one, value.len - 2 * (size_t)one};
    bool plain = one && (inner.len == 0 || (memchr(inner.at, '"', inner.len) == NULL &&
                                            memchr(inner.at, '\\', inner.len) == NULL));
    return plain ? inner : value;
}

struct setting_row {
    const struct conf_setting *setting;
    char place[300];
};

static bool
setting_get(const void *item, size_t field, size_t i, struct field_value *value)
{
    const struct setting_row *row = item;
    *value = (struct field_value){0};
    if (i > 0)
        return false;
    switch ((enum setting_field)field) {
    case SET_KEY:
        return field_text(value, span_of(row->setting->key));
    case SET_VALUE:
        return field_text(value, unquoted(span_of(row->setting->value)));
    case SET_STANDARD:
        return field_text(value, span_of(row->setting->standard ? "yes" : "no"));
    default:
        return field_text(value, span_of(row->place));
    }
}

static bool
list_setting(const struct conf_setting *setting, void *listing)
{
    struct setting_row row = {.setting = setting};
    if (setting->place != NULL)
        snprintf(row.place, sizeof row.place, "%s:%d", setting->place->file, setting->place->line);
    return listing_add(listing, &row);
}

int
config_show(struct command *command)
{
    struct buf out = {0};
    struct listing listing;
    bool changed = command_has(command, OPTION_CHANGED);
    int r = listing_init(&listing, command, setting_fields, SET_COUNT, "key,value,default,place", setting_get);
    if (r != 0)
        return r;
    if (listing_wanted(command)) {
        conf_each(command->conf, changed, list_setting, &listing);
        listing_end(&listing);
        return EXIT_DONE;
    }
    conf_print(command->conf, changed, &out);
    fwrite(out.at != NULL ? out.at : "", 1, out.len, stdout);
    buf_clear(&out);
    return EXIT_DONE;
}

/* ---- explain ---- */

int
config_explain(struct command *command)
{
    struct buf out = {0};
    if (command->n_operands == 0)
        return command_usage(command, "which option? say its name, as in connector.retry.first");
    int found = 0;
    for (size_t i = 0; i < command->n_operands; i++) {
        buf_reset(&out);
        int n = conf_explain(command->conf, command->operands[i], &out);
        fwrite(out.at != NULL ? out.at : "", 1, out.len, n > 0 ? stdout : stderr);
        found += n > 0;
    }
    buf_clear(&out);
    return found == (int)command->n_operands ? EXIT_DONE : EXIT_NOTHING;
}

/* ---- import ---- */

int
config_import_ldif(struct command *command)
{
    struct buf out = {0}, errors = {0};
    const char *name = command->n_operands > 0 ? command->operands[0] : NULL;
    if (name == NULL || command->n_operands > 1)
        return command_usage(command, "which file? One is read, - is standard input");
    bool standard = strcmp(name, "-") == 0;
    int fd = standard ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return command_fail_errno(errno, "%s cannot be opened", name);
    int n = exchange_read(fd, name, &out, &errors);
    if (!standard)
        close(fd);
    fwrite(out.at != NULL ? out.at : "", 1, out.len, stdout);
    fwrite(errors.at != NULL ? errors.at : "", 1, errors.len, stderr);
    bool clean = errors.len == 0;
    buf_clear(&out);
    buf_clear(&errors);
    if (n < 0)
        return command_fail_errno(-n, "%s cannot be read", name);
    if (n == 0)
        return command_fail(EXIT_NOTHING, "%s holds no connector object that could be configuration", name);
    return clean ? EXIT_DONE : EXIT_NOTHING;
}

/* ---- check ---- */

/* What a configuration that is valid may still lack. */
static void
give_advice(struct findings *findings, const struct conf_root *root)
{
    for (size_t i = 0; i < root->connectors_n; i++)
        if (root->connectors[i].address_spaces_n == 0)
            finding(findings, "note", root->connectors[i].title,
                    "note: connector %s has no address-space: only the book leads to it",
                    root->connectors[i].title);
    if (root->admin_address == NULL)
        finding(findings, "note", "admin-address",
                "note: admin-address is not set: nobody is told what no sender can be told");
}

static int
check_spool(const struct command *command, struct findings *findings)
{
    struct tree_result result = {.findings = findings};
    const char *spool = command->root->spool;
    if (access(spool, F_OK) < 0 && errno == ENOENT) {
        finding(findings, "note", spool,
                "note: the spool %s is not there yet; `viaduct start` or `viaduct spool create` makes it",
                spool);
        return EXIT_DONE;
    }
    int r = tree_check(command->root, spool, false, &result);
    if (r == EXIT_DONE)
        finding(findings, "ok", spool, "the spool %s is as declared", spool);
    return r;
}

/* Lines "FILE:LINE: text" go to stderr, or into the listing. */
static void
tell_errors(struct findings *findings, struct span errors)
{
    if (!findings->listed) {
        fwrite(errors.at != NULL ? errors.at : "", 1, errors.len, stderr);
        return;
    }
    while (errors.len > 0) {
        const char *end = memchr(errors.at, '\n', errors.len);
        struct span line = {errors.at, end != NULL ? (size_t)(end - errors.at) : errors.len};
        const char *colon = memmem(line.at, line.len, ": ", 2);
        char place[300] = "";
        if (colon != NULL)
            snprintf(place, sizeof place, "%.*s", (int)(colon - line.at), line.at);
        struct span text =
            colon != NULL ? (struct span){colon + 2, line.len - (size_t)(colon + 2 - line.at)} : line;
        finding(findings, "error", place, "%.*s", (int)text.len, text.at);
        size_t used = line.len + (end != NULL);
        errors = (struct span){errors.at + used, errors.len - used};
    }
}

static int
check_conf(struct command *command, struct findings *findings)
{
    struct buf errors = {0};
    if (access(command->conf_path, R_OK) < 0)
        return command_read_conf(command); /* which says it */
    command->conf = conf_load(command->conf_path, &errors);
    bool valid = command->conf != NULL;
    if (valid)
        command->root = conf_root(command->conf);
    if (errors.len == 0 && valid)
        valid = readiness_check(command->conf, &errors) == 0;
    tell_errors(findings, buf_span(&errors));
    buf_clear(&errors);
    return valid ? EXIT_DONE : command_fail(EXIT_CONFIG, "%s is not valid", command->conf_path);
}

int
config_check(struct command *command)
{
    struct findings findings;
    int r = findings_open(&findings, command);
    if (r != 0)
        return r;
    r = check_conf(command, &findings);
    if (r == EXIT_DONE) {
        size_t n = command->root->connectors_n;
        finding(&findings, "ok", command->conf_path, "%s is valid: %zu connector%s", command->conf_path, n,
                n == 1 ? "" : "s");
        give_advice(&findings, command->root);
        r = check_spool(command, &findings);
        int live = command_has(command, OPTION_LIVE) ? probe_all(command, &findings) : EXIT_DONE;
        r = live != EXIT_DONE ? live : r;
    }
    findings_close(&findings);
    return r;
}
