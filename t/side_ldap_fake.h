/* side_ldap_fake.h - a link to no server: answers as told, requests written down as text
 *
 * It stands in place of the real one in a test that is linked with it. Requests are lines of `sent`: "modify DN" and then
 * " -name=value", " +name=value", " =name=value" for what is deleted, added, replaced. Answers are the codes of `codes`, in order,
 * then success; with `late` they come when the window is flushed, the last first.
 */
#ifndef VIADUCT_SIDE_LDAP_FAKE_H
#define VIADUCT_SIDE_LDAP_FAKE_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "directory/side_ldap.h"

enum { FAKE_ENTRIES = 8, FAKE_VALUES = 12, FAKE_QUEUE = 2000 };

/* An entry: attribute, value, attribute, value ... NULL; the same attribute may come again, one behind the other. */
struct ldap_answer {
    const char *dn;
    const char *values[2 * FAKE_VALUES + 1];
};

struct ldap_link {
    int unused;
};

static struct {
    struct ldap_link link;
    struct ldap_server server;
    const char *lacks[8]; /* attributes that the schema does not know */
    struct ldap_answer entries[FAKE_ENTRIES];
    size_t n_entries;
    int read_codes[8]; /* of reads, in order; then 0 */
    size_t n_reads, opens;
    char filters[8][5000], last_filter[5000];
    struct buf sent;
    int codes[64];
    size_t n_codes, next_code;
    const char *text;
    bool late;
    struct {
        ldap_done *done;
        void *arg;
        int code;
    } queue[FAKE_QUEUE];
    size_t n_queue;
    enum ldap_changes changes;
    int changes_code;
    const struct ldap_answer *changed[FAKE_ENTRIES];
    const char *gone[FAKE_ENTRIES];
    size_t n_changed, n_gone;
} fake;

/* ---- the link ---- */

struct ldap_link *
ldap_link_new(const struct conf_directory *directory, int64_t deadline_ms,
              void (*note)(void *arg, const char *text), void *arg, struct why *why)
{
    (void)directory, (void)deadline_ms, (void)note, (void)arg, (void)why;
    return &fake.link;
}

void
ldap_link_free(struct ldap_link *link)
{
    (void)link;
}

int
ldap_link_open(struct ldap_link *link, struct why *why)
{
    (void)link, (void)why;
    fake.opens++;
    return 0;
}

const struct ldap_server *
ldap_link_server(const struct ldap_link *link)
{
    (void)link;
    return &fake.server;
}

bool
ldap_link_knows(struct ldap_link *link, const char *name)
{
    (void)link;
    for (size_t i = 0; i < 8 && fake.lacks[i] != NULL; i++)
        if (span_equal_nocase(span_of(fake.lacks[i]), span_of(name)))
            return false;
    return !span_equal(span_of(name), SPAN("viaductKnowsNothing"));
}

/* ---- answers: what they hold is gone when the callback returns ---- */

static bool
fake_tell(const struct ldap_answer *entry, bool (*each)(void *arg, const struct ldap_answer *answer), void *arg)
{
    struct ldap_answer copy = {.dn = xstrdup(entry->dn)};
    for (size_t i = 0; entry->values[i] != NULL; i++)
        copy.values[i] = xstrdup(entry->values[i]);
    bool more = each(arg, &copy);
    for (size_t i = 0; copy.values[i] != NULL; i++)
        free((void *)(uintptr_t)copy.values[i]);
    free((void *)(uintptr_t)copy.dn);
    return more;
}

struct span
ldap_answer_dn(const struct ldap_answer *answer)
{
    return span_of(answer->dn);
}

/* The place of the i-th attribute. */
static size_t
fake_place(const struct ldap_answer *answer, size_t i)
{
    size_t at = 0;
    for (size_t n = 0; answer->values[at] != NULL; at += 2) {
        bool again = at > 0 && strcmp(answer->values[at], answer->values[at - 2]) == 0;
        if (!again && n++ == i)
            break;
    }
    return at;
}

size_t
ldap_answer_attributes(const struct ldap_answer *answer)
{
    size_t n = 0;
    while (answer->values[fake_place(answer, n)] != NULL)
        n++;
    return n;
}

struct span
ldap_answer_name(const struct ldap_answer *answer, size_t i)
{
    return span_of(answer->values[fake_place(answer, i)]);
}

size_t
ldap_answer_count(const struct ldap_answer *answer, size_t i)
{
    return (fake_place(answer, i + 1) - fake_place(answer, i)) / 2;
}

struct span
ldap_answer_at(const struct ldap_answer *answer, size_t i, size_t n)
{
    return span_of(answer->values[fake_place(answer, i) + 2 * n + 1]);
}

