/* smtp-downgrade-fuzz.c - any octets as a message for a peer of 7 bits
 *
 * What is made is ASCII, tells no line end in a report, and stays as it is when it is converted again. Nothing
 * is written of a message that is refused.
 */
#include <stdlib.h>

#include "t/smtp_downgrade_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 16384) /* a header could grow beyond its limit, and be refused the second time */
        size = 16384;
    struct rig first = {0}, again = {.piece = 13};
    if (rig_convert(&first, (struct span){(const char *)data, size}, NULL) == VIADUCT_CONVERTED) {
        BUG_UNLESS(rig_is_ascii(&first));
        BUG_UNLESS(rig_convert(&again, buf_span(&first.output), NULL) == VIADUCT_CONVERTED);
        BUG_UNLESS(rig_is_ascii(&again) && again.output.len <= 2 * first.output.len + 200);
    } else {
        BUG_UNLESS(first.output.len == 0 && first.reason.status[0] == '5');
    }
    rig_clear(&first);
    rig_clear(&again);
    return 0;
}
