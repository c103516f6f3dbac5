/* conf-file-t - the configuration's files: includes with their places, files that options name, secrets */
#include <ftw.h>
#include <sys/stat.h>

#include "conf/conf.h"
#include "t/tap.h"

static const char *folder;

#define HOST "node = \"gw1\"\nhost { domains = { \"contoso.example\" } }\n"

static void
write_file(const char *name, const char *text, mode_t mode)
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0 || chmod(path, mode) != 0) {
        printf("Bail out! cannot write %s\n", path);
        exit(1);
    }
}

static void
make_folder(const char *name)
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (mkdir(path, 0755) != 0) {
        printf("Bail out! cannot make %s\n", path);
        exit(1);
    }
}

/* Loads "<folder>/viaduct.conf"; its errors go to `errors`. */
static struct conf *
load(struct buf *errors)
{
    char path[400];
    snprintf(path, sizeof path, "%s/viaduct.conf", folder);
    buf_reset(errors);
    return conf_load(path, errors);
}

/* Loads a text that must be refused with "<folder>/<place>" and these words. */
static void
refused(const char *text, const char *place, const char *words, const char *promise)
{
    struct buf errors = {0};
    char want[400];
    write_file("viaduct.conf", text, 0644);
    struct conf *conf = load(&errors);
    snprintf(want, sizeof want, "%s/%s: ", folder, place);
    const char *line = errors.len > 0 ? strstr(errors.at, want) : NULL;
    bool told = conf == NULL && line != NULL && strstr(line, words) != NULL;
    ok(told, "%s", promise);
    if (!told)
        printf("#  wanted %s...%s\n#  got %s\n", want, words, errors.len > 0 ? errors.at : "nothing");
    conf_free(conf);
    buf_clear(&errors);
}

static void
includes_stand_in_place(void)
{
    struct buf errors = {0};
    write_file("viaduct.conf",
               HOST "include(\"conf.d/c.conf\")\nlog {\ninclude('conf.d/log.conf') }\nnode-id = 7\n", 0644);
    write_file("conf.d/c.conf", "\nconnector \"c\" {\ntype = \"smtp\"\ninclude(\"more.conf\")\n}", 0644);
    write_file("conf.d/more.conf", "hold = \"refuse\"", 0644);
    write_file("conf.d/log.conf", "# one\nformat = \"json\"", 0644);
    struct conf *conf = load(&errors);
    ok(conf != NULL, "a file may include others, from any section");
    if (conf != NULL) {
        const struct conf_root *root = conf_root(conf);
        is_text(root->connectors[0].hold, "refuse", "what an included file includes is found beside it");
        is_text(root->log.format, "json", "an included file can fill a section");
        is_int(root->node_id, 7, "reading goes on behind an include");
        is_int(root->connectors[0].place.line, 2, "lines are counted in each file");
        ok(strstr(root->connectors[0].place.file, "/conf.d/c.conf") != NULL, "a place names the included file");
    } else {
        printf("# %s\n", errors.at);
    }
    conf_free(conf);
    buf_clear(&errors);
}

static void
includes_can_be_wrong(void)
{
    write_file("conf.d/bad.conf", "\n\nspace = 1X\n", 0644);
    refused(HOST "include(\"conf.d/bad.conf\")\n", "conf.d/bad.conf:3", "a size is needed",
            "an error names the included file");
    refused("include(\"conf.d/bad.conf\")\n\nnod = 1\n", "viaduct.conf:3", "did you mean",
            "and the including one behind it");
    refused(HOST "\ninclude(\"none.conf\")\n", "viaduct.conf:4", "none.conf cannot be opened: No such file",
            "a missing include is an error");
    refused(HOST "include(\"conf.d\")\n", "viaduct.conf:3", "conf.d is a folder", "a folder is no include");
    refused(HOST "include(\"viaduct.conf\")\n", "viaduct.conf:3", "does a file include itself?",
            "a file that includes itself ends");
    write_file("conf.d/open.conf", "log {\n", 0644);
    refused(HOST "include(\"conf.d/open.conf\")\n}\n", "conf.d/open.conf:1", "log { is not closed",
            "a section ends in its file");
    write_file("conf.d/close.conf", "}\n", 0644);
    refused(HOST "log {\ninclude(\"conf.d/close.conf\")\n}\n", "conf.d/close.conf:1", "closes nothing",
            "a file closes only what it opened");
    write_file("conf.d/node.conf", "node = gw2\n", 0644);
    refused(HOST "include(\"conf.d/node.conf\")\n", "conf.d/node.conf:1", "viaduct.conf:1",
            "an include cannot repeat an option");
}

