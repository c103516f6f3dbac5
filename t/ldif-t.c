/* ldif-t.c - LDIF records and base64: the promises of common/ldif.h and common/base64.h */
#include <errno.h>
#include <sys/mman.h>

#include "common/base64.h"
#include "common/ldif.h"
#include "t/tap.h"

static struct why why;
static int fd = -1;

static struct ldif *
reader(const char *text, size_t len)
{
    if (fd >= 0)
        close(fd);
    fd = memfd_create("ldif", MFD_CLOEXEC);
    if (write(fd, text, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET) != 0)
        exit(1);
    return ldif_new(fd);
}

/* All records as "dn|name=value|...;", errors as "!line 2: text;". */
static const char *
shape(const char *text, size_t len)
{
    static struct buf out;
    struct ldif_record record;
    struct ldif *ldif = reader(text, len);
    int n;
    buf_reset(&out);
    buf_add_text(&out, "");
    while ((n = ldif_next(ldif, &record, &why)) != 0) {
        if (n == 1) {
            buf_add_span(&out, record.dn);
            for (size_t i = 0; i < record.n_attributes; i++)
                buf_printf(&out, "|%.*s=%.*s", (int)record.attributes[i].name.len, record.attributes[i].name.at,
                           (int)record.attributes[i].value.len, record.attributes[i].value.at);
        } else {
            buf_printf(&out, "!line %zu: %s", record.line, why.text);
        }
        buf_add_byte(&out, ';');
    }
    ldif_free(ldif);
    return out.len > 0 ? out.at : "";
}

#define shape_is(text, want, name) is_text(shape(text, sizeof(text) - 1), want, name)

static void
test_records(void)
{
    shape_is("", "", "an empty file has no record");
    shape_is("version: 1\n", "", "a version alone is no record");
    shape_is("dn: cn=a\ncn: a\n", "cn=a|cn=a;", "a record");
    shape_is("version: 1\ndn: cn=a\ncn: a\n\n\n\ndn: cn=b\n", "cn=a|cn=a;cn=b;",
             "records behind a version, blank lines between");
    shape_is("version: 1\n\ndn: cn=a\n", "cn=a;", "a version as a paragraph of its own");
    shape_is("\xEF\xBB\xBF"
             "dn: cn=a\r\ncn: a\r\n\r\ndn: cn=b",
             "cn=a|cn=a;cn=b;", "a byte order mark, CR LF, no line break at the end");
    shape_is("# of\n  many: lines\ndn: cn=a\n# between\ncn: a\n", "cn=a|cn=a;", "comments, folded ones too");
    shape_is("dn: cn=a,\n ou=b\ncn: a\n  b\n", "cn=a,ou=b|cn=a b;", "folded lines lose one blank");
    shape_is("dn:: Y249w6Q=\ncn:: w6Q=\nsn:\nl:   x \n", "cn=\xC3\xA4|cn=\xC3\xA4|sn=|l=x ;",
             "base64, no value, blanks before a value");
    shape_is("dn: cn=a\nchangetype: add\ncn: a\n", "cn=a|cn=a;", "an addition is an entry");
}

static void
test_options(void)
{
    static const char text[] = "dn: cn=a\nmember;range=0-1: x\nMEMBER: y\ncn:: AAE=\n";
    struct ldif *ldif = reader(text, sizeof text - 1);
    struct ldif_record record;
    struct span value;
    is_int(ldif_next(ldif, &record, &why), 1, "a record with options");
    ok(ldif_value(&record, SPAN("member"), 0, &value) && span_equal(value, SPAN("x")),
       "the first value, option ignored");
    ok(ldif_value(&record, SPAN("member"), 1, &value) && span_equal(value, SPAN("y")),
       "the second, case ignored");
    ok(!ldif_value(&record, SPAN("member"), 2, &value), "no third");
    ok(ldif_value(&record, SPAN("cn"), 0, &value) && value.len == 2 && value.at[0] == 0 && value.at[1] == 1,
       "NUL is kept");
    is_int(record.attributes[1].line, 3, "lines are known");
    is_int(ldif_next(ldif, &record, &why), 0, "the end");
    ok(ldif_ended(ldif), "its last line has a line break");
    ldif_free(ldif);
    ldif = reader("dn: cn=a\ncn: b", 14);
    while (ldif_next(ldif, &record, &why) != 0)
        ;
    ok(!ldif_ended(ldif), "a last line without a line break is seen");
    ldif_free(ldif);
}

