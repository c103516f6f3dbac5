/* worker_state.c - writing the state file, and what was in hand at a crash (see worker_state.h) */
#include "common/worker_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/worker_inside.h"

_Static_assert(sizeof(struct state_page) <= STATE_HEAD, "the page ends where entries begin");

static size_t
size_for(size_t n_entries)
{
    return STATE_HEAD + n_entries * sizeof(struct state_entry);
}

/* Makes the file long enough for `n` entries, with blocks for all of it. 0 or -errno. */
static int
grow(struct service_inside *in, unsigned n)
{
    if (n <= in->n_entries)
        return 0;
    int r = posix_fallocate(in->state_fd, 0, (off_t)size_for(n));
    if (r == 0)
        in->n_entries = n;
    return -r;
}

/* A file of another version, or that is no whole number of entries, begins anew. */
static int
map_file(struct service_inside *in)
{
    struct stat st;
    char magic[sizeof state_page_magic];
    size_t entry = sizeof(struct state_entry);
    if (fstat(in->state_fd, &st) < 0)
        return -errno;
    size_t behind = st.st_size > STATE_HEAD ? (size_t)st.st_size - STATE_HEAD : 0;
    bool whole = behind >= entry && behind % entry == 0 && behind / entry <= STATE_SLOTS &&
                 pread(in->state_fd, magic, sizeof magic, 0) == (ssize_t)sizeof magic &&
                 memcmp(magic, state_page_magic, sizeof magic) == 0;
    in->n_entries = whole ? (unsigned)(behind / entry) : 0;
    if (!whole && ftruncate(in->state_fd, 0) < 0)
        return -errno;
    int r = grow(in, 1);
    if (r < 0)
        return r;
    /* room for the most: what is behind the file's end is not touched */
    void *at = mmap(NULL, size_for(STATE_SLOTS), PROT_READ | PROT_WRITE, MAP_SHARED, in->state_fd, 0);
    if (at == MAP_FAILED)
        return -errno;
    in->state = at;
    in->entries = (struct state_entry *)(void *)((char *)at + STATE_HEAD);
    return 0;
}

static void
end_texts(struct service_inside *in)
{
    state_page_end_texts(in->state);
    for (size_t i = 0; i < in->n_entries; i++) {
        struct state_message *both[] = {&in->entries[i].slot, &in->entries[i].suspect};
        for (size_t k = 0; k < COUNT_OF(both); k++) {
            both[k]->name[sizeof both[k]->name - 1] = '\0';
            both[k]->connector[sizeof both[k]->connector - 1] = '\0';
        }
    }
}

/* What was in hand when the one before crashed joins the suspects; alone in hand, it is counted. */
static void
collect_suspects(struct service_inside *in)
{
    struct state_page *page = in->state;
    unsigned in_hand = 0;
    for (size_t i = 0; i < in->n_entries; i++)
        in_hand += in->entries[i].slot.name[0] != '\0';
    for (size_t i = 0; i < in->n_entries; i++) {
        struct state_message *slot = &in->entries[i].slot;
        if (slot->name[0] == '\0')
            continue;
        struct state_message *suspect = NULL;
        for (size_t k = 0; k < page->n_suspects && suspect == NULL; k++)
            if (strcmp(in->entries[k].suspect.name, slot->name) == 0)
                suspect = &in->entries[k].suspect;
        if (suspect == NULL && page->n_suspects < in->n_entries) {
            suspect = &in->entries[page->n_suspects++].suspect;
            *suspect = *slot;
            suspect->crashes = 0;
        }
        if (suspect != NULL && in_hand == 1 && !page->ending) /* killed at the end of a stop: not its fault */
            suspect->crashes++;
        slot->name[0] = '\0';
    }
}

