/* no_convert.c - stands for the conversions of the modules in programs that never convert
 *
 * A carrier asks only whether its system converts; to be linked with a conversion would bring it the libraries that read
 * what is hostile. A program that lists this file is linked without them: the linker takes these tables, and looks for no
 * others.
 */
#include "systems/gwise/convert.h"

static enum viaduct_converted
never(const struct viaduct_convert_in *in, const struct viaduct_convert_out *out, struct viaduct_reason *reason)
{
    bool converts_here = false;
    (void)in;
    (void)out;
    (void)reason;
    BUG_UNLESS(converts_here);
    return VIADUCT_CONVERT_BAD;
}

const struct viaduct_convert_ops gwise_convert_ops = {
    .size = sizeof gwise_convert_ops, .to_foreign = never, .from_foreign = never};
