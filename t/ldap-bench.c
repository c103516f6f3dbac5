/* ldap-bench.c - what reading and writing a directory costs beside the least that can be, for bench/directory.py
 *
 *     ldap-bench read CONF            a full reading of the host's directory into a set, as dirsync does it
 *     ldap-bench write CONF N         N changes of displayName carried out by the side
 *     ldap-bench bare-write CONF N    the same N requests by a loop over libldap, as many on their way at a time
 *
 * Writes go to CN=User <i> below ou=Staff, whose displayName is "Name <i>" before and "Other <i>" behind, or the other way round. Each
 * prints seconds and how many.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "directory/ldap.h"
#include "directory/side.h"

static double
now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static uint64_t good, bad;

/* ---- by the side ---- */

static void
side_done(void *arg, const struct dir_change *change, enum dir_result result, const struct why *why)
{
    (void)arg;
    (void)change;
    if (result == DIR_DONE)
        good++;
    else if (bad++ == 0)
        fprintf(stderr, "%s\n", why->text);
}

static void
show_note(void *arg, const char *text)
{
    (void)arg;
    fprintf(stderr, "%s\n", text);
}

static struct dir_side *
open_side(const struct conf_root *root, struct dir_context *context)
{
    struct why why = {"", ""};
    *context = (struct dir_context){.root = root, .deadline_ms = monotonic_ms() + 600000, .note = show_note};
    struct dir_side *side = side_ldap_new(context, &root->host.directories[0], true, &why);
    if (side == NULL || side->ops->open(side, &why) < 0) {
        fprintf(stderr, "%s\n", why.text);
        exit(1);
    }
    return side;
}

static struct dir_set *
read_side(struct dir_side *side)
{
    struct dir_set *set = dir_set_new();
    struct dir_reading reading = {.full_s = 0};
    struct why why = {"", ""};
    if (side->ops->read(side, &set, &reading, true, &why) < 0) {
        fprintf(stderr, "%s\n", why.text);
        exit(1);
    }
    buf_clear(&reading.cookie);
    return set;
}

static double
time_reading(struct dir_side *side)
{
    double begun = now();
    struct dir_set *set = read_side(side);
    double took = now() - begun;
    good = dir_set_count(set);
    dir_set_free(set);
    return took;
}

static double
time_writing(struct dir_side *side, size_t n)
{
    struct dir_set *set = read_side(side);
    struct dir_room room = {0};
    struct arena *arena = arena_new((size_t)1 << 30);
    struct dir_change *changes = xcalloc(n, sizeof *changes);
    size_t made = 0;
    for (size_t place = 0; place < dir_set_places(set) && made < n; place++) {
        struct dir_entry entry;
        if (!dir_set_get(set, place, &room, &entry) || entry.kind != DIR_CONTACT)
            continue;
        struct dir_delta *delta = arena_alloc(arena, sizeof *delta);
        struct span *values = arena_alloc(arena, 2 * sizeof *values);
        values[0] = arena_span(arena, entry.value[DIR_DISPLAY]);
        const char *number = memchr(values[0].at, ' ', values[0].len);
        values[1] = span_of(arena_printf(arena, "%s%s", values[0].at[0] == 'N' ? "Other" : "Name",
                                         number != NULL ? number : ""));
        *delta = (struct dir_delta){
            .name = SPAN("displayName"), .remove = &values[0], .n_remove = 1, .add = &values[1], .n_add = 1};
        changes[made++] = (struct dir_change){.operation = DIR_CHANGE,
                                              .kind = DIR_CONTACT,
                                              .host = true,
                                              .id = arena_span(arena, entry.id),
                                              .name = arena_span(arena, entry.name),
                                              .deltas = delta,
                                              .n_deltas = 1};
    }
    double begun = now();
    for (size_t i = 0; i < made; i++)
        side->ops->apply(side, &changes[i], side_done, NULL);
    side->ops->flush(side);
    double took = now() - begun;
    free(changes);
    arena_free(arena);
    dir_room_clear(&room);
    dir_set_free(set);
    return took;
}

/* ---- by libldap alone ---- */

