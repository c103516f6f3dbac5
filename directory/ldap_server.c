/* ldap_server.c - what a server says of itself: rootDSE and schema (see ldap.h)
 *
 * Sources: RFC 4512 section 5.1 (rootDSE), MS-ADTS section 3.1.1.3.2 (Active Directory's additions), RFC 4530 and 4533.
 */
#include <errno.h>
#include <ldap_schema.h>
#include <stdio.h>
#include <stdlib.h>

#include "directory/ldap_inside.h"

static const char capability_ad[] = "1.2.840.113556.1.4.800";

static const char *const asked[] = {
    "namingContexts", "defaultNamingContext", "supportedControl",  "supportedCapabilities",
    "dsServiceName",  "highestCommittedUSN",  "subschemaSubentry", NULL};

struct root {
    struct ldap_link *link;
    char schema[600], service[600], highest[32];
    bool seen;
};

static bool
has(const struct ldap_answer *answer, const char *name, const char *value)
{
    struct span found;
    for (size_t n = 0; ldap_answer_value(answer, name, n, &found); n++)
        if (span_equal(found, span_of(value)))
            return true;
    return false;
}

static void
take_text(const struct ldap_answer *answer, const char *name, char *out, size_t size)
{
    struct span value;
    if (ldap_answer_value(answer, name, 0, &value) && value.len < size)
        snprintf(out, size, "%.*s", (int)value.len, value.at);
}

/* The longest naming context that holds the base. */
static void
choose_context(struct root *root, const struct ldap_answer *answer)
{
    struct ldap_server *server = &root->link->server;
    struct span base = span_of(root->link->directory->base), context;
    for (size_t n = 0; ldap_answer_value(answer, "namingContexts", n, &context); n++)
        if (context.len < sizeof server->naming_context && context.len >= strlen(server->naming_context) &&
            ldap_dn_below(base, context))
            snprintf(server->naming_context, sizeof server->naming_context, "%.*s", (int)context.len,
                     context.at);
    if (server->naming_context[0] == '\0')
        snprintf(server->naming_context, sizeof server->naming_context, "%.590s", root->link->directory->base);
}

static bool
take_root(void *arg, const struct ldap_answer *answer)
{
    struct root *root = arg;
    struct ldap_server *server = &root->link->server;
    root->seen = true;
    server->active_directory = has(answer, "supportedCapabilities", capability_ad);
    server->pages = has(answer, "supportedControl", LDAP_CONTROL_PAGEDRESULTS);
    server->dirsync = has(answer, "supportedControl", "1.2.840.113556.1.4.841");
    server->syncrepl = has(answer, "supportedControl", LDAP_CONTROL_SYNC);
    server->show_deleted = has(answer, "supportedControl", "1.2.840.113556.1.4.417");
    server->domain_scope = has(answer, "supportedControl", "1.2.840.113556.1.4.1339");
    take_text(answer, "highestCommittedUSN", root->highest, sizeof root->highest);
    take_text(answer, "dsServiceName", root->service, sizeof root->service);
    take_text(answer, "subschemaSubentry", root->schema, sizeof root->schema);
    choose_context(root, answer);
    return true;
}

static int
ask_root(struct root *root, struct why *why)
{
    struct link_search search = {
        .base = "", .filter = "(objectClass=*)", .scope = LDAP_SCOPE_BASE, .attributes = asked};
    int r = link_search(root->link, &search, take_root, root, why);
    if (r == 0 && !root->seen) {
        why_set(why, "5.3.0", "%s: the server does not show its rootDSE: is this an LDAP server?",
                root->link->server.url);
        r = -ENOTCONN;
    }
    return r == -EAGAIN ? -ENOTCONN : r;
}

/* ---- the update number's owner ---- */

static bool
take_invocation(void *arg, const struct ldap_answer *answer)
{
    struct ldap_link *link = arg;
    struct span value;
    struct buf id = {0};
    if (ldap_answer_value(answer, "invocationId", 0, &value)) {
        ldap_id_print("objectGUID", value, &id);
        snprintf(link->server.identity, sizeof link->server.identity, "%.290s", id.at);
    }
    buf_clear(&id);
    return true;
}

/* An update number means something on the server that gave it alone; the cookies of DirSync and syncrepl on each that holds the
 * same directory. */
