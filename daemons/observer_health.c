/* observer_health.c - whether the workers live (see observer_health.h)
 *
 * A worker has a state file for each lane; where one of them is alive, the worker is.
 *
 * What is hostile here: state files are other workers'.
 */
#include "daemons/observer_health.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/json_out.h"
#include "common/worker_state.h"

enum { INSTANCES_MAX = 20000 };

/* The best of a worker's lanes counts: a process that died is forgiven when another took over. */
enum life { LIFE_UNKNOWN, LIFE_DEAD, LIFE_ENDED, LIFE_FULL, LIFE_TROUBLE, LIFE_OK };

static const char *const life_words[] = {"unknown", "dead", "ended", "full", "trouble", "ok"};

struct instance {
    char name[96];
    enum life life;
    int64_t since_ms;
    char trouble[256];
};

struct instances {
    struct instance *at;
    size_t n;
};

static bool
is_connector(const struct conf_root *root, const char *name)
{
    return strcmp(name, "host") == 0 || conf_connector_find(root, name) != NULL;
}

/* True for the name of a worker that this configuration has. */
static bool
is_configured(const struct conf_root *root, const char *instance)
{
    for (unsigned i = 0; i < WORKER_COUNT; i++) {
        const struct worker_row *row = &worker_table[i];
        size_t len = strlen(row->program);
        if (strncmp(instance, row->program, len) != 0)
            continue;
        if (row->per == PER_ONE ? instance[len] == '\0'
                                : instance[len] == '-' && is_connector(root, instance + len + 1))
            return true;
    }
    return false;
}

static enum life
life_of(const struct state_page *page, int64_t now)
{
    if (page->pid == 0)
        return LIFE_ENDED;
    if (now - page->beat_ms > HEALTH_BEAT_MAX_MS)
        return LIFE_DEAD;
    if (page->full)
        return LIFE_FULL;
    return page->trouble_ms > 0 ? LIFE_TROUBLE : LIFE_OK;
}

/* The worker's entry; a new one where it has none yet, NULL where there are too many. */
static struct instance *
find_instance(struct instances *all, const char *name)
{
    for (size_t i = 0; i < all->n; i++)
        if (strcmp(all->at[i].name, name) == 0)
            return &all->at[i];
    if (all->n == INSTANCES_MAX)
        return NULL;
    if ((all->n & (all->n - 1)) == 0)
        all->at = xrealloc(all->at, (all->n > 0 ? all->n * 2 : 1) * sizeof *all->at);
    struct instance *made = &all->at[all->n++];
    *made = (struct instance){.life = LIFE_UNKNOWN};
    snprintf(made->name, sizeof made->name, "%s", name);
    return made;
}

static void
add_lane(struct instances *all, const char *name, const struct state_page *page)
{
    struct instance *instance = find_instance(all, name);
    enum life life = life_of(page, time_ms());
    if (instance == NULL || life <= instance->life)
        return;
    instance->life = life;
    instance->since_ms = life == LIFE_TROUBLE ? page->trouble_ms : life == LIFE_DEAD ? page->beat_ms : -1;
    snprintf(instance->trouble, sizeof instance->trouble, "%s", life == LIFE_TROUBLE ? page->trouble : "");
}

static void
read_states(int folder_fd, DIR *dir, const struct conf_root *root, struct instances *all)
{
    struct state_page *page = xmalloc(sizeof *page);
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char name[sizeof all->at->name];
        const char *lane = strrchr(entry->d_name, '.');
        if (lane == NULL || lane == entry->d_name || (size_t)(lane - entry->d_name) >= sizeof name)
            continue;
        memcpy(name, entry->d_name, (size_t)(lane - entry->d_name));
        name[lane - entry->d_name] = '\0';
        if (is_configured(root, name) && state_read(folder_fd, entry->d_name, page) == 0)
            add_lane(all, name, page);
    }
    free(page);
}

static int
compare_instances(const void *a, const void *b)
{
    const struct instance *x = a, *y = b;
    return strcmp(x->name, y->name);
}

/* 0: ok, 1: degraded, 2: failing. */
static int
severity(enum life life)
{
    if (life == LIFE_DEAD)
        return 2;
    return life == LIFE_FULL || life == LIFE_TROUBLE ? 1 : 0;
}

static int
worst_of(const struct instances *all)
{
    int worst = 0;
    for (size_t i = 0; i < all->n; i++)
        if (severity(all->at[i].life) > worst)
            worst = severity(all->at[i].life);
    return worst;
}

static void
print(const char *node, int worst, const struct instances *all, struct buf *out)
{
    static const char *const words[] = {"ok", "degraded", "failing"};
    struct json json;
    json_start(&json, out);
    json_begin_object(&json, NULL);
    json_add_text(&json, "node", node);
    json_add_text(&json, "status", words[worst]);
    json_begin_array(&json, "workers");
    for (size_t i = 0; i < all->n; i++) {
        const struct instance *instance = &all->at[i];
        json_begin_object(&json, NULL);
        json_add_text(&json, "instance", instance->name);
        json_add_text(&json, "status", life_words[instance->life]);
        if (instance->since_ms >= 0)
            json_add_time(&json, "since", instance->since_ms);
        if (instance->trouble[0] != '\0')
            json_add_text(&json, "trouble", instance->trouble);
        json_end_object(&json);
    }
    json_end_array(&json);
    json_end_object(&json);
    buf_add_byte(out, '\n');
}

bool
health_print(int spool_fd, const struct conf_root *root, const char *node, struct buf *out)
{
    struct instances all = {0};
    int fd = folder_open(spool_fd, FOLDER_STATE, NULL);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir != NULL)
        read_states(fd, dir, root, &all);
    int worst = dir == NULL ? 2 : worst_of(&all);
    if (dir != NULL)
        closedir(dir);
    else if (fd >= 0)
        close(fd);
    if (all.n > 0)
        qsort(all.at, all.n, sizeof *all.at, compare_instances);
    print(node, worst, &all, out);
    free(all.at);
    return worst < 2;
}
