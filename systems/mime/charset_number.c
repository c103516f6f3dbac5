/* charset_number.c - code pages by the numbers that Windows gives them (see charset.h)
 *
 * A table, so that a number from outside reaches iconv only where it is a code page of text, and so that a reader who keeps
 * one decoder for each keeps no more than there are here.
 *
 * Source: Microsoft, "Code Page Identifiers"; those that mail, TNEF and RTF are written in.
 */
#include <stdio.h>

#include "systems/mime/charset.h"

/* The numbers whose set glibc and we know as "CP" and the number. */
static const uint16_t as_cp[] = {437,  737,  775,  850,  852,  855,  857,  858,  860, 861, 862,
                                 863,  864,  865,  866,  869,  874,  932,  936,  949, 950, 1250,
                                 1251, 1252, 1253, 1254, 1255, 1256, 1257, 1258, 1361};

static const struct {
    uint32_t number;
    const char *name;
} others[] = {{1200, "UTF-16LE"},     {1201, "UTF-16BE"},     {10000, "MACINTOSH"},   {10007, "MAC-CYRILLIC"},
              {20127, "US-ASCII"},    {20866, "KOI8-R"},      {20932, "EUC-JP"},      {20936, "GB2312"},
              {21866, "KOI8-U"},      {50220, "ISO-2022-JP"}, {50221, "ISO-2022-JP"}, {50222, "ISO-2022-JP"},
              {50225, "ISO-2022-KR"}, {51932, "EUC-JP"},      {51936, "GB2312"},      {51949, "EUC-KR"},
              {54936, "GB18030"},     {65000, "UTF-7"},       {65001, "UTF-8"}};

bool
charset_of_number(uint32_t number, char name[CHARSET_NAME_MAX])
{
    name[0] = '\0';
    for (size_t i = 0; i < COUNT_OF(as_cp); i++)
        if (as_cp[i] == number)
            snprintf(name, CHARSET_NAME_MAX, "CP%u", (unsigned)number);
    for (size_t i = 0; i < COUNT_OF(others); i++)
        if (others[i].number == number)
            snprintf(name, CHARSET_NAME_MAX, "%s", others[i].name);
    if (number > 28590 && number <= 28606 && number != 28602) /* there is no ISO 8859-12 */
        snprintf(name, CHARSET_NAME_MAX, "ISO-8859-%u", (unsigned)(number - 28590));
    return name[0] != '\0';
}
