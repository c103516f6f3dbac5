/* bouncer.c - viaduct-bouncer: tells senders what became of their mail
 *
 *     Bounce --REPORT--> Spooler-Queue     a report is owed: a new message, in the place of what it tells of
 *            --DONE----> gone              nobody asked for one
 *            --BAD-----> Badmail           nobody can be told: a report that failed itself, or too many to one
 * sender
 *
 * What lies in Bounce is a message whose recipients are all settled, or a request <id>.rN made from one that
 * goes on. The report names what it replaces: when its copy is on the disk, the message is removed, then the
 * report leaves Temp; killed in between, recovery goes on from there, so no sender is told twice and none is
 * forgotten (promise 4).
 *
 * Reports have the null reverse-path, and what has it is never answered (RFC 5321 section 4.5.5): so reports
 * beget no reports, whatever the other side does. They also go on from the hop count of what they tell of, up
 * to half of the limit: a report that runs in a circle stops early, and one about a circle still gets home.
 *
 * What is hostile here: the message, the far end's answers, and senders who make us write reports to others.
 * The last is why there is a limit for each sender.
 *
 * SECURITY: no network; reads Bounce, writes Temp, Spooler-Queue and Badmail.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

#include "common/dsn.h"
#include "common/worker.h"

enum { RATE_SETS = 1024, RATE_WAYS = 4, RATE_WINDOW_S = 3600, IN_HAND = 32, THREADS = 4 };

/* How many reports a sender got in the hour that began at `start_s` (monotonic: whoever sets the clock gives nobody
 * more, and keeps nobody waiting). The table has a limit: where a set is full, its oldest hour is forgotten. */
struct rate {
    uint64_t key;
    int64_t start_s;
    long count;
};

static struct {
    struct dsn_texts texts;
    const char *domain, *from, *postmaster;
    struct rate rates[RATE_SETS][RATE_WAYS];
    uint64_t seed; /* so that nobody can choose senders that meet in one place */
} state;

/* ---- limit for each sender ---- */

static uint64_t
sender_key(const struct address *sender)
{
    struct buf text = {0};
    uint64_t key = state.seed;
    if (address_key(sender, &text) < 0)
        buf_add_span(&text, sender->value);
    for (size_t i = 0; i < text.len; i++)
        key = (key ^ (unsigned char)text.at[i]) * UINT64_C(1099511628211);
    buf_clear(&text);
    return key;
}

/* Counts a report; false where the sender got `limit` within the hour. */
static bool
rate_allows(const struct address *sender, long limit, int64_t now_s)
{
    uint64_t key = sender_key(sender);
    struct rate *set = state.rates[(key >> 20) % RATE_SETS], *found = &set[0];
    if (limit == 0)
        return true;
    for (size_t i = 0; i < RATE_WAYS; i++) {
        if (set[i].key == key) {
            found = &set[i];
            break;
        }
        if (set[i].start_s < found->start_s)
            found = &set[i];
    }
    if (found->key != key || now_s - found->start_s >= RATE_WINDOW_S)
        *found = (struct rate){key, now_s, 0};
    if (found->count >= limit)
        return false;
    found->count++;
    return true;
}

/* ---- what the message knows of its transfer ---- */

/* The connector that has tried last: of those whose attempts and marks the journal tells of, or the one that an
 * operator gave the message to behind them. */
struct last_tried {
    struct service *service;
    char connector[CONNECTOR_NAME_MAX + 1];
};

static void
note_connector(struct last_tried *last, struct span name)
{
    if (name.len > 0 && name.len <= CONNECTOR_NAME_MAX)
        snprintf(last->connector, sizeof last->connector, "%.*s", (int)name.len, name.at);
}

