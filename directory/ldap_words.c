/* ldap_words.c - ids, names, and what result codes mean (see ldap.h) */
#include <stdio.h>

#include "common/utf8.h"
#include "directory/ldap_inside.h"

/* ---- ids ---- */

void
ldap_id_print(const char *attribute, struct span value, struct buf *out)
{
    static const unsigned char mixed[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
    const unsigned char *octets = (const unsigned char *)value.at;
    bool guid = span_equal_nocase(span_of(attribute), SPAN("objectGUID"));
    if (value.len == 16 && (guid || !utf8_printable(value))) {
        for (int i = 0; i < 16; i++)
            buf_printf(out, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
                       octets[guid ? mixed[i] : i]);
        return;
    }
    if (utf8_printable(value)) {
        buf_add_span(out, value);
        return;
    }
    for (size_t i = 0; i < value.len; i++)
        buf_printf(out, "%02x", octets[i]);
}

/* ---- names ---- */

static LDAPDN
parse_dn(struct span text)
{
    LDAPDN dn = NULL;
    struct berval value = {.bv_len = text.len, .bv_val = only_read(text.at)};
    return ldap_bv2dn(&value, &dn, LDAP_DN_FORMAT_LDAPV3) == LDAP_SUCCESS ? dn : NULL;
}

static size_t
count_rdns(LDAPDN dn)
{
    size_t n = 0;
    while (dn != NULL && dn[n] != NULL)
        n++;
    return n;
}

static bool
same(const struct berval *a, const struct berval *b)
{
    return span_equal_nocase((struct span){a->bv_val, a->bv_len}, (struct span){b->bv_val, b->bv_len});
}

static bool
same_rdn(LDAPRDN a, LDAPRDN b)
{
    size_t i = 0;
    for (; a[i] != NULL && b[i] != NULL; i++)
        if (!same(&a[i]->la_attr, &b[i]->la_attr) || !same(&a[i]->la_value, &b[i]->la_value))
            return false;
    return a[i] == NULL && b[i] == NULL;
}

bool
ldap_dn_below(struct span dn, struct span base)
{
    if (base.len == 0)
        return true;
    /* the usual case: written alike */
    if (dn.len >= base.len && octets_equal_nocase(dn.at + dn.len - base.len, base.at, base.len) &&
        (dn.len == base.len || (dn.at[dn.len - base.len - 1] == ',' &&
                                (dn.len < base.len + 2 || dn.at[dn.len - base.len - 2] != '\\'))))
        return true;
    LDAPDN inner = parse_dn(dn), outer = parse_dn(base);
    size_t n = count_rdns(inner), m = count_rdns(outer);
    bool below = inner != NULL && outer != NULL && n >= m && m > 0;
    for (size_t i = 0; below && i < m; i++)
        below = same_rdn(inner[n - m + i], outer[i]);
    if (inner != NULL)
        ldap_dnfree(inner);
    if (outer != NULL)
        ldap_dnfree(outer);
    return below;
}

/* ---- results ---- */

const char *
ldap_advice(int code, bool adding)
{
    switch (code) {
    case LDAP_NO_SUCH_OBJECT:
        return adding ? "the container, or somebody it names, does not exist: make it, or correct the "
                        "configuration"
                      : "it is not there any more: the next run sees it as it is now";
    case LDAP_ALREADY_EXISTS:
        return adding ? "an entry of this name is there already"
                      : "the value is there already, or another entry has the name";
    case LDAP_INSUFFICIENT_ACCESS:
        return "viaduct's account lacks the right: give it create, delete and write in this container";
    case LDAP_UNWILLING_TO_PERFORM:
        return "the server does not want to: a rule of its own, as for passwords or members";
    case LDAP_CONSTRAINT_VIOLATION:
        return "a value breaks a rule of the schema, or must be unique";
    case LDAP_INVALID_SYNTAX:
        return "a value does not have the form that the schema asks for";
    case LDAP_UNDEFINED_TYPE:
    case LDAP_NO_SUCH_ATTRIBUTE:
        return "the schema lacks the attribute, or the value is not there any more";
    case LDAP_OBJECT_CLASS_VIOLATION:
        return "its class may not have the attribute, or needs one that is missing: extend the schema, or "
               "leave the attribute "
               "out by map";
    case LDAP_TYPE_OR_VALUE_EXISTS:
        return "the value is there already";
    case LDAP_NOT_ALLOWED_ON_NONLEAF:
        return "there are entries below it";
    case LDAP_NOT_ALLOWED_ON_RDN:
        return "it is part of the name, which only renaming changes";
    case LDAP_STRONG_AUTH_REQUIRED:
        return "the server wants TLS or a signed session: use ldaps:// or auth = gssapi";
    case LDAP_BUSY:
    case LDAP_UNAVAILABLE:
        return "the server is busy or going down: the next run tries again";
    case LDAP_SERVER_DOWN:
        return "the connection was lost: the next run goes on";
    case LDAP_ADMINLIMIT_EXCEEDED:
    case LDAP_SIZELIMIT_EXCEEDED:
    case LDAP_TIMELIMIT_EXCEEDED:
        return "a limit of the server was reached";
    case LDAP_REFERRAL:
        return "this server only reads (it refers to another): name one that may be written";
    default:
        return "the server refused it";
    }
}
