/* ldap_changes.c - what changed since a cookie (see ldap.h)
 *
 *     which ids changed or are gone, and the next cookie     DirSync, uSNChanged with tombstones, or syncrepl
 *     each changed one is read whole, under the filter       in questions of BATCH ids
 *     who changed and does not come back                     is gone, or no recipient any more
 *
 * So all three ways give the same: whole entries, and ids. Cookies begin with a word that says whose they are; one of another
 * way, or that the server does not take, is stale: everything is read anew.
 *
 * Sources: MS-ADTS 3.1.1.3.4.1.3 (DirSync), 3.1.1.3.4.1.14 (show deleted); RFC 4533 (syncrepl).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "directory/ldap_inside.h"

enum {
    BATCH = 50,
    DIRSYNC_BYTES = 1 << 20, /* of one answer; the server raises less */
    ROUNDS_MAX = 100000,
    ID_BYTES = 16
};

/* Ids of 16 octets, each once when they are used. */
struct ids {
    unsigned char (*at)[ID_BYTES];
    size_t n, size;
};

struct finding_changes {
    struct ldap_link *link;
    struct ids changed, gone;
    struct buf cookie; /* the next one */
    bool stale;
};

static void
add_id(struct ids *ids, struct span value)
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

static bool
take_guid(void *arg, const struct ldap_answer *answer)
{
    struct span value;
    if (ldap_answer_value(answer, "objectGUID", 0, &value))
        add_id(arg, value);
    return true;
}

static int
find_by_usn(struct finding_changes *finding, struct span cookie, struct why *why)
{
    static const char *const attributes[] = {"objectGUID", NULL};
    uint64_t since, now;
    char filter[120];
    if (!span_to_u64(cookie, INT64_MAX, &since))
        return -ESTALE;
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
        r = link_search(finding->link, &search, take_guid, &finding->changed, why);
    snprintf(filter, sizeof filter, "(&(isDeleted=TRUE)(uSNChanged>=%" PRIu64 "))", since + 1);
    search.deleted = true;
    if (r == 0 && finding->link->server.show_deleted)
        r = link_search(finding->link, &search, take_guid, &finding->gone, why);
    buf_printf(&finding->cookie, "usn:%" PRIu64, now);
    return r;
}

/* ---- DirSync ---- */

/* One round. `*more` says that another is to follow. */
struct dirsync {
    struct finding_changes *finding;
    struct berval cookie;
    bool owned, more;
    const char *const *attributes;
};

static void
take_dirsync_entry(struct finding_changes *finding, const struct ldap_answer *answer)
{
    struct span value;
    bool gone = ldap_answer_value(answer, "isDeleted", 0, &value) && span_equal_nocase(value, SPAN("TRUE"));
    take_guid(gone ? &finding->gone : &finding->changed, answer);
}

static int
take_dirsync_end(struct dirsync *dirsync, LDAPMessage *message, struct why *why)
{
    struct ldap_link *link = dirsync->finding->link;
    LDAPControl **controls = NULL;
    struct berval next = {0, NULL};
    char *said = NULL;
    int code = LDAP_OTHER, more = 0;
    int parsed = ldap_parse_result(link->ld, message, &code, NULL, &said, NULL, &controls, 0);
    LDAPControl *control = controls != NULL ? ldap_control_find(LDAP_CONTROL_X_DIRSYNC, controls, NULL) : NULL;
    if (parsed == LDAP_SUCCESS && code == LDAP_SUCCESS &&
        (control == NULL || ldap_parse_dirsync_control(link->ld, control, &more, &next) != LDAP_SUCCESS))
        code = LDAP_PROTOCOL_ERROR;
    int r = 0;
    if (parsed != LDAP_SUCCESS || code != LDAP_SUCCESS) {
        why_set(why, "4.3.0", "%s: DirSync: %s%s%s", link->server.url,
                ldap_err2string(parsed != LDAP_SUCCESS ? parsed : code),
                said != NULL && said[0] != '\0' ? ": " : "", said != NULL ? said : "");
        /* a cookie that it does not take, or a right that was withdrawn: all can be read still */
        r = -ESTALE;
    } else {
        if (dirsync->owned)
            ber_memfree(dirsync->cookie.bv_val);
        dirsync->cookie = next;
        dirsync->owned = true;
        dirsync->more = more != 0;
    }
    ldap_memfree(said);
    if (controls != NULL)
        ldap_controls_free(controls);
    return r;
}

