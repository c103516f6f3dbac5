/* convert_ops.c - both directions of conversion, for the module's table (see convert.h) */
#include "systems/gwise/convert.h"

const struct viaduct_convert_ops gwise_convert_ops = {
    .size = sizeof gwise_convert_ops, .to_foreign = gwise_to_foreign, .from_foreign = gwise_from_foreign};
