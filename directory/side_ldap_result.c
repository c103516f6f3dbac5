/* side_ldap_result.c - what an LDAP answer means for one change (see side_ldap_write.h)
 *
 *     broken     the server is gone, takes nobody's writes, or does not know us (any more)
 *     stale      what the plan saw is not there
 *     refused    all else; the words say what to do
 */
#include <stdio.h>
#include <strings.h>

#include "directory/side_ldap_write.h"

static bool
says(const struct side_job *job, const char *word)
{
    return strcasestr(job->text, word) != NULL;
}

/* A server that takes no writes says the same of each, so the first is enough. */
static bool
is_read_only(const struct side_job *job)
{
    return job->code == LDAP_REFERRAL ||
           (job->code == LDAP_UNWILLING_TO_PERFORM &&
            (says(job, "operation restricted") || says(job, "read-only") || says(job, "read only") ||
             says(job, "shadow context") || says(job, "no global superior")));
}

static bool
is_broken(const struct side_job *job)
{
    switch (job->code) {
    case LDAP_SERVER_DOWN:
    case LDAP_CONNECT_ERROR:
    case LDAP_TIMEOUT:
    case LDAP_LOCAL_ERROR:
    case LDAP_NO_MEMORY:
    case LDAP_BUSY:
    case LDAP_UNAVAILABLE:
    case LDAP_INVALID_CREDENTIALS:
    case LDAP_STRONG_AUTH_REQUIRED:
    case LDAP_CONFIDENTIALITY_REQUIRED:
        return true;
    default:
        return is_read_only(job);
    }
}

static const char *
remedy(const struct side_job *job, enum side_request_kind kind)
{
    if (is_read_only(job))
        return "it is a copy that is only read: name the server that is written in url";
    if (job->code == LDAP_OBJECT_CLASS_VIOLATION && kind == SIDE_MEMBERS)
        return "its class wants one member at least: a group that has none any more cannot be kept there";
    if (job->code == LDAP_OBJECT_CLASS_VIOLATION)
        return "its class allows no such attribute; option mark must name one that every class there has, and "
               "map can "
               "leave out others";
    return ldap_advice(job->code, kind == SIDE_ADD);
}

enum dir_result
side_result(struct side_job *job, enum side_request_kind kind)
{
    bool broken = is_broken(job);
    const char *advice = remedy(job, kind);
    why_set(&job->why, broken ? "4.4.1" : "5.3.0", "%s (%d)%s%s%s%s", ldap_err2string(job->code), job->code,
            job->text[0] != '\0' ? ": " : "", job->text, advice != NULL && advice[0] != '\0' ? "; " : "",
            advice != NULL ? advice : "");
    if (broken)
        return DIR_BROKEN;
    return job->code == LDAP_NO_SUCH_ATTRIBUTE || (job->code == LDAP_NO_SUCH_OBJECT && kind != SIDE_ADD) ||
                   job->code == LDAP_TYPE_OR_VALUE_EXISTS
               ? DIR_STALE
               : DIR_REFUSED;
}
