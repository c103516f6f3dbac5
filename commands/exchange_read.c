/* exchange_read.c - connectors of Exchange 2000 and 2003, read from LDIF into configuration (see exchange.h)
 *
 *     LDIF --> objects of a connector's class --> sections of text --> read by conf_read() --> printed, or printed as comments
 *
 * An administrator exports the object (ldifde, ldapsearch) and reads here what of it viaduct does, what it does otherwise, and what
 * it does not. Every section is read as configuration before it is printed; one that would be none stands there as comments with
 * the reason, so the whole always is a configuration.
 *
 * What is hostile here: the file. Values reach the text only in quotes with their escapes, or in comments without control octets.
 *
 * Sources: as exchange_write.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "commands/exchange_inside.h"
#include "common/utf8.h"

enum { OBJECTS_MAX = 1000 };

const struct exchange_kind exchange_kinds[] = {
    {"msExchGroupWiseConnector", "gwise", "GWISE", true},
    {"msExchRoutingSMTPConnector", "smtp", "SMTP", false},
    {"msExchNotesConnector", NULL, "NOTES", true},
    {"msExchccMailConnector", NULL, "CCMAIL", true},
    {"mSMailConnector", NULL, "MS", true},
    {"msExchSNADSConnector", NULL, "SNADS", true},
    {"msExchOVVMConnector", NULL, "PROFS", true},
    {"mailGateway", NULL, NULL, true},
};
const size_t exchange_kinds_n = COUNT_OF(exchange_kinds);

const struct exchange_kind *
exchange_kind_of_type(const char *type)
{
    for (size_t i = 0; i < exchange_kinds_n; i++)
        if (exchange_kinds[i].type != NULL && strcmp(exchange_kinds[i].type, type) == 0)
            return &exchange_kinds[i];
    return NULL;
}

static const char *const create_words[] = {"disabled-user", "enabled-user", "contact"};

int
exchange_create_as(const char *word)
{
    for (size_t i = 0; i < COUNT_OF(create_words); i++)
        if (strcmp(word, create_words[i]) == 0)
            return (int)i;
    return 2;
}

const char *
exchange_create_word(int number)
{
    return create_words[number >= 0 && number < 2 ? number : 2];
}

/* ---- values ---- */

struct span
exchange_first(const struct reading_object *object, const char *name)
{
    struct span value = {"", 0};
    ldif_value(object->record, span_of(name), 0, &value);
    return span_trim(value);
}

bool
exchange_quote(struct span value, struct buf *out)
{
    if (!utf8_printable(value) || value.len > 4000)
        return false;
    buf_add_byte(out, '"');
    for (size_t i = 0; i < value.len; i++) {
        if (strchr("\"\\$", value.at[i]) != NULL)
            buf_add_byte(out, '\\');
        buf_add_byte(out, value.at[i]);
    }
    buf_add_byte(out, '"');
    return true;
}

void
exchange_comment(struct buf *out, const char *indent, const char *name, struct span value, const char *text)
{
    size_t len = value.len < 300 ? value.len : 300;
    while (len < value.len && len > 0 && ((unsigned char)value.at[len] & 0xC0) == 0x80)
        len--; /* no torn character */
    buf_printf(out, "%s# %s: ", indent, name);
    if (strcasestr(name, "password") != NULL)
        buf_add_text(out, "(not shown)");
    else if (!utf8_printable(value))
        buf_printf(out, "%zu octets", value.len);
    else
        buf_printf(out, "%.*s%s", (int)len, value.at, len < value.len ? "..." : "");
    buf_printf(out, "%s%s\n", text[0] != '\0' ? "; " : "", text);
}

/* ---- names ---- */

static bool
is_taken(const struct reading_file *file, const char *name)
{
    for (size_t i = 0; i < file->n_names; i++)
        if (strcasecmp(file->names[i], name) == 0)
            return true;
    return strcasecmp(name, "host") == 0;
}

/* What a connector may be called here, of what it was called there. */
static void
choose_name(struct reading_file *file, struct reading_object *object)
{
    struct span cn = exchange_first(object, "cn");
    char base[33];
    size_t n = 0;
    for (size_t i = 0; i < cn.len && n < 32; i++) {
        char c = cn.at[i];
        bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
        if (good)
            base[n++] = c;
        else if (n > 0 && base[n - 1] != '-')
            base[n++] = '-';
    }
    while (n > 0 && (base[n - 1] == '-' || base[n - 1] == '_'))
        n--;
    base[n] = '\0';
    if (n == 0 || base[0] == '_')
        snprintf(base, sizeof base, "connector");
    snprintf(object->name, sizeof object->name, "%s", base);
    for (size_t number = file->n_names + 1; is_taken(file, object->name); number++)
        snprintf(object->name, sizeof object->name, "%s-%zu", base, number);
    snprintf(file->names[file->n_names++], sizeof file->names[0], "%s", object->name);
}

/* ---- which objects ---- */

static const struct exchange_kind *
kind_of(const struct ldif_record *record)
{
    for (size_t k = 0; k < exchange_kinds_n; k++)
        for (size_t i = 0; i < record->n_attributes; i++)
            if (ldif_is(&record->attributes[i], SPAN("objectClass")) &&
                span_equal_nocase(span_trim(record->attributes[i].value), span_of(exchange_kinds[k].class)))
                return &exchange_kinds[k];
    return NULL;
}

/* ---- the head of the text ---- */