static void
test_errors(void)
{
    shape_is("cn: a\n\ndn: cn=b\n", "!line 1: a record begins with dn;cn=b;",
             "an error costs its record alone");
    shape_is("dn: a\nx\ny\n\ndn: b\n", "!line 2: no \"name: value\";b;", "the first error of a record is told");
    shape_is("dn: a\njpegPhoto:< file:///etc/shadow\n",
             "!line 2: the value stands in another file, which is not read;", "no other file is opened");
    shape_is("dn: a\nchangetype: delete\n", "!line 2: a change (delete), not an entry;",
             "a change is no entry");
    shape_is("dn: a\ncontrol: 1.2\nchangetype: add\n", "!line 2: a record with a control is no entry;",
             "nor one with a control");
    shape_is("dn: a\ncn:: w6Q\n", "!line 2: the value is no base64;", "base64 without its padding");
    shape_is("dn: a\ncn: b\ndn: c\n", "!line 3: a second dn; an empty line is missing before it;",
             "two entries in one");
    shape_is("version: 2\ndn: a\n", "!line 1: version: only 1 is known;", "another version");
    shape_is(" x\ndn: a\n", "!line 1: no \"name: value\";", "a continuation of nothing");
    shape_is("dn: a\n: b\n", "!line 2: no \"name: value\";", "no name");
}

static void
test_limits(void)
{
    struct buf text = {0};
    struct ldif_record record;
    buf_add_text(&text, "dn: cn=big\ncn: ");
    for (size_t i = 0; i < LDIF_RECORD_BYTES_MAX; i++)
        buf_add_byte(&text, 'x');
    buf_add_text(&text, "\n\ndn: cn=next\n");
    struct ldif *ldif = reader(text.at, text.len);
    is_int(ldif_next(ldif, &record, &why), -EINVAL, "a record that is too large is an error");
    is_int(ldif_next(ldif, &record, &why), 1, "and the next one is read");
    is_span(record.dn, "cn=next", "which it is");
    ldif_free(ldif);
    buf_reset(&text);
    buf_add_text(&text, "dn: cn=many\n");
    for (size_t i = 0; i < LDIF_ATTRIBUTES_MAX + 1; i++)
        buf_add_text(&text, "a:\n");
    ldif = reader(text.at, text.len);
    is_int(ldif_next(ldif, &record, &why), -EINVAL, "too many values too");
    ldif_free(ldif);
    buf_clear(&text);
}

static const char *
written(struct span value)
{
    static struct buf out;
    buf_reset(&out);
    ldif_add(SPAN("cn"), value, &out);
    return out.at;
}

static void
test_written(void)
{
    is_text(written(SPAN("Ann Beebe")), "cn: Ann Beebe\n", "plain");
    is_text(written(SPAN("")), "cn:\n", "nothing");
    is_text(written(SPAN(" a")), "cn:: IGE=\n", "a first blank");
    is_text(written(SPAN("a ")), "cn:: YSA=\n", "a last blank");
    is_text(written(SPAN(":a")), "cn:: OmE=\n", "a colon");
    is_text(written(SPAN("<a")), "cn:: PGE=\n", "what would be an URL");
    is_text(written(SPAN("a\nb: c")), "cn:: YQpiOiBj\n", "a line break");
    is_text(written(SPAN("\xC3\xA4")), "cn:: w6Q=\n", "not ASCII");
    struct buf all = {0}, long_value = {0};
    buf_add_text(&all, "dn: cn=x\n");
    for (int i = 0; i < 1000; i++)
        buf_add_byte(&long_value, (char)(i * 7));
    ldif_add(SPAN("photo"), buf_span(&long_value), &all);
    size_t longest = 0, column = 0;
    for (size_t i = 0; i < all.len; i++) {
        column = all.at[i] == '\n' ? 0 : column + 1;
        longest = column > longest ? column : longest;
    }
    is_int(longest, 76, "long lines are folded");
    struct ldif *ldif = reader(all.at, all.len);
    struct ldif_record record;
    struct span value = {NULL, 0};
    ok(ldif_next(ldif, &record, &why) == 1 && ldif_value(&record, SPAN("photo"), 0, &value) &&
           span_equal(value, buf_span(&long_value)),
       "what was written is read: any octets");
    ldif_free(ldif);
    buf_clear(&all);
    buf_clear(&long_value);
}

static const char *
base64(const char *text)
{
    static struct buf out;
    buf_reset(&out);
    buf_add_text(&out, "");
    if (!base64_read(span_of(text), &out))
        return "refused";
    return out.len > 0 ? out.at : "";
}

static void
test_base64(void)
{
    struct buf out = {0};
    static const char *const pairs[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        buf_reset(&out);
        base64_add(span_of(pairs[i][0]), &out);
        is_span(buf_span(&out), pairs[i][1], "RFC 4648 section 10, to base64: \"%s\"", pairs[i][0]);
        is_text(base64(pairs[i][1]), pairs[i][0], "... and back");
    }
    static const char *const wrong[] = {
        "Zg", "Zg=", "Z===", "====", "Zg==Zg==", "Zh==", "Zm9=", "Z g=", "Zm9v\n", "=Zg="};
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        is_text(base64(wrong[i]), "refused", "no base64: \"%s\"", wrong[i]);
    buf_clear(&out);
}

int
main(void)
{
    test_records();
    test_options();
    test_errors();
    test_limits();
    test_written();
    test_base64();
    return tap_done();
}
