/* ldap_syncrepl.c - which ids changed, by the content synchronization operation, refresh only (see ldap_changes.c)
 *
 * A server whose log does not reach back tells who is there instead of who went: that is of no use to whoever does not keep all, so
 * the cookie is stale then.
 *
 * Source: RFC 4533; contextCSN as OpenLDAP's syncprov keeps it (slapo-syncprov(5)).
 */
#include <errno.h>

#include "directory/ldap_inside.h"

static void
take_cookie(struct changes_found *finding, const struct berval *cookie)
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
take_sync_state(struct changes_found *finding, LDAPMessage *message)
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
            ids_add(&finding->gone, value);
        else if (state != LDAP_SYNC_PRESENT)
            ids_add(&finding->changed, value);
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
take_id_set(struct changes_found *finding, BerElement *ber)
{
    struct berval cookie = {0, NULL};
    BerVarray ids = NULL;
    ber_len_t len;
    ber_int_t deletes = 0;
    bool read = ber_scanf(ber, "{") != LBER_ERROR;
    if (read && ber_peek_tag(ber, &len) == LDAP_TAG_SYNC_COOKIE)
        read = ber_scanf(ber, "m", &cookie) != LBER_ERROR;
    if (read && ber_peek_tag(ber, &len) == LDAP_TAG_REFRESHDELETES)
        read = ber_scanf(ber, "b", &deletes) != LBER_ERROR;
    if (!read || ber_scanf(ber, "[W]", &ids) == LBER_ERROR)
        finding->stale = true; /* who is gone is not known */
    finding->stale |= !deletes;
    for (size_t i = 0; ids != NULL && ids[i].bv_val != NULL; i++)
        ids_add(&finding->gone, (struct span){ids[i].bv_val, ids[i].bv_len});
    take_cookie(finding, &cookie);
    ber_bvarray_free(ids);
}

static void
take_sync_info(struct changes_found *finding, LDAPMessage *message)
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
take_sync_done(struct changes_found *finding, LDAPMessage *message, struct why *why)
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

int
syncrepl_find(struct changes_found *finding, struct span cookie, struct why *why)
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

static bool
take_context(void *arg, const struct ldap_answer *answer)
{
    struct buf *cookie = arg;
    struct span value;
    for (size_t n = 0; ldap_answer_value(answer, "contextCSN", n, &value); n++)
        buf_printf(cookie, "%s%.*s", n == 0 ? "sync:rid=000,csn=" : ";", (int)value.len, value.at);
    return true;
}

int
syncrepl_begin(struct ldap_link *link, struct buf *cookie, struct why *why)
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
