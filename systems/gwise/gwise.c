/* gwise.c - what the module for GroupWise gives to viaduct (see gwise.h) */
#include "systems/gwise/gwise.h"

#include "systems/gwise/api_read.h"
#include "systems/gwise/carrier.h"
#include "systems/gwise/convert.h"

/* The same address in other words: blanks round its parts and the quotes of its user do not count. */
static bool
parts_equal(const struct api_address *a, const struct api_address *b)
{
    return span_equal_nocase(a->domain, b->domain) && span_equal_nocase(a->office, b->office) &&
           span_equal_nocase(a->user, b->user);
}

static bool
address_equal_gwise(struct viaduct_text a, struct viaduct_text b)
{
    struct api_address one, two;
    return api_split_address((struct span){a.at, a.len}, &one) &&
           api_split_address((struct span){b.at, b.len}, &two) && parts_equal(&one, &two);
}

static int
address_check(struct viaduct_text value, struct viaduct_reason *reason)
{
    struct api_address address;
    const char *wrong = NULL;
    if (value.len == 0 || value.len > 1300)
        wrong = "it is empty or too long";
    else if (!api_split_address((struct span){value.at, value.len}, &address))
        wrong = "it is not Domain.PostOffice.User";
    for (size_t i = 0; i < value.len && wrong == NULL; i++)
        if ((unsigned char)value.at[i] < ' ' || value.at[i] == 0x7f)
            wrong = "it holds control characters";
    if (wrong != NULL)
        gwise_ends(VIADUCT_CONVERT_BAD, reason, "5.1.3", "no GroupWise address: %s", wrong);
    return wrong != NULL ? -1 : 0;
}

static const struct viaduct_address_ops address_ops = {
    .size = sizeof address_ops, .check = address_check, .equal = address_equal_gwise};

const struct viaduct_system gwise_system = {.size = sizeof gwise_system,
                                            .abi = VIADUCT_SYSTEM_ABI,
                                            .name = "gwise",
                                            .address_type = "GWISE",
                                            .version = "1",
                                            .always_convert = true,
                                            .address = &address_ops,
                                            .inbound = &gwise_inbound_ops,
                                            .outbound = &gwise_outbound_ops,
                                            .convert = &gwise_convert_ops,
                                            .files = &gwise_files_ops};