static int
dirsync_round(struct dirsync *dirsync, struct why *why)
{
    struct finding_changes *finding = dirsync->finding;
    struct ldap_link *link = finding->link;
    LDAPControl *controls[2] = {NULL, NULL};
    struct ldap_answer answer = {0};
    int id = 0, code = ldap_create_dirsync_control(link->ld, LDAP_CONTROL_X_DIRSYNC_OBJECT_SECURITY,
                                                   DIRSYNC_BYTES, &dirsync->cookie, &controls[0]);
    if (code == LDAP_SUCCESS) {
        controls[0]->ldctl_iscritical = 1;
        code = ldap_search_ext(link->ld, link->server.naming_context, LDAP_SCOPE_SUBTREE, "(objectClass=*)",
                               only_read_list(dirsync->attributes), 0, controls, NULL, NULL, 0, &id);
    }
    if (controls[0] != NULL)
        ldap_control_free(controls[0]);
    int r = code == LDAP_SUCCESS ? 0 : link_lose(link, code, "DirSync", why);
    for (bool ended = false; r == 0 && !ended;) {
        LDAPMessage *message;
        r = link_next(link, id, &message, why);
        if (r < 0)
            break;
        int kind = ldap_msgtype(message);
        ended = kind == LDAP_RES_SEARCH_RESULT;
        if (kind == LDAP_RES_SEARCH_ENTRY && (r = answer_take(&answer, link, message, NULL, why)) == 0)
            take_dirsync_entry(finding, &answer);
        else if (ended)
            r = take_dirsync_end(dirsync, message, why);
        answer_reset(&answer);
        ldap_msgfree(message);
    }
    answer_clear(&answer);
    return r;
}

static int
find_by_dirsync(struct finding_changes *finding, struct span cookie, const char *const *attributes,
                struct why *why)
{
    struct dirsync dirsync = {
        .finding = finding,
        .cookie = {.bv_len = cookie.len, .bv_val = cookie.len > 0 ? only_read(cookie.at) : only_read("")},
        .more = true,
        .attributes = attributes};
    int r = 0;
    for (int round = 0; r == 0 && dirsync.more; round++)
        r = round < ROUNDS_MAX ? dirsync_round(&dirsync, why) : why_set(why, "5.3.0", "DirSync has no end");
    buf_add_text(&finding->cookie, "dirsync:");
    buf_add(&finding->cookie, dirsync.cookie.bv_val, dirsync.cookie.bv_len);
    if (dirsync.owned)
        ber_memfree(dirsync.cookie.bv_val);
    return r;
}

/* ---- syncrepl, refresh only ---- */

static void
take_cookie(struct finding_changes *finding, const struct berval *cookie)
{
    if (cookie->bv_val == NULL || cookie->bv_len == 0)
        return;
    buf_reset(&finding->cookie);
    buf_add_text(&finding->cookie, "sync:");
    buf_add(&finding->cookie, cookie->bv_val, cookie->bv_len);
}

static LDAPControl *
sync_control(struct span cookie)
{
    BerElement *ber = ber_alloc_t(LBER_USE_DER);
    LDAPControl *control = NULL;
    struct berval value = {.bv_len = cookie.len, .bv_val = only_read(cookie.at)}, *flat = NULL;
    if (ber != NULL && ber_printf(ber, "{eO}", LDAP_SYNC_REFRESH_ONLY, &value) != -1 &&
        ber_flatten(ber, &flat) != -1)
        ldap_control_create(LDAP_CONTROL_SYNC, 1, flat, 1, &control);
    ber_bvfree(flat);
    if (ber != NULL)
        ber_free(ber, 1);
    return control;
}

/* Sync State: what happened to the entry that bears it. */
static int
take_sync_state(struct finding_changes *finding, LDAPMessage *message)
{
    LDAPControl **controls = NULL;
    int r = -EBADMSG;
    if (ldap_get_entry_controls(finding->link->ld, message, &controls) != LDAP_SUCCESS || controls == NULL)
        return r;
    LDAPControl *control = ldap_control_find(LDAP_CONTROL_SYNC_STATE, controls, NULL);
    BerElement *ber = control != NULL ? ber_init(&control->ldctl_value) : NULL;
    ber_int_t state;
    struct berval id;
    if (ber != NULL && ber_scanf(ber, "{em", &state, &id) != LBER_ERROR && id.bv_len == ID_BYTES) {
        struct span value = {id.bv_val, id.bv_len};
        if (state == LDAP_SYNC_DELETE)
            add_id(&finding->gone, value);
        else if (state != LDAP_SYNC_PRESENT)
            add_id(&finding->changed, value);
        r = 0;
    }
    if (ber != NULL)
        ber_free(ber, 1);
    ldap_controls_free(controls);
    return r;
}

/* A set of ids that are gone, or (where the server has forgotten what went) that are there: the latter is of no use to whoever
 * does not keep all, so all is read. */
