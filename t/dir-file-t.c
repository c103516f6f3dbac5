/* dir-file-t.c - a directory that comes and goes as files: the promises of side.h as directory/side_file*.c keeps them
 *
 * What is wrong, cut or being written is no reading; what is written is what was planned, whole, and is read back so.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>

#include "directory/edit.h"
#include "t/tap.h"

static const char *folder;
static char in_path[400], out_path[400];
static struct conf_dirsync dirsync;
static struct dir_context context;
static struct dir_side *side;
static struct dir_set *set;
static struct dir_reading reading;
static struct why why;
static struct buf notes;
static struct dir_room room;
static struct dir_entry entry;

/* What is put in the file's place, or behind it, while it is read; NULL: nothing. */
static const char *meanwhile;
static bool behind;

static void
note(void *arg, const char *text)
{
    char path[420];
    (void)arg;
    if (meanwhile != NULL) {
        snprintf(path, sizeof path, "%s%s", in_path, behind ? "" : ".next");
        int fd = open(path, O_WRONLY | O_CREAT | (behind ? O_APPEND : O_TRUNC), 0644);
        if (fd < 0 || write(fd, meanwhile, strlen(meanwhile)) < 0 || close(fd) != 0 ||
            (!behind && rename(path, in_path) != 0))
            exit(1);
        meanwhile = NULL;
    }
    buf_printf(&notes, "%s\n", text);
}

static void
age(const char *path, long seconds)
{
    struct utimbuf times = {.actime = time(NULL) - seconds, .modtime = time(NULL) - seconds};
    utime(path, &times);
}

static void
put_file(const char *path, const char *text, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || write(fd, text, len) != (ssize_t)len || close(fd) != 0)
        exit(1);
    age(path, 60);
}

static void
begin(const char *format)
{
    if (side != NULL)
        side->ops->close(side);
    dir_set_free(set);
    set = dir_set_new();
    buf_reset(&notes);
    dirsync.foreign.format = format;
    side = side_file_new(&context, &dirsync.foreign, &why);
    if (side == NULL || side->ops->open(side, &why) != 0)
        exit(1);
}

/* Reads the file that says so; the result of read(). */
static int
read_text(const char *format, const char *text, size_t len)
{
    put_file(in_path, text, len);
    begin(format);
    why.text[0] = '\0';
    return side->ops->read(side, &set, &reading, true, &why);
}

#define read_csv(text)  read_text("csv", text, strlen(text))
#define read_ldif(text) read_text("ldif", text, strlen(text))

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

/* ---- reading CSV ---- */

static void
test_csv(void)
{
    is_int(
        read_csv(
            "id,Address,displayname,telephoneNumber,proxies,kind,hidden,Shoe Size\r\n"
            "7,GWISE:DOM.PO1.ABEEBE,\"Beebe, Ann\",'+49 89,GWISE:DOM.PO1.ABEEBE|smtp:ann@gw.example,,no,37\r\n"
            "8,bob@gw.example,Bob,,,resource,YES,\r\n"),
        0, "a file is read");
    is_int(dir_set_count(set), 2, "all of it");
    ok(find("7"), "found by id");
    is_span(entry.name, "DOM.PO1.ABEEBE", "the address is the name");
    is_span(entry.target.type, "GWISE", "and the target");
    is_span(entry.value[DIR_DISPLAY], "Beebe, Ann", "the display name");
    is_span(entry.value[DIR_PHONE], "+49 89", "what was written against formulas is undone");
    is_int(entry.kind, DIR_MAILBOX, "who is there has a mailbox there");
    ok(entry.n_proxies == 2 && entry.proxies[0].primary && !entry.proxies[1].primary,
       "proxies, case says which is primary");
    ok(entry.mark.len == 0 && !entry.hidden && !entry.broken, "nobody's, shown, in order");
    ok(find("8") && entry.kind == DIR_RESOURCE && entry.hidden, "a hidden resource");
    is_span(entry.target.type, "SMTP", "an address without type is an Internet address");
    ok(notes.len > 0 && strstr(notes.at, "\"Shoe Size\" is not known") != NULL,
       "a column that is not known is told");
    is_int(side->traits.attributes, (1 << DIR_DISPLAY) | (1 << DIR_PHONE),
           "what there is no column for is not kept in step");
    ok(!side->writable, "without foreign.write it is not writable");
    is_int(read_csv("address\nann@gw.example\nbob@gw.example\n"), 0, "addresses alone will do");
    ok(find("SMTP:ann@gw.example"), "the address is the id then");
    is_int(read_csv("address,members,kind\n"
                    "a@gw.example,,\n"
                    "\"NOTES:Bob Beebe/Org\",,\n"
                    "list@gw.example,\"A@gw.example|NOTES:Bob Beebe/Org|x@else.example\",group\n"),
           0, "a group");
    ok(find("SMTP:list@gw.example") && entry.kind == DIR_GROUP && entry.n_members == 3, "has its members");
    is_span(entry.members[0], "A@gw.example", "by name, octet for octet as written (names have no case)");
    is_span(entry.members[1], "Bob Beebe/Org", "blanks within bars are no separators");
    is_int(read_csv("id,address,proxies,members,kind\n"
                    "1,GWISE:D.P.A,smtp:a@gw.example,,\n"
                    "2,GWISE:D.P.B,,,\n"
                    "3,GWISE:D.P.L,,a@gw.example 2,group\n"),
           0, "members by other addresses and by id");
    ok(find("3") && entry.n_members == 2, "both");
    is_span(entry.members[0], "D.P.A", "are named as their entries");
    is_span(entry.members[1], "D.P.B", "are named as their entries");
}

