/* hex.h - hexadecimal digits as they are read */
#ifndef VIADUCT_HEX_H
#define VIADUCT_HEX_H

/* The value of a digit in either case, 0 to 15; -1 where it is none. */
static inline int
hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The octet that the two digits at `at` give, which must be there unless the first is none; -1 where they are none. */
static inline int
hex_octet(const char *at)
{
    int high = hex_digit(at[0]);
    int low = high >= 0 ? hex_digit(at[1]) : -1;
    return low >= 0 ? high * 16 + low : -1;
}

#endif
