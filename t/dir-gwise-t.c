/* dir-gwise-t.c - GroupWise's directory through its gateway: the promises of directory/side_gwise.h
 *
 * What is not the answer to what was asked never becomes a directory, nor a shorter one; nothing is written but in our own foreign
 * domain; what a code page or a limit changes is not written again.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "directory/run.h"
#include "directory/side_gwise.h"
#include "spool-layout/layout.h"
#include "systems/gwise/container.h"
#include "t/tap.h"

static const char *folder;
static struct conf_root root;
static struct conf_connector connector;
static struct conf_dirsync dirsyncs[2];
static struct dir_context context;
static struct dir_side *side;
static struct dir_set *set;
static struct dir_reading reading;
static struct dir_room room;
static struct dir_entry entry;
static struct why why;
static struct arena *arena;
static int out_fd;
static bool goes_on;

#define FRAME(text) "WPC-API= 1.2; \r\nHeader-Char= T50; \r\nMsg-Type= ADMIN; \r\n" text "-END-\r\n"
#define USER(domain, office, object, more)                                                                     \
    "DS-User= \r\n    Operation= List; \r\n    Domain= " domain "; \r\n    Post-Office= " office               \
    "; \r\n    Object= " object "; \r\n    Visibility= System; \r\n" more ";\r\n"

static const char whole[] = FRAME(USER(
    "Exchange", "US", "ADMINISTRATOR",
    "    Description= Administrator; \r\n    First-Name= Administrator; \r\n    Gw-Alias= \r\n        Type= "
    "exchange; \r\n        External-Name= Administrator@brian.example; \r\n    ;\r\n")
                                      USER("GWDOMAIN", "GWPO", "GWUser1",
                                           "    Last-Name= User1; \r\n"
                                           "    First-Name= J\x94rg; \r\n    Phone=  ; \r\n"
                                           "    Gw-Alias= \r\n        Type= internet; \r\n"
                                           "        External-Name= joerg@gw.example; \r\n    ;\r\n")
                                          USER("GWDOMAIN", "GWPO", "blank", "    Last-Name=  ; \r\n"));

/* ---- the spool ---- */

static void
make_folder(const char *path)
{
    char text[600], *slash;
    snprintf(text, sizeof text, "%s/%s", folder, path);
    for (slash = text + strlen(folder) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        mkdir(text, 0700);
        *slash = '/';
    }
    mkdir(text, 0700);
}

static void
set_up(void)
{
    char path[SPOOL_PATH_MAX];
    folder = tap_folder();
    context.spool_fd = open(folder, O_RDONLY | O_DIRECTORY);
    folder_path(FOLDER_DIR_OUT, "gw", path);
    make_folder(path);
    out_fd = folder_open(context.spool_fd, FOLDER_DIR_OUT, "gw");
    folder_path(FOLDER_DIRSYNC, NULL, path);
    make_folder(path);
    context.folder_fd = folder_open(context.spool_fd, FOLDER_DIRSYNC, NULL);
    connector = (struct conf_connector){.title = "gw", .type = "gwise"};
    connector.convert.codepage = "437";
    connector.convert.unmappable = "best-fit";
    connector.peer.domain = "EXCHANGE";
    for (size_t i = 0; i < 2; i++) {
        dirsyncs[i].title = i == 0 ? "sync" : "other";
        dirsyncs[i].connector = "gw";
        dirsyncs[i].export.set = true;
        dirsyncs[i].foreign.format = "gwise";
        dirsyncs[i].foreign.answer_s = 3600;
        dirsyncs[i].foreign.alias = "internet";
    }
    root.connectors = &connector;
    root.connectors_n = 1;
    root.dirsyncs = dirsyncs;
    root.dirsyncs_n = 2;
    context.root = &root;
    context.dirsync = &dirsyncs[0];
    context.deadline_ms = monotonic_ms() + 60000;
}

static void
empty(int fd)
{
    DIR *dir = fdopendir(openat(fd, ".", O_RDONLY | O_DIRECTORY));
    for (const struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;)
        unlinkat(fd, e->d_name, 0);
    closedir(dir);
}

static void
begin(void)
{
    if (side != NULL)
        side->ops->close(side);
    side = side_gwise_new(&context, &context.dirsync->foreign, &why);
    if (side == NULL || side->ops->open(side, &why) != 0)
        exit(1);
}

