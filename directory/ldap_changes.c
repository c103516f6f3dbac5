/* ldap_changes.c - what changed since a cookie (see ldap.h)
 *
 *     which ids changed or are gone, and the next cookie     uSNChanged with tombstones; ldap_dirsync.c, ldap_syncrepl.c
 *     each changed one is read whole, under the filter       in questions of BATCH ids
 *     who changed and does not come back                     is gone, or no recipient any more
 *
 * So all three ways give the same: whole entries, and ids. Cookies begin with a word that says whose they are; one of another
 * way, or that the server does not take, is stale: everything is read anew.
 *
 * Source: MS-ADTS 3.1.1.3.4.1.14 (show deleted).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "directory/ldap_inside.h"

enum { BATCH = 50 };

void
ids_add(struct ids *ids, struct span value)
{
    if (value.len != ID_BYTES)
        return;
    if (ids->n == ids->size) {
        ids->size = ids->size > 0 ? 2 * ids->size : 256;
        ids->at = xrealloc(ids->at, ids->size * sizeof *ids->at);
    }
    memcpy(ids->at[ids->n++], value.at, ID_BYTES);
}

static int
by_octets(const void *a, const void *b)
{
    return memcmp(a, b, ID_BYTES);
}

static void
make_unique(struct ids *ids)
{
    size_t kept = 0;
    if (ids->n > 0)
        qsort(ids->at, ids->n, sizeof *ids->at, by_octets);
    for (size_t i = 0; i < ids->n; i++)
        if (kept == 0 || memcmp(ids->at[kept - 1], ids->at[i], ID_BYTES) != 0)
            memmove(ids->at[kept++], ids->at[i], ID_BYTES);
    ids->n = kept;
}

static bool
is_in(const struct ids *ids, const unsigned char *id)
{
    return ids->n > 0 && bsearch(id, ids->at, ids->n, sizeof *ids->at, by_octets) != NULL;
}

enum ldap_changes
ldap_changes_of(const struct ldap_link *link)
{
    struct span wanted = span_of(link->directory->changes);
    bool any = span_equal(wanted, SPAN("auto"));
    if ((any || span_equal(wanted, SPAN("dirsync"))) && link->server.dirsync && link->server.active_directory)
        return LDAP_CHANGES_DIRSYNC;
    if ((any || span_equal(wanted, SPAN("usn"))) && link->server.usn)
        return LDAP_CHANGES_USN;
    if ((any || span_equal(wanted, SPAN("syncrepl"))) && link->server.syncrepl)
        return LDAP_CHANGES_SYNCREPL;
    return LDAP_CHANGES_NONE;
}

/* ---- uSNChanged ---- */

bool
changes_take_guid(void *arg, const struct ldap_answer *answer)
{
    struct span value;
    if (ldap_answer_value(answer, "objectGUID", 0, &value))
        ids_add(arg, value);
    return true;
}

static int
find_by_usn(struct changes_found *finding, struct span cookie, struct why *why)
{
    static const char *const attributes[] = {"objectGUID", NULL};
    uint64_t since, now;
    char filter[120];
    if (!span_to_u64(cookie, INT64_MAX, &since)) {
        why_set(why, "4.3.0", "%s: the number of its last update is none", finding->link->server.url);
        return -ESTALE;
    }
    int r = server_usn(finding->link, &now, why);
    if (r == 0 && now < since) { /* restored from a backup */
        why_set(why, "4.3.0", "%s: its update number went back from %" PRIu64 " to %" PRIu64,
                finding->link->server.url, since, now);
        return -ESTALE;
    }
    struct link_search search = {.base = finding->link->server.naming_context,
                                 .filter = filter,
                                 .scope = LDAP_SCOPE_SUBTREE,
                                 .attributes = attributes,
                                 .paged = true};
    snprintf(filter, sizeof filter, "(uSNChanged>=%" PRIu64 ")", since + 1);
    if (r == 0)
        r = link_search(finding->link, &search, changes_take_guid, &finding->changed, why);
    snprintf(filter, sizeof filter, "(&(isDeleted=TRUE)(uSNChanged>=%" PRIu64 "))", since + 1);
    search.deleted = true;
    if (r == 0 && finding->link->server.show_deleted)
        r = link_search(finding->link, &search, changes_take_guid, &finding->gone, why);
    buf_printf(&finding->cookie, "usn:%" PRIu64, now);
    return r;
}