/* A gateway signs as "outbound-gateway-<connector>", so does its converter. */
static void
note_worker(struct last_tried *last, struct span by)
{
    static const enum worker_id workers[] = {WORKER_OUTBOUND, WORKER_OUTBOUND_CONVERTER};
    for (size_t i = 0; i < COUNT_OF(workers); i++) {
        const char *program = worker_table[workers[i]].program;
        size_t n = strlen(program);
        if (by.len > n + 1 && memcmp(by.at, program, n) == 0 && by.at[n] == '-')
            note_connector(last, (struct span){by.at + n + 1, by.len - n - 1});
    }
}

static void
note_goal(struct last_tried *last, struct span folder)
{
    const struct conf_root *root = last->service->root;
    char path[SPOOL_PATH_MAX];
    for (size_t i = 0; i <= root->connectors_n; i++) {
        const char *name = i == 0 ? "host" : root->connectors[i - 1].title;
        if (folder_path(FOLDER_MTS_OUT, name, path) == 0 && span_equal(folder, span_of(path)))
            note_connector(last, span_of(name));
    }
}

static void
note_entry(const struct journal_entry *entry, void *arg)
{
    if (entry->kind == JOURNAL_MARK || entry->kind == JOURNAL_ATTEMPT)
        note_worker(arg, entry->by);
    else if (entry->kind == JOURNAL_TRACE && span_equal(entry->verdict, span_of(verdict_word(VERDICT_REROUTE))))
        note_goal(arg, entry->to);
}

/* The connector that was responsible for the recipients: the part's, until another one is told of in the
 * journal. NULL with `host` for the host's, NULL without where nobody tried. */
static const struct conf_connector *
find_connector(struct service *service, struct job *job, bool *host)
{
    struct last_tried last = {.service = service};
    struct why why;
    note_connector(&last, job->file.envelope.via);
    queue_file_history(&job->file, job->arena, note_entry, &last, &why); /* damage is for the report to tell */
    *host = strcmp(last.connector, "host") == 0;
    return last.connector[0] != '\0' ? conf_connector_find(service->root, last.connector) : NULL;
}

static bool
is_mailbox_url(const struct conf_texts *urls)
{
    return urls->n > 0 && (strncmp(urls->at[0], "lmtp:", 5) == 0 || strncmp(urls->at[0], "maildir:", 8) == 0);
}

/* Whether who took recipients without reporting puts them into mailboxes himself, and until when delayed ones
 * are tried. */
static void
set_transfer(struct service *service, struct job *job, struct dsn *dsn)
{
    const struct envelope *envelope = &job->file.envelope;
    bool host;
    const struct conf_connector *connector = find_connector(service, job, &host);
    const struct conf_retry *retry = &service->root->host.retry;
    dsn->final = host && is_mailbox_url(&service->root->host.deliver.to);
    if (connector != NULL) {
        retry = &connector->retry;
        dsn->final = strcmp(connector->report, "delivered") == 0 || is_mailbox_url(&connector->peer.to);
    }
    int64_t from_ms =
        envelope->requeued_ms > envelope->arrival_ms ? envelope->requeued_ms : envelope->arrival_ms;
    dsn->retry_until_s = from_ms / 1000 + retry->give_up_s;
}

/* ---- one message ---- */

/* The report's own envelope, in the job's arena. NULL where that is full. */
static struct envelope *
make_envelope(struct service *service, struct job *job, const struct dsn *dsn)
{
    const struct envelope *about = &job->file.envelope;
    const struct conf_limits *limits = &service->root->host.limits;
    struct envelope *envelope = arena_alloc(job->arena, sizeof *envelope);
    struct recipient *recipient = arena_alloc(job->arena, sizeof *recipient);
    struct stat st;
    const char *replaces = fstat(job->fd, &st) < 0
                               ? NULL
                               : arena_printf(job->arena, "%llu %s/%s", (unsigned long long)st.st_ino,
                                              folder_table[FOLDER_BOUNCE].path, job->name);
    const char *msgid = arena_copy(job->arena, span_of(dsn->msgid));
    if (envelope == NULL || recipient == NULL || replaces == NULL || msgid == NULL)
        return NULL;
    recipient->address = about->originator;
    recipient->kind = 1;
    recipient->notify = NOTIFY_NEVER;
    envelope->id = span_of(dsn->id);
    envelope->arrival_ms = dsn->now_s * 1000;
    envelope->origin = SPAN("report");
    envelope->class = span_of(dsn->class);
    envelope->msgid = span_of(msgid);
    envelope->utf8 = dsn->utf8;
    envelope->body8bit = dsn->body8bit;
    envelope->hops = 1 + (about->hops < limits->hops / 2 ? about->hops : limits->hops / 2);
    envelope->header_bytes = INT32_MAX; /* until it is known: what is reserved for it must suffice */
    envelope->originator = (struct address){SPAN("SMTP"), SPAN("")};
    envelope->recipients = recipient;
    envelope->n_recipients = 1;
    envelope->replaces = span_of(replaces);
    envelope->parent = about->id;
    return envelope;
}