/* "contoso.example" of the DC parts at the end of a DN. */
static void
domain_of(struct span dn, char domain[256])
{
    size_t n = 0;
    for (size_t i = 0; i + 3 < dn.len; i++) {
        if ((i > 0 && dn.at[i - 1] != ',') ||
            !span_starts_nocase((struct span){dn.at + i, dn.len - i}, SPAN("DC=")))
            continue;
        if (n > 0 && n < 250)
            domain[n++] = '.';
        for (i += 3; i < dn.len && dn.at[i] != ',' && n < 250; i++)
            if ((dn.at[i] >= 'a' && dn.at[i] <= 'z') || (dn.at[i] >= 'A' && dn.at[i] <= 'Z') ||
                (dn.at[i] >= '0' && dn.at[i] <= '9') || dn.at[i] == '-')
                domain[n++] = dn.at[i];
    }
    domain[n] = '\0';
}

static void
print_head(struct reading_file *file, bool directory, struct buf *out)
{
    struct buf base = {0};
    const char *domain = file->domain[0] != '\0' ? file->domain : "host.example";
    for (const char *c = domain; *c != '\0'; c += strcspn(c, ".") + (c[strcspn(c, ".")] == '.'))
        buf_printf(&base, "%sDC=%.*s", base.len > 0 ? "," : "", (int)strcspn(c, "."), c);
    buf_printf(out,
               "# Read from Exchange's connector objects in %s.\n# Lines that begin with # tell what has no "
               "counterpart, or must be "
               "looked at.\n\n"
               "# Not of the objects: the host is to be described as it is. Leave it out where the "
               "configuration has it.\n"
               "host {\n    domains = { \"%s\" }\n    deliver { to = { \"smtp://mail.%s\" } }\n",
               file->shown, domain, domain);
    if (directory)
        buf_printf(
            out, "    directory \"ad\" {\n        url = { \"ldaps://dc.%s/\" }\n        base = \"%s\"\n    }\n",
            domain, base.at);
    buf_add_text(out, "}\n");
    buf_clear(&base);
}

/* ---- one object ---- */

static void
add_commented(struct span text, struct buf *out)
{
    while (text.len > 0) {
        const char *end = memchr(text.at, '\n', text.len);
        size_t len = end != NULL ? (size_t)(end - text.at) : text.len;
        buf_printf(out, "# %.*s\n", (int)len, text.at);
        len += end != NULL;
        text = (struct span){text.at + len, text.len - len};
    }
}

/* Whether the sections would be read as configuration. */
static bool
is_configuration(struct reading_file *file, struct span text, struct buf *errors)
{
    struct buf whole = {0};
    print_head(file, true, &whole);
    buf_add_span(&whole, text);
    struct conf *conf = conf_read("sections", buf_span(&whole), errors);
    bool good = conf != NULL;
    conf_free(conf);
    buf_clear(&whole);
    return good;
}

static void
take_object(struct reading_file *file, const struct exchange_kind *kind, const struct ldif_record *record)
{
    struct reading_object object = {.record = record, .kind = kind};
    struct buf text = {0}, errors = {0};
    if (file->n_names == OBJECTS_MAX) {
        buf_printf(file->errors, "%s:%zu: more than %d connectors\n", file->shown, record->line, OBJECTS_MAX);
        return;
    }
    if (file->domain[0] == '\0')
        domain_of(record->dn, file->domain);
    choose_name(file, &object);
    object.out = &text;
    buf_add_byte(&file->text, '\n');
    exchange_comment(&file->text, "", "dn", record->dn, "");
    exchange_object(&object);
    if (is_configuration(file, buf_span(&text), &errors)) {
        buf_add_span(&file->text, buf_span(&text));
        file->n_good++;
        file->has_dirsync = file->has_dirsync || object.has_dirsync;
    } else {
        buf_add_text(&file->text, "# It cannot be configuration:\n");
        add_commented(buf_span(&errors), &file->text);
        add_commented(buf_span(&text), &file->text);
        buf_printf(file->errors, "%s:%zu: connector \"%s\" cannot be configuration; see the comments\n",
                   file->shown, record->line, object.name);
    }
    buf_clear(&text);
    buf_clear(&errors);
}

/* ---- the file ---- */

static int
read_objects(struct reading_file *file, struct ldif *ldif)
{
    struct ldif_record record = {.line = 0};
    struct why why;
    int n;
    while ((n = ldif_next(ldif, &record, &why)) != 0) {
        if (n != 1 && n != -EINVAL)
            return n;
        if (n != 1) {
            buf_printf(file->errors, "%s:%zu: %s\n", file->shown, record.line, why.text);
            continue;
        }
        const struct exchange_kind *kind = kind_of(&record);
        if (kind != NULL)
            take_object(file, kind, &record);
    }
    if (!ldif_ended(ldif))
        buf_printf(file->errors, "%s:%zu: the last line has no line break: the file may have been cut\n",
                   file->shown, record.line);
    return 0;
}

int
exchange_read(int fd, const char *name, struct buf *out, struct buf *errors)
{
    struct reading_file file = {.errors = errors};
    struct ldif *ldif = ldif_new(fd);
    file.names = xcalloc(OBJECTS_MAX, sizeof *file.names);
    size_t n = 0; /* in comments: no octet that ends a line */
    for (; name[n] != '\0' && n + 1 < sizeof file.shown; n++)
        file.shown[n] = (unsigned char)name[n] < ' ' ? '?' : name[n];
    int err = read_objects(&file, ldif);
    if (err == 0 && file.n_names > 0) {
        print_head(&file, file.has_dirsync, out);
        buf_add_span(out, buf_span(&file.text));
    }
    ldif_free(ldif);
    free(file.names);
    buf_clear(&file.text);
    return err != 0 ? err : (int)file.n_good;
}