static void
begin_anew(void)
{
    empty(context.folder_fd);
    empty(out_fd);
    dir_set_free(set);
    set = dir_set_new();
    begin();
}

static int
read_side(void)
{
    why.text[0] = '\0';
    return side->ops->read(side, &set, &reading, false, &why);
}

static bool
find(const char *id)
{
    size_t place = dir_set_find_id(set, span_of(id));
    return place != SIZE_MAX && dir_set_get(set, place, &room, &entry);
}

static bool
says(const char *text)
{
    if (strstr(why.text, text) != NULL)
        return true;
    printf("# why: %s\n", why.text);
    return false;
}

/* ---- items ---- */

static ssize_t
read_item(void *arg, uint64_t offset, void *bytes, size_t size)
{
    (void)offset;
    return queue_body_read(arg, bytes, size, &why);
}

/* The header of an item in DirOut. */
static void
item_text(const char *name, struct buf *out)
{
    struct queue_file file;
    struct queue_body body;
    struct container_reader reader;
    static struct container_item item;
    int fd = openat(out_fd, name, O_RDONLY);
    if (fd < 0 || queue_file_read(fd, arena, &file, &why) != 0)
        return;
    queue_body_start(&body, &file);
    container_open(&reader, read_item, &body);
    for (enum container_event event; (event = container_next(&reader, &item, &why)) != CONTAINER_END;) {
        if (event == CONTAINER_BROKEN)
            printf("# broken: %s\n", why.text);
        if (event == CONTAINER_BROKEN)
            break;
        if (event == CONTAINER_DATA)
            buf_add_span(out, item.data);
    }
    close(fd);
}

