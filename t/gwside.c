/* gwside - GroupWise's directory as a dirsync's run sees it, step by step: for scenarios with a gateway
 *
 *     gwside CONFIGURATION DIRSYNC read               "waiting", "failed ERRNO: TEXT", or an entry a line and "read N"
 *     gwside CONFIGURATION DIRSYNC answer             takes all items of DirIn: "ERRNO DIRSYNC TEXT" for each
 *     gwside CONFIGURATION DIRSYNC apply              changes on standard input, a line each:
 *                                                     OPERATION NAME [ATTRIBUTE=VALUE]...; "done NAME", or "RESULT NAME: TEXT"
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "directory/run.h"
#include "directory/side_gwise.h"
#include "spool-layout/layout.h"

enum { CHANGES = 100, DELTAS = 8, LINE = 4000 };

static struct dir_context context;
static struct arena *arena;

static const struct conf_dirsync *
find(const struct conf_root *root, const char *title)
{
    for (size_t i = 0; i < root->dirsyncs_n; i++)
        if (strcmp(root->dirsyncs[i].title, title) == 0)
            return &root->dirsyncs[i];
    fprintf(stderr, "gwside: no dirsync %s\n", title);
    exit(2);
}

static struct dir_side *
open_side(void)
{
    struct why why;
    struct dir_side *side = side_gwise_new(&context, &context.dirsync->foreign, &why);
    if (side != NULL && side->ops->open(side, &why) == 0)
        return side;
    fprintf(stderr, "gwside: %s\n", why.text);
    exit(2);
}

/* ---- read ---- */

static void
print_entry(const struct dir_entry *entry)
{
    printf("%.*s", (int)entry->name.len, entry->name.at);
    if (entry->mark.len > 0)
        printf(" mark=%.*s", (int)entry->mark.len, entry->mark.at);
    for (unsigned i = 0; i < DIR_ATTRIBUTES; i++)
        if (entry->value[i].len > 0)
            printf(" %s=%.*s", dir_attribute_name((enum dir_attribute)i), (int)entry->value[i].len,
                   entry->value[i].at);
    for (size_t i = 0; i < entry->n_proxies; i++)
        printf(" proxy=%.*s", (int)entry->proxies[i].address.value.len, entry->proxies[i].address.value.at);
    printf("%s\n", entry->hidden ? " hidden" : "");
}

static void
read_side(void)
{
    char name[300];
    struct why why = {"", ""};
    struct dir_reading reading = {.full_s = 0};
    struct dir_room room = {0};
    struct dir_entry entry;
    struct dir_set *set = dir_set_new();
    struct dir_side *side = open_side();
    run_dirsync_set_name(context.dirsync, name);
    if (dir_set_read(set, &reading, context.folder_fd, name, &why) != 0) {
        dir_set_free(set);
        set = dir_set_new();
    }
    int r = side->ops->read(side, &set, &reading, true, &why);
    if (r == -EINPROGRESS)
        printf("waiting\n");
    else if (r != 0)
        printf("failed %s: %s\n", strerror(-r), why.text);
    for (size_t place = 0; r == 0 && place < dir_set_places(set); place++)
        if (dir_set_get(set, place, &room, &entry))
            print_entry(&entry);
    if (r == 0)
        printf("read %zu\n", dir_set_count(set));
    if (r == 0 && dir_set_write(set, &reading, context.folder_fd, name, &why) != 0)
        printf("failed: %s\n", why.text);
    side->ops->close(side);
    dir_room_clear(&room);
    dir_set_free(set);
}

/* ---- answer ---- */

static void
take_item(int folder_fd, const char *name)
{
    struct queue_file file;
    struct why why = {"", ""};
    const struct conf_dirsync *whose = NULL;
    bool goes_on = false;
    int fd = openat(folder_fd, name, O_RDONLY | O_CLOEXEC),
        r = fd < 0 ? -errno : queue_file_read(fd, arena, &file, &why);
    if (r == 0)
        r = side_gwise_answer(&context, context.dirsync->connector, &file, &whose, &goes_on, &why);
    printf("%d %s %s\n", -r, whose != NULL ? whose->title : "-", why.text);
    if (fd >= 0)
        close(fd);
    unlinkat(folder_fd, name, 0);
}

