/* codepage.c - UTF-8 into the code page of an API gateway and back (see charset.h) */
#include <iconv.h>
#include <stdio.h>
#include <stdlib.h>

#include "systems/mime/best_fit_table.h"
#include "systems/mime/charset.h"
#include "systems/mime/codepage_table.h"

struct codepage {
    bool utf8;
    uint16_t high[128];
    struct back {
        uint16_t code;
        unsigned char octet;
    } back[128]; /* ordered by code */
    size_t n_back;
};

static int
by_code(const void *a, const void *b)
{
    const struct back *x = a, *y = b;
    return x->code < y->code ? -1 : x->code > y->code;
}

static void
turn_round(struct codepage *codepage)
{
    for (unsigned i = 0; i < 128; i++)
        if (codepage->high[i] != 0)
            codepage->back[codepage->n_back++] = (struct back){codepage->high[i], (unsigned char)(i + 128)};
    qsort(codepage->back, codepage->n_back, sizeof codepage->back[0], by_code);
}

#if defined(__GNUC__) && !defined(__clang__) /* gcc 12 thinks that (iconv_t)-1 has to be closed */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

/* A page that is not in our tables: asked of iconv, octet by octet. */
static bool
ask_iconv(struct codepage *codepage, const char *digits)
{
    char name[40];
    snprintf(name, sizeof name, "CP%s", digits);
    iconv_t iconv_page = iconv_open("UTF-16LE", name);
    if (iconv_page == (iconv_t)-1)
        return false;
    for (unsigned i = 0; i < 128; i++) {
        char octet = (char)(i + 128), *from = &octet;
        unsigned char wide[8];
        char *to = (char *)wide;
        size_t left = 1, room = sizeof wide;
        iconv(iconv_page, NULL, NULL, NULL, NULL);
        if (iconv(iconv_page, &from, &left, &to, &room) != (size_t)-1 && room == sizeof wide - 2)
            codepage->high[i] = (uint16_t)(wide[0] | wide[1] << 8);
    }
    char letter = 'A', *from = &letter, wide[8], *to = wide;
    size_t left = 1, room = sizeof wide;
    bool single = iconv(iconv_page, &from, &left, &to, &room) != (size_t)-1 && wide[0] == 'A' && wide[1] == 0;
    iconv_close(iconv_page);
    return single; /* EBCDIC and double-byte pages are no pages of a gateway */
}

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

struct codepage *
codepage_new(const char *name)
{
    static const struct {
        const char *digits;
        const uint16_t *high;
    } ours[] = {{"437", codepage_437},
                {"850", codepage_850},
                {"852", codepage_852},
                {"865", codepage_865},
                {"1252", codepage_1252}};
    struct codepage *codepage = xcalloc(1, sizeof *codepage);
    struct span rest = span_trim(span_of(name != NULL ? name : "437"));
    if (span_equal_nocase(rest, SPAN("utf-8")) || span_equal_nocase(rest, SPAN("utf8"))) {
        codepage->utf8 = true;
        return codepage;
    }
    if (span_starts_nocase(rest, SPAN("cp")))
        rest = (struct span){rest.at + 2, rest.len - 2};
    uint64_t number;
    if (!span_to_u64(rest, 99999, &number)) {
        free(codepage);
        return NULL;
    }
    char digits[12];
    snprintf(digits, sizeof digits, "%u", (unsigned)number);
    const uint16_t *high = NULL;
    for (size_t i = 0; i < COUNT_OF(ours); i++)
        if (strcmp(ours[i].digits, digits) == 0)
            high = ours[i].high;
    if (high != NULL)
        memcpy(codepage->high, high, sizeof codepage->high);
    else if (!ask_iconv(codepage, digits)) {
        free(codepage);
        return NULL;
    }
    turn_round(codepage);
    return codepage;
}

void
codepage_free(struct codepage *codepage)
{
    free(codepage);
}

static const char *
best_fit(uint32_t code)
{
    size_t low = 0, high = COUNT_OF(best_fit_table);
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (best_fit_table[middle].code == code)
            return best_fit_table[middle].text;
        if (best_fit_table[middle].code < code)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static bool
add_exact(const struct codepage *codepage, uint32_t code, struct buf *out)
{
    if (code > 0xffff)
        return false;
    struct back key = {(uint16_t)code, 0};
    const struct back *found =
        bsearch(&key, codepage->back, codepage->n_back, sizeof codepage->back[0], by_code);
    if (found != NULL)
        buf_add_byte(out, (char)found->octet);
    return found != NULL;
}

static void
add_instead(uint32_t code, enum unmappable how, struct buf *out)
{
    const char *text = how == UNMAPPABLE_BEST_FIT ? best_fit(code) : NULL;
    if (text != NULL)
        buf_add_text(out, text);
    else if (how == UNMAPPABLE_ENTITIES && code != 0xfffd)
        buf_printf(out, "&#%u;", (unsigned)code);
    else
        buf_add_byte(out, '?');
}

uint64_t
codepage_encode(const struct codepage *codepage, struct span utf8, enum unmappable how, struct buf *out)
{
    uint64_t changed = 0;
    for (size_t i = 0; i < utf8.len;) {
        uint32_t code = 0;
        int n = charset_take_utf8(utf8.at + i, utf8.len - i, &code);
        if (n <= 0) {
            buf_add_byte(out, '?');
            changed++;
            i++;
            continue;
        }
        if (code < 0x80 || codepage->utf8) {
            buf_add(out, utf8.at + i, (size_t)n);
        } else if (!add_exact(codepage, code, out)) {
            add_instead(code, how, out);
            changed++;
        }
        i += (size_t)n;
    }
    return changed;
}

void
codepage_decode(const struct codepage *codepage, struct span bytes, struct buf *out)
{
    if (codepage->utf8) {
        charset_decode(SPAN("utf-8"), bytes, out);
        return;
    }
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char c = (unsigned char)bytes.at[i];
        uint32_t code = c < 0x80 ? c : codepage->high[c - 0x80];
        charset_add_utf8(out, code == 0 && c != 0 ? 0xfffd : code);
    }
}
