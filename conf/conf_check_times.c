/* conf_check_times.c - schedules, and who refers to them
 *
 * A schedule serves two ends: windows (during) in which mail is sent, and times (at, every) at which a run
 * begins. A reference to one that lacks what is needed would wait for ever without a word, so it is an error
 * here.
 */
#include "conf/conf_schema.h"

/* Finds the name of a schedule; reports where there is none. */
const struct conf_schedule *
conf_find_schedule(const struct conf *conf, struct conf_errors *errors, const char *name,
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
    const struct conf_schedule *found = conf_find_schedule(conf, errors, *schedule, place);
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

void
conf_check_times(const struct conf *conf, struct conf_errors *errors)
{
    for (size_t i = 0; i < conf->root.schedules_n; i++)
        check_schedule(conf, errors, &conf->root.schedules[i]);
}
