/* csv-t.c - CSV records read and fields written: the promises of common/csv.h (book-csv-t.c tries the reader too) */
#include <errno.h>
#include <sys/mman.h>

#include "common/csv.h"
#include "t/tap.h"

static struct why why;
static int fd = -1;

static struct csv *
reader(struct span text)
{
    if (fd >= 0)
        close(fd);
    fd = memfd_create("csv", MFD_CLOEXEC);
    if (write(fd, text.at, text.len) != (ssize_t)text.len || lseek(fd, 0, SEEK_SET) != 0)
        exit(1);
    return csv_new(fd);
}

/* All records as "<line>:[field][field]", errors as "<line>!text", each with ";" behind. */
static const char *
shape(struct span text)
{
    static struct buf out;
    struct csv *csv = reader(text);
    int n;
    buf_reset(&out);
    buf_add_text(&out, "");
    while ((n = csv_next(csv, &why)) != 0) {
        buf_printf(&out, "%zu%s", csv_line(csv), n == 1 ? ":" : "!");
        for (size_t i = 0; n == 1 && i < csv_fields(csv); i++)
            buf_printf(&out, "[%.*s]", (int)csv_field(csv, i).len, csv_field(csv, i).at);
        buf_printf(&out, "%s;", n == 1 ? "" : why.text);
    }
    buf_add_text(&out, csv_ended(csv) ? "" : "cut");
    csv_free(csv);
    return out.len > 0 ? out.at : "";
}

static void
test_records(void)
{
    is_text(shape(SPAN("")), "", "an empty file has no record");
    is_text(shape(SPAN("a,b\n1,2\n")), "1:[a][b];2:[1][2];", "records");
    is_text(shape(SPAN("\xEF\xBB\xBF"
                       "a , b\r\n\r\n,,\r\n1\t,\"2\"\r\n")),
            "1:[a][b];4:[1][2];", "a byte order mark, CR LF, empty lines, blanks around fields");
    is_text(shape(SPAN("a,b")), "1:[a][b];cut", "a last line without its line break");
    is_text(shape(SPAN("\" a,\"\"b\n\" ,c\nd\n")), "1:[ a,\"b\n][c];3:[d];",
            "what is in quotes stays as it is");
    is_text(shape(SPAN("\"a\"b,c\nd\n")),
            "1!text behind a closing quote (a quote within quotes is doubled);2:[d];",
            "an error costs its record alone");
    is_text(shape(SPAN("a\n\"b\nc\n")), "1:[a];2!a quote is not closed;", "an open quote is named by its line");
    is_text(shape(SPAN("a\nb\0c\n\xff\nd\n")),
            "1:[a];2!not in UTF-8, or with a NUL;3!not in UTF-8, or with a NUL;4:[d];",
            "NUL and what is no UTF-8");
}

static void
test_limits(void)
{
    struct buf text = {0};
    for (size_t i = 0; i <= CSV_RECORD_BYTES_MAX; i++)
        buf_add_byte(&text, 'x');
    buf_add_text(&text, "\nd\n");
    is_text(shape(buf_span(&text)), "1!more than 1048576 octets or 200 fields;2:[d];",
            "a record that is too long");
    buf_reset(&text);
    for (size_t i = 0; i < CSV_FIELDS_MAX; i++)
        buf_add_text(&text, "x,");
    buf_add_text(&text, "x\nd\n");
    is_text(shape(buf_span(&text)), "1!more than 1048576 octets or 200 fields;2:[d];", "too many fields");
    buf_clear(&text);
}

static const char *
written(struct span value)
{
    static struct buf out;
    buf_reset(&out);
    buf_add_text(&out, "");
    csv_add(value, &out);
    return out.len > 0 ? out.at : "";
}

static void
test_written(void)
{
    is_text(written(SPAN("Ann Beebe")), "Ann Beebe", "plain");
    is_text(written(SPAN("Beebe, Ann \"A\"")), "\"Beebe, Ann \"\"A\"\"\"", "commas and quotes");
    is_text(written(SPAN("=cmd|'/C calc'!A0")), "\"'=cmd|'/C calc'!A0\"", "a formula gets an apostrophe");
    is_text(written(SPAN("@SUM(A1)")), "'@SUM(A1)", "of any kind");
    is_text(written(SPAN("-1+cmd")), "'-1+cmd", "with a number before it too");
    is_text(written(SPAN("+49 (89) 123-45")), "+49 (89) 123-45", "a telephone number is none");
}

static void
test_round(void)
{
    static const char *const values[] = {
        "",      "a",     "'a",   "=a",     "'=a",        "''=a", "+1",       "'+1",    "''+1", "@",
        "'",     "''",    " a ",  "a\nb",   "\"",         "\"\"", "a,b",      "-",      "--a",  "'-",
        "a|b;c", "\tx\t", "\r\n", "x\r\ny", "\xC3\xA4,x", "' =a", "+a\"b\nc", "'\"=\"", "-x,",  "=,=\"="};
    struct buf text = {0};
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        buf_add_text(&text, i > 0 ? "," : "");
        csv_add(span_of(values[i]), &text);
    }
    buf_add_byte(&text, '\n');
    struct csv *csv = reader(buf_span(&text));
    ok(csv_next(csv, &why) == 1 && csv_fields(csv) == COUNT_OF(values), "all values in one record");
    for (size_t i = 0; i < COUNT_OF(values); i++)
        is_span(csv_value(csv_field(csv, i)), values[i], "value %zu comes back", i);
    csv_free(csv);
    buf_clear(&text);
}

int
main(void)
{
    test_records();
    test_limits();
    test_written();
    test_round();
    return tap_done();
}
