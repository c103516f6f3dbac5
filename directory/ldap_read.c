/* ldap_read.c - searches, page by page (see ldap.h)
 *
 * A reading is whole when the server said success and had no further page. Everything else is no reading at all: who is not in
 * it might be there.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "directory/ldap_inside.h"

/* Pages may be empty, where the server looked long for nothing; a server that gives so many one after the other has no end. */
enum { CONTROLS = 3, ATTRIBUTES_MAX = 400, EMPTY_PAGES_MAX = 1000 };

struct paging {
    struct ldap_link *link;
    const struct link_search *search;
    const char *attributes[ATTRIBUTES_MAX + 1];
    char range[200];
    struct berval cookie; /* libldap's */
    bool more;
    int empty; /* pages without an entry, one after the other */
};

/* Names as they are asked for: of an attribute that may be long, with Active Directory, the first range. */
static void
name_attributes(struct paging *paging)
{
    const struct link_search *search = paging->search;
    size_t n = 0;
    for (; search->attributes != NULL && search->attributes[n] != NULL && n < ATTRIBUTES_MAX; n++) {
        paging->attributes[n] = search->attributes[n];
        if (search->ranged == NULL || !paging->link->server.active_directory ||
            !span_equal_nocase(span_of(search->ranged), span_of(search->attributes[n])))
            continue;
        snprintf(paging->range, sizeof paging->range, "%.150s;range=0-%ld", search->ranged,
                 paging->link->directory->range - 1);
        paging->attributes[n] = paging->range;
    }
    paging->attributes[n] = NULL;
}

/* The controls of a request. What is critical is refused rather than ignored by a server that lacks it. */
static int
make_controls(struct paging *paging, LDAPControl **controls)
{
    LDAP *ld = paging->link->ld;
    size_t n = 0;
    int r = LDAP_SUCCESS;
    if (paging->search->paged && paging->link->server.pages)
        r = ldap_create_page_control(ld, (ber_int_t)paging->link->directory->page,
                                     paging->cookie.bv_val != NULL ? &paging->cookie : NULL, 1, &controls[n++]);
    if (r == LDAP_SUCCESS && paging->link->server.domain_scope)
        r = ldap_control_create("1.2.840.113556.1.4.1339", 0, NULL, 0, &controls[n++]);
    if (r == LDAP_SUCCESS && paging->search->deleted && paging->link->server.show_deleted)
        r = ldap_control_create("1.2.840.113556.1.4.417", 1, NULL, 0, &controls[n++]);
    return r;
}

static void
free_controls(LDAPControl **controls)
{
    for (size_t i = 0; i < CONTROLS; i++)
        if (controls[i] != NULL)
            ldap_control_free(controls[i]);
}

/* What the end of a page says: success and whether there is more. */
static int
take_end(struct paging *paging, LDAPMessage *message, struct why *why)
{
    struct ldap_link *link = paging->link;
    LDAPControl **controls = NULL;
    char *said = NULL;
    int code = LDAP_OTHER;
    int parsed = ldap_parse_result(link->ld, message, &code, NULL, &said, NULL, &controls, 0);
    ber_int_t estimate;
    ber_memfree(paging->cookie.bv_val);
    paging->cookie = (struct berval){0, NULL};
    LDAPControl *page = controls != NULL ? ldap_control_find(LDAP_CONTROL_PAGEDRESULTS, controls, NULL) : NULL;
    if (page != NULL &&
        ldap_parse_pageresponse_control(link->ld, page, &estimate, &paging->cookie) != LDAP_SUCCESS)
        parsed = LDAP_DECODING_ERROR;
    paging->more = paging->cookie.bv_len > 0;
    int r = 0;
    if (parsed != LDAP_SUCCESS || code != LDAP_SUCCESS) {
        char where[200];
        snprintf(where, sizeof where, "%.190s",
                 paging->search->base[0] != '\0' ? paging->search->base : "its root");
        why_set(why, code == LDAP_BUSY || code == LDAP_UNAVAILABLE ? "4.4.2" : "5.3.0",
                "%s: reading %s: %s%s%s: %s", link->server.url, where,
                ldap_err2string(parsed != LDAP_SUCCESS ? parsed : code),
                said != NULL && said[0] != '\0' ? ": " : "", said != NULL ? said : "",
                ldap_advice(code, false));
        r = code == LDAP_SIZELIMIT_EXCEEDED || code == LDAP_ADMINLIMIT_EXCEEDED ? -EMSGSIZE
            : code == LDAP_NO_SUCH_OBJECT                                       ? -ENOENT
            : code == LDAP_INSUFFICIENT_ACCESS                                  ? -EACCES
            : code == LDAP_BUSY || code == LDAP_UNAVAILABLE                     ? -EAGAIN
                                                                                : -EIO;
    }
    ldap_memfree(said);
    if (controls != NULL)
        ldap_controls_free(controls);
    return r;
}

