/* ldapread.c - reads the host's first directory through ldap.h and prints what it saw: for scenarios
 *
 *     ldapread CONF [COMMAND]     all; then runs COMMAND by the shell and asks for what changed; where the connection was lost
 *                                 meanwhile it opens another, and asks again
 *     ldapread CONF octets NAME   for each octet, whose NAME has the value of "o", the octet and "o"
 *
 * Lines: "octet N DNs", "note TEXT", "open URL IDENTITY", "entry DN VALUES", "member N LAST", "read N", "changed DN", "gone ID", "changes N"; where a
 * call fails "<call> failed ERRNO TEXT".
 */
#include <errno.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "directory/ldap.h"
#include "directory/policy.h"

struct seen {
    const char *word;
    uint64_t n;
};

static bool
show(void *arg, const struct ldap_answer *answer)
{
    struct seen *seen = arg;
    struct span dn = ldap_answer_dn(answer), value = {"", 0};
    size_t values = 0, members = 0;
    for (size_t i = 0; i < ldap_answer_attributes(answer); i++)
        values += ldap_answer_count(answer, i);
    while (ldap_answer_value(answer, "member", members, &value))
        members++;
    if (seen->n++ < 10)
        printf("%s %.*s %zu\n", seen->word, (int)dn.len, dn.at, values);
    if (members > 0)
        printf("member %zu %.*s\n", members, (int)value.len, value.at);
    return true;
}

static bool
show_gone(void *arg, struct span id)
{
    ((struct seen *)arg)->n++;
    printf("gone %.*s\n", (int)id.len, id.at);
    return true;
}

static void
show_note(void *arg, const char *text)
{
    (void)arg;
    printf("note %s\n", text);
}

/* By the shell; whether it ended well. */
static bool
run(char *command)
{
    char shell[] = "/bin/sh", option[] = "-c", *argv[] = {shell, option, command, NULL};
    pid_t pid;
    int status = -1;
    return posix_spawn(&pid, shell, NULL, NULL, argv, environ) == 0 && waitpid(pid, &status, 0) == pid &&
           status == 0;
}

static int
told(const char *call, int r, const struct why *why)
{
    if (r < 0)
        printf("%s failed %d %s\n", call, -r, why->text);
    fflush(stdout);
    return r;
}

static bool
keep_name(void *arg, const struct ldap_answer *answer)
{
    struct buf *name = arg;
    buf_add_byte(name, ' ');
    buf_add_span(name, ldap_answer_dn(answer));
    return true;
}

static int
ask_octets(struct ldap_link *link, const struct conf_directory *directory, const char *attribute)
{
    static const char *const none[] = {"1.1", NULL};
    struct why why = {"", ""};
    if (told("open", ldap_link_open(link, &why), &why) < 0)
        return 1;
    for (int octet = 0; octet < 256; octet++) {
        char value[3] = {'o', (char)octet, 'o'};
        struct buf filter = {0}, names = {0};
        buf_printf(&filter, "(%s=", attribute);
        dir_filter_escape((struct span){value, sizeof value}, &filter);
        buf_add_byte(&filter, ')');
        struct ldap_question question = {.base = directory->base, .filter = filter.at, .attributes = none};
        if (told("read", ldap_read(link, &question, keep_name, &names, &why), &why) == 0)
            printf("octet %d%s\n", octet, names.len > 0 ? names.at : "");
        buf_clear(&filter);
        buf_clear(&names);
    }
    return 0;
}

static int
look(struct ldap_link *link, const struct conf_directory *directory, char *command)
{
    static const char *const attributes[] = {"*", "entryUUID", "objectGUID", "member", NULL};
    struct ldap_question question = {.base = directory->base,
                                     .filter =
                                         directory->filter != NULL ? directory->filter : "(objectClass=*)",
                                     .attributes = attributes,
                                     .ranged = "member"};
    struct buf cookie = {0};
    struct why why = {"", ""};
    struct seen seen = {.word = "entry"};
    if (told("open", ldap_link_open(link, &why), &why) < 0)
        return 1;
    printf("open %s %s\n", ldap_link_server(link)->url, ldap_link_server(link)->identity);
    if (command != NULL && told("begin", ldap_changes_begin(link, &cookie, &why), &why) < 0)
        return 1;
    if (told("read", ldap_read(link, &question, show, &seen, &why), &why) == 0)
        printf("read %" PRIu64 "\n", seen.n);
    fflush(stdout);
    if (command != NULL && run(command)) {
        seen = (struct seen){.word = "changed"};
        int r = told("changes", ldap_changes(link, &question, &cookie, show, show_gone, &seen, &why), &why);
        if (r == -EAGAIN && told("again", ldap_link_open(link, &why), &why) == 0)
            r = told("changes", ldap_changes(link, &question, &cookie, show, show_gone, &seen, &why), &why);
        if (r == 0)
            printf("changes %" PRIu64 "\n", seen.n);
    }
    buf_clear(&cookie);
    return 0;
}

int
main(int argc, char **argv)
{
    struct buf errors = {0};
    struct why why = {"", ""};
    struct conf *conf = argc > 1 ? conf_load(argv[1], &errors) : NULL;
    if (conf == NULL || conf_root(conf)->host.directories_n == 0) {
        fprintf(stderr, "%s", errors.at != NULL ? errors.at : "ldapread CONF [COMMAND]\n");
        return 2;
    }
    const struct conf_directory *directory = &conf_root(conf)->host.directories[0];
    struct ldap_link *link = ldap_link_new(directory, monotonic_ms() + 60000, show_note, NULL, &why);
    int r = link == NULL ? 1
            : argc > 3   ? ask_octets(link, directory, argv[3])
                         : look(link, directory, argc > 2 ? argv[2] : NULL);
    if (link == NULL)
        printf("new failed %s\n", why.text);
    ldap_link_free(link);
    conf_free(conf);
    return r;
}
