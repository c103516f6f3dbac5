/* ldap_answer.c - one entry of an answer (see ldap.h)
 *
 * Values are not copied: they lie in libldap's message until the next. Of an attribute that came in part ("member;range=0-1499")
 * the rest is fetched, range by range, and joined.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "directory/ldap_inside.h"

/* A server that promises more for ever is stopped. */
enum { RANGES_MAX = 10000 };

static void
add_value(struct ldap_answer *answer, struct span value)
{
    if (answer->n_values == answer->values_size) {
        answer->values_size = answer->values_size > 0 ? 2 * answer->values_size : 256;
        answer->values = xrealloc(answer->values, answer->values_size * sizeof *answer->values);
    }
    answer->values[answer->n_values++] = value;
}

static struct ldap_attribute *
add_attribute(struct ldap_answer *answer, struct span name)
{
    if (answer->n_attributes == answer->attributes_size) {
        answer->attributes_size = answer->attributes_size > 0 ? 2 * answer->attributes_size : 64;
        answer->attributes = xrealloc(answer->attributes, answer->attributes_size * sizeof *answer->attributes);
    }
    answer->attributes[answer->n_attributes] = (struct ldap_attribute){.name = name, .first = answer->n_values};
    return &answer->attributes[answer->n_attributes++];
}

static void
keep_vector(struct ldap_answer *answer, BerVarray vector)
{
    if (answer->n_vectors == answer->vectors_size) {
        answer->vectors_size = answer->vectors_size > 0 ? 2 * answer->vectors_size : 64;
        answer->vectors = xrealloc(answer->vectors, answer->vectors_size * sizeof *answer->vectors);
    }
    answer->vectors[answer->n_vectors++] = vector;
}

/* The end of ";range=0-1499": where the next begins; 0: there is none. */
static size_t
next_of_range(struct span options)
{
    const struct span range = SPAN(";range=");
    uint64_t last;
    for (size_t i = 0; i + range.len <= options.len; i++) {
        if (!octets_equal_nocase(options.at + i, range.at, range.len))
            continue;
        const char *dash = memchr(options.at + i, '-', options.len - i);
        const char *end = dash != NULL ? memchr(dash, ';', (size_t)(options.at + options.len - dash)) : NULL;
        if (dash == NULL)
            return 0;
        if (end == NULL)
            end = options.at + options.len;
        return span_to_u64((struct span){dash + 1, (size_t)(end - dash - 1)}, UINT32_MAX, &last)
                   ? (size_t)last + 1
                   : 0;
    }
    return 0;
}

/* Takes all attributes of the entry the element stands at. `*next` says where an attribute that came in part goes on. */
static int
take_attributes(struct ldap_answer *answer, LDAPMessage *entry, size_t *next, size_t *part)
{
    struct berval name = {0};
    BerVarray vector = NULL;
    int r;
    while ((r = ldap_get_attribute_ber(answer->link->ld, entry, answer->ber, &name, &vector)) == LDAP_SUCCESS &&
           name.bv_val != NULL) {
        const char *options = memchr(name.bv_val, ';', name.bv_len);
        size_t len = options != NULL ? (size_t)(options - name.bv_val) : name.bv_len;
        size_t more = options != NULL ? next_of_range((struct span){options, name.bv_len - len}) : 0;
        struct ldap_attribute *attribute = add_attribute(answer, (struct span){name.bv_val, len});
        attribute->optional =
            options != NULL && !span_starts_nocase((struct span){options, name.bv_len - len}, SPAN(";range="));
        for (size_t i = 0; vector != NULL && vector[i].bv_val != NULL; i++, attribute->count++)
            add_value(answer, (struct span){vector[i].bv_val, vector[i].bv_len});
        if (vector != NULL)
            keep_vector(answer, vector);
        if (more > 0 && part != NULL) {
            *next = more;
            *part = (size_t)(attribute - answer->attributes);
        }
        vector = NULL;
    }
    return r == LDAP_SUCCESS ? 0 : -EBADMSG;
}

/* ---- the rest of a range ---- */

struct ranges {
    struct ldap_answer *answer; /* that grows */
    const char *name;
    size_t next;
    size_t *offsets; /* of each value in `extra`, since it moves */
    size_t n, size;
    bool seen; /* the range had values */
};

