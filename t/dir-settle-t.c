/* dir-settle-t.c - plans carried out by the sides that are files and GroupWise: after one plan there is nothing left to do
 *
 * What a side keeps of a value must be what the planner expects there, else it is written at every run.
 */
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

#include "common/id.h"
#include "directory/run.h"
#include "directory/side.h"
#include "spool-layout/layout.h"
#include "t/dir_plan_rig.h"

static char folder[300], out_path[400], in_path[400];
static struct dir_context context;
static struct conf_root spool_root;
static struct conf_connector connector = {.title = "groupwise", .type = "gwise"};
static struct dir_side *side;
static const char *form;
static unsigned n_done, n_other;

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st;
    (void)kind;
    (void)where;
    return remove(path);
}

/* ---- a side ---- */

static void
open_side(struct world *world)
{
    struct why why = {"", ""};
    if (side != NULL)
        side->ops->close(side);
    side = strcmp(form, "gwise") == 0 ? side_gwise_new(&context, &world->dirsync.foreign, &why)
                                      : side_file_new(&context, &world->dirsync.foreign, &why);
    if (side == NULL || side->ops->open(side, &why) != 0) {
        printf("# %s\n", why.text);
        exit(1);
    }
    world->traits[0] = side->traits;
}

/* What GroupWise holds is what it was told: there is no gateway here. */
static void
store_set(struct world *world)
{
    struct dir_reading reading = {.full_s = 1};
    struct why why;
    char name[300];
    run_dirsync_set_name(&world->dirsync, name);
    dir_set_write(world->side[0], &reading, context.folder_fd, name, &why);
}

static void
read_side(struct world *world)
{
    struct dir_reading reading = {.full_s = 0};
    struct why why = {"", ""};
    int r = side->ops->read(side, &world->side[0], &reading, true, &why);
    if (r != 0)
        printf("# %d %s\n", r, why.text);
    store_set(world);
}

static void
done(void *arg, const struct dir_change *change, enum dir_result result, const struct why *why)
{
    (void)arg;
    n_done += result == DIR_DONE;
    n_other += result != DIR_DONE;
    if (result != DIR_DONE)
        printf("# %s %.*s: %d %s\n", dir_operation_name(change->operation), (int)change->name.len,
               change->name.at, (int)result, why->text);
}

/* Plans, carries out, reads back, and plans again: nothing is left. The number of changes that were made; -1: something was wrong. */
static int
settle(struct world *world)
{
    n_done = n_other = 0;
    const struct dir_plan *plan = world_plan(world);
    for (size_t i = 0; i < plan->n_changes; i++) {
        if (i > 0 && plan->changes[i].operation != plan->changes[i - 1].operation)
            side->ops->flush(side);
        side->ops->apply(side, &plan->changes[i], done, NULL);
    }
    side->ops->flush(side);
    int made = (int)n_done;
    bool good = n_other == 0 && n_done == plan->n_changes;
    dir_set_free(world->added);
    world->added = plan->added;
    world->plan->added = NULL;
    read_side(world);
    open_side(world);
    if (strcmp(form, "gwise") != 0)
        read_side(world);
    if (world_plan(world)->n_changes > 0) {
        print_plan(world->plan);
        good = false;
    }
    return good ? made : -1;
}

/* ---- a host that changes ---- */

static struct world *
begin(const char *format)
{
    struct world *world = world_new();
    form = format;
    unlink(out_path);
    world->dirsync.foreign = (struct conf_foreign){
        .format = format, .write = out_path, .domain = "Exchange", .alias = "internet", .answer_s = 3600};
    world->dirsync.import.set = false;
    world->dirsync.export.container = strcmp(format, "ldif") == 0 ? "OU=Exchange,O=GW" : NULL;
    spool_root.dirsyncs = &world->dirsync;
    spool_root.dirsyncs_n = 1;
    context.dirsync = &world->dirsync;
    store_set(world);
    open_side(world);
    if (strcmp(format, "gwise") != 0)
        read_side(world);
    return world;
}

