/* dirside - reads and writes a directory behind LDAP, as told on standard input: for scenarios with real servers
 *
 *     dirside CONFIGURATION host DIRECTORY | dirsync TITLE host|foreign
 *
 *     full | changes                 reads; "read N full|changes", or "failed ERRNO TEXT"
 *     list                           what the set holds: an entry a paragraph, then "end"
 *     traits                         what the side can keep
 *     change OPERATION KIND          begins a change; then lines  id V, name V, new V, source V, + ATTRIBUTE V, - ATTRIBUTE V
 *     flush                          carries out what was begun; "done|before|stale|refused|broken OPERATION NAME: TEXT" for each
 *
 * In values %XX stands for an octet, and "%*N" at the end repeats what is before N times. Notes are lines "note TEXT".
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "directory/side.h"

enum { CHANGES = 5000, DELTAS = 40 };

struct tool {
    struct arena *arena;
    struct conf *conf;
    struct dir_context context;
    struct dir_side *side;
    struct dir_set *set;
    struct dir_reading reading;
    struct dir_change *changes;
    size_t n_changes;
};

/* ---- values ---- */

static struct span
decode(struct tool *tool, const char *text)
{
    size_t len = strlen(text), n = 0, times = 1;
    const char *star = strstr(text, "%*");
    if (star != NULL) {
        times = strtoul(star + 2, NULL, 10);
        len = (size_t)(star - text);
    }
    char *out = arena_alloc(tool->arena, len * times + 1);
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '%' && i + 2 < len + 1) {
            char hex[3] = {text[i + 1], text[i + 2], '\0'};
            out[n++] = (char)strtoul(hex, NULL, 16);
            i += 2;
        } else {
            out[n++] = text[i];
        }
    }
    for (size_t i = 1; i < times; i++)
        memcpy(out + i * n, out, n);
    return (struct span){out, n * times};
}

static void
show(const char *name, struct span value)
{
    if (value.len == 0)
        return;
    printf("%s: ", name);
    for (size_t i = 0; i < value.len; i++)
        if ((unsigned char)value.at[i] < ' ' || value.at[i] == '%' || value.at[i] == 127)
            printf("%%%02x", (unsigned char)value.at[i]);
        else
            putchar(value.at[i]);
    putchar('\n');
}

/* ---- reading ---- */

static void
show_entry(const struct dir_entry *entry)
{
    struct buf text = {0};
    show("name", entry->name);
    show("id", entry->id);
    show("mark", entry->mark);
    printf("kind: %s\n", dir_kind_name(entry->kind));
    printf("flags:%s%s%s%s\n", entry->hidden ? " hidden" : "", entry->opted_out ? " out" : "",
           entry->disabled ? " disabled" : "", entry->broken ? " broken" : "");
    printf("policy: %u\n", entry->policy);
    show("trouble", entry->trouble);
    for (unsigned i = 0; i < DIR_ATTRIBUTES; i++)
        show(dir_attribute_name((enum dir_attribute)i), entry->value[i]);
    if (entry->target.type.len > 0) {
        address_print(&entry->target, &text);
        show("target", buf_span(&text));
    }
    for (size_t i = 0; i < entry->n_proxies; i++) {
        buf_reset(&text);
        address_print(&entry->proxies[i].address, &text);
        show(entry->proxies[i].primary ? "primary" : "secondary", buf_span(&text));
    }
    for (size_t i = 0; i < entry->n_members; i++)
        show("member", entry->members[i]);
    puts("");
    buf_clear(&text);
}

static void
list(const struct tool *tool)
{
    struct dir_room room = {0};
    struct dir_entry entry;
    for (size_t place = 0; place < dir_set_places(tool->set); place++)
        if (dir_set_get(tool->set, place, &room, &entry))
            show_entry(&entry);
    dir_room_clear(&room);
    puts("end");
}