static bool
take_any(void *arg, const struct ldap_answer *answer)
{
    (void)answer;
    *(bool *)arg = true;
    return true;
}

/* Whoever may not look there is shown no tombstones, and told nothing of it. */
static int
see_deleted(struct ldap_link *link, struct why *why)
{
    static const char *const few[] = {"objectClass", NULL};
    char base[700];
    bool seen = false;
    snprintf(base, sizeof base, "CN=Deleted Objects,%s", link->server.naming_context);
    struct link_search search = {.base = base,
                                 .filter = "(objectClass=*)",
                                 .scope = LDAP_SCOPE_BASE,
                                 .attributes = few,
                                 .deleted = true};
    int r = link_search(link, &search, take_any, &seen, why);
    if ((r < 0 && r != -ENOENT && r != -EACCES) || seen)
        return r;
    why_set(
        why, "5.7.1",
        "%s: %s cannot be read, so nobody would be told who was deleted: the account needs the right to list "
        "it and to read what is in it",
        link->server.url, base);
    return -EACCES;
}

/* ---- where it begins ---- */

int
ldap_changes_begin(struct ldap_link *link, struct buf *cookie, struct why *why)
{
    static const char *const few[] = {"isDeleted", NULL};
    struct changes_found finding = {.link = link};
    uint64_t usn;
    int r = 0;
    buf_reset(cookie);
    switch (ldap_changes_of(link)) {
    case LDAP_CHANGES_USN:
        r = see_deleted(link, why);
        if (r == 0)
            r = server_usn(link, &usn, why);
        if (r == 0)
            buf_printf(cookie, "usn:%" PRIu64, usn);
        return r;
    case LDAP_CHANGES_DIRSYNC:
        r = dirsync_find(&finding, SPAN(""), few, why);
        if (r == 0)
            buf_add_span(cookie, buf_span(&finding.cookie));
        free(finding.changed.at);
        free(finding.gone.at);
        buf_clear(&finding.cookie);
        return r;
    case LDAP_CHANGES_SYNCREPL:
        return syncrepl_begin(link, cookie, why);
    default:
        why_set(why, "", "%s: the server offers no way to ask for changes", link->server.url);
        return -ENOTSUP;
    }
}

/* ---- the changed ones, whole ---- */

struct rereading {
    struct ldap_link *link;
    const char *attribute; /* objectGUID, entryUUID */
    bool (*changed)(void *arg, const struct ldap_answer *answer);
    void *arg;
    struct ids back;
};