static void
test_csv_wrong(void)
{
    is_int(read_csv(""), -EAGAIN, "an empty file is no directory");
    ok(says("is empty"), "and says so");
    is_int(read_csv("id,address\n"), -EAGAIN, "nor is one that names nobody");
    is_int(read_csv("address\nann@gw.example\nbob@gw.exam"), -EAGAIN, "nor one that ends within a line");
    ok(says("line break"), "and says so");
    is_int(read_csv("id,name\n1,x\n"), -EINVAL, "nor one without addresses");
    ok(says("in.csv:1: the first line must name"), "file and line are named");
    is_int(read_csv("id,address\n1,a@b.example\n2,\"b@b.example\n"), -EINVAL, "an open quote");
    ok(says("in.csv:3: a quote is not closed"), "is named");
    is_int(read_csv("id,address,title\n1,a@b.example\n2,b@b.example,x\n"), -EINVAL, "a line with fewer fields");
    ok(says("in.csv:2: 2 fields, the first line has 3"), "is named");
    is_int(read_csv("id,address\n1,a@b.example\n1,b@b.example\n"), -EINVAL, "an id that is there twice");
    ok(says("in.csv:3: \"1\" is there twice"), "is named");
    is_int(read_csv("address\nAnn@b.example\nann@B.example\n"), -EINVAL,
           "an address that is there twice, written otherwise");
    is_int(read_csv("address\nAnn@B.example\n"), 0, "an address in other letters");
    ok(find("SMTP:ann@b.example"), "is the same person");
    is_int(read_csv("address\nnobody\n"), -EINVAL, "an address that is none, without id");
    is_int(read_csv("id,address,id\n1,a@b.example,2\n"), -EINVAL, "a column that is there twice");
    is_int(read_text("csv", "address\n\xff@b.example\n", 20), -EINVAL, "what is no text");
    is_int(dir_set_count(set), 0, "and the set is as before");
    is_int(read_csv("id,address,proxies\n1,nobody,\n2,b@b.example,x y\n3,c@b.example,\n"), 0,
           "who is known stays,");
    ok(find("1") && entry.broken, "broken, where his address is none");
    ok(find("2") && entry.broken && strstr(entry.trouble.at, "line 3") != NULL, "or another one");
    ok(find("3") && !entry.broken, "the others are in order");
    unlink(in_path);
    begin("csv");
    is_int(side->ops->read(side, &set, &reading, true, &why), -EAGAIN,
           "a file that is not there yet is waited for");
    mkdir(in_path, 0700);
    is_int(side->ops->read(side, &set, &reading, true, &why), -EINVAL, "a folder is no file");
    rmdir(in_path);
    mkfifo(in_path, 0600);
    is_int(side->ops->read(side, &set, &reading, true, &why), -EINVAL,
           "nor is a pipe, and nobody waits for its writer");
    unlink(in_path);
}