int
state_open(struct service *service)
{
    struct service_inside *in = service->inside;
    int folder = folder_open(service->spool_fd, FOLDER_STATE, NULL);
    in->state_fd =
        folder < 0 ? folder : openat(folder, in->lane_name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);
    int r = folder < 0 ? folder : in->state_fd < 0 ? -errno : map_file(in);
    if (folder >= 0)
        close(folder);
    if (r < 0) {
        log_say(LOG_GENERAL, LEVEL_MINIMUM, NULL, "cannot open the state file %s: %s", in->lane_name,
                strerror(-r));
        return r;
    }
    struct state_page *page = in->state;
    if (page->n_suspects > in->n_entries)
        page->n_suspects = 0;
    end_texts(in);
    if (page->pid != 0) {
        collect_suspects(in);
        counter_add(COUNTER_CRASHES, 1);
        log_say(LOG_GENERAL, LEVEL_MEDIUM, NULL,
                "the one before (pid %d) did not end in order; %u message%s had been in hand", page->pid,
                page->n_suspects, page->n_suspects == 1 ? "" : "s");
    }
    memcpy(page->magic, state_page_magic, sizeof state_page_magic);
    page->pid = (int32_t)getpid();
    page->started_ms = page->beat_ms = time_ms();
    page->ready = page->ending = page->in_hand = page->waiting = 0;
    return 0;
}

int
state_reserve(struct service *service)
{
    struct service_inside *in = service->inside;
    int r = grow(in, in->n_jobs);
    if (r < 0)
        log_say(LOG_GENERAL, LEVEL_MINIMUM, NULL, "no room for what is in hand in the state file %s: %s",
                in->lane_name, strerror(-r));
    close(in->state_fd);
    in->state_fd = -1;
    return r;
}

void
state_begin_suspects(struct service *service)
{
    service->inside->suspects_running = service->inside->state->n_suspects > 0;
}

/* Puts the next suspect into its folder's ring, alone. False when there is none left. */
bool
state_next_suspect(struct service *service)
{
    struct service_inside *in = service->inside;
    while (in->state->n_suspects > 0) {
        const struct state_message *suspect = &in->entries[in->state->n_suspects - 1].suspect;
        struct source *source = suspect->folder < FOLDER_COUNT
                                    ? names_source(service, (enum folder)suspect->folder, suspect->connector)
                                    : NULL;
        if (source != NULL && faccessat(source->fd, suspect->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
            in->suspect_source = source;
            snprintf(in->suspect_name, sizeof in->suspect_name, "%s", suspect->name);
            return true;
        }
        in->state->n_suspects--; /* it has moved on */
    }
    if (in->suspects_running)
        for (size_t i = 0; i < in->n_sources; i++)
            in->sources[i].rescan = true;
    in->suspects_running = false;
    return false;
}

unsigned
state_crashes_of(struct service *service, const struct job *job)
{
    const struct service_inside *in = service->inside;
    for (size_t i = 0; i < in->state->n_suspects; i++)
        if (strcmp(in->entries[i].suspect.name, job_name_there(job)) == 0)
            return in->entries[i].suspect.crashes;
    return 0;
}

void
state_suspect_passed(struct service *service, const char *name)
{
    struct state_page *page = service->inside->state;
    struct state_entry *entries = service->inside->entries;
    for (size_t i = 0; i < page->n_suspects; i++) {
        if (strcmp(entries[i].suspect.name, name) != 0)
            continue;
        entries[i].suspect = entries[page->n_suspects - 1].suspect;
        page->n_suspects--;
        return;
    }
}

void
state_hold_slot(struct service *service, struct job *job)
{
    struct state_message *slot = &service->inside->entries[job->slot].slot;
    snprintf(slot->connector, sizeof slot->connector, "%s", job->connector);
    slot->folder = job->folder;
    const char *name = job_name_there(job);
    size_t len = strlen(name);
    BUG_UNLESS(len < sizeof slot->name);
    memcpy(slot->name, name, len + 1);
}

void
state_free_slot(struct service *service, struct job *job)
{
    service->inside->entries[job->slot].slot.name[0] = '\0';
}

void
state_error(struct service *service, const char *text)
{
    struct state_page *page = service->inside->state;
    snprintf(page->last_error, sizeof page->last_error, "%s", text);
    page->last_error_ms = time_ms();
}

void
service_error(struct service *service, const char *text)
{
    state_error(service, text);
}

void
state_close(struct service *service)
{
    service->inside->state->pid = 0;
    service->inside->state->ready = 0;
}
