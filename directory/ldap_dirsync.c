/* ldap_dirsync.c - which ids changed, by Active Directory's DirSync control (see ldap_changes.c)
 *
 * An answer comes in rounds, each with the next one's cookie; the last one's is kept. It covers the whole naming context: who lies
 * elsewhere is left out when the changed ones are read.
 *
 * Source: MS-ADTS 3.1.1.3.4.1.3.
 */
#include <errno.h>

#include "directory/ldap_inside.h"

enum {
    DIRSYNC_BYTES = 1 << 20, /* of one answer; the server raises less */
    ROUNDS_MAX = 100000
};

/* One round. `*more` says that another is to follow. */
struct dirsync {
    struct changes_found *finding;
    struct berval cookie;
    bool owned, more;
    const char *const *attributes;
};

static void
take_dirsync_entry(struct changes_found *finding, const struct ldap_answer *answer)
{
    struct span value;
    bool gone = ldap_answer_value(answer, "isDeleted", 0, &value) && span_equal_nocase(value, SPAN("TRUE"));
    changes_take_guid(gone ? &finding->gone : &finding->changed, answer);
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
        r = code == LDAP_BUSY || code == LDAP_UNAVAILABLE ? -EAGAIN : -ESTALE;
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
    struct changes_found *finding = dirsync->finding;
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

int
dirsync_find(struct changes_found *finding, struct span cookie, const char *const *attributes, struct why *why)
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