/* Somebody writes in place: the first line is there, the others follow. */
static void
test_being_written(void)
{
    put_file(in_path, "address\na@b.example\n", 20);
    age(in_path, 0);
    begin("csv");
    context.deadline_ms = monotonic_ms() + 300;
    is_int(side->ops->read(side, &set, &reading, true, &why), -EAGAIN,
           "a file that was changed just now is waited for, up to the deadline");
    ok(says("still being written"), "and says so");
    context.deadline_ms = monotonic_ms() + 60000;
    is_int(side->ops->read(side, &set, &reading, true, &why), 0, "and read when nobody changes it any more");
}

/* On a share whose clock is ahead each change is one of the future. */
static void
test_clock_ahead(void)
{
    put_file(in_path, "address\na@b.example\n", 20);
    age(in_path, -3600);
    begin("csv");
    pid_t pid = fork();
    if (pid == 0) {
        int fd = open(in_path, O_WRONLY | O_APPEND);
        usleep(500 * 1000);
        bool good = write(fd, "c@b.example\n", 12) == 12 && close(fd) == 0;
        age(in_path, -3600);
        _exit(!good);
    }
    context.deadline_ms = monotonic_ms() + 60000;
    is_int(side->ops->read(side, &set, &reading, true, &why), 0, "a file of a clock ahead of ours is read");
    waitpid(pid, NULL, 0);
    is_int(dir_set_count(set), 2, "when nobody has changed it for a moment by ours");
}

/* A column that is not known is told while the file is read: the moment for somebody else. */
static void
test_changed(void)
{
    meanwhile = "address\nb@b.example\n";
    is_int(read_csv("address,x\na@b.example,\n"), -EAGAIN,
           "a file that another one replaces while it is read is no reading");
    ok(says("was changed while it was read"), "and says so");
    meanwhile = "b@b.example,\n";
    behind = true;
    is_int(read_csv("address,x\na@b.example,\n"), -EAGAIN, "nor one that somebody writes on");
    behind = false;
    is_int(dir_set_count(set), 0, "nothing of it is kept");
}

/* ---- reading LDIF ---- */

static void
test_ldif(void)
{
    is_int(read_ldif("version: 1\n"
                     "\n"
                     "dn: ou=people,o=org\n"
                     "objectClass: organizationalUnit\n"
                     "\n"
                     "dn: cn=Ann Beebe,ou=people,o=org\n"
                     "objectClass: inetOrgPerson\n"
                     "entryUUID: 0A-1\n"
                     "cn: Ann Beebe\n"
                     "sn: Beebe\n"
                     "mail: ann@gw.example\n"
                     "departmentNumber: Sales\n"
                     "description:: w4RyenRl\n"
                     "\n"
                     "dn: cn=List,o=org\n"
                     "changetype: add\n"
                     "objectClass: groupOfNames\n"
                     "mail: list@gw.example\n"
                     "member: CN=Ann Beebe,ou=people,o=org\n"
                     "member: cn=nobody\n"
                     "\n"
                     "dn: cn=Back,o=org\n"
                     "objectClass: contact\n"
                     "targetAddress: NOTES:Bob/Org\n"
                     "proxyAddresses: smtp:bob@gw.example\n"
                     "proxyAddresses: SMTP:robert@gw.example\n"
                     "msExchHideFromAddressLists: TRUE\n"
                     "importedFrom: viaduct:other:77\n"),
           0, "LDIF is read");
    is_int(dir_set_count(set), 3, "what has no address is no recipient");
    ok(find("0A-1"), "found by entryUUID");
    is_span(entry.name, "cn=Ann Beebe,ou=people,o=org", "the DN is the name");
    is_span(entry.value[DIR_DEPARTMENT], "Sales", "inetOrgPerson's names");
    is_span(entry.value[DIR_INFO], "\xC3\x84rzte", "base64");
    is_span(entry.value[DIR_DISPLAY], "Ann Beebe", "cn where there is no displayName");
    ok(find("SMTP:list@gw.example") && entry.kind == DIR_GROUP && entry.n_members == 2,
       "a group with its members");
    ok(find("NOTES:bob/org") && entry.hidden && entry.kind == DIR_CONTACT && entry.n_proxies == 2,
       "a hidden contact");
    is_span(entry.mark, "viaduct:other:77", "a mark is kept as it stands");
    is_int(side->traits.naming, DIR_NAMED_DN, "names are DNs");
}

