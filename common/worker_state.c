/* worker_state.c - writing the state file, and what was in hand at a crash (see worker_state.h) */
#include "common/worker_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/worker_inside.h"

static struct state_page *
map_page(int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return NULL;
    if ((size_t)st.st_size != sizeof(struct state_page) &&
        (ftruncate(fd, 0) < 0 || ftruncate(fd, (off_t)sizeof(struct state_page)) < 0))
        return NULL;
    void *page = mmap(NULL, sizeof(struct state_page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return page == MAP_FAILED ? NULL : page;
}

/* What was in hand when the one before crashed joins the suspects; alone in hand, it is counted. */
static void
collect_suspects(struct state_page *page)
{
    unsigned in_hand = 0;
    for (size_t i = 0; i < STATE_SLOTS; i++)
        in_hand += page->slots[i].name[0] != '\0';
    for (size_t i = 0; i < STATE_SLOTS; i++) {
        struct state_message *slot = &page->slots[i];
        if (slot->name[0] == '\0')
            continue;
        struct state_message *suspect = NULL;
        for (size_t k = 0; k < page->n_suspects && suspect == NULL; k++)
            if (strcmp(page->suspects[k].name, slot->name) == 0)
                suspect = &page->suspects[k];
        if (suspect == NULL && page->n_suspects < STATE_SUSPECTS) {
            suspect = &page->suspects[page->n_suspects++];
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
    int fd = folder < 0 ? -1 : openat(folder, in->lane_name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);
    in->state = fd < 0 ? NULL : map_page(fd);
    if (in->state == NULL)
        log_say(LOG_GENERAL, LEVEL_MINIMUM, NULL, "cannot open the state file %s: %s", in->lane_name,
                strerror(errno));
    if (fd >= 0)
        close(fd);
    if (folder >= 0)
        close(folder);
    if (in->state == NULL)
        return -EIO;
    struct state_page *page = in->state;
    if (!state_page_valid(page))
        memset(page, 0, sizeof *page);
    state_page_end_texts(page);
    if (page->pid != 0) {
        collect_suspects(page);
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
        const struct state_message *suspect = &in->state->suspects[in->state->n_suspects - 1];
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
    const struct state_page *page = service->inside->state;
    for (size_t i = 0; i < page->n_suspects; i++)
        if (strcmp(page->suspects[i].name, job_name_there(job)) == 0)
            return page->suspects[i].crashes;
    return 0;
}

void
state_suspect_passed(struct service *service, const char *name)
{
    struct state_page *page = service->inside->state;
    for (size_t i = 0; i < page->n_suspects; i++) {
        if (strcmp(page->suspects[i].name, name) != 0)
            continue;
        page->suspects[i] = page->suspects[page->n_suspects - 1];
        page->n_suspects--;
        return;
    }
}

void
state_hold_slot(struct service *service, struct job *job)
{
    struct state_message *slot = &service->inside->state->slots[job->slot];
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
    service->inside->state->slots[job->slot].name[0] = '\0';
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