static bool
take_range(void *arg, const struct ldap_answer *part)
{
    struct ranges *ranges = arg;
    for (size_t i = 0; i < part->n_attributes; i++) {
        if (!span_equal_nocase(part->attributes[i].name, span_of(ranges->name)))
            continue;
        const struct ldap_attribute *attribute = &part->attributes[i];
        ranges->seen |= attribute->count > 0;
        for (size_t k = 0; k < attribute->count; k++) {
            if (ranges->n == ranges->size) {
                ranges->size = ranges->size > 0 ? 2 * ranges->size : 1024;
                ranges->offsets = xrealloc(ranges->offsets, (ranges->size + 1) * sizeof *ranges->offsets);
            }
            ranges->offsets[ranges->n++] = ranges->answer->extra.len;
            buf_add_span(&ranges->answer->extra, part->values[attribute->first + k]);
        }
    }
    return true;
}

/* A range that did not come is no end of the members: the entry cannot be taken without. */
static int
take_range_end(const struct ranges *ranges, LDAPMessage *message, struct why *why)
{
    struct ldap_link *link = ranges->answer->link;
    char *said = NULL;
    int code = LDAP_OTHER;
    int parsed = ldap_parse_result(link->ld, message, &code, NULL, &said, NULL, NULL, 0);
    bool good = parsed == LDAP_SUCCESS && code == LDAP_SUCCESS && ranges->seen;
    if (!good)
        why_set(why, "4.4.2", "%s: %s of %.*s from %zu on did not come: %s%s%s", link->server.url, ranges->name,
                (int)(ranges->answer->dn.len < 300 ? ranges->answer->dn.len : 300), ranges->answer->dn.at,
                ranges->next, code == LDAP_SUCCESS ? "there is nothing" : ldap_err2string(code),
                said != NULL && said[0] != '\0' ? ": " : "", said != NULL ? said : "");
    ldap_memfree(said);
    return good ? 0 : -EAGAIN;
}

/* One more range; the reader of the part says where the one behind it begins. */
static int
fetch_range(struct ranges *ranges, struct why *why)
{
    struct ldap_link *link = ranges->answer->link;
    struct ldap_answer part = {.link = link};
    char *base = xstrndup(ranges->answer->dn.at, ranges->answer->dn.len), wanted[200];
    snprintf(wanted, sizeof wanted, "%.100s;range=%zu-%zu", ranges->name, ranges->next,
             ranges->next + (size_t)link->directory->range - 1);
    char *attributes[] = {wanted, NULL};
    LDAPMessage *message = NULL;
    int id = 0, code = ldap_search_ext(link->ld, base, LDAP_SCOPE_BASE, "(objectClass=*)", attributes, 0, NULL,
                                       NULL, NULL, 0, &id);
    int r = code == LDAP_SUCCESS ? 0 : link_lose(link, code, "reading members", why);
    size_t next = 0;
    ranges->seen = false;
    for (bool ended = false; r == 0 && !ended;) {
        size_t index = 0;
        r = link_next(link, id, &message, why);
        if (r < 0)
            break;
        int kind = ldap_msgtype(message);
        ended = kind == LDAP_RES_SEARCH_RESULT;
        if (kind == LDAP_RES_SEARCH_ENTRY) {
            struct berval dn;
            answer_reset(&part);
            if (ldap_get_dn_ber(link->ld, message, &part.ber, &dn) != LDAP_SUCCESS ||
                take_attributes(&part, message, &next, &index) < 0)
                r = why_set(why, "4.3.0", "%s: an answer cannot be read", link->server.url);
            else
                take_range(ranges, &part);
        }
        if (r == 0 && ended)
            r = take_range_end(ranges, message, why);
        ldap_msgfree(message);
    }
    answer_clear(&part);
    free(base);
    ranges->next = next;
    return r;
}

static int
join_ranges(struct ldap_answer *answer, size_t index, size_t next, struct why *why)
{
    char name[100];
    struct ldap_attribute *attribute = &answer->attributes[index];
    struct ranges ranges = {.answer = answer, .name = name, .next = next};
    int r = 0;
    snprintf(name, sizeof name, "%.*s", (int)attribute->name.len, attribute->name.at);
    for (int i = 0; r == 0 && ranges.next > 0; i++) {
        size_t at = ranges.next;
        r = fetch_range(&ranges, why);
        if (r == 0 && (i == RANGES_MAX || (ranges.next > 0 && ranges.next <= at)))
            r = why_set(why, "5.3.0", "%s: ranges of %s have no end", answer->link->server.url, name);
    }
    /* its values must be in one piece: all are put behind what there is */
    size_t first = answer->n_values, before = attribute->first, count = attribute->count;
    for (size_t i = 0; r == 0 && i < count; i++)
        add_value(answer, answer->values[before + i]);
    for (size_t i = 0; r == 0 && i < ranges.n; i++) {
        size_t end = i + 1 < ranges.n ? ranges.offsets[i + 1] : answer->extra.len;
        add_value(answer, (struct span){answer->extra.at + ranges.offsets[i], end - ranges.offsets[i]});
    }
    if (r == 0) {
        attribute->first = first;
        attribute->count = count + ranges.n;
    }
    free(ranges.offsets);
    return r;
}