static int
identify(struct root *root, struct why *why)
{
    static const char *const attributes[] = {"invocationId", NULL};
    struct ldap_link *link = root->link;
    struct link_search search = {
        .base = root->service, .filter = "(objectClass=*)", .scope = LDAP_SCOPE_BASE, .attributes = attributes};
    snprintf(link->server.identity, sizeof link->server.identity, "%.290s", link->server.naming_context);
    if (ldap_changes_of(link) != LDAP_CHANGES_USN)
        return 0;
    snprintf(link->server.identity, sizeof link->server.identity, "%.290s", root->service);
    struct why ignored;
    int r = root->service[0] != '\0' ? link_search(link, &search, take_invocation, link, &ignored) : 0;
    if (r == -EAGAIN || r == -ETIMEDOUT) {
        *why = ignored;
        return -ENOTCONN;
    }
    return 0;
}

/* ---- the schema ---- */

static void
add_known(struct ldap_link *link, const char *name)
{
    if ((link->n_known & (link->n_known - 1)) == 0)
        link->known = xrealloc(link->known, (link->n_known > 0 ? 2 * link->n_known : 1) * sizeof *link->known);
    char *text = xstrdup(name);
    for (char *c = text; *c != '\0'; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c + 32);
    link->known[link->n_known++] = text;
}

static void
add_names(struct ldap_link *link, char **names)
{
    for (size_t i = 0; names != NULL && names[i] != NULL; i++)
        add_known(link, names[i]);
}

static bool
take_schema(void *arg, const struct ldap_answer *answer)
{
    struct ldap_link *link = arg;
    struct span value;
    const char *at;
    int code;
    for (size_t n = 0; ldap_answer_value(answer, "attributeTypes", n, &value); n++) {
        char *text = xstrndup(value.at, value.len);
        LDAPAttributeType *type = ldap_str2attributetype(text, &code, &at, LDAP_SCHEMA_ALLOW_ALL);
        if (type != NULL) {
            add_names(link, type->at_names);
            ldap_attributetype_free(type);
        }
        free(text);
    }
    for (size_t n = 0; ldap_answer_value(answer, "objectClasses", n, &value); n++) {
        char *text = xstrndup(value.at, value.len);
        LDAPObjectClass *class = ldap_str2objectclass(text, &code, &at, LDAP_SCHEMA_ALLOW_ALL);
        if (class != NULL) {
            add_names(link, class->oc_names);
            ldap_objectclass_free(class);
        }
        free(text);
    }
    return true;
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A server that hides its schema is taken to know all. */
static int
ask_schema(struct root *root, struct why *why)
{
    static const char *const attributes[] = {"attributeTypes", "objectClasses", NULL};
    struct ldap_link *link = root->link;
    struct link_search search = {
        .base = root->schema, .filter = "(objectClass=*)", .scope = LDAP_SCOPE_BASE, .attributes = attributes};
    for (size_t i = 0; i < link->n_known; i++)
        free(link->known[i]);
    link->n_known = 0;
    struct why trouble;
    int r = root->schema[0] != '\0' ? link_search(link, &search, take_schema, link, &trouble) : 0;
    if (link->n_known > 0)
        qsort(link->known, link->n_known, sizeof *link->known, by_name);
    if (r == 0 || r == -ENOENT || r == -EACCES)
        return 0;
    /* for what it has trouble with now it would be taken for another kind of server */
    why_set(why, "4.4.2", "%.400s (its schema)", trouble.text);
    return -ENOTCONN;
}

bool
ldap_link_knows(struct ldap_link *link, const char *name)
{
    char lower[200], *key = lower;
    snprintf(lower, sizeof lower, "%s", name);
    for (char *c = lower; *c != '\0'; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c + 32);
    return link->n_known == 0 ||
           bsearch(&key, link->known, link->n_known, sizeof *link->known, by_name) != NULL;
}

/* ---- the whole ---- */

int
server_ask(struct ldap_link *link, struct why *why)
{
    struct root root = {.link = link};
    int r = ask_root(&root, why);
    uint64_t usn;
    if (r == 0 && span_to_u64(span_of(root.highest), INT64_MAX, &usn))
        link->server.highest_usn = usn;
    link->server.usn = link->server.active_directory && link->server.highest_usn > 0;
    if (r == 0)
        r = identify(&root, why);
    return r == 0 ? ask_schema(&root, why) : r;
}

static bool
take_usn(void *arg, const struct ldap_answer *answer)
{
    struct span value;
    uint64_t *usn = arg;
    if (!ldap_answer_value(answer, "highestCommittedUSN", 0, &value) || !span_to_u64(value, INT64_MAX, usn))
        *usn = 0;
    return true;
}

int
server_usn(struct ldap_link *link, uint64_t *usn, struct why *why)
{
    static const char *const attributes[] = {"highestCommittedUSN", NULL};
    struct link_search search = {
        .base = "", .filter = "(objectClass=*)", .scope = LDAP_SCOPE_BASE, .attributes = attributes};
    *usn = 0;
    return link_search(link, &search, take_usn, usn, why);
}
