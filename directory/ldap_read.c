/* ldap_read.c - searches, page by page (see ldap.h)
 *
 * A reading is whole when the server said success and had no further page. Everything else is no reading at all: who is not in
 * it might be there.
 *
 * A page is kept until it has come whole, and the next one asked for before it is looked at: so server and reader work at the same
 * time. Of a page that is large (groups) what has come is looked at sooner.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "directory/ldap_inside.h"

/* Pages may be empty, where the server looked long for nothing; a server that gives so many one after the other has no end. */
enum {
    CONTROLS = 3,
    ATTRIBUTES_MAX = 400,
    EMPTY_PAGES_MAX = 1000,
    HELD_MAX = 8 << 20,
    MESSAGE_BYTES = 512 /* what one takes, whatever is in it */
};

struct paging {
    struct ldap_link *link;
    const struct link_search *search;
    bool (*each)(void *arg, const struct ldap_answer *answer);
    void *arg;
    const char *attributes[ATTRIBUTES_MAX + 1];
    char range[200];
    struct berval cookie; /* libldap's */
    bool more;
    int empty; /* pages without an entry, one after the other */
    struct ldap_answer answer;
    LDAPMessage **held; /* entries that were not looked at yet */
    size_t n_held, held_size, held_bytes;
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

/* ---- pages ---- */

static void
hold(struct paging *paging, LDAPMessage *message)
{
    ber_len_t bytes = 0;
    BerElement *ber = NULL;
    struct berval dn;
    if (ldap_get_dn_ber(paging->link->ld, message, &ber, &dn) == LDAP_SUCCESS &&
        ber_get_option(ber, LBER_OPT_REMAINING_BYTES, &bytes) == LBER_OPT_SUCCESS)
        paging->held_bytes += bytes + dn.bv_len;
    paging->held_bytes += MESSAGE_BYTES;
    if (ber != NULL)
        ber_free(ber, 0);
    if (paging->n_held == paging->held_size) {
        paging->held_size = paging->held_size > 0 ? 2 * paging->held_size : 1024;
        paging->held = xrealloc(paging->held, paging->held_size * sizeof *paging->held);
    }
    paging->held[paging->n_held++] = message;
    paging->empty = 0;
}

/* Gives what is held to the caller, and forgets it, whatever comes of it. */
static int
give_held(struct paging *paging, struct why *why)
{
    int r = 0;
    for (size_t i = 0; i < paging->n_held; i++) {
        if (r == 0)
            r = answer_take(&paging->answer, paging->link, paging->held[i], paging->search->ranged, why);
        if (r == 0 && !paging->each(paging->arg, &paging->answer))
            r = -ECANCELED;
        answer_reset(&paging->answer);
        ldap_msgfree(paging->held[i]);
    }
    paging->n_held = paging->held_bytes = 0;
    return r;
}

static int
ask_page(struct paging *paging, int *id, struct why *why)
{
    const struct link_search *search = paging->search;
    LDAPControl *controls[CONTROLS + 1] = {NULL};
    int code = make_controls(paging, controls);
    if (code == LDAP_SUCCESS)
        code = ldap_search_ext(paging->link->ld, search->base, search->scope, search->filter,
                               search->attributes != NULL ? only_read_list(paging->attributes) : NULL, 0,
                               controls, NULL, NULL, 0, id);
    free_controls(controls);
    if (code == LDAP_FILTER_ERROR)
        return why_set(why, "5.3.5", "the filter \"%.300s\" is none", search->filter);
    return code == LDAP_SUCCESS ? 0 : link_lose(paging->link, code, "a search", why);
}

/* Takes a page to its end; references to other servers are passed over. */
static int
take_page(struct paging *paging, int id, struct why *why)
{
    struct ldap_link *link = paging->link;
    for (;;) {
        LDAPMessage *message;
        int r = link_next(link, id, &message, why);
        if (r < 0)
            return r;
        int kind = ldap_msgtype(message);
        if (kind == LDAP_RES_SEARCH_ENTRY)
            hold(paging, message);
        if (kind == LDAP_RES_SEARCH_RESULT)
            r = take_end(paging, message, why);
        if (kind != LDAP_RES_SEARCH_ENTRY)
            ldap_msgfree(message);
        if (kind == LDAP_RES_SEARCH_RESULT)
            return r;
        if (paging->held_bytes > HELD_MAX && (r = give_held(paging, why)) < 0) {
            if (link->ld != NULL)
                ldap_abandon_ext(link->ld, id, NULL, NULL);
            return r;
        }
    }
}

static int
take_pages(struct paging *paging, struct why *why)
{
    int id = 0, r = ask_page(paging, &id, why);
    while (r == 0) {
        r = take_page(paging, id, why);
        if (r == 0 && paging->more && ++paging->empty > EMPTY_PAGES_MAX)
            r = why_set(why, "5.3.0", "%s: its pages have no end", paging->link->server.url);
        if (r == 0 && paging->more)
            r = ask_page(paging, &id, why);
        if (r < 0)
            break;
        r = give_held(paging, why);
        if (!paging->more)
            break;
        if (r < 0 && paging->link->ld != NULL)
            ldap_abandon_ext(paging->link->ld, id, NULL, NULL);
    }
    return r;
}

int
link_search(struct ldap_link *link, const struct link_search *search,
            bool (*each)(void *arg, const struct ldap_answer *answer), void *arg, struct why *why)
{
    struct paging paging = {.link = link, .search = search, .each = each, .arg = arg};
    if (link->ld == NULL) {
        why_set(why, "4.4.2", "%s: the connection was lost", link->server.url);
        return -EAGAIN;
    }
    name_attributes(&paging);
    int r = take_pages(&paging, why);
    for (size_t i = 0; i < paging.n_held; i++)
        ldap_msgfree(paging.held[i]);
    free(paging.held);
    ber_memfree(paging.cookie.bv_val);
    answer_clear(&paging.answer);
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
