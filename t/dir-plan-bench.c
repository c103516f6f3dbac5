/* dir-plan-bench.c - how long a plan takes, and how much memory the process that makes it
 *
 *     t/dir-plan-bench [PAIRS [CHANGED]]      100,000 pairs of which nothing, or so many recipients, changed
 *
 * Half of the pairs have their mailbox on each side. Entries have what they have in life: some 350 octets. Prints one line of JSON
 * for bench/directory.py; fails where a plan without change has one.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "directory/plan.h"

struct texts {
    char at[24][200];
    unsigned n;
};

static struct span text(struct texts *texts, const char *format, ...) __attribute__((format(printf, 2, 3)));

static struct span
text(struct texts *texts, const char *format, ...)
{
    va_list args;
    char *at = texts->at[texts->n++ % 24];
    va_start(args, format);
    vsnprintf(at, sizeof texts->at[0], format, args);
    va_end(args);
    return span_of(at);
}

/* What both sides have of a recipient. */
static void
dress(struct texts *texts, struct dir_entry *entry, unsigned n)
{
    entry->value[DIR_DISPLAY] = text(texts, "Ann Beebe-Cholmondeley %u", n);
    entry->value[DIR_GIVEN] = SPAN("Ann");
    entry->value[DIR_SURNAME] = text(texts, "Beebe-Cholmondeley %u", n);
    entry->value[DIR_ALIAS] = text(texts, "abeebe%u", n);
    entry->value[DIR_DEPARTMENT] = text(texts, "Department %u of accounts", n % 300);
    entry->value[DIR_PHONE] = text(texts, "+1 555 01%06u", n);
    entry->value[DIR_TITLE] = SPAN("Senior clerk");
    entry->value[DIR_OFFICE] = text(texts, "Building %u", n % 40);
}

static void
put(struct dir_set *set, const struct dir_entry *entry)
{
    struct why why;
    if (dir_set_put(set, entry, &why) == SIZE_MAX) {
        fprintf(stderr, "%s\n", why.text);
        exit(1);
    }
}

/* A user whose mailbox is on one side, and his copy on the other. */
static void
put_pair(struct dir_set *host, struct dir_set *foreign, unsigned n, bool at_host, bool changed)
{
    struct texts texts = {.n = 0};
    struct dir_entry home = {.kind = DIR_MAILBOX, .policy = at_host},
                     copy = {.kind = DIR_CONTACT, .policy = !at_host};
    struct span h = text(&texts, "%08x-0c4e-4b3f-9a6e-%012x", n, n), f = text(&texts, "%08X%08X%016X", n, n, n);
    struct address gwise = {SPAN("GWISE"), at_host ? text(&texts, "Exchange.First Group.abeebe%u", n)
                                                   : text(&texts, "GWDOM.PO%u.ABEEBE%u", n % 20, n)};
    struct address smtp = {SPAN("SMTP"),
                           text(&texts, "abeebe%u@%s.example", n, at_host ? "contoso" : "gw.contoso")};
    struct dir_proxy proxies[2] = {{gwise, true}, {smtp, true}};
    dress(&texts, &home, n);
    dress(&texts, &copy, n);
    if (changed)
        home.value[DIR_TITLE] = SPAN("Head clerk");
    home.id = at_host ? h : f;
    copy.id = at_host ? f : h;
    struct span in_host = text(&texts, "CN=Ann Beebe-Cholmondeley %u,OU=%s,DC=contoso,DC=example", n,
                               at_host ? "Staff" : "GroupWise");
    struct span in_foreign =
        text(&texts, "CN=Ann Beebe-Cholmondeley %u,O=%s", n, at_host ? "Exchange" : "Home");
    home.name = at_host ? in_host : in_foreign;
    copy.name = at_host ? in_foreign : in_host;
    copy.mark = text(&texts, "viaduct:gw:%.*s", (int)home.id.len, home.id.at);
    copy.target = gwise;
    if (!at_host)
        home.target = gwise;
    home.proxies = copy.proxies = proxies;
    home.n_proxies = copy.n_proxies = 2;
    put(at_host ? host : foreign, &home);
    put(at_host ? foreign : host, &copy);
}

static long
peak_kib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

int
main(int argc, char **argv)
{
    unsigned pairs = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 100000;
    unsigned changed = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
    static const char *containers[] = {"OU=Staff,DC=contoso,DC=example"},
                      *proxies[] = {"SMTP:%m@contoso.example", "GWISE:Exchange.First Group.%m"};
    static const char *deletions[] = {"25", "2%"}, *changes[] = {"500", "20%"};
    struct conf_policy policy = {
        .title = "Default", .filter = "(mailNickname=*)", .priority = 1, .proxy = {proxies, 2}};
    struct conf_directory directory = {.title = "ad", .writable = true, .proxies = "directory"};
    struct conf_root root = {
        .policies = &policy, .policies_n = 1, .host = {.directories = &directory, .directories_n = 1}};
    struct conf_dirsync dirsync = {
        .title = "gw",
        .connector = "groupwise",
        .directory = "ad",
        .foreign = {.format = "ldap", .directory = {.writable = true}},
        .import = {.set = true,
                   .container = "OU=GroupWise,DC=contoso,DC=example",
                   .create_as = "contact",
                   .groups = "group",
                   .delete_s = 1209600},
        .export = {.set = true, .container = "O=Exchange", .groups = "group", .containers = {containers, 1}},
        .limits = {.delete = {deletions, 2}, .change = {changes, 2}, .shrink = "20%"}};
    struct why why;
    struct dir_plan_input in = {.root = &root,
                                .dirsync = &dirsync,
                                .policies = dir_policies_new(&root, &why),
                                .host = dir_set_new(),
                                .foreign = dir_set_new(),
                                .pending = dir_pending_new(),
                                .host_complete = true,
                                .foreign_complete = true,
                                .host_before = pairs / 2,
                                .foreign_before = pairs / 2,
                                .now_s = 1700000000,
                                .address_type = "GWISE"};
    struct dir_set *host = dir_set_new(), *foreign = dir_set_new();
    dir_set_free(NULL);
    for (unsigned n = 0; n < pairs; n++)
        put_pair(host, foreign, n, n % 2 == 0, n < changed);
    in.host = host;
    in.foreign = foreign;
    long before = peak_kib();
    int64_t begun = monotonic_ms();
    struct dir_plan *first = dir_plan_make(&in);
    int64_t once = monotonic_ms();
    in.added = first->added; /* as the second run has it */
    struct dir_plan *plan = dir_plan_make(&in);
    printf("{\"pairs\": %u, \"changes\": %zu, \"notices\": %zu, \"first_ms\": %" PRId64
           ", \"plan_ms\": %" PRId64 ", \"sets_kib\": %ld, \"peak_kib\": %ld}\n",
           pairs, plan->n_changes, plan->n_notices, once - begun, monotonic_ms() - once, before, peak_kib());
    return plan->n_changes != changed;
}
