/* cost-file.c - directories that come as files or through a GroupWise gateway, and Exchange's objects, made to be costly
 *
 *     cost-file [PARSER [SHAPE]]       see cost_rig.h for what is printed
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "commands/exchange.h"
#include "directory/side_file.h"
#include "directory/side_gwise.h"
#include "t/cost_rig.h"

static struct why why;
static struct conf_dirsync dirsync = {
    .title = "d", .connector = "c", .import = {.set = true}, .foreign = {.domain = "Exchange"}};
static struct dir_context context = {.dirsync = &dirsync};

/* A file that nobody has changed for a while, under a name. */
static int
file_of(struct span bytes, char path[40])
{
    struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    int fd = memfd_create("input", MFD_CLOEXEC);
    if (fd < 0 || write(fd, bytes.at, bytes.len) != (ssize_t)bytes.len || lseek(fd, 0, SEEK_SET) != 0 ||
        futimens(fd, times) != 0)
        abort();
    snprintf(path, 40, "/proc/self/fd/%d", fd);
    return fd;
}

static void
read_file(const char *format, struct span text)
{
    char path[40];
    file_of(text, path);
    dirsync.foreign.format = format;
    dirsync.foreign.read = path;
    struct dir_set *set = dir_set_new();
    struct dir_reading reading = {.full_s = 0};
    struct dir_side *side = side_file_new(&context, &dirsync.foreign, &why);
    if (side == NULL || side->ops->open(side, &why) != 0)
        abort();
    side->ops->read(side, &set, &reading, true, &why);
}

static const struct shape csv_shapes[] = {
    {"people", "id,address,displayName\n", "#,a#@x.example,A #\n", ""},
    {"one id", "id,address\n", "1,a#@x.example\n", ""},
    {"one address", "id,address\n", "#,a@x.example\n", ""},
    {"proxies of one", "id,address,proxies\n1,a@x.example,", "smtp:a#@x.example|", "\n"},
    {"proxies of all", "id,address,proxies\n",
     "#,a#@x.example,smtp:b@x.example|smtp:c@x.example|NOTES:a b/c@d\n", ""},
    {"members of one", "id,address,kind,members\n1,a@x.example,group,", "a#@x.example|", "\n"},
    {"members by id", "id,address,kind,members\n1,a@x.example,group,", "# ", "\n"},
    {"groups of one member", "id,address,kind,members\n", "#,a#@x.example,group,1 2 3\n", ""},
    {"columns", "id,address", ",x#", "\n1,a@x.example\n"},
    {"fields", "id,address\n", "#,", "\n"},
    {"an open quote", "id,address\n\"", "a\n", ""},
    {"errors", "id,address\n", "#\n", ""},
    {"addresses that are none", "id,address\n", "#,\xff\n", ""},
    {"escapes", "id,address,proxies\n1,a@x.example,", "\\|", "\n"},
};

static void
read_csv(struct span text)
{
    read_file("csv", text);
}

static const struct shape ldif_shapes[] = {
    {"people", "version: 1\n", "dn: CN=#\nmail: a#@x.example\n\n", ""},
    {"one address", "version: 1\n", "dn: CN=#\nmail: a@x.example\n\n", ""},
    {"members", "dn: CN=x\nmail: a@x.example\n", "member: CN=#\n", ""},
    {"proxies", "dn: CN=x\nmail: a@x.example\n", "proxyAddresses: smtp:a#@x.example\n", ""},
    {"marks", "dn: CN=x\nmail: a@x.example\n", "importedFrom: x#\n", ""},
    {"attributes", "dn: CN=x\nmail: a@x.example\n", "a#: x\n", ""},
    {"classes", "dn: CN=x\nmail: a@x.example\n", "objectClass: x#\n", ""},
    {"folds", "dn: CN=x\nmail: a\n", " x\n", ""},
    {"empty folds", "dn: CN=x\nmail: a\n", " \n", ""},
    {"comments", "# x\n", "#\n", ""},
    {"base64", "dn: CN=x\ndisplayName:: ", "QUJD", "\n"},
    {"empty lines", "", "\n", ""},
    {"versions", "", "version: 1\n\n", ""},
    {"errors", "", "x\n\n", ""},
};

static void
read_ldif(struct span text)
{
    read_file("ldif", text);
}

