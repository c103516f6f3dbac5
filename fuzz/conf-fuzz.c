/* conf-fuzz - the configuration: any bytes are refused or understood; what is understood prints and reads again
 */
#include "conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct buf errors = {0}, first = {0}, second = {0};
    struct conf *conf = conf_read("fuzz", (struct span){(const char *)bytes, len}, &errors);
    BUG_UNLESS((conf == NULL) == (errors.len > 0));
    if (conf != NULL) {
        conf_print(conf, false, &first);
        struct conf *again = conf_read("again", buf_span(&first), NULL);
        BUG_UNLESS(again != NULL);
        conf_print(again, false, &second);
        BUG_UNLESS(span_equal(buf_span(&first), buf_span(&second)));
        conf_schedule_open(conf_root(conf), "s", (int64_t)len * 3600);
        conf_schedule_next(conf_root(conf), "s", (int64_t)len * 3600);
        conf_free(again);
    }
    conf_free(conf);
    buf_clear(&errors);
    buf_clear(&first);
    buf_clear(&second);
    return 0;
}
