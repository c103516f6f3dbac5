/* translate-header-fuzz.c - any bytes as a header whose addresses are translated, both ways
 *
 * Beside not crashing: where nothing was changed the header is the same byte for byte, and fields keep their
 * number.
 */
#include "common/translate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *domains[] = {"h.example"};
static struct conf_rule rules[2] = {
    {.title = "a", .kind = "template", .out = "Exchange.HQ.%m", .in = "%3@%1.example"},
    {.title = "b", .kind = "template", .out = "%0"},
};
static struct conf_connector connector = {.title = "c", .peer = {.domain = "Exchange"}};
static struct conf_root root;
static struct translator *gwise, *smtp;

static size_t
count_fields(struct span s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += (i == 0 || s.at[i - 1] == '\n') && s.at[i] != ' ' && s.at[i] != '\t';
    return n;
}

static void
check(struct translator *translator, bool outwards, struct span header)
{
    struct buf out = {0};
    int changed = translate_header(translator, outwards, header, &out);
    BUG_UNLESS(changed >= 0);
    BUG_UNLESS(changed > 0 || span_equal(header, buf_span(&out)));
    BUG_UNLESS(count_fields(header) == count_fields(buf_span(&out)));
    buf_clear(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span header = {(const char *)data, size};
    if (gwise == NULL) {
        root.host.domains = (struct conf_texts){domains, 1};
        connector.mapping.rules = rules;
        connector.mapping.rules_n = 1;
        gwise = translator_new(&root, &connector, SPAN("GWISE"), NULL, NULL);
        rules[0].out = "%m@c.example";
        rules[0].in = "%1@h.example";
        smtp = translator_new(&root, &connector, SPAN("SMTP"), NULL, NULL);
        BUG_UNLESS(gwise != NULL && smtp != NULL);
    }
    check(smtp, true, header);
    check(smtp, false, header);
    rules[0].out = "Exchange.HQ.%m";
    rules[0].in = "%3@%1.example";
    check(gwise, true, header);
    check(gwise, false, header);
    rules[0].out = "%m@c.example";
    rules[0].in = "%1@h.example";
    return 0;
}
