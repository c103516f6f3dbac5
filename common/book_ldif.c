/* book_ldif.c - recipients from an LDIF file, as directories export them (see book.h; ldif.h reads the records)
 *
 * What is hostile here: whatever a directory holds, and files edited by hand. Octets of values may be any; a type or an address
 * comes only of address_parse().
 */
#include <errno.h>

#include "common/book_internal.h"
#include "common/ldif.h"

struct people {
    const char *name;
    struct book_builder *builder;
    struct buf *errors;
    struct arena *arena;
    int wrong, err;
};

/* What is looked for in a record; the first value counts where there may be one. */
struct person {
    size_t line;
    struct span display, cn, alias, side;
    struct address mail, target;
    struct book_entry entry;
};

static void person_error(struct people *people, size_t line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void
person_error(struct people *people, size_t line, const char *format, ...)
{
    va_list args;
    people->wrong++;
    if (people->errors == NULL)
        return;
    va_start(args, format);
    buf_printf(people->errors, "%s:%zu: ", people->name, line);
    buf_vprintf(people->errors, format, args);
    buf_add_byte(people->errors, '\n');
    va_end(args);
}

/* ---- attributes ---- */

static bool
take_address(struct people *people, const struct ldif_attribute *attribute, struct address *address)
{
    struct why why;
    struct span text = span_trim(attribute->value);
    if (address_parse(text, people->arena, address, &why) == 0 && address->value.len > 0)
        return true;
    person_error(people, attribute->line, "%.*s \"%.*s\": %s", (int)attribute->name.len, attribute->name.at,
                 (int)(text.len < 200 ? text.len : 200), text.at, text.len > 0 ? why.text : "it is empty");
    return false;
}

static bool
take_proxy(struct people *people, const struct ldif_attribute *attribute, struct book_entry *entry)
{
    struct address address;
    if (entry->n_proxies == BOOK_PROXIES_MAX) {
        person_error(people, attribute->line, "more than %d addresses", BOOK_PROXIES_MAX);
        return false;
    }
    if (!take_address(people, attribute, &address))
        return false;
    bool primary =
        book_marks_primary(span_trim(attribute->value)) && !book_entry_has_primary(entry, address.type);
    entry->proxies[entry->n_proxies++] = (struct book_proxy){address, primary};
    return true;
}

static void
take_text(struct span value, struct span *text)
{
    if (text->len == 0)
        *text = span_trim(value);
}

/* An address with a text beside it, as OpenLDAP's mail may have, is refused: it is no address. */
static bool
take_attribute(struct people *people, const struct ldif_attribute *attribute, struct person *person)
{
    if (ldif_is(attribute, SPAN("proxyAddresses")))
        return take_proxy(people, attribute, &person->entry);
    if (ldif_is(attribute, SPAN("targetAddress")))
        return person->target.type.len > 0 || take_address(people, attribute, &person->target);
    if (ldif_is(attribute, SPAN("mail"))) /* several: the first is the one, others are more addresses */
        return person->mail.type.len == 0 ? take_address(people, attribute, &person->mail)
                                          : take_proxy(people, attribute, &person->entry);
    if (ldif_is(attribute, SPAN("displayName")))
        take_text(attribute->value, &person->display);
    else if (ldif_is(attribute, SPAN("cn")))
        take_text(attribute->value, &person->cn);
    else if (ldif_is(attribute, SPAN("mailNickname")) || ldif_is(attribute, SPAN("uid")))
        take_text(attribute->value, &person->alias);
    else if (ldif_is(attribute, SPAN("viaductSide")))
        take_text(attribute->value, &person->side);
    return true;
}

/* ---- which address is whose ---- */

/* A proxy marked primary: of SMTP, or of a type that is a system's. X.400 and old Exchange names are addresses too, and no
 * system's here. */
static const struct address *
find_primary(const struct book_entry *entry, bool smtp)
{
    for (size_t i = 0; i < entry->n_proxies; i++) {
        const struct address *address = &entry->proxies[i].address;
        bool other = !address_is_smtp(address) && !span_equal(address->type, SPAN("X400")) &&
                     !span_equal(address->type, SPAN("X500")) && !span_equal(address->type, SPAN("EX"));
        if (entry->proxies[i].primary && (smtp ? address_is_smtp(address) : other))
            return address;
    }
    return NULL;
}

/* The address to which its own side sends: the host's is its Internet address, a foreign one's where it is sent to. */
static bool
choose_primary(struct people *people, struct person *person)
{
    struct book_entry *entry = &person->entry;
    bool host = span_equal(entry->side, SPAN("host"));
    const struct address *smtp = find_primary(entry, true), *own = host ? NULL : find_primary(entry, false);
    if (host && person->target.type.len > 0 && !address_is_smtp(&person->target)) {
        person_error(
            people, person->line,
            "targetAddress %.*s:%.*s leads to a foreign system: which connector's it is, viaductSide must say",
            (int)person->target.type.len, person->target.type.at, (int)person->target.value.len,
            person->target.value.at);
        return false;
    }
    const struct address *found = !host && person->target.type.len > 0  ? &person->target
                                  : own != NULL                         ? own
                                  : smtp != NULL                        ? smtp
                                  : person->mail.type.len > 0           ? &person->mail
                                  : host && person->target.type.len > 0 ? &person->target
                                                                        : NULL;
    for (size_t i = 0; found == NULL && i < entry->n_proxies; i++)
        if (!host || address_is_smtp(&entry->proxies[i].address))
            found = &entry->proxies[i].address;
    if (found != NULL)
        entry->primary = *found;
    else
        person_error(people, person->line, "it has no address of type SMTP");
    return found != NULL;
}

static bool
add_mail(struct people *people, struct person *person)
{
    struct book_entry *entry = &person->entry;
    size_t i = 0;
    if (person->mail.type.len == 0)
        return true;
    while (i < entry->n_proxies && !address_equal(&entry->proxies[i].address, &person->mail))
        i++;
    if (i == BOOK_PROXIES_MAX) {
        person_error(people, person->line, "more than %d addresses", BOOK_PROXIES_MAX);
        return false;
    }
    if (i == entry->n_proxies)
        entry->proxies[entry->n_proxies++] = (struct book_proxy){person->mail, false};
    if (!book_entry_has_primary(entry, person->mail.type))
        entry->proxies[i].primary = true;
    return true;
}

static void
add_person(struct people *people, struct person *person)
{
    struct why why;
    struct book_entry *entry = &person->entry;
    entry->side =
        person->side.len == 0 || span_equal_nocase(person->side, SPAN("host")) ? SPAN("host") : person->side;
    if (!add_mail(people, person) || !choose_primary(people, person))
        return;
    struct span display = person->display.len > 0 ? person->display
                          : person->cn.len > 0    ? person->cn
                          : person->alias.len > 0 ? person->alias
                                                  : entry->primary.value;
    entry->display = book_display(people->arena, display);
    if (!book_entry_add_primary(entry)) {
        person_error(people, person->line, "more than %d addresses", BOOK_PROXIES_MAX);
        return;
    }
    int err = book_builder_add(people->builder, entry, &why);
    if (err == 0)
        return;
    person_error(people, person->line, "%s", why.text);
    if (err != -EEXIST && err != -EINVAL && err != -EFBIG)
        people->err = err;
}

/* Whoever has no address is a container, a printer, a person without mail. */
static void
take_record(struct people *people, const struct ldif_record *record)
{
    struct person person = {.line = record->line};
    person.entry.proxies = arena_alloc(people->arena, BOOK_PROXIES_MAX * sizeof *person.entry.proxies);
    BUG_UNLESS(person.entry.proxies != NULL);
    for (size_t i = 0; i < record->n_attributes; i++)
        if (!take_attribute(people, &record->attributes[i], &person))
            return;
    if (person.entry.n_proxies > 0 || person.mail.type.len > 0 || person.target.type.len > 0)
        add_person(people, &person);
}

/* ---- the file ---- */

int
book_read_ldif(int fd, const char *name, struct book_builder *builder, struct buf *errors)
{
    struct people people = {.name = name, .builder = builder, .errors = errors};
    struct ldif *ldif = ldif_new(fd);
    struct ldif_record record = {.line = 0};
    struct why why;
    int n = 0;
    people.arena = arena_new(LDIF_RECORD_BYTES_MAX);
    while (people.err == 0 && (n = ldif_next(ldif, &record, &why)) != 0) {
        if (n == 1)
            take_record(&people, &record);
        else if (n == -EINVAL)
            person_error(&people, record.line, "%s", why.text);
        else
            people.err = n;
        arena_reset(people.arena);
    }
    if (people.err == 0 && !ldif_ended(ldif))
        person_error(&people, record.line, "the last line has no line break: the file may have been cut");
    arena_free(people.arena);
    ldif_free(ldif);
    return people.err != 0 ? people.err : people.wrong;
}

int
book_read_file(int fd, const char *name, struct book_builder *builder, struct buf *errors)
{
    size_t len = strlen(name);
    bool ldif = len > 5 && span_equal_nocase(span_of(name + len - 5), SPAN(".ldif"));
    return (ldif ? book_read_ldif : book_read_csv)(fd, name, builder, errors);
}