int
ldap_read(struct ldap_link *link, const struct ldap_question *question,
          bool (*each)(void *arg, const struct ldap_answer *answer), void *arg, struct why *why)
{
    (void)link;
    size_t turn = fake.n_reads++;
    int code = turn < 8 ? fake.read_codes[turn] : 0;
    if (turn < 8)
        snprintf(fake.filters[turn], sizeof fake.filters[turn], "%s", question->filter);
    snprintf(fake.last_filter, sizeof fake.last_filter, "%s", question->filter);
    for (size_t i = 0; i < fake.n_entries && (code == 0 || i == 0); i++)
        fake_tell(&fake.entries[i], each, arg);
    if (code < 0)
        why_set(why, "4.4.1", "the fake says %d", code);
    return code;
}

enum ldap_changes
ldap_changes_of(const struct ldap_link *link)
{
    (void)link;
    return fake.changes;
}

int
ldap_changes_begin(struct ldap_link *link, struct buf *cookie, struct why *why)
{
    (void)link, (void)why;
    buf_reset(cookie);
    buf_add_text(cookie, "first");
    return 0;
}

int
ldap_changes(struct ldap_link *link, const struct ldap_question *question, struct buf *cookie,
             bool (*changed)(void *arg, const struct ldap_answer *answer),
             bool (*gone)(void *arg, struct span id), void *arg, struct why *why)
{
    (void)link, (void)question;
    for (size_t i = 0; i < fake.n_changed; i++)
        fake_tell(fake.changed[i], changed, arg);
    for (size_t i = 0; i < fake.n_gone; i++)
        gone(arg, span_of(fake.gone[i]));
    if (fake.changes_code < 0)
        return why_set(why, "4.4.1", "the fake says %d", fake.changes_code), fake.changes_code;
    buf_reset(cookie);
    buf_add_text(cookie, "next");
    return 0;
}

/* ---- requests ---- */

static void
fake_answer(ldap_done *done, void *arg)
{
    int code = fake.next_code < fake.n_codes ? fake.codes[fake.next_code] : LDAP_SUCCESS;
    struct ldap_result result = {code, span_of(code != 0 ? fake.text : NULL)};
    fake.next_code++;
    if (!fake.late) {
        done(arg, &result);
        return;
    }
    fake.queue[fake.n_queue].done = done;
    fake.queue[fake.n_queue].arg = arg;
    fake.queue[fake.n_queue++].code = code;
}

static void
fake_mods(LDAPMod **mods)
{
    for (size_t i = 0; mods != NULL && mods[i] != NULL; i++) {
        int op = mods[i]->mod_op & ~LDAP_MOD_BVALUES;
        char sign = op == LDAP_MOD_DELETE ? '-' : op == LDAP_MOD_REPLACE ? '=' : '+';
        if (mods[i]->mod_bvalues == NULL)
            buf_printf(&fake.sent, " %c%s\n", sign, mods[i]->mod_type);
        for (size_t v = 0; mods[i]->mod_bvalues != NULL && mods[i]->mod_bvalues[v] != NULL; v++) {
            buf_printf(&fake.sent, " %c%s=", sign, mods[i]->mod_type);
            buf_add(&fake.sent, mods[i]->mod_bvalues[v]->bv_val, mods[i]->mod_bvalues[v]->bv_len);
            buf_add_byte(&fake.sent, '\n');
        }
    }
}

void
ldap_write_add(struct ldap_link *link, const char *dn, LDAPMod **mods, ldap_done *done, void *arg)
{
    (void)link;
    buf_printf(&fake.sent, "add %s\n", dn);
    fake_mods(mods);
    fake_answer(done, arg);
}

void
ldap_write_modify(struct ldap_link *link, const char *dn, LDAPMod **mods, ldap_done *done, void *arg)
{
    (void)link;
    buf_printf(&fake.sent, "modify %s\n", dn);
    fake_mods(mods);
    fake_answer(done, arg);
}

void
ldap_write_rename(struct ldap_link *link, const char *dn, const char *rdn, const char *parent, ldap_done *done,
                  void *arg)
{
    (void)link;
    buf_printf(&fake.sent, "rename %s to %s below %s\n", dn, rdn, parent != NULL ? parent : "the same");
    fake_answer(done, arg);
}

void
ldap_write_delete(struct ldap_link *link, const char *dn, ldap_done *done, void *arg)
{
    (void)link;
    buf_printf(&fake.sent, "delete %s\n", dn);
    fake_answer(done, arg);
}

void
ldap_write_flush(struct ldap_link *link)
{
    (void)link;
    while (fake.n_queue > 0) {
        struct ldap_result result = {fake.queue[--fake.n_queue].code, {NULL, 0}};
        if (result.code != 0)
            result.text = span_of(fake.text);
        fake.queue[fake.n_queue].done(fake.queue[fake.n_queue].arg, &result);
    }
}

#endif