static int
take_page(struct paging *paging, int id, struct ldap_answer *answer,
          bool (*each)(void *arg, const struct ldap_answer *answer), void *arg, struct why *why)
{
    struct ldap_link *link = paging->link;
    for (;;) {
        LDAPMessage *message;
        int r = link_next(link, id, &message, why);
        if (r < 0)
            return r;
        int kind = ldap_msgtype(message);
        if (kind == LDAP_RES_SEARCH_ENTRY) {
            paging->empty = 0;
            r = answer_take(answer, link, message, paging->search->ranged, why);
            if (r == 0 && !each(arg, answer))
                r = -ECANCELED;
            answer_reset(answer);
        } else if (kind == LDAP_RES_SEARCH_RESULT) {
            r = take_end(paging, message, why);
        }
        ldap_msgfree(message); /* references to other servers are passed over */
        if (r < 0 && link->ld != NULL && kind != LDAP_RES_SEARCH_RESULT)
            ldap_abandon_ext(link->ld, id, NULL, NULL);
        if (r < 0 || kind == LDAP_RES_SEARCH_RESULT)
            return r;
    }
}

int
link_search(struct ldap_link *link, const struct link_search *search,
            bool (*each)(void *arg, const struct ldap_answer *answer), void *arg, struct why *why)
{
    struct paging paging = {.link = link, .search = search};
    struct ldap_answer answer = {0};
    int r = 0;
    if (link->ld == NULL) {
        why_set(why, "4.4.2", "%s: the connection was lost", link->server.url);
        return -EAGAIN;
    }
    name_attributes(&paging);
    do {
        LDAPControl *controls[CONTROLS + 1] = {NULL};
        int id = 0, code = make_controls(&paging, controls);
        if (code == LDAP_SUCCESS)
            code = ldap_search_ext(link->ld, search->base, search->scope, search->filter,
                                   search->attributes != NULL ? only_read_list(paging.attributes) : NULL, 0,
                                   controls, NULL, NULL, 0, &id);
        free_controls(controls);
        if (code == LDAP_FILTER_ERROR)
            r = why_set(why, "5.3.5", "the filter \"%.300s\" is none", search->filter);
        else
            r = code == LDAP_SUCCESS ? take_page(&paging, id, &answer, each, arg, why)
                                     : link_lose(link, code, "a search", why);
        if (r == 0 && paging.more && ++paging.empty > EMPTY_PAGES_MAX)
            r = why_set(why, "5.3.0", "%s: its pages have no end", link->server.url);
    } while (r == 0 && paging.more);
    ber_memfree(paging.cookie.bv_val);
    answer_clear(&answer);
    return r;
}

int
ldap_read(struct ldap_link *link, const struct ldap_question *question,
          bool (*each)(void *arg, const struct ldap_answer *answer), void *arg, struct why *why)
{
    struct link_search search = {.base = question->base,
                                 .filter = question->filter,
                                 .scope = LDAP_SCOPE_SUBTREE,
                                 .attributes = question->attributes,
                                 .ranged = question->ranged,
                                 .paged = true,
                                 .deleted = question->deleted};
    return link_search(link, &search, each, arg, why);
}
