/* convert.c - options, reports and names for both directions of conversion (see convert.h) */
#include "systems/gwise/convert.h"
#include "systems/viaduct/reason.h"

#include <stdio.h>

const char *
gwise_option(const struct viaduct_convert_in *in, const char *name)
{
    return in->services != NULL && in->services->option != NULL ? in->services->option(in->gateway, name)
                                                                : NULL;
}

struct codepage *
gwise_codepage(const struct viaduct_convert_in *in, enum unmappable *how, struct viaduct_reason *reason)
{
    const char *name = gwise_option(in, "convert.codepage"), *stand_in = gwise_option(in, "convert.unmappable");
    *how = UNMAPPABLE_BEST_FIT;
    if (stand_in != NULL && strcmp(stand_in, "question") == 0)
        *how = UNMAPPABLE_QUESTION;
    if (stand_in != NULL && strcmp(stand_in, "entities") == 0)
        *how = UNMAPPABLE_ENTITIES;
    struct codepage *codepage = codepage_new(name);
    if (codepage == NULL)
        gwise_ends(VIADUCT_CONVERT_BAD, reason, "5.3.5", "convert.codepage = \"%s\" is no code page known here",
                   name != NULL ? name : "");
    return codepage;
}

void
gwise_report(const struct viaduct_convert_out *out, const char *format, ...)
{
    struct buf line = {0};
    va_list args;
    if (out->report == NULL)
        return;
    va_start(args, format);
    buf_vprintf(&line, format, args);
    va_end(args);
    for (size_t i = 0; i < line.len; i++)
        if ((unsigned char)line.at[i] < ' ')
            line.at[i] = ' ';
    out->report(out->arg, line.at);
    buf_clear(&line);
}

enum viaduct_converted
gwise_ends(enum viaduct_converted result, struct viaduct_reason *reason, const char *status, const char *format,
           ...)
{
    struct buf text = {0};
    va_list args;
    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    reason_fill(reason, status, "%s", text.at);
    buf_clear(&text);
    return result;
}

static size_t
whole_characters(const char *at, size_t len)
{
    while (len > 0 && ((unsigned char)at[len] & 0xc0) == 0x80)
        len--;
    return len;
}

void
gwise_file_name(struct span name, struct buf *out)
{
    enum { MOST = 200, EXTENSION = 20 };
    struct buf clean = {0};
    for (size_t i = 0; i < name.len; i++)
        if (name.at[i] == '/' || name.at[i] == '\\' || name.at[i] == ':')
            buf_reset(&clean); /* what stands before is a path */
        else if ((unsigned char)name.at[i] >= ' ' && name.at[i] != 0x7f &&
                 strchr("*?\"<>|;", name.at[i]) == NULL)
            buf_add_byte(&clean, name.at[i]);
        else
            buf_add_byte(&clean, '_');
    struct span rest = span_trim(buf_span(&clean));
    while (rest.len > 0 && rest.at[0] == '.') {
        rest.at++;
        rest.len--;
    }
    if (rest.len <= MOST) {
        buf_add_span(out, rest);
    } else {
        const char *dot = memrchr(rest.at, '.', rest.len);
        size_t tail = dot != NULL ? (size_t)(rest.at + rest.len - dot) : 0;
        tail = tail <= EXTENSION ? tail : 0;
        buf_add(out, rest.at, whole_characters(rest.at, MOST - tail));
        buf_add(out, rest.at + rest.len - tail, tail);
    }
    if (rest.len == 0)
        buf_add_text(out, "unnamed");
    buf_clear(&clean);
}

static const struct {
    const char *extension, *type;
} types[] = {
    {".txt", "text/plain"},
    {".htm", "text/html"},
    {".html", "text/html"},
    {".ics", "text/calendar"},
    {".vcf", "text/vcard"},
    {".csv", "text/csv"},
    {".rtf", "application/rtf"},
    {".pdf", "application/pdf"},
    {".zip", "application/zip"},
    {".doc", "application/msword"},
    {".xls", "application/vnd.ms-excel"},
    {".ppt", "application/vnd.ms-powerpoint"},
    {".docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
    {".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
    {".jpg", "image/jpeg"},
    {".jpeg", "image/jpeg"},
    {".png", "image/png"},
    {".gif", "image/gif"},
    {".bmp", "image/bmp"},
    {".tif", "image/tiff"},
    {".wav", "audio/x-wav"},
    {".p7s", "application/pkcs7-signature"},
    {".p7m", "application/pkcs7-mime"},
    {".asc", "application/pgp-signature"},
    {".dat", "application/ms-tnef"},
};

const char *
gwise_type_of_name(struct span name)
{
    const char *dot = name.len > 0 ? memrchr(name.at, '.', name.len) : NULL;
    if (dot != NULL)
        for (size_t i = 0; i < COUNT_OF(types) - 1; i++) /* but .dat, which may be anything */
            if (span_equal_nocase((struct span){dot, (size_t)(name.at + name.len - dot)},
                                  span_of(types[i].extension)))
                return types[i].type;
    return "application/octet-stream";
}

const char *
gwise_extension_of_type(const char *type)
{
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (strcmp(types[i].type, type) == 0)
            return types[i].extension;
    if (strncmp(type, "message/rfc822", 14) == 0 || strncmp(type, "multipart/", 10) == 0)
        return ".eml";
    return strncmp(type, "text/", 5) == 0 || strncmp(type, "message/", 8) == 0 ? ".txt" : ".bin";
}