static void
take_id_set(struct finding_changes *finding, BerElement *ber)
{
    struct berval cookie = {0, NULL};
    BerVarray ids = NULL;
    ber_len_t len;
    ber_int_t deletes = 0;
    if (ber_scanf(ber, "{") == LBER_ERROR)
        return;
    if (ber_peek_tag(ber, &len) == LDAP_TAG_SYNC_COOKIE && ber_scanf(ber, "m", &cookie) == LBER_ERROR)
        return;
    if (ber_peek_tag(ber, &len) == LDAP_TAG_REFRESHDELETES && ber_scanf(ber, "b", &deletes) == LBER_ERROR)
        return;
    if (ber_scanf(ber, "[W]", &ids) == LBER_ERROR)
        finding->stale = true;
    finding->stale |= !deletes;
    for (size_t i = 0; ids != NULL && ids[i].bv_val != NULL; i++)
        add_id(&finding->gone, (struct span){ids[i].bv_val, ids[i].bv_len});
    take_cookie(finding, &cookie);
    ber_bvarray_free(ids);
}

static void
take_sync_info(struct finding_changes *finding, LDAPMessage *message)
{
    char *oid = NULL;
    struct berval *data = NULL, cookie = {0, NULL};
    ber_len_t len;
    if (ldap_parse_intermediate(finding->link->ld, message, &oid, &data, NULL, 0) != LDAP_SUCCESS ||
        data == NULL || !span_equal(span_of(oid), SPAN(LDAP_SYNC_INFO))) {
        ldap_memfree(oid);
        ber_bvfree(data);
        return;
    }
    BerElement *ber = ber_init(data);
    ber_tag_t tag = ber != NULL ? ber_peek_tag(ber, &len) : LBER_ERROR;
    if (tag == LDAP_TAG_SYNC_NEW_COOKIE && ber_scanf(ber, "m", &cookie) != LBER_ERROR) {
        take_cookie(finding, &cookie);
    } else if (tag == LDAP_TAG_SYNC_ID_SET) {
        take_id_set(finding, ber);
    } else if (tag == LDAP_TAG_SYNC_REFRESH_PRESENT) {
        finding->stale = true;
    } else if (tag == LDAP_TAG_SYNC_REFRESH_DELETE && ber_scanf(ber, "{") != LBER_ERROR &&
               ber_peek_tag(ber, &len) == LDAP_TAG_SYNC_COOKIE && ber_scanf(ber, "m", &cookie) != LBER_ERROR) {
        take_cookie(finding, &cookie);
    }
    if (ber != NULL)
        ber_free(ber, 1);
    ldap_memfree(oid);
    ber_bvfree(data);
}

static int
take_sync_done(struct finding_changes *finding, LDAPMessage *message, struct why *why)
{
    struct ldap_link *link = finding->link;
    LDAPControl **controls = NULL;
    char *said = NULL;
    int code = LDAP_OTHER, r = 0;
    ber_int_t deletes = 0;
    ber_len_t len;
    int parsed = ldap_parse_result(link->ld, message, &code, NULL, &said, NULL, &controls, 0);
    LDAPControl *control = controls != NULL ? ldap_control_find(LDAP_CONTROL_SYNC_DONE, controls, NULL) : NULL;
    BerElement *ber = control != NULL ? ber_init(&control->ldctl_value) : NULL;
    struct berval cookie = {0, NULL};
    if (ber != NULL && ber_scanf(ber, "{") != LBER_ERROR) {
        if (ber_peek_tag(ber, &len) == LDAP_TAG_SYNC_COOKIE && ber_scanf(ber, "m", &cookie) != LBER_ERROR)
            take_cookie(finding, &cookie);
        if (ber_peek_tag(ber, &len) == LDAP_TAG_REFRESHDELETES)
            ber_scanf(ber, "b", &deletes);
    }
    if (parsed != LDAP_SUCCESS || code != LDAP_SUCCESS) {
        why_set(why, "4.3.0", "%s: syncrepl: %s%s%s", link->server.url,
                ldap_err2string(parsed != LDAP_SUCCESS ? parsed : code),
                said != NULL && said[0] != '\0' ? ": " : "", said != NULL ? said : "");
        r = code == LDAP_BUSY || code == LDAP_UNAVAILABLE ? -EAGAIN : -ESTALE;
    }
    /* without deletes the server told who is present, and the rest would have to be guessed */
    finding->stale |= r == 0 && !deletes;
    if (ber != NULL)
        ber_free(ber, 1);
    ldap_memfree(said);
    if (controls != NULL)
        ldap_controls_free(controls);
    return r;
}