static int
add_to_maker(void *arg, const void *bytes, size_t len)
{
    return maker_add(arg, bytes, len);
}

static size_t
count_owed(const struct dsn *dsn)
{
    return dsn->count[DSN_FAILED] + dsn->count[DSN_DELAYED] + dsn->count[DSN_RELAYED] +
           dsn->count[DSN_DELIVERED];
}

static void
count_report(enum dsn_action worst)
{
    counter_add(worst == DSN_FAILED    ? COUNTER_REPORTS_NDR
                : worst == DSN_DELAYED ? COUNTER_REPORTS_DELAY
                                       : COUNTER_REPORTS_DR,
                1);
}

/* The report is made and what it replaces removed, or nothing has changed and the message is looked at again.
 */
static void
report_done(void *arg, int result)
{
    struct job *job = arg;
    (void)result; /* the maker has said what failed */
    job_settle(job, (struct judgement){.verdict = VERDICT_NONE});
}

/* A report that could not be written leaves the message where it is, but for a message that is damaged. */
static struct judgement
write_failed(struct job *job, int failed, const struct why *why)
{
    if (failed == -EBADMSG)
        return judge(VERDICT_BAD, "5.6.0", "no report can be made of a damaged message: %s", why->text);
    log_say(LOG_REPORTS, LEVEL_MINIMUM, job->parts.stem, "no report could be written: %s; it is tried again",
            why->text[0] != '\0' ? why->text : strerror(-failed));
    return (struct judgement){.verdict = VERDICT_NONE};
}

static struct judgement
make_report(struct service *service, struct job *job, struct dsn *dsn)
{
    struct why why = {0};
    struct buf size = {0};
    struct envelope *envelope = make_envelope(service, job, dsn);
    if (envelope == NULL)
        return judge(VERDICT_BAD, "5.3.0", "its envelope leaves no memory for a report");
    envelope_print(envelope, &size);
    struct maker *maker = maker_new(service, dsn->id, envelope, size.len + 64, &why);
    buf_clear(&size);
    if (maker == NULL)
        return write_failed(job, -errno, &why);
    int failed = dsn_write(dsn, &(struct dsn_sink){add_to_maker, maker}, &why);
    if (failed < 0) {
        maker_drop(maker);
        return write_failed(job, failed, &why);
    }
    envelope->header_bytes = (int64_t)dsn->header_bytes;
    struct maker_goal goal = {.from = FOLDER_BOUNCE,
                              .verdict = VERDICT_REPORT,
                              .track = TRACK_DSN,
                              .source_fd = service_folder(service, FOLDER_BOUNCE, NULL),
                              .source_name = job->name};
    why_set(&goal.why, "", "%s about %s, recipients: %zu", dsn_action_word(dsn->worst), job->parts.stem,
            count_owed(dsn));
    count_report(dsn->worst);
    maker_commit(maker, &goal, report_done, job);
    return JUDGED_LATER;
}