static int
by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int
no_dots(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

/* The texts of all items in DirOut, in their order, and how many there are. */
static int
sent(struct buf *out)
{
    struct dirent **list;
    int n = scandirat(out_fd, ".", &list, no_dots, by_name);
    buf_reset(out);
    buf_add_text(out, "");
    for (int i = 0; i < n; i++) {
        item_text(list[i]->d_name, out);
        free(list[i]);
    }
    free(list);
    return n;
}

static int
write_item(void *arg, const void *bytes, size_t len)
{
    return queue_writer_add(arg, bytes, len);
}

/* An item as the carrier makes one, given to side_gwise_answer(). */
static int
answer_with(const char *text, size_t len, bool unfinished, const struct conf_dirsync **whose)
{
    struct envelope envelope = {.id = SPAN("00000000000000000000000000"),
                                .origin = SPAN("gw"),
                                .class = SPAN("ITEM"),
                                .arrival_ms = 1,
                                .next_report = 1,
                                .originator = {SPAN("SMTP"), SPAN("")}};
    struct container_writer container;
    struct queue_file file;
    struct queue_writer *writer = queue_writer_new(context.spool_fd, "item", 1200, &why);
    container_begin(&container, write_item, writer);
    if (unfinished) {
        container_part(&container, PART_META, SPAN("why"));
        container_add(&container, "it has no -END-", 15);
        container_part_end(&container);
    }
    container_part(&container, PART_HEADER, SPAN("36ED2937.API"));
    container_add(&container, text, len);
    container_part_end(&container);
    container_end(&container);
    int fd = queue_writer_finish(writer, &envelope, SPAN(""), &why), r = -1;
    if (fd >= 0 && queue_file_read(fd, arena, &file, &why) == 0)
        r = side_gwise_answer(&context, "gw", &file, whose, &goes_on, &why);
    queue_writer_drop(writer);
    unlinkat(context.spool_fd, "item", 0);
    close(fd);
    return r;
}

#define answer(text, whose) answer_with(text, sizeof(text) - 1, false, whose)

static bool
is_there(const char *name)
{
    return faccessat(context.folder_fd, name, F_OK, 0) == 0;
}

/* ---- reading ---- */

static void
test_asking(void)
{
    const struct conf_dirsync *whose = NULL;
    struct buf text = {0};
    begin_anew();
    is_int(read_side(), -EINPROGRESS, "the directory is asked for");
    is_int(sent(&text), 1, "by one item");
    is_text(text.at, "WPC-API= 1.2; \r\nMsg-Type= Admin; \r\n-GET-DIRECTORY- \r\n-END-\r\n",
            "as Exchange asked");
    begin();
    is_int(read_side(), -EINPROGRESS, "the next run waits");
    is_int(sent(&text), 1, "and does not ask again");
    context.dirsync = &dirsyncs[1];
    begin();
    is_int(read_side(), -EAGAIN, "another dirsync does not ask the same gateway meanwhile");
    is_int(sent(&text), 1, "indeed");
    context.dirsync = &dirsyncs[0];
    is_int(answer(whole, &whose), 0, "the answer is taken");
    ok(whose == &dirsyncs[0] && !goes_on, "for whoever asked, a person who goes on himself");
    is_int(answer(FRAME(USER("GWDOMAIN", "GWPO", "OTHER", "")), &whose), -ENOENT,
           "a second one while that lies there is not what was asked for");
    begin();
    is_int(read_side(), 0, "and read");
    is_int(dir_set_count(set), 3, "all of it");
    ok(!is_there("sync.answer") && !is_there("sync.asked"), "and forgotten");
    ok(find("GWDOMAIN.GWPO.GWUSER1"), "the id has no case");
    is_span(entry.name, "GWDOMAIN.GWPO.GWUser1", "the name has");
    is_span(entry.target.type, "GWISE", "the address is a GWISE address");
    is_span(entry.value[DIR_GIVEN], "J\xC3\xB6rg", "from the gateway's code page");
    is_span(entry.value[DIR_DISPLAY], "J\xC3\xB6rg User1", "a display name of both names");
    is_span(entry.value[DIR_PHONE], "", "blanks are no value");
    ok(entry.n_proxies == 1 && span_equal(entry.proxies[0].address.value, SPAN("joerg@gw.example")),
       "an alias of the gateway's type");
    ok(entry.kind == DIR_MAILBOX && entry.mark.len == 0, "one of theirs");
    ok(find("GWDOMAIN.GWPO.BLANK") && span_equal(entry.value[DIR_DISPLAY], SPAN("blank")),
       "who has no name is named by his object");
    ok(find("EXCHANGE.US.ADMINISTRATOR") && entry.kind == DIR_CONTACT, "who lies in our own domain");
    is_span(entry.mark, "viaduct:sync:", "is ours");
    is_span(entry.value[DIR_DISPLAY], "Administrator", "with his display name as description");
    ok(entry.n_proxies == 0, "an alias of another type is none");
    begin();
    context.goes_on = true;
    is_int(read_side(), -EINPROGRESS, "the next time it is asked anew");
    context.goes_on = false;
    is_int(answer(whole, &whose), 0, "by a run that the worker goes on with");
    ok(goes_on, "which it is told");
    begin();
    is_int(read_side(), 0, "and does");
    begin();
    is_int(read_side(), -EINPROGRESS, "until the next time");
    buf_clear(&text);
}

static void
test_late(void)
{
    char text[200];
    const struct conf_dirsync *whose = NULL;
    begin_anew();
    read_side();
    int fd = openat(context.folder_fd, "sync.asked", O_WRONLY | O_TRUNC);
    int len = snprintf(text, sizeof text, "viaduct-asked 1\nsince %lld\n", (long long)time(NULL) - 3601);
    ok(write(fd, text, (size_t)len) == len, "an hour later");
    close(fd);
    is_int(answer(whole, &whose), -ENOENT, "what comes now was not asked for");
    ok(is_there("gw.unasked") && !is_there("sync.answer"), "and is kept, but not read");
    begin();
    is_int(read_side(), -ETIMEDOUT, "the run fails");
    ok(says("has not answered within 60 minutes"), "and says so");
    begin();
    is_int(read_side(), -EINPROGRESS, "and the next one asks again");
    fd = openat(context.folder_fd, "sync.asked", O_WRONLY | O_TRUNC);
    close(fd);
    begin();
    is_int(read_side(), -EINPROGRESS, "a torn note is as none");
}

/* R11, R12: answers that are not what was asked for, and answers to nothing. */
static void
test_not_the_answer(void)
{
    const struct conf_dirsync *whose = NULL;
    static const char list[] =
        "WPC-API= 1.2; \r\nHeader-Char= T50; \r\nMsg-Type= ADMIN; \r\n# The query information was:\r\n#"
        "            Type = DS-User\r\n#          Domain = EXCHANGE\r\n\r\n" USER("GWDOMAIN", "GWPO", "x",
                                                                                  "") "-END-\r\n";
    begin_anew();
    is_int(answer(whole, &whose), -ENOENT, "what nobody asked for is ignored");
    ok(says("nobody has asked") && is_there("gw.unasked"), "and kept");
    read_side();
    is_int(answer(list, &whose), -EBADMSG, "an answer to a List is not one to a request for everything");
    ok(says("List"), "and says so");
    is_int(answer(FRAME(USER("EXCHANGE", "US", "a", "") USER("Exchange", "US", "b", "")), &whose), -EBADMSG,
           "nor is one that names only who is ours: all of GroupWise would be gone");
    is_int(answer_with(whole, sizeof whole - 10, false, &whose), -EBADMSG, "nor one that ends early");
    is_int(answer_with(whole, sizeof whole - 1, true, &whose), -EBADMSG,
           "nor one that the gateway never finished");
    is_int(answer(FRAME(USER("GWDOMAIN", "GWPO", "", "")), &whose), -EBADMSG,
           "nor one with an entry without key");
    is_int(answer("WPC-API= 1.2; \r\nMsg-Type= Mail; \r\n-END-\r\n", &whose), -EBADMSG, "nor mail");
    is_int(answer(FRAME(""), &whose), -EBADMSG, "nor an empty one");
    ok(whose == NULL && !is_there("sync.answer"), "none of them is kept as the answer");
    begin();
    is_int(read_side(), -EINPROGRESS, "which is still waited for");
    is_int(dir_set_count(set), 0, "and the set is as before");
    is_int(answer(whole, &whose), 0, "and taken when it comes");
}

/* ---- writing ---- */

static enum dir_result results[10];
static unsigned calls[10];
static struct dir_change changes[10];

static void
done(void *arg, const struct dir_change *change, enum dir_result result, const struct why *reason)
{
    (void)arg;
    results[change - changes] = result;
    calls[change - changes]++;
    if (reason->text[0] != '\0')
        why = *reason;
}

static void
apply(unsigned n)
{
    memset(calls, 0, sizeof calls);
    for (unsigned i = 0; i < n; i++)
        side->ops->apply(side, &changes[i], done, NULL);
    side->ops->flush(side);
    for (unsigned i = 0; i < n; i++)
        if (calls[i] != 1)
            printf("# change %u: %u results\n", i, calls[i]);
}

static void
know(const char *text, size_t len)
{
    const struct conf_dirsync *whose;
    char name[300];
    begin();
    read_side();
    if (answer_with(text, len, false, &whose) != 0 || read_side() != 0)
        printf("# %s\n", why.text);
    run_dirsync_set_name(context.dirsync, name);
    dir_set_write(set, &reading, context.folder_fd, name, &why);
    empty(out_fd);
}

#define TEXT(literal)                                                                                          \
    {                                                                                                          \
        literal, sizeof(literal) - 1                                                                           \
    }
static struct span ann = TEXT("Ann \xE2\x80\x94 Beebe"), mail = TEXT("ann@contoso.example"),
                   surname = TEXT("\xD0\x91\xD0\xB8\xD0\xB1\xD0\xB8"), admin = TEXT("Administrator"),
                   target = TEXT("GWISE:Exchange.HQ.abeebe");
static struct dir_delta ann_deltas[] = {{TEXT("displayName"), NULL, 0, &ann, 1},
                                        {TEXT("sn"), NULL, 0, &surname, 1},
                                        {TEXT("targetAddress"), NULL, 0, &target, 1},
                                        {TEXT("mail"), NULL, 0, &mail, 1}};
static struct dir_delta admin_deltas[] = {{TEXT("sn"), NULL, 0, &admin, 1},
                                          {TEXT("givenName"), &admin, 1, NULL, 0}};

static void
test_writing(void)
{
    struct buf text = {0};
    begin_anew();
    know(whole, sizeof whole - 1);
    begin();
    changes[0] = (struct dir_change){.operation = DIR_ADD,
                                     .kind = DIR_CONTACT,
                                     .name = SPAN("Exchange.HQ.abeebe"),
                                     .source = SPAN("id-ann"),
                                     .deltas = ann_deltas,
                                     .n_deltas = COUNT_OF(ann_deltas)};
    changes[1] = (struct dir_change){.operation = DIR_CHANGE,
                                     .id = SPAN("EXCHANGE.US.ADMINISTRATOR"),
                                     .name = SPAN("Exchange.US.ADMINISTRATOR"),
                                     .deltas = admin_deltas,
                                     .n_deltas = COUNT_OF(admin_deltas)};
    apply(2);
    ok(results[0] == DIR_DONE && results[1] == DIR_DONE, "added and changed");
    is_int(sent(&text), 2, "by two files: the post office first");
    const char *office = strstr(
        text.at,
        "DS-External-Post-Office= \r\n    Operation= Add; \r\n    Domain= Exchange; \r\n    Post-Office= HQ;");
    const char *add = strstr(text.at, "    Operation= Add; \r\n    Visibility= System; \r\n    Domain= "
                                      "Exchange; \r\n    Post-Office= HQ; \r\n    Object= abeebe;");
    ok(office != NULL && add != NULL && office < add, "and then who lies in it");
    ok(strstr(text.at, "Post-Office= US; \r\n    Time-Zone") == NULL, "one that is there is not added");
    const char *before = strstr(
        text.at,
        "    Operation= Add; \r\n    Visibility= System; \r\n    Domain= Exchange; \r\n    Post-Office= US;");
    const char *modify = strstr(text.at, "    Operation= Modify; \r\n    Visibility= System; \r\n    Domain= "
                                         "Exchange; \r\n    Post-Office= US; \r\n"
                                         "    Object= ADMINISTRATOR; \r\n    Last-Name= Administrator; \r\n    "
                                         "First-Name= \\\\; \r\n    Description= Administrator;");
    ok(before != NULL && modify != NULL && before < modify,
       "an Add stands before each Modify (R20), which says all and clears what is gone");
    ok(strstr(text.at, "        Type= internet; \r\n        External-Name= ann@contoso.example;") != NULL,
       "her Internet address is her alias");
    ok(strstr(text.at, "Description= Ann - Beebe;") != NULL && strstr(text.at, "Last-Name= ????;") != NULL,
       "in the gateway's code page");

    is_int(read_side(), 0, "read back at once,");
    ok(find("EXCHANGE.HQ.ABEEBE"), "she is as she was written,");
    is_span(entry.value[DIR_DISPLAY], ann.at, "not as the code page has her");
    is_int(sent(&text), 2, "and nothing is asked: the gateway has not done it yet");
    char name[300];
    run_dirsync_set_name(context.dirsync, name);
    dir_set_write(set, &reading, context.folder_fd, name, &why);
    static const char then[] = FRAME(
        USER("Exchange", "US", "ADMINISTRATOR",
             "    Last-Name= Administrator; \r\n    Description= Administrator; \r\n")
            USER("Exchange", "HQ", "abeebe", "    Last-Name= ????; \r\n    Description= Ann - Beebe; \r\n")
                USER("GWDOMAIN", "GWPO", "GWUser1", ""));
    know(then, sizeof then - 1);
    ok(find("EXCHANGE.HQ.ABEEBE"), "when the gateway is asked again");
    is_span(entry.value[DIR_DISPLAY], ann.at, "what it kept of her name is known for what was written");
    is_span(entry.value[DIR_SURNAME], surname.at, "and is not written again and again");
    static const char other[] = FRAME(USER("Exchange", "HQ", "abeebe", "    Last-Name= Bibi; \r\n")
                                          USER("GWDOMAIN", "GWPO", "GWUser1", ""));
    know(other, sizeof other - 1);
    ok(find("EXCHANGE.HQ.ABEEBE") && span_equal(entry.value[DIR_SURNAME], SPAN("Bibi")),
       "what somebody else made of it is seen");

    begin();
    changes[0] = (struct dir_change){
        .operation = DIR_DELETE, .id = SPAN("GWDOMAIN.GWPO.GWUSER1"), .name = SPAN("GWDOMAIN.GWPO.GWUser1")};
    changes[1] =
        (struct dir_change){.operation = DIR_ADD, .name = SPAN("GWDOMAIN.GWPO.new"), .source = SPAN("x")};
    changes[2] =
        (struct dir_change){.operation = DIR_ADD, .name = SPAN("Exchange.HQ.\xD0\x91"), .source = SPAN("x")};
    changes[3] = (struct dir_change){
        .operation = DIR_HIDE, .id = SPAN("EXCHANGE.HQ.ABEEBE"), .name = SPAN("Exchange.HQ.abeebe")};
    changes[4] = (struct dir_change){
        .operation = DIR_DELETE, .id = SPAN("EXCHANGE.HQ.GONE"), .name = SPAN("Exchange.HQ.gone")};
    changes[5] = (struct dir_change){
        .operation = DIR_DELETE, .id = SPAN("EXCHANGE.HQ.ABEEBE"), .name = SPAN("Exchange.HQ.abeebe")};
    apply(6);
    ok(results[0] == DIR_REFUSED && results[1] == DIR_REFUSED,
       "nothing of GroupWise's own is deleted or added");
    is_int(results[2], DIR_REFUSED, "a key that the code page lacks would be another's");
    ok(results[3] == DIR_DONE && results[4] == DIR_DONE_BEFORE && results[5] == DIR_DONE,
       "hidden, gone before, deleted");
    is_int(sent(&text), 1, "by one file");
    ok(strstr(text.at, "Visibility= None;") != NULL && strstr(text.at, "Operation= Delete;") != NULL,
       "with both");
    ok(strcasestr(text.at, "GWDOMAIN") == NULL, "that names nobody else");
    buf_clear(&text);
}

static void
test_own_domain(void)
{
    static char *templates[] = {(char *)(uintptr_t) "SMTP:%m@x.example",
                                (char *)(uintptr_t) "GWISE:Exchange.First.%m"};
    struct conf_policy policy = {.title = "all"};
    char domain[64];
    policy.proxy.at = (void *)templates;
    policy.proxy.n = 2;
    dirsyncs[0].foreign.domain = "Foreign";
    ok(gwise_own_domain(&root, &dirsyncs[0], domain) && strcmp(domain, "Foreign") == 0,
       "our domain: foreign.domain");
    dirsyncs[0].foreign.domain = NULL;
    ok(gwise_own_domain(&root, &dirsyncs[0], domain) && strcmp(domain, "EXCHANGE") == 0,
       "else the connector's");
    connector.peer.domain = NULL;
    ok(!gwise_own_domain(&root, &dirsyncs[0], domain), "else nobody knows");
    root.policies = &policy;
    root.policies_n = 1;
    ok(gwise_own_domain(&root, &dirsyncs[0], domain) && strcmp(domain, "Exchange") == 0,
       "but recipient policies");
    root.policies_n = 0;
    struct dir_side *other = side_gwise_new(&context, &dirsyncs[0].foreign, &why);
    is_int(other->ops->open(other, &why), -EINVAL, "without it nothing is read: copies would come back");
    other->ops->close(other);
    connector.peer.domain = "EXCHANGE";
}

/* Files that a gateway once wrote: the whole directory is one, its answer to a List is none. */
static void
test_genuine(void)
{
    static const char *const names[] = {"admin-get-directory-reply.q222506.api",
                                        "admin-list-reply.q222506.api"};
    static char text[100000];
    const struct conf_dirsync *whose;
    const char *samples = getenv("VIADUCT_SAMPLES");
    char path[1000];
    if (samples == NULL) {
        ok(true, "genuine files # SKIP VIADUCT_SAMPLES is not set");
        return;
    }
    begin_anew();
    read_side();
    for (size_t i = 2; i-- > 0;) {
        snprintf(path, sizeof path, "%s/groupwise/groupwise-to-exchange/%s", samples, names[i]);
        int fd = open(path, O_RDONLY);
        ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);
        close(fd);
        is_int(n < 0 ? -1 : answer_with(text, (size_t)n, false, &whose), i == 0 ? 0 : -EBADMSG, "%s", names[i]);
    }
    is_int(read_side(), 0, "the directory is read");
    is_int(dir_set_count(set), 3, "all three");
    ok(find("EXCHANGE.US.ADMINISTRATOR") && entry.mark.len > 0, "one of them ours");
    ok(find("GWDOMAIN.GWPO.GWUSER2") && span_equal(entry.value[DIR_DISPLAY], SPAN("GW User2")),
       "two of theirs");
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st;
    (void)kind;
    (void)where;
    return remove(path);
}

int
main(void)
{
    id_start(1, 1);
    arena = arena_new(64 << 20);
    set_up();
    test_asking();
    test_late();
    test_not_the_answer();
    test_writing();
    test_own_domain();
    test_genuine();
    side->ops->close(side);
    dir_set_free(set);
    dir_room_clear(&room);
    arena_free(arena);
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return tap_done();
}