/* Beside "member;range=0-1499" Active Directory shows an empty "member": that is not one that was removed. */
static void
drop_empty_twins(struct ldap_answer *answer)
{
    size_t kept = 0;
    for (size_t i = 0; i < answer->n_attributes; i++) {
        bool twin = false;
        for (size_t k = 0; k < answer->n_attributes && answer->attributes[i].count == 0 && !twin; k++)
            twin = k != i && answer->attributes[k].count > 0 &&
                   span_equal_nocase(answer->attributes[i].name, answer->attributes[k].name);
        if (!twin)
            answer->attributes[kept++] = answer->attributes[i];
    }
    answer->n_attributes = kept;
}

/* An attribute is what stands there without options, where anything does: "title" before "title;lang-de". */
static void
put_plain_first(struct ldap_answer *answer)
{
    for (size_t i = 0; i < answer->n_attributes; i++)
        for (size_t k = i + 1; answer->attributes[i].optional && k < answer->n_attributes; k++) {
            struct ldap_attribute other = answer->attributes[k];
            if (other.optional || !span_equal_nocase(other.name, answer->attributes[i].name))
                continue;
            answer->attributes[k] = answer->attributes[i];
            answer->attributes[i] = other;
        }
}

int
answer_take(struct ldap_answer *answer, struct ldap_link *link, LDAPMessage *entry, const char *ranged,
            struct why *why)
{
    struct berval dn = {0};
    size_t next = 0, part = SIZE_MAX;
    answer_reset(answer);
    answer->link = link;
    if (ldap_get_dn_ber(link->ld, entry, &answer->ber, &dn) != LDAP_SUCCESS) {
        why_set(why, "4.3.0", "%s: an answer cannot be read", link->server.url);
        return -EBADMSG;
    }
    answer->dn = (struct span){dn.bv_val, dn.bv_len};
    if (take_attributes(answer, entry, &next, ranged != NULL ? &part : NULL) < 0) {
        why_set(why, "4.3.0", "%s: the entry %.*s cannot be read", link->server.url,
                (int)(dn.bv_len < 300 ? dn.bv_len : 300), dn.bv_val);
        return -EBADMSG;
    }
    int r = part != SIZE_MAX ? join_ranges(answer, part, next, why) : 0;
    if (ranged != NULL && r == 0)
        drop_empty_twins(answer);
    put_plain_first(answer);
    return r;
}

void
answer_reset(struct ldap_answer *answer)
{
    for (size_t i = 0; i < answer->n_vectors; i++)
        ber_memfree(answer->vectors[i]);
    if (answer->ber != NULL)
        ber_free(answer->ber, 0);
    answer->ber = NULL;
    answer->n_vectors = answer->n_attributes = answer->n_values = 0;
    buf_reset(&answer->extra);
}

void
answer_clear(struct ldap_answer *answer)
{
    answer_reset(answer);
    free(answer->vectors);
    free(answer->attributes);
    free(answer->values);
    buf_clear(&answer->extra);
    memset(answer, 0, sizeof *answer);
}

/* ---- looking ---- */

struct span
ldap_answer_dn(const struct ldap_answer *answer)
{
    return answer->dn;
}

size_t
ldap_answer_attributes(const struct ldap_answer *answer)
{
    return answer->n_attributes;
}

struct span
ldap_answer_name(const struct ldap_answer *answer, size_t i)
{
    return answer->attributes[i].name;
}

size_t
ldap_answer_count(const struct ldap_answer *answer, size_t i)
{
    return answer->attributes[i].count;
}

struct span
ldap_answer_at(const struct ldap_answer *answer, size_t i, size_t n)
{
    return answer->values[answer->attributes[i].first + n];
}

bool
ldap_answer_value(const struct ldap_answer *answer, const char *name, size_t n, struct span *value)
{
    struct span wanted = span_of(name);
    for (size_t i = 0; i < answer->n_attributes; i++) {
        const struct ldap_attribute *attribute = &answer->attributes[i];
        if (!span_equal_nocase(attribute->name, wanted))
            continue;
        if (n < attribute->count) {
            *value = answer->values[attribute->first + n];
            return true;
        }
        n -= attribute->count;
    }
    return false;
}
