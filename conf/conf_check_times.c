/* conf_check_times.c - schedules, who refers to them, and directory synchronisation, which runs by them
 *
 * A schedule serves two ends: windows (during) in which mail is sent, and times (at, every) at which a run
 * begins. A reference to one that lacks what is needed would wait for ever without a word, so it is an error
 * here.
 */
#include "conf/conf_schema.h"

/* Finds the name of a schedule; reports where there is none. */
static const struct conf_schedule *
find_schedule(const struct conf *conf, struct conf_errors *errors, const char *name,
              const struct conf_place *place)
{
    struct conf_nearest nearest = {0};
    for (size_t i = 0; i < conf->root.schedules_n; i++)
        if (span_equal(span_of(conf->root.schedules[i].title), span_of(name)))
            return &conf->root.schedules[i];
    for (size_t i = 0; i < conf->root.schedules_n && errors->n < CONF_ERRORS_MAX; i++)
        conf_nearest_offer(&nearest, span_of(name), conf->root.schedules[i].title);
    conf_nearest_offer(&nearest, span_of(name), "always");
    conf_nearest_offer(&nearest, span_of(name), "never");
    conf_error_nearest(errors, place, &nearest, "schedule \"%s\" does not exist", name);
    return NULL;
}

static bool
is_builtin(const char *schedule)
{
    return span_equal(span_of(schedule), SPAN("always")) || span_equal(span_of(schedule), SPAN("never"));
}

void
conf_check_sending(const struct conf *conf, struct conf_errors *errors, const char *const *schedule,
                   const struct conf_place *section)
{
    const struct conf_place *place = conf_blame(conf, schedule, section);
    if (is_builtin(*schedule))
        return;
    const struct conf_schedule *found = find_schedule(conf, errors, *schedule, place);
    if (found != NULL && found->during.n == 0)
        conf_error(errors, place, "schedule \"%s\" has no windows (during): mail would never be sent",
                   *schedule);
}

static void
check_schedule(const struct conf *conf, struct conf_errors *errors, const struct conf_schedule *schedule)
{
    struct conf_window window;
    if (is_builtin(schedule->title))
        conf_error(errors, &schedule->place, "schedule \"%s\": this name is taken", schedule->title);
    if (schedule->at.n == 0 && schedule->during.n == 0 && schedule->every_s == 0)
        conf_error(errors, &schedule->place, "schedule \"%s\" names no time: it needs at, during or every",
                   schedule->title);
    for (size_t i = 0; i < schedule->at.n; i++)
        if (!conf_schedule_parse_at(span_of(schedule->at.at[i]), &window))
            conf_error(errors, conf_blame(conf, &schedule->at, &schedule->place),
                       "at: \"%s\" is not a time like 02:30 or \"sat 02:30\"", schedule->at.at[i]);
    for (size_t i = 0; i < schedule->during.n; i++)
        if (!conf_schedule_parse_during(span_of(schedule->during.at[i]), &window))
            conf_error(errors, conf_blame(conf, &schedule->during, &schedule->place),
                       "during: \"%s\" is not a window like 22:00-06:00 or \"sat 00:00-24:00\"",
                       schedule->during.at[i]);
}

static void
check_sync_connector(const struct conf *conf, struct conf_errors *errors, const struct conf_dirsync *sync)
{
    struct conf_nearest nearest = {0};
    if (sync->connector == NULL) {
        conf_error(errors, &sync->place, "dirsync \"%s\" needs connector", sync->title);
        return;
    }
    if (conf_connector_find(&conf->root, sync->connector) != NULL)
        return;
    for (size_t i = 0; i < conf->root.connectors_n && errors->n < CONF_ERRORS_MAX; i++)
        conf_nearest_offer(&nearest, span_of(sync->connector), conf->root.connectors[i].title);
    conf_error_nearest(errors, conf_blame(conf, &sync->connector, &sync->place), &nearest,
                       "connector \"%s\" does not exist", sync->connector);
}

static void
check_sync_directory(const struct conf *conf, struct conf_errors *errors, const struct conf_dirsync *sync)
{
    const struct conf_host *host = &conf->root.host;
    struct conf_nearest nearest = {0};
    if (sync->directory == NULL) {
        conf_error(errors, &sync->place, "dirsync \"%s\" needs directory", sync->title);
        return;
    }
    for (size_t i = 0; i < host->directories_n; i++)
        if (span_equal(span_of(host->directories[i].title), span_of(sync->directory)))
            return;
    for (size_t i = 0; i < host->directories_n && errors->n < CONF_ERRORS_MAX; i++)
        conf_nearest_offer(&nearest, span_of(sync->directory), host->directories[i].title);
    conf_error_nearest(errors, conf_blame(conf, &sync->directory, &sync->place), &nearest,
                       "directory \"%s\" does not exist in host", sync->directory);
}

/* "25", "2%" */
static void
check_shares(const struct conf *conf, struct conf_errors *errors, const struct conf_texts *shares,
             const char *name, const struct conf_place *section)
{
    for (size_t i = 0; i < shares->n; i++) {
        struct span text = span_of(shares->at[i]);
        uint64_t number, max = 1000000000;
        if (text.len > 0 && text.at[text.len - 1] == '%') {
            text.len--;
            max = 100;
        }
        if (!span_to_u64(text, max, &number))
            conf_error(errors, conf_blame(conf, shares, section),
                       "%s: \"%s\" is neither a number nor a share like 2%%", name, shares->at[i]);
    }
}

static void
check_dirsync(const struct conf *conf, struct conf_errors *errors, const struct conf_dirsync *sync)
{
    const struct conf_place *place = conf_blame(conf, &sync->schedule, &sync->place);
    check_sync_connector(conf, errors, sync);
    check_sync_directory(conf, errors, sync);
    if (!sync->import.set && !sync->export.set)
        conf_error(errors, &sync->place, "dirsync \"%s\" does nothing: it needs import, export or both",
                   sync->title);
    if (sync->import.set && sync->import.container == NULL)
        conf_error(errors, &sync->import.place, "import needs container");
    if (sync->export.set && sync->export.containers.n == 0)
        conf_error(errors, &sync->export.place, "export needs containers");
    check_shares(conf, errors, &sync->limits.delete, "delete", &sync->limits.place);
    check_shares(conf, errors, &sync->limits.change, "change", &sync->limits.place);
    if (span_equal(span_of(sync->schedule), SPAN("never")))
        return;
    if (span_equal(span_of(sync->schedule), SPAN("always"))) {
        conf_error(errors, place, "schedule: a run needs times (at, every), not \"always\"");
        return;
    }
    const struct conf_schedule *schedule = find_schedule(conf, errors, sync->schedule, place);
    if (schedule != NULL && schedule->at.n == 0 && schedule->every_s == 0)
        conf_error(errors, place, "schedule \"%s\" names no time of a run: it needs at or every",
                   sync->schedule);
}

void
conf_check_times(const struct conf *conf, struct conf_errors *errors)
{
    for (size_t i = 0; i < conf->root.schedules_n; i++)
        check_schedule(conf, errors, &conf->root.schedules[i]);
    for (size_t i = 0; i < conf->root.dirsyncs_n; i++)
        check_dirsync(conf, errors, &conf->root.dirsyncs[i]);
}