static int
find_by_syncrepl(struct finding_changes *finding, struct span cookie, struct why *why)
{
    static const char *const attributes[] = {"1.1", NULL};
    struct ldap_link *link = finding->link;
    LDAPControl *controls[2] = {sync_control(cookie), NULL};
    int id = 0;
    buf_add_text(&finding->cookie, "sync:");
    buf_add_span(&finding->cookie, cookie);
    int code = controls[0] == NULL ? LDAP_NO_MEMORY
                                   : ldap_search_ext(link->ld, link->server.naming_context, LDAP_SCOPE_SUBTREE,
                                                     "(objectClass=*)", only_read_list(attributes), 0, controls,
                                                     NULL, NULL, 0, &id);
    if (controls[0] != NULL)
        ldap_control_free(controls[0]);
    int r = code == LDAP_SUCCESS ? 0 : link_lose(link, code, "syncrepl", why);
    for (bool ended = false; r == 0 && !ended;) {
        LDAPMessage *message;
        r = link_next(link, id, &message, why);
        if (r < 0)
            break;
        int kind = ldap_msgtype(message);
        ended = kind == LDAP_RES_SEARCH_RESULT;
        if (kind == LDAP_RES_SEARCH_ENTRY && take_sync_state(finding, message) < 0)
            finding->stale = true;
        else if (kind == LDAP_RES_INTERMEDIATE)
            take_sync_info(finding, message);
        else if (ended)
            r = take_sync_done(finding, message, why);
        ldap_msgfree(message);
    }
    if (r == 0 && finding->stale) {
        why_set(why, "4.3.0", "%s: its log of changes does not reach back to the last reading",
                link->server.url);
        r = -ESTALE;
    }
    return r;
}

/* ---- where it begins ---- */

static bool
take_context(void *arg, const struct ldap_answer *answer)
{
    struct buf *cookie = arg;
    struct span value;
    for (size_t n = 0; ldap_answer_value(answer, "contextCSN", n, &value); n++)
        buf_printf(cookie, "%s%.*s", n == 0 ? "sync:rid=000,csn=" : ";", (int)value.len, value.at);
    return true;
}

static int
begin_syncrepl(struct ldap_link *link, struct buf *cookie, struct why *why)
{
    static const char *const attributes[] = {"contextCSN", NULL};
    struct link_search search = {.base = link->server.naming_context,
                                 .filter = "(objectClass=*)",
                                 .scope = LDAP_SCOPE_BASE,
                                 .attributes = attributes};
    int r = link_search(link, &search, take_context, cookie, why);
    if (r == 0 && cookie->len == 0)
        r = why_set(why, "4.3.0", "%s: %s has no contextCSN (syncprov is not at work there)", link->server.url,
                    link->server.naming_context);
    return r;
}

int
ldap_changes_begin(struct ldap_link *link, struct buf *cookie, struct why *why)
{
    static const char *const few[] = {"isDeleted", NULL};
    struct finding_changes finding = {.link = link};
    uint64_t usn;
    int r = 0;
    buf_reset(cookie);
    switch (ldap_changes_of(link)) {
    case LDAP_CHANGES_USN:
        r = server_usn(link, &usn, why);
        if (r == 0)
            buf_printf(cookie, "usn:%" PRIu64, usn);
        return r;
    case LDAP_CHANGES_DIRSYNC:
        r = find_by_dirsync(&finding, SPAN(""), few, why);
        if (r == 0)
            buf_add_span(cookie, buf_span(&finding.cookie));
        free(finding.changed.at);
        free(finding.gone.at);
        buf_clear(&finding.cookie);
        return r;
    case LDAP_CHANGES_SYNCREPL:
        return begin_syncrepl(link, cookie, why);
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
        add_id(ids, (struct span){octets, ID_BYTES});
}

static bool
take_changed(void *arg, const struct ldap_answer *answer)
{
    struct rereading *rereading = arg;
    struct span value;
    if (ldap_answer_value(answer, rereading->attribute, 0, &value)) {
        if (value.len == ID_BYTES)
            add_id(&rereading->back, value);
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
reread(struct rereading *rereading, const struct ldap_question *question, const struct finding_changes *finding,
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
report_all_gone(struct rereading *rereading, const struct finding_changes *finding,
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
find_changes(struct finding_changes *finding, const struct ldap_question *question, struct span cookie,
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
        return find_by_dirsync(finding, rest, names, why);
    if (source == LDAP_CHANGES_USN && take_word(cookie, SPAN("usn:"), &rest))
        return find_by_usn(finding, rest, why);
    if (source == LDAP_CHANGES_SYNCREPL && take_word(cookie, SPAN("sync:"), &rest))
        return find_by_syncrepl(finding, rest, why);
    why_set(why, "", "%s: changes are asked for in another way than before", link->server.url);
    return -ESTALE;
}

int
ldap_changes(struct ldap_link *link, const struct ldap_question *question, struct buf *cookie,
             bool (*changed)(void *arg, const struct ldap_answer *answer),
             bool (*gone)(void *arg, struct span id), void *arg, struct why *why)
{
    struct finding_changes finding = {.link = link};
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