static void
read_side(struct tool *tool, bool full)
{
    struct why why = {"", ""};
    int64_t before = tool->reading.full_s;
    tool->reading.full_s = before > 0 ? 1 : 0; /* so that a full reading shows */
    int r = tool->side->ops->read(tool->side, &tool->set, &tool->reading, full, &why);
    if (r < 0)
        printf("failed %d %s\n", -r, why.text);
    else
        printf("read %zu %s\n", dir_set_count(tool->set), tool->reading.full_s > 1 ? "full" : "changes");
}

static void
show_traits(const struct dir_side *side)
{
    printf("traits%s", side->writable ? " writable" : "");
    for (unsigned i = 0; i < DIR_ATTRIBUTES; i++)
        if ((side->traits.attributes >> i & 1) != 0)
            printf(" %s", dir_attribute_name((enum dir_attribute)i));
    printf(" proxies=%d%s%s%s%s\n", (int)side->traits.proxies, side->traits.hides ? " hides" : "",
           side->traits.members ? " members" : "", side->traits.no_target ? " no-target" : "",
           side->traits.needs_surname ? " needs-surname" : "");
}

/* ---- writing ---- */

static void
begin_change(struct tool *tool, char *words)
{
    struct dir_change *change = &tool->changes[tool->n_changes++];
    memset(change, 0, sizeof *change);
    change->host = tool->side->host;
    change->deltas = arena_alloc(tool->arena, DELTAS * sizeof *change->deltas);
    for (unsigned i = 0; i < DIR_OPERATIONS; i++)
        if (strncmp(words, dir_operation_name((enum dir_operation)i),
                    strlen(dir_operation_name((enum dir_operation)i))) == 0)
            change->operation = (enum dir_operation)i;
    for (unsigned i = 0; i < DIR_KINDS; i++)
        if (strstr(words, dir_kind_name((enum dir_kind)i)) != NULL)
            change->kind = (enum dir_kind)i;
}

static void
add_value(struct tool *tool, struct dir_change *change, bool add, char *rest)
{
    char *blank = strchr(rest, ' ');
    struct span name = decode(
        tool, blank != NULL ? arena_copy(tool->arena, (struct span){rest, (size_t)(blank - rest)}) : rest);
    struct dir_delta *delta = NULL;
    for (size_t i = 0; i < change->n_deltas; i++)
        if (span_equal(change->deltas[i].name, name))
            delta = &change->deltas[i];
    if (delta == NULL) {
        delta = &change->deltas[change->n_deltas++];
        delta->name = name;
    }
    struct span **values = add ? &delta->add : &delta->remove;
    size_t *n = add ? &delta->n_add : &delta->n_remove;
    struct span *more = *values;
    if ((*n & (*n - 1)) == 0) {
        more = arena_alloc(tool->arena, (*n + 1) * 2 * sizeof *more);
        if (*n > 0)
            memcpy(more, *values, *n * sizeof *more);
    }
    more[(*n)++] = decode(tool, blank != NULL ? blank + 1 : "");
    *values = more;
}

static void
take_field(struct tool *tool, char *line)
{
    struct dir_change *change = &tool->changes[tool->n_changes - 1];
    if (strncmp(line, "id ", 3) == 0)
        change->id = decode(tool, line + 3);
    else if (strncmp(line, "name ", 5) == 0)
        change->name = decode(tool, line + 5);
    else if (strncmp(line, "new ", 4) == 0)
        change->new_name = decode(tool, line + 4);
    else if (strncmp(line, "source ", 7) == 0)
        change->source = decode(tool, line + 7);
    else if (line[0] == '+' || line[0] == '-')
        add_value(tool, change, line[0] == '+', line + 2);
    else
        printf("failed 22 what is \"%s\"?\n", line);
}

static void
done(void *arg, const struct dir_change *change, enum dir_result result, const struct why *why)
{
    static const char *const words[] = {"done", "before", "stale", "refused", "broken"};
    (void)arg;
    printf("%s %s ", words[result], dir_operation_name(change->operation));
    fwrite(change->name.at, 1, change->name.len < 200 ? change->name.len : 200, stdout);
    printf(": %s\n", result >= DIR_STALE ? why->text : "");
}