static void
test_export(const char *format)
{
    bool gwise = strcmp(format, "gwise") == 0;
    struct world *world = begin(format);
    struct dir_entry entry, copy;
    host_user(world, "ann-id", "Ann \"A\" Beebe, Dr.",
              "GWISE:Exchange.HQ.ann|SMTP:ann@contoso.example|smtp:a@contoso.example");
    host_user(world, "bob-id", "\xD0\x91\xD0\xBE\xD0\xB1 =x", "GWISE:Exchange.HQ.bob|SMTP:bob@contoso.example");
    host_user(world, "cy-id", "Cy with a name that is longer than the forty characters of GroupWise",
              "GWISE:Exchange.Branch.cy");
    host_user(world, "no-id", "Nobody", "SMTP:nobody@contoso.example");
    get_id(world, true, "ann-id", &entry);
    entry.value[DIR_SURNAME] = SPAN("Beebe");
    entry.value[DIR_GIVEN] = SPAN(" Ann ");
    entry.value[DIR_PHONE] = SPAN("+49 (89) 1");
    entry.value[DIR_INFO] = SPAN("-1+1; \\|");
    entry.value[DIR_COMPANY] = SPAN("'=x");
    put_entry(world, true, &entry);
    put_group(world, true, "all-id", "CN=all,OU=Staff,DC=contoso,DC=example", "GWISE:Exchange.HQ.all",
              "CN=Ann \"A\" Beebe, Dr.,OU=Staff,DC=contoso,DC=example|CN=\xD0\x91\xD0\xBE\xD0\xB1 "
              "=x,OU=Staff,DC=contoso,DC=example");
    is_int(settle(world), 4, "%s: who has an address there is exported, and then nothing is left to do",
           format);
    read_side(world);
    is_int(dir_set_count(world->side[0]), gwise ? 4 : 4, "%s: all of them", format);

    get_id(world, true, "ann-id", &entry);
    entry.value[DIR_TITLE] = SPAN("Head, \"of\" nothing");
    entry.value[DIR_GIVEN] = SPAN("");
    put_entry(world, true, &entry);
    is_int(settle(world), 1, "%s: what changes is changed", format);
    ok(gwise || (get_copy(world, false, "ann-id", &copy) &&
                 span_equal(copy.value[DIR_TITLE], SPAN("Head, \"of\" nothing"))),
       "%s: and is there", format);

    host_user(world, "bob-id", "Bob", "GWISE:Exchange.HQ.robert|SMTP:bob@contoso.example");
    put_group(world, true, "all-id", "CN=all,OU=Staff,DC=contoso,DC=example", "GWISE:Exchange.HQ.all",
              "CN=Ann \"A\" Beebe, Dr.,OU=Staff,DC=contoso,DC=example|CN=Bob,OU=Staff,DC=contoso,DC=example");
    ok(settle(world) >= 1, "%s: another address, another name", format);

    get_id(world, true, "cy-id", &entry);
    entry.hidden = true;
    put_entry(world, true, &entry);
    is_int(settle(world), 1, "%s: hidden there as here", format);
    entry.hidden = false;
    put_entry(world, true, &entry);
    is_int(settle(world), 1, "%s: and shown again", format);

    dir_set_drop(world->side[1], SPAN("ann-id"));
    put_group(world, true, "all-id", "CN=all,OU=Staff,DC=contoso,DC=example", "GWISE:Exchange.HQ.all",
              "CN=Bob,OU=Staff,DC=contoso,DC=example");
    ok(settle(world) >= 1, "%s: who has left is deleted", format);
    ok(!get_copy(world, false, "ann-id", &copy), "%s: and gone", format);
    world_free(world);
}

/* ---- a foreign file ---- */

static void
put_file(const char *text)
{
    struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    int fd = open(in_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, text, strlen(text)) < 0 || futimens(fd, times) != 0)
        exit(1);
    close(fd);
}

/* Plans for the host; how many changes. World_apply() checks each of them. */
static size_t
import(struct world *world)
{
    read_side(world);
    size_t n = world_plan(world)->n_changes;
    world_apply(world);
    if (world->trouble[0] != '\0')
        printf("# %s\n", world->trouble);
    return world->trouble[0] != '\0' ? SIZE_MAX : n;
}

static void
test_import(void)
{
    struct world *world = begin("csv");
    struct dir_entry copy;
    world->dirsync.import.set = true;
    world->dirsync.export.set = false;
    world->dirsync.foreign.read = in_path;
    put_file(
        "id,address,displayName,proxies,kind,members\n1,GWISE:D.P.ann,\"Beebe, Ann\",smtp:ann@gw.example,,\n"
        "2,GWISE:D.P.bob,Bob,,,\n3,GWISE:D.P.all,All,,group,GWISE:D.P.ann|2\n");
    open_side(world);
    is_int(import(world), 3, "people of a file are imported");
    is_int(import(world), 0, "once");
    ok(get_copy(world, true, "1", &copy) && entry_has(world, &copy, "smtp:ann@gw.example"),
       "with their addresses");
    ok(get_copy(world, true, "3", &copy) && copy.n_members == 2, "and groups with their members");
    put_file("id,address,displayName,proxies,kind,members\n1,GWISE:D.P.ann,Ann Beebe,,,\n"
             "2,GWISE:D.P.robert,Bob,,,\n3,GWISE:D.P.all,All,,group,2\n");
    ok(import(world) >= 3, "what changes is changed");
    is_int(import(world), 0, "once");
    ok(get_copy(world, true, "2", &copy) && span_equal(copy.target.value, SPAN("D.P.robert")),
       "by id, whatever the address");
    world_free(world);
}

int
main(void)
{
    char path[SPOOL_PATH_MAX];
    id_start(1, 1);
    snprintf(folder, sizeof folder, "%s", tap_folder());
    snprintf(out_path, sizeof out_path, "%s/out", folder);
    snprintf(in_path, sizeof in_path, "%s/in", folder);
    context.spool_fd = open(folder, O_RDONLY | O_DIRECTORY);
    folder_path(FOLDER_DIRSYNC, NULL, path);
    mkdirat(context.spool_fd, path, 0700);
    context.folder_fd = folder_open(context.spool_fd, FOLDER_DIRSYNC, NULL);
    folder_path(FOLDER_DIR_OUT, "groupwise", path);
    for (char *slash = path; (slash = strchr(slash, '/')) != NULL; *slash++ = '/') {
        *slash = '\0';
        mkdirat(context.spool_fd, path, 0700);
    }
    mkdirat(context.spool_fd, path, 0700);
    connector.convert.codepage = "437";
    connector.convert.unmappable = "best-fit";
    spool_root.connectors = &connector;
    spool_root.connectors_n = 1;
    context.root = &spool_root;
    context.deadline_ms = monotonic_ms() + 60000;
    test_export("csv");
    test_export("ldif");
    test_export("gwise");
    test_import();
    side->ops->close(side);
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return tap_done();
}
