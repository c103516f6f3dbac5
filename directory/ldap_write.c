/* ldap_write.c - changes, several on their way (see ldap.h)
 *
 * At most `window` requests wait for their results. One that is sent when the connection is lost has no result: whether it was
 * done is not known, and the next run finds out.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "directory/ldap_inside.h"

/* libldap's and the server's words, without control octets. */
static void
clean(char *text)
{
    for (char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = ' ';
}

static void
settle(struct ldap_link *link, size_t i, int code, const char *said)
{
    struct ldap_sent sent = link->sent[i];
    char text[500];
    snprintf(text, sizeof text, "%.480s", said != NULL ? said : "");
    clean(text);
    memmove(&link->sent[i], &link->sent[i + 1],
            (--link->n_sent - i) * sizeof sent); /* the oldest stays first */
    sent.done(sent.arg, &(struct ldap_result){code, span_of(text)});
}

static void
lose_all(struct ldap_link *link)
{
    link->lost = true;
    while (link->n_sent > 0)
        settle(link, link->n_sent - 1, LDAP_SERVER_DOWN, "the connection was lost before the answer");
}

/* Waits for one result. */
static void
take_result(struct ldap_link *link)
{
    struct why why;
    LDAPMessage *message;
    char *said = NULL;
    int code = LDAP_OTHER;
    /* in the order of sending: whoever asks for any result would take those of a search as well */
    if (link_next(link, link->sent[0].id, &message, &why) < 0) {
        lose_all(link);
        return;
    }
    int parsed = ldap_parse_result(link->ld, message, &code, NULL, &said, NULL, NULL, 1);
    settle(link, 0, parsed == LDAP_SUCCESS ? code : parsed, said);
    ldap_memfree(said);
}

/* Room for one more request; false, and `done` is called, where there is no connection. */
static bool
make_room(struct ldap_link *link, ldap_done *done, void *arg)
{
    if (link->sent == NULL)
        link->sent = xcalloc((size_t)link->directory->window + 1, sizeof *link->sent);
    while (link->n_sent >= (size_t)link->directory->window && link->ld != NULL)
        take_result(link);
    if (link->ld != NULL && !link->lost)
        return true;
    done(arg, &(struct ldap_result){LDAP_SERVER_DOWN, SPAN("the connection was lost")});
    return false;
}

static void
note_sent(struct ldap_link *link, int code, int id, ldap_done *done, void *arg)
{
    if (code == LDAP_SUCCESS) {
        link->sent[link->n_sent++] = (struct ldap_sent){id, done, arg};
        return;
    }
    if (code != LDAP_SERVER_DOWN && code != LDAP_TIMEOUT && code != LDAP_CONNECT_ERROR) {
        done(arg, &(struct ldap_result){code, span_of(ldap_err2string(code))}); /* cannot be said in LDAP */
        return;
    }
    done(arg, &(struct ldap_result){LDAP_SERVER_DOWN, SPAN("the connection was lost")});
    link_close(link);
    lose_all(link);
}

void
ldap_write_add(struct ldap_link *link, const char *dn, LDAPMod **mods, ldap_done *done, void *arg)
{
    int id = 0;
    if (make_room(link, done, arg)) {
        int code = ldap_add_ext(link->ld, dn, mods, NULL, NULL, &id);
        note_sent(link, code, id, done, arg);
    }
}

void
ldap_write_modify(struct ldap_link *link, const char *dn, LDAPMod **mods, ldap_done *done, void *arg)
{
    int id = 0;
    if (make_room(link, done, arg)) {
        int code = ldap_modify_ext(link->ld, dn, mods, NULL, NULL, &id);
        note_sent(link, code, id, done, arg);
    }
}

void
ldap_write_rename(struct ldap_link *link, const char *dn, const char *rdn, const char *parent, ldap_done *done,
                  void *arg)
{
    int id = 0;
    if (make_room(link, done, arg)) {
        int code = ldap_rename(link->ld, dn, rdn, parent, 1, NULL, NULL, &id);
        note_sent(link, code, id, done, arg);
    }
}

void
ldap_write_delete(struct ldap_link *link, const char *dn, ldap_done *done, void *arg)
{
    int id = 0;
    if (make_room(link, done, arg)) {
        int code = ldap_delete_ext(link->ld, dn, NULL, NULL, &id);
        note_sent(link, code, id, done, arg);
    }
}

void
ldap_write_flush(struct ldap_link *link)
{
    while (link->n_sent > 0 && link->ld != NULL)
        take_result(link);
    if (link->n_sent > 0)
        lose_all(link);
}
