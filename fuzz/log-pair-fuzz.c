/* log-pair-fuzz.c - lines of the log and tracking records as a strange writer would write them
 *
 * Promises: every line ends; a value that was read is printed so that it is read again as it was; printed pairs
 * hold no byte that a terminal or a line reader could stumble over.
 */
#include "common/track_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void
check_printed(const struct buf *out)
{
    for (size_t i = 0; i < out->len; i++)
        BUG_UNLESS((unsigned char)out->at[i] >= ' ' && out->at[i] != 0x7f);
}

/* What is printed is read again. */
static void
check_pair(struct span value)
{
    struct buf out = {0}, again = {0};
    struct span key;
    log_print_pair(&out, "k", value);
    check_printed(&out);
    struct span line = buf_span(&out);
    BUG_UNLESS(log_next_pair(&line, &key, &again) && line.len == 0);
    BUG_UNLESS(span_equal(key, SPAN("k")) && span_equal(buf_span(&again), value));
    buf_clear(&out);
    buf_clear(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct span line = {(const char *)bytes, len}, key;
    struct buf value = {0};
    check_pair(line);
    while (log_next_pair(&line, &key, &value)) {
        BUG_UNLESS(key.len > 0 && key.at >= (const char *)bytes &&
                   key.at + key.len <= (const char *)bytes + len);
        check_pair(buf_span(&value));
    }
    BUG_UNLESS(line.len <= len);
    struct track_line record;
    track_line_parse((struct span){(const char *)bytes, len}, &value, &record);
    buf_clear(&value);
    return 0;
}