static void
take_answers(void)
{
    int fd = folder_open(context.spool_fd, FOLDER_DIR_IN, context.dirsync->connector);
    DIR *folder = fdopendir(dup(fd));
    for (const struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;)
        if (entry->d_name[0] != '.')
            take_item(fd, entry->d_name);
    if (folder != NULL)
        closedir(folder);
    close(fd);
}

/* ---- apply ---- */

static void
done(void *arg, const struct dir_change *change, enum dir_result result, const struct why *why)
{
    static const char *const words[] = {"done", "before", "stale", "refused", "broken"};
    (void)arg;
    printf("%s %.*s%s%s\n", words[result], (int)change->name.len, change->name.at,
           why->text[0] != '\0' ? ": " : "", why->text);
}

static struct span
keep(struct span text)
{
    struct span kept = arena_span(arena, text);
    if (kept.at == NULL)
        exit(2);
    return kept;
}

static void
read_delta(struct dir_delta *delta, const char *text)
{
    const char *equals = strchr(text, '=');
    size_t len = equals != NULL ? (size_t)(equals - text) : strlen(text);
    delta->name = keep((struct span){text, len});
    delta->add = arena_alloc(arena, sizeof *delta->add);
    if (delta->add == NULL)
        exit(2);
    delta->add[0] = keep(span_of(equals != NULL ? equals + 1 : ""));
    delta->n_add = 1;
}

/* The next word; NULL behind the last. */
static char *
next_word(char **rest)
{
    char *word = strsep(rest, " \n");
    return word != NULL && word[0] != '\0' ? word : NULL;
}

static void
read_change(struct dir_change *change, char *line)
{
    char *rest = line, *word = next_word(&rest);
    change->deltas = arena_alloc(arena, DELTAS * sizeof *change->deltas);
    for (unsigned op = 0; op < DIR_OPERATIONS && word != NULL; op++)
        if (strcmp(word, dir_operation_name((enum dir_operation)op)) == 0)
            change->operation = (enum dir_operation)op;
    word = next_word(&rest);
    change->name = keep(span_of(word));
    change->source = change->name;
    if (change->operation != DIR_ADD)
        change->id = gwise_id(change->name, arena);
    while ((word = next_word(&rest)) != NULL && change->n_deltas < DELTAS && change->deltas != NULL)
        read_delta(&change->deltas[change->n_deltas++], word);
}

static void
apply_changes(void)
{
    static struct dir_change changes[CHANGES];
    char line[LINE];
    size_t n = 0;
    struct dir_side *side = open_side();
    while (n < CHANGES && fgets(line, sizeof line, stdin) != NULL)
        read_change(&changes[n++], line);
    for (size_t i = 0; i < n; i++)
        side->ops->apply(side, &changes[i], done, NULL);
    side->ops->flush(side);
    side->ops->close(side);
}

int
main(int argc, char **argv)
{
    struct buf errors = {0};
    struct conf *conf = argc == 4 ? conf_load(argv[1], &errors) : NULL;
    if (conf == NULL) {
        fprintf(stderr, "gwside: %s\n", errors.len > 0 ? errors.at : "CONFIGURATION DIRSYNC read|answer|apply");
        return 2;
    }
    const struct conf_root *root = conf_root(conf);
    arena = arena_new(64 << 20);
    id_start(1, 99);
    context = (struct dir_context){.root = root,
                                   .dirsync = find(root, argv[2]),
                                   .spool_fd = open(root->spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    context.folder_fd = folder_open(context.spool_fd, FOLDER_DIRSYNC, NULL);
    context.deadline_ms = monotonic_ms() + 60000;
    if (strcmp(argv[3], "read") == 0)
        read_side();
    else if (strcmp(argv[3], "answer") == 0)
        take_answers();
    else
        apply_changes();
    arena_free(arena);
    conf_free(conf);
    return 0;
}