static void
take_one(LDAP *ld)
{
    LDAPMessage *message = NULL;
    int code = LDAP_OTHER;
    if (ldap_result(ld, LDAP_RES_ANY, LDAP_MSG_ALL, NULL, &message) <= 0 ||
        ldap_parse_result(ld, message, &code, NULL, NULL, NULL, NULL, 1) != LDAP_SUCCESS ||
        code != LDAP_SUCCESS)
        bad++;
    else
        good++;
}

static LDAP *
open_bare(const struct conf_directory *directory)
{
    int version = LDAP_VERSION3;
    struct berval password = {0, NULL};
    char secret[200] = "";
    FILE *file = fopen(directory->password_file, "r");
    LDAP *ld = NULL;
    if (file == NULL || fgets(secret, sizeof secret, file) == NULL)
        exit(1);
    fclose(file);
    secret[strcspn(secret, "\n")] = '\0';
    password = (struct berval){strlen(secret), secret};
    if (ldap_initialize(&ld, directory->url.at[0]) != LDAP_SUCCESS ||
        ldap_set_option(ld, LDAP_OPT_PROTOCOL_VERSION, &version) != LDAP_SUCCESS ||
        (directory->tls.ca_file != NULL &&
         ldap_set_option(ld, LDAP_OPT_X_TLS_CACERTFILE, directory->tls.ca_file) != LDAP_SUCCESS) ||
        ldap_set_option(ld, LDAP_OPT_X_TLS_NEWCTX, &(int){0}) != LDAP_SUCCESS ||
        ldap_sasl_bind_s(ld, directory->bind_dn, LDAP_SASL_SIMPLE, &password, NULL, NULL, NULL) != LDAP_SUCCESS)
        exit(1);
    return ld;
}

static double
time_bare(const struct conf_directory *directory, size_t n)
{
    LDAP *ld = open_bare(directory);
    char dn[300], old[100], new[100], letter[] = "N", attribute[] = "displayName", *olds[] = {old, NULL},
                                      *news[] = {new, NULL};
    LDAPMod remove = {.mod_op = LDAP_MOD_DELETE, .mod_type = attribute, .mod_vals.modv_strvals = olds};
    LDAPMod add = {.mod_op = LDAP_MOD_ADD, .mod_type = attribute, .mod_vals.modv_strvals = news};
    LDAPMod *mods[] = {&remove, &add, NULL};
    long on_the_way = 0;
    const char *state = getenv("NAMES"); /* what stands there now */
    letter[0] = state != NULL ? state[0] : 'N';
    double begun = now();
    for (size_t i = 0; i < n; i++) {
        int id;
        snprintf(dn, sizeof dn, "cn=User %zu,ou=Staff,%s", i, directory->base);
        snprintf(old, sizeof old, "%s %zu", letter[0] == 'N' ? "Name" : "Other", i);
        snprintf(new, sizeof new, "%s %zu", letter[0] == 'N' ? "Other" : "Name", i);
        while (on_the_way >= directory->window) {
            take_one(ld);
            on_the_way--;
        }
        if (ldap_modify_ext(ld, dn, mods, NULL, NULL, &id) != LDAP_SUCCESS)
            exit(1);
        on_the_way++;
    }
    for (; on_the_way > 0; on_the_way--)
        take_one(ld);
    double took = now() - begun;
    ldap_unbind_ext_s(ld, NULL, NULL);
    return took;
}

int
main(int argc, char **argv)
{
    struct buf errors = {0};
    struct dir_context context;
    struct conf *conf = argc > 2 ? conf_load(argv[2], &errors) : NULL;
    if (conf == NULL) {
        fprintf(stderr, "%s", errors.at != NULL ? errors.at : "ldap-bench read|write|bare-write CONF [N]\n");
        return 2;
    }
    const struct conf_root *root = conf_root(conf);
    size_t n = argc > 3 ? (size_t)strtoul(argv[3], NULL, 10) : 0;
    double took;
    if (strcmp(argv[1], "bare-write") == 0) {
        took = time_bare(&root->host.directories[0], n);
    } else {
        struct dir_side *side = open_side(root, &context);
        took = strcmp(argv[1], "read") == 0 ? time_reading(side) : time_writing(side, n);
        side->ops->close(side);
    }
    printf("%.4f %" PRIu64 "\n", took, good);
    conf_free(conf);
    return bad > 0;
}