static void
test_ldif_wrong(void)
{
    is_int(read_ldif("dn: a\nmail: a@b.example"), -EAGAIN, "a cut line");
    is_int(read_ldif("version: 1\n"), -EAGAIN, "nobody");
    is_int(read_ldif("dn: a\nmail: a@b.example\n\ndn: b\nmail:< file:///etc/passwd\n"), -EINVAL,
           "a value elsewhere");
    ok(says("in.csv:5: the value stands in another file"), "file and line are named once");
    is_int(read_ldif("dn: a\nmail: a@b.example\n\nmail: b@b.example\n"), -EINVAL, "a record without name");
    is_int(read_ldif("dn: a\nchangetype: delete\n"), -EINVAL, "a change");
    is_int(read_ldif("dn: a\nmail: a@b.example\nmember;range=0-1: x\n"), 0,
           "a group of which only a part is there");
    ok(find("SMTP:a@b.example") && entry.broken, "is broken, not smaller");
}

/* ---- writing ---- */

struct outcome {
    enum dir_result result;
    unsigned called;
};
static struct outcome outcomes[20];
static struct dir_change changes[20];

static void
done(void *arg, const struct dir_change *change, enum dir_result result, const struct why *reason)
{
    struct outcome *outcome = &outcomes[change - changes];
    (void)arg;
    outcome->called++;
    outcome->result = result;
    why = *reason;
}

#define TEXT(literal)                                                                                          \
    {                                                                                                          \
        literal, sizeof(literal) - 1                                                                           \
    }
static struct span name_ann = TEXT("ann@contoso.example"), name_list = TEXT("all@contoso.example");
static struct span dn_ann = TEXT("CN=Beebe\\, Ann,OU=host"), dn_list = TEXT("CN=all,OU=host");
static struct span display[] = {TEXT("=Beebe, \"Ann\" \xC3\x84")}, other_display[] = {TEXT("Ann B.")};
static struct span target[] = {TEXT("SMTP:ann@contoso.example")},
                   list_target[] = {TEXT("SMTP:all@contoso.example")};
static struct span proxies[] = {TEXT("SMTP:ann@contoso.example"), TEXT("x400:c=us;s=a|b\\;"),
                                TEXT("NOTES:Ann Beebe/Org@Dom")};
static struct span members[2];
static struct dir_delta ann_deltas[] = {{TEXT("displayName"), NULL, 0, display, 1},
                                        {TEXT("targetAddress"), NULL, 0, target, 1},
                                        {TEXT("proxyAddresses"), NULL, 0, proxies, 3},
                                        {TEXT("mail"), NULL, 0, &name_ann, 1}};
static struct dir_delta list_deltas[] = {{TEXT("targetAddress"), NULL, 0, list_target, 1},
                                         {TEXT("member"), NULL, 0, members, 2}};
static struct dir_delta change_deltas[] = {{TEXT("displayName"), display, 1, other_display, 1},
                                           {TEXT("proxyAddresses"), &proxies[1], 1, NULL, 0}};

static void
apply(unsigned n)
{
    memset(outcomes, 0, sizeof outcomes);
    for (unsigned i = 0; i < n; i++)
        side->ops->apply(side, &changes[i], done, NULL);
    side->ops->flush(side);
    for (unsigned i = 0; i < n; i++)
        if (outcomes[i].called != 1)
            printf("# change %u: %u results\n", i, outcomes[i].called);
}

static void
make_additions(bool ldif)
{
    members[0] = ldif ? dn_ann : name_ann;
    members[1] = SPAN("foreign.one");
    changes[0] = (struct dir_change){.operation = DIR_ADD,
                                     .kind = DIR_CONTACT,
                                     .name = ldif ? dn_ann : name_ann,
                                     .source = SPAN("id-ann"),
                                     .deltas = ann_deltas,
                                     .n_deltas = COUNT_OF(ann_deltas)};
    changes[1] = (struct dir_change){.operation = DIR_ADD,
                                     .kind = DIR_GROUP,
                                     .name = ldif ? dn_list : name_list,
                                     .source = SPAN("id-all"),
                                     .deltas = list_deltas,
                                     .n_deltas = COUNT_OF(list_deltas)};
}