/* Nobody is to be told. A failed report is kept for a person; so is nothing else. */
static struct judgement
judge_unowed(const struct envelope *envelope)
{
    counter_add(COUNTER_REPORTS_NONE, 1);
    size_t failed = envelope_count(envelope, RECIPIENT_FAILED);
    if (!envelope_is_report(envelope))
        return judge(VERDICT_DONE, "", "no report was asked for");
    if (failed == 0)
        return judge(VERDICT_DONE, "", "it has no sender to tell");
    for (size_t i = 0; i < envelope->n_recipients; i++) {
        const struct recipient *r = &envelope->recipients[i];
        if (r->state == RECIPIENT_FAILED)
            return judge(VERDICT_BAD, "5.0.0", "it has no sender to tell that it failed: %.*s %.*s",
                         (int)r->status.len, r->status.at, (int)(r->text.len < 300 ? r->text.len : 300),
                         r->text.at);
    }
    return judge(VERDICT_BAD, "5.0.0", "it has no sender to tell that it failed");
}

/* Nothing comes here before all its recipients are settled, or said to be delayed: what is pending would be
 * forgotten. */
static bool
has_pending(const struct envelope *envelope)
{
    for (size_t i = 0; i < envelope->n_recipients; i++)
        if (envelope->recipients[i].state == RECIPIENT_PENDING && !envelope->recipients[i].listed)
            return true;
    return false;
}

static struct judgement
take(struct service *service, struct job *job)
{
    const struct conf_reports *reports = &service->root->reports;
    const struct envelope *envelope = &job->file.envelope;
    char id[ID_LEN + 1];
    id_new(id);
    struct dsn dsn = {.about = &job->file,
                      .id = arena_copy(job->arena, span_of(id)),
                      .node = service->root->node,
                      .domain = state.domain,
                      .from = state.from,
                      .postmaster = state.postmaster,
                      .texts = &state.texts,
                      .return_bytes = reports->return_bytes,
                      .now_s = time_ms() / 1000};
    if (dsn.id == NULL)
        return judge(VERDICT_BAD, "5.3.0", "its envelope leaves no memory for a report");
    set_transfer(service, job, &dsn);
    if (has_pending(envelope))
        return judge(VERDICT_BAD, "5.6.0",
                     "a recipient of it is neither settled nor failed: its journal is not whole");
    dsn_plan(&dsn, job->arena);
    if (dsn.worst == DSN_NONE)
        return judge_unowed(envelope);
    if (!rate_allows(&envelope->originator, reports->rate, monotonic_ms() / 1000)) {
        counter_add(COUNTER_REPORTS_NONE, 1);
        return judge(VERDICT_BAD, "5.7.0",
                     "its sender got %ld reports within an hour, the limit of reports.rate", reports->rate);
    }
    return make_report(service, job, &dsn);
}

/* ---- life ---- */

static int
prepare(struct service *service)
{
    const struct conf_root *root = service->root;
    struct why why;
    tzset(); /* reads the zone's file while that can be opened */
    state.domain = root->host.domains.n > 0 ? root->host.domains.at[0] : root->node;
    state.from = root->reports.from != NULL ? root->reports.from : xasprintf("MAILER-DAEMON@%s", state.domain);
    state.postmaster =
        root->admin_address != NULL ? root->admin_address : xasprintf("postmaster@%s", state.domain);
    if (getrandom(&state.seed, sizeof state.seed, 0) != (ssize_t)sizeof state.seed)
        state.seed = (uint64_t)time_ms();
    int failed = dsn_texts_load(&state.texts, root->reports.templates, &why);
    if (failed < 0)
        log_say(LOG_REPORTS, LEVEL_MINIMUM, NULL, "%s", why.text);
    return failed;
}

static void
finish(struct service *service)
{
    (void)service;
    dsn_texts_clear(&state.texts);
}

static const struct worker bouncer = {
    .id = WORKER_BOUNCER,
    .max_in_hand = IN_HAND,
    .threads = THREADS,
    .prepare = prepare,
    .take = take,
    .finish = finish,
};

int
main(int argc, char **argv)
{
    return worker_main(&bouncer, argc, argv);
}