static int
hex_value(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* entryUUID stands in answers as text. */
static void
add_uuid(struct ids *ids, struct span text)
{
    char octets[ID_BYTES];
    size_t n = 0;
    for (size_t i = 0; i + 1 < text.len && n < ID_BYTES; i++) {
        if (text.at[i] == '-')
            continue;
        int high = hex_value(text.at[i]), low = hex_value(text.at[i + 1]);
        if (high < 0 || low < 0)
            return;
        octets[n++] = (char)(high * 16 + low);
        i++;
    }
    if (n == ID_BYTES)
        ids_add(ids, (struct span){octets, ID_BYTES});
}

static bool
take_changed(void *arg, const struct ldap_answer *answer)
{
    struct rereading *rereading = arg;
    struct span value;
    if (ldap_answer_value(answer, rereading->attribute, 0, &value)) {
        if (value.len == ID_BYTES)
            ids_add(&rereading->back, value);
        else
            add_uuid(&rereading->back, value);
    }
    return rereading->changed(rereading->arg, answer);
}

static void
add_id_term(struct rereading *rereading, const unsigned char *id, struct buf *filter)
{
    buf_printf(filter, "(%s=", rereading->attribute);
    if (span_equal_nocase(span_of(rereading->attribute), SPAN("entryUUID")))
        ldap_id_print("entryUUID", (struct span){(const char *)id, ID_BYTES}, filter);
    else
        for (int i = 0; i < ID_BYTES; i++)
            buf_printf(filter, "\\%02x", id[i]);
    buf_add_byte(filter, ')');
}

static int
reread(struct rereading *rereading, const struct ldap_question *question, const struct changes_found *finding,
       struct why *why)
{
    struct buf filter = {0};
    struct ldap_question some = *question;
    bool bare = question->filter[0] != '(';
    int r = 0;
    for (size_t i = 0; i < finding->changed.n && r == 0;) {
        size_t n = 0;
        buf_reset(&filter);
        buf_printf(&filter, "(&%s%s%s(|", bare ? "(" : "", question->filter, bare ? ")" : "");
        for (; n < BATCH && i < finding->changed.n; i++) {
            if (is_in(&finding->gone, finding->changed.at[i]))
                continue;
            add_id_term(rereading, finding->changed.at[i], &filter);
            n++;
        }
        buf_add_text(&filter, "))");
        some.filter = filter.at;
        if (n > 0)
            r = ldap_read(rereading->link, &some, take_changed, rereading, why);
    }
    buf_clear(&filter);
    return r;
}

static bool
report_gone(const struct rereading *rereading, const unsigned char *id, bool (*gone)(void *arg, struct span id))
{
    struct buf text = {0};
    ldap_id_print(rereading->attribute, (struct span){(const char *)id, ID_BYTES}, &text);
    bool more = gone(rereading->arg, buf_span(&text));
    buf_clear(&text);
    return more;
}

static int
report_all_gone(struct rereading *rereading, const struct changes_found *finding,
                bool (*gone)(void *arg, struct span id))
{
    make_unique(&rereading->back);
    for (size_t i = 0; i < finding->gone.n; i++)
        if (!report_gone(rereading, finding->gone.at[i], gone))
            return -ECANCELED;
    for (size_t i = 0; i < finding->changed.n; i++)
        if (!is_in(&rereading->back, finding->changed.at[i]) &&
            !is_in(&finding->gone, finding->changed.at[i]) &&
            !report_gone(rereading, finding->changed.at[i], gone))
            return -ECANCELED;
    return 0;
}

/* What stands behind the cookie's word; false where it is another way's. */
static bool
take_word(struct span cookie, struct span word, struct span *rest)
{
    if (cookie.len < word.len || memcmp(cookie.at, word.at, word.len) != 0)
        return false;
    *rest = (struct span){cookie.at + word.len, cookie.len - word.len};
    return true;
}

static int
find_changes(struct changes_found *finding, const struct ldap_question *question, struct span cookie,
             struct why *why)
{
    struct span rest;
    struct ldap_link *link = finding->link;
    /* of the attributes that are kept in step, with what tells who is gone, and who was renamed or moved */
    const char *names[402] = {"objectGUID", "isDeleted", "name"};
    size_t n = 3;
    for (size_t i = 0; question->attributes != NULL && question->attributes[i] != NULL && n < 401; i++)
        names[n++] = question->attributes[i];
    names[n] = NULL;
    enum ldap_changes source = ldap_changes_of(link);
    if (source == LDAP_CHANGES_DIRSYNC && take_word(cookie, SPAN("dirsync:"), &rest))
        return dirsync_find(finding, rest, names, why);
    if (source == LDAP_CHANGES_USN && take_word(cookie, SPAN("usn:"), &rest))
        return find_by_usn(finding, rest, why);
    if (source == LDAP_CHANGES_SYNCREPL && take_word(cookie, SPAN("sync:"), &rest))
        return syncrepl_find(finding, rest, why);
    why_set(why, "", "%s: changes are asked for in another way than before", link->server.url);
    return -ESTALE;
}

int
ldap_changes(struct ldap_link *link, const struct ldap_question *question, struct buf *cookie,
             bool (*changed)(void *arg, const struct ldap_answer *answer),
             bool (*gone)(void *arg, struct span id), void *arg, struct why *why)
{
    struct changes_found finding = {.link = link};
    struct rereading rereading = {.link = link,
                                  .attribute = ldap_changes_of(link) == LDAP_CHANGES_SYNCREPL ? "entryUUID"
                                                                                              : "objectGUID",
                                  .changed = changed,
                                  .arg = arg};
    if (link->ld == NULL) {
        why_set(why, "4.4.2", "%s: the connection was lost", link->server.url);
        return -EAGAIN;
    }
    int r = find_changes(&finding, question, buf_span(cookie), why);
    make_unique(&finding.changed);
    make_unique(&finding.gone);
    if (r == 0)
        r = reread(&rereading, question, &finding, why);
    if (r == 0)
        r = report_all_gone(&rereading, &finding, gone);
    if (r == 0) {
        buf_reset(cookie);
        buf_add_span(cookie, buf_span(&finding.cookie));
    }
    free(finding.changed.at);
    free(finding.gone.at);
    free(rereading.back.at);
    buf_clear(&finding.cookie);
    return r;
}