static int
read_back(const char *format)
{
    begin(format);
    return side->ops->read(side, &set, &reading, true, &why);
}

static void
check_ann(bool ldif)
{
    ok(find("export:id-ann"), "she is there");
    is_span(entry.mark, "viaduct:gw:id-ann", "with our mark");
    is_span(entry.value[DIR_DISPLAY], display[0].at, "her name octet for octet");
    is_span(entry.name, ldif ? dn_ann.at : name_ann.at, "where she was put");
    is_span(entry.target.value, "ann@contoso.example", "her address");
    ok(entry.n_proxies == 3 && entry.proxies[0].primary && !entry.proxies[1].primary &&
           entry.proxies[2].primary,
       "her proxies");
    is_span(entry.n_proxies > 1 ? entry.proxies[1].address.value : SPAN(""), "c=us;s=a|b\\;",
            "bars and backslashes too");
    ok(find("export:id-all") && entry.kind == DIR_GROUP && entry.n_members == 2, "the group is there");
    is_span(entry.n_members > 0 ? entry.members[0] : SPAN(""), ldif ? dn_ann.at : name_ann.at,
            "a member of ours");
    is_span(entry.n_members > 1 ? entry.members[1] : SPAN(""), "foreign.one", "and one of theirs");
}

static const char *
file_text(const char *path)
{
    static char text[100000];
    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

/* The old file has a group that is not ours to give. */
static void
apply_as_nobody(unsigned n)
{
    const unsigned nobody = 65534;
    struct stat st;
    if (geteuid() != 0) {
        apply(n);
        return;
    }
    if (chown(folder, nobody, nobody) != 0 || chown(out_path, nobody, 23456) != 0 ||
        chmod(out_path, 0640) != 0 || setgroups(0, NULL) != 0 || setegid(nobody) != 0 || seteuid(nobody) != 0)
        exit(1);
    apply(n);
    if (seteuid(0) != 0 || setegid(0) != 0)
        exit(1);
    ok(stat(out_path, &st) == 0 && st.st_gid == nobody, "a file whose group cannot be kept is written");
    is_int(st.st_mode & 0777, 0600, "and nobody else may read it for that");
}

static void
test_writing(bool ldif)
{
    const char *format = ldif ? "ldif" : "csv";
    struct stat st;
    dirsync.foreign.write = out_path;
    dirsync.foreign.read = NULL;
    unlink(out_path);
    is_int(read_back(format), 0, "%s: no file yet: nothing was exported", format);
    ok(side->writable && dir_set_count(set) == 0, "and it can be written");
    make_additions(ldif);
    apply(2);
    ok(outcomes[0].result == DIR_DONE && outcomes[1].result == DIR_DONE, "both are added");
    is_int(read_back(format), 0, "and read back");
    is_int(dir_set_count(set), 2, "both");
    check_ann(ldif);
    ok(strstr(file_text(out_path), "\n=") == NULL && strstr(file_text(out_path), ",=") == NULL,
       "no field begins as a formula");

    chmod(out_path, 0640);
    changes[2] = (struct dir_change){.operation = DIR_CHANGE,
                                     .id = SPAN("export:id-ann"),
                                     .name = name_ann,
                                     .source = SPAN("id-ann"),
                                     .deltas = change_deltas,
                                     .n_deltas = COUNT_OF(change_deltas)};
    changes[3] =
        (struct dir_change){.operation = DIR_HIDE, .id = SPAN("export:id-all"), .source = SPAN("id-all")};
    changes[0] = changes[2];
    changes[1] = changes[3];
    apply(2);
    ok(outcomes[0].result == DIR_DONE && outcomes[1].result == DIR_DONE, "changed and hidden");
    is_int(read_back(format), 0, "and read back");
    ok(find("export:id-ann") && span_equal(entry.value[DIR_DISPLAY], SPAN("Ann B.")) && entry.n_proxies == 2,
       "changed");
    ok(find("export:id-all") && entry.hidden, "hidden");
    ok(stat(out_path, &st) == 0 && (st.st_mode & 0777) == 0640, "who could read the file can");
    changes[0] = changes[2];
    apply(1);
    is_int(outcomes[0].result, DIR_DONE_BEFORE, "a rerun changes nothing");

    change_deltas[0].remove = target;
    changes[0].deltas = change_deltas;
    change_deltas[0].add = display;
    apply(1);
    is_int(outcomes[0].result, DIR_STALE, "what is not as the plan saw it stays");
    change_deltas[0].remove = display;
    change_deltas[0].add = other_display;
    changes[0] =
        (struct dir_change){.operation = DIR_DELETE, .id = SPAN("export:id-ann"), .source = SPAN("id-ann")};
    changes[1] =
        (struct dir_change){.operation = DIR_DELETE, .id = SPAN("somebody-of-theirs"), .source = SPAN("x")};
    changes[2] =
        (struct dir_change){.operation = DIR_DELETE, .id = SPAN("export:id-ann"), .source = SPAN("id-ann")};
    apply_as_nobody(3);
    ok(outcomes[0].result == DIR_DONE && outcomes[2].result == DIR_DONE_BEFORE, "deleted, once");
    is_int(outcomes[1].result, DIR_REFUSED, "who stands in foreign.read is not ours to delete");
    is_int(read_back(format), 0, "and read back");
    is_int(dir_set_count(set), 1, "one is left");
}

static void
test_foreign_hands(void)
{
    put_file(out_path, "id,address\n1,a@b.example\n", 25);
    is_int(read_back("csv"), -EEXIST, "a file that is not ours is not taken for ours");
    make_additions(false);
    apply(2);
    ok(outcomes[0].result == DIR_BROKEN && outcomes[1].result == DIR_BROKEN, "nor overwritten");
    is_text(file_text(out_path), "id,address\n1,a@b.example\n", "it is as it was");
    unlink(out_path);
    char new_path[420];
    snprintf(new_path, sizeof new_path, "%s.new", out_path);
    put_file(in_path, "precious\n", 9);
    is_int(symlink(in_path, new_path), 0, "somebody lays a link to another file where ours is written");
    begin("csv");
    apply(2);
    is_int(outcomes[0].result, DIR_DONE, "ours is written,");
    is_text(file_text(in_path), "precious\n", "not through the link");
    unlink(out_path);
    mkdir(new_path, 0700);
    begin("csv");
    apply(2);
    is_int(outcomes[0].result, DIR_BROKEN, "what cannot be written is not done");
    ok(says("cannot be written"), "and says so");
    rmdir(new_path);
}

/* The foreign system exports what it took from us. */
static void
test_echo(void)
{
    dirsync.foreign.read = in_path;
    begin("csv");
    make_additions(false);
    apply(2);
    is_int(read_csv("id,address\n1,own@gw.example\n2,ANN@contoso.example\n"), 0,
           "a file with somebody of ours");
    ok(find("1") && !find("2") && find("export:id-ann"), "he is not taken for somebody of theirs");
    ok(notes.len > 0 && strstr(notes.at, "1 recipients of the host") != NULL, "and that is told");
    dirsync.export.set = false;
    is_int(read_csv("id,address\n1,own@gw.example\n2,ANN@contoso.example\n"), 0, "where nothing is exported");
    ok(find("2"), "nobody is ours");
    dirsync.export.set = true;
}

int
main(void)
{
    folder = tap_folder();
    snprintf(in_path, sizeof in_path, "%s/in.csv", folder);
    snprintf(out_path, sizeof out_path, "%s/out", folder);
    dirsync.title = "gw";
    dirsync.import.set = dirsync.export.set = true;
    dirsync.foreign.read = in_path;
    context = (struct dir_context){.dirsync = &dirsync, .deadline_ms = monotonic_ms() + 60000, .note = note};
    test_csv();
    test_csv_wrong();
    test_being_written();
    test_clock_ahead();
    test_changed();
    test_ldif();
    test_ldif_wrong();
    test_writing(false);
    test_writing(true);
    test_foreign_hands();
    test_echo();
    side->ops->close(side);
    dir_set_free(set);
    dir_room_clear(&room);
    buf_clear(&notes);
    unlink(in_path);
    unlink(out_path);
    rmdir(folder);
    return tap_done();
}