#define OBJECT "dn: CN=x,DC=a\nobjectClass: msExchGroupWiseConnector\ncn: x\n"
static const struct shape object_shapes[] = {
    {"objects of one name", "", OBJECT "\n", ""},
    {"address spaces", OBJECT, "routingList: GWISE:a#.*;1\n", ""},
    {"containers", OBJECT, "exportContainers: OU=#\n", ""},
    {"what has no counterpart", OBJECT, "x#: y\n", ""},
    {"smart hosts", "dn: CN=x\nobjectClass: msExchRoutingSMTPConnector\ncn: x\nmsExchSmtpSmartHost: ", "a#;",
     "\n"},
    {"a name's parts", "dn: ", "DC=a#,", "\nobjectClass: mailGateway\ncn: x\n"},
    {"quotes", OBJECT "importContainer: ", "\"\\$", "\n"},
};

static void
read_objects(struct span text)
{
    struct buf out = {0}, errors = {0};
    char path[40];
    exchange_read(file_of(text, path), "objects", &out, &errors);
}

#define ANSWER                                                                                                 \
    "WPC-API= 1.2;\r\nMsg-Type= ADMIN;\r\nDS-User=\r\n Operation= List;\r\n Domain= D;\r\n Post-Office= "      \
    "P;\r\n"                                                                                                   \
    " Object= O;\r\n;\r\n"
static const struct shape answer_shapes[] = {
    {"users", ANSWER,
     "DS-User=\r\n Operation= List;\r\n Domain= D;\r\n Post-Office= P;\r\n Object= O#;\r\n;\r\n", "-END-\r\n"},
    {"one user", ANSWER,
     "DS-User=\r\n Operation= List;\r\n Domain= D;\r\n Post-Office= P;\r\n Object= O;\r\n;\r\n", "-END-\r\n"},
    {"ours", ANSWER,
     "DS-User=\r\n Operation= List;\r\n Domain= Exchange;\r\n Post-Office= P;\r\n Object= O#;\r\n;\r\n",
     "-END-\r\n"},
    {"aliases", ANSWER "DS-User=\r\n Operation= List;\r\n Domain= D;\r\n Post-Office= P;\r\n Object= O;\r\n",
     " Gw-Alias=\r\n  Type= t;\r\n  External-Name= a#@b;\r\n ;\r\n", ";\r\n-END-\r\n"},
    {"comments", "# The query\r\n", "# x#\r\n", "-END-\r\n"},
    {"a value",
     ANSWER "DS-User=\r\n Operation= List;\r\n Domain= D;\r\n Post-Office= P;\r\n Object= O;\r\n Last-Name= ",
     "xxxxxx", ";\r\n;\r\n-END-\r\n"},
};

static void
read_answer(struct span text)
{
    static struct conf_connector connector = {.title = "c", .type = "gwise"};
    struct conf_root root = {.connectors = &connector, .connectors_n = 1};
    struct dir_set *set = dir_set_new();
    context.root = &root;
    dirsync.foreign.format = "gwise";
    struct dir_side *side = side_gwise_new(&context, &dirsync.foreign, &why);
    if (side == NULL || side->ops->open(side, &why) != 0)
        abort();
    gwise_take_answer((struct gwise_side *)side, text, NULL, set, &why);
}

#define SHAPES(table) table, COUNT_OF(table)

static const struct {
    struct parser parser;
    const struct shape *shapes;
    size_t n;
} table[] = {{{"directory in CSV", read_csv}, SHAPES(csv_shapes)},
             {{"directory in LDIF", read_ldif}, SHAPES(ldif_shapes)},
             {{"Exchange's objects", read_objects}, SHAPES(object_shapes)},
             {{"answer of a gateway", read_answer}, SHAPES(answer_shapes)}};

int
main(int argc, char **argv)
{
    context.deadline_ms = monotonic_ms() + 600000;
    for (size_t i = 0; i < COUNT_OF(table); i++)
        for (size_t j = 0; j < table[i].n && (argc < 2 || strstr(table[i].parser.name, argv[1]) != NULL); j++)
            if (argc < 3 || strstr(table[i].shapes[j].name, argv[2]) != NULL)
                cost_shape(&table[i].shapes[j], &table[i].parser, 1, "");
    return 0;
}