static void
named_files_are_looked_at(void)
{
    struct buf errors = {0};
    char want[600], real[4096];
    write_file("conf.d/map.tab", "# nothing\n", 0644);
    write_file("conf.d/c.conf",
               "connector \"c\" { type = \"gwise\" peer { root = \"gw\" }\n"
               "mapping { rule \"r\" { file = \"map.tab\" } } }",
               0644);
    write_file("viaduct.conf", HOST "include(\"conf.d/c.conf\") spool = \"spool\"\n", 0644);
    struct conf *conf = load(&errors);
    ok(conf != NULL, "files are found beside the file that names them");
    if (conf != NULL && realpath(folder, real) != NULL) {
        const struct conf_root *root = conf_root(conf);
        snprintf(want, sizeof want, "%.300s/conf.d/map.tab", real);
        is_text(root->connectors[0].mapping.rules[0].file, want, "and their names made absolute");
        snprintf(want, sizeof want, "%.300s/conf.d/gw", real);
        is_text(root->connectors[0].peer.root, want, "as are those of folders, which need not be there");
        snprintf(want, sizeof want, "%.300s/spool", real);
        is_text(root->spool, want, "the spool among them");
    } else {
        printf("# %s\n", errors.at);
    }
    conf_free(conf);
    buf_clear(&errors);
    refused(HOST "\nbook { source = { \"none.csv\" } }\n", "viaduct.conf:4", "none.csv cannot be found",
            "a file that is not there is an error");
    refused(HOST "book { source = { \"conf.d\" } }\n", "viaduct.conf:3", "conf.d is not a file",
            "a folder is no file");
    write_file("shut.csv", "", 0);
    if (geteuid() == 0)
        ok(true, "a file that cannot be read is an error # SKIP root reads everything");
    else
        refused(HOST "book { source = { \"shut.csv\" } }\n", "viaduct.conf:3", "shut.csv cannot be opened",
                "a file that cannot be read is an error");
}

static void
secrets_are_closed(void)
{
    static const char text[] = HOST "connector \"c\" { type = \"smtp\" smtp { tls {\ncertificate = "
                                    "\"cert.pem\"\nkey-file = \"key.pem\" } } }";
    struct buf errors = {0};
    write_file("cert.pem", "", 0644);
    write_file("key.pem", "", 0604);
    refused(text, "viaduct.conf:5", "key.pem is a secret that others may use (mode 0604): chmod 600",
            "a secret that others can read is an error");
    write_file("key.pem", "", 0602);
    refused(text, "viaduct.conf:5", "others may use", "so is one that others can write");
    write_file("key.pem", "", 0640);
    if (getegid() != 0)
        refused(text, "viaduct.conf:5", "the group", "so is one that a group can read");
    write_file("key.pem", "", 0600);
    struct conf *conf = load(&errors);
    ok(conf != NULL, "a secret that only its owner can read is sound");
    conf_free(conf);
    write_file("key.pem", "", 0640);
    if (geteuid() == 0) {
        conf = load(&errors);
        ok(conf != NULL, "so is one that root's group can read");
        conf_free(conf);
        char path[400];
        snprintf(path, sizeof path, "%s/key.pem", folder);
        ok(chown(path, 0, 12345) == 0, "a group of its own");
        refused(text, "viaduct.conf:5", "the group 12345 may use", "but none that another group can read");
    }
    buf_clear(&errors);
}

static void
files_that_cannot_be_loaded(void)
{
    struct buf errors = {0};
    ok(conf_load("/nonexistent/viaduct.conf", &errors) == NULL &&
           strstr(errors.at, "/nonexistent/viaduct.conf:0: cannot be opened"),
       "a configuration that is not there is an error");
    buf_reset(&errors);
    ok(conf_load("/", &errors) == NULL && strstr(errors.at, "is a folder"), "a folder is no configuration");
    buf_reset(&errors);
    ok(conf_load("/dev/zero", &errors) == NULL && strstr(errors.at, "larger than 4 MiB"),
       "an endless file ends");
    buf_reset(&errors);
    make_folder("line\nend");
    char path[400];
    write_file("line\nend/v.conf", HOST "spool = \"spool\"\n", 0644);
    snprintf(path, sizeof path, "%s/line\nend/v.conf", folder);
    ok(conf_load(path, &errors) == NULL && strstr(errors.at, "snapshot of the configuration:"),
       "a configuration that could not be handed on is refused");
    buf_reset(&errors);
    struct buf text = {0};
    buf_add_text(&text, HOST);
    for (int i = 0; i < 3900; i++)
        buf_printf(&text, "connector c%d { type = x }\n", i);
    write_file("viaduct.conf", text.at, 0644);
    struct conf *conf = load(&errors);
    ok(conf != NULL, "thousands of connectors can be handed on");
    conf_free(conf);
    buf_clear(&text);
    buf_clear(&errors);
}

static int
remove_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status;
    (void)type;
    (void)where;
    return remove(path);
}

int
main(void)
{
    folder = tap_folder();
    make_folder("conf.d");
    includes_stand_in_place();
    includes_can_be_wrong();
    named_files_are_looked_at();
    secrets_are_closed();
    files_that_cannot_be_loaded();
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    return tap_done();
}
