/* settle-t.c - how long a message waits for its next attempt; the source is included for what it keeps to
 * itself */
#include "daemons/settle.c"

#include "t/tap.h"

static void
test_waits(void)
{
    struct conf_retry retry = {.first_s = 300, .factor = 200, .max_s = 3600, .give_up_s = 432000};
    static const int64_t want[] = {300, 600, 1200, 2400, 3600, 3600, 3600};
    for (size_t i = 0; i < COUNT_OF(want); i++)
        is_int(retry_wait_s(&retry, (int64_t)i), want[i], "after %zu attempts it waits %lld s", i,
               (long long)want[i]);
    is_int(retry_wait_s(&retry, INT64_MAX), 3600, "however many there were, no longer than max");
}

static void
test_edges(void)
{
    struct conf_retry retry = {.first_s = 7200, .factor = 200, .max_s = 3600};
    is_int(retry_wait_s(&retry, 0), 3600, "a first wait longer than max is max");
    retry = (struct conf_retry){.first_s = 60, .factor = 100, .max_s = 3600};
    is_int(retry_wait_s(&retry, INT64_MAX), 60,
           "with a factor of 100 %% every wait is the first, and found in no time");
    retry = (struct conf_retry){.first_s = 1, .factor = 110, .max_s = 3600};
    int64_t last = 0;
    bool falls = false;
    for (int64_t i = 0; i < 1000; i++) {
        int64_t wait = retry_wait_s(&retry, i);
        falls = falls || wait < last || wait < 1;
        last = wait;
    }
    ok(!falls, "waits never grow shorter");
    is_int(last, 3600, "and a factor above 100 %% grows, from a second on");
    retry = (struct conf_retry){.first_s = 1, .factor = 1000, .max_s = (long)1 << 40};
    ok(retry_wait_s(&retry, 500) == (int64_t)1 << 40, "nothing turns over");
}

static void
test_whose_success(void)
{
    struct conf_connector connector = {.report = "relayed"};
    struct service service = {.connector = &connector};
    ok(success_is_ours_to_tell(&service), "a success that the system does not report is ours to tell");
    connector.report = "none";
    ok(!success_is_ours_to_tell(&service), "unless the connector says none");
    service.connector = NULL;
    ok(success_is_ours_to_tell(&service), "and for the host");
}

int
main(void)
{
    test_waits();
    test_edges();
    test_whose_success();
    return tap_done();
}