static void
flush(struct tool *tool)
{
    for (size_t i = 0; i < tool->n_changes; i++)
        tool->side->ops->apply(tool->side, &tool->changes[i], done, NULL);
    tool->side->ops->flush(tool->side);
    printf("flushed %zu\n", tool->n_changes);
    tool->n_changes = 0;
}

/* ---- the tool ---- */

static void
note(void *arg, const char *text)
{
    (void)arg;
    printf("note %s\n", text);
}

static struct dir_side *
side_of(struct tool *tool, char **words, struct why *why)
{
    const struct conf_root *root = conf_root(tool->conf);
    bool host = strcmp(words[0], "host") == 0;
    for (size_t i = 0; host && i < root->host.directories_n; i++)
        if (strcmp(root->host.directories[i].title, words[1]) == 0)
            return side_ldap_new(&tool->context, &root->host.directories[i], true, why);
    for (size_t i = 0; !host && i < root->dirsyncs_n; i++) {
        const struct conf_dirsync *dirsync = &root->dirsyncs[i];
        if (strcmp(dirsync->title, words[1]) != 0)
            continue;
        tool->context.dirsync = dirsync;
        if (strcmp(words[2], "foreign") == 0)
            return side_ldap_new(&tool->context, &dirsync->foreign.directory, false, why);
        for (size_t d = 0; d < root->host.directories_n; d++)
            if (strcmp(root->host.directories[d].title, dirsync->directory) == 0)
                return side_ldap_new(&tool->context, &root->host.directories[d], true, why);
    }
    why_set(why, "", "no such directory");
    return NULL;
}

static void
obey(struct tool *tool, char *line)
{
    if (strcmp(line, "full") == 0 || strcmp(line, "changes") == 0)
        read_side(tool, line[0] == 'f');
    else if (strcmp(line, "list") == 0)
        list(tool);
    else if (strcmp(line, "traits") == 0)
        show_traits(tool->side);
    else if (strcmp(line, "flush") == 0)
        flush(tool);
    else if (strncmp(line, "change ", 7) == 0 && tool->n_changes < CHANGES)
        begin_change(tool, line + 7);
    else if (line[0] != '\0' && tool->n_changes > 0)
        take_field(tool, line);
    fflush(stdout);
}

/* What is told on standard input, line by line. */
static void
follow(struct tool *tool)
{
    char *line = NULL;
    size_t size = 0;
    puts("open");
    fflush(stdout);
    for (ssize_t len; (len = getline(&line, &size, stdin)) > 0;) {
        line[len - 1] = line[len - 1] == '\n' ? '\0' : line[len - 1];
        obey(tool, line);
    }
    free(line);
}

int
main(int argc, char **argv)
{
    struct tool tool = {.arena = arena_new(SIZE_MAX / 2)};
    struct buf errors = {0};
    struct why why = {"", ""};
    int r = -EINVAL;
    if (argc < 4 || (strcmp(argv[2], "dirsync") == 0 && argc < 5))
        return 2;
    tool.conf = conf_load(argv[1], &errors);
    if (tool.conf == NULL)
        why_set(&why, "", "%s", errors.at);
    tool.context = (struct dir_context){.root = tool.conf != NULL ? conf_root(tool.conf) : NULL,
                                        .spool_fd = -1,
                                        .folder_fd = -1,
                                        .deadline_ms = monotonic_ms() + 300000,
                                        .note = note};
    tool.changes = xcalloc(CHANGES, sizeof *tool.changes);
    tool.side = tool.conf != NULL ? side_of(&tool, argv + 2, &why) : NULL;
    if (tool.side != NULL)
        r = tool.side->ops->open(tool.side, &why);
    if (r == 0)
        follow(&tool);
    else
        printf("failed %d %s\n", -r, why.text);
    if (tool.side != NULL)
        tool.side->ops->close(tool.side);
    dir_set_free(tool.set);
    buf_clear(&tool.reading.cookie);
    buf_clear(&errors);
    free(tool.changes);
    arena_free(tool.arena);
    conf_free(tool.conf);
    return r != 0;
}
