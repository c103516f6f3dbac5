/* ldif-fuzz.c - LDIF from anybody: read as records, what was read is written, and read again the same */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/ldif.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static int
file_of(const void *bytes, size_t len)
{
    int fd = memfd_create("ldif", MFD_CLOEXEC);
    BUG_UNLESS(fd >= 0 && (len == 0 || write(fd, bytes, len) == (ssize_t)len) && lseek(fd, 0, SEEK_SET) == 0);
    return fd;
}

/* What is written is what was read. */
static void
check_again(const struct ldif_record *record, const struct buf *written)
{
    struct ldif_record again;
    struct why why;
    int fd = file_of(written->at, written->len);
    struct ldif *ldif = ldif_new(fd);
    BUG_UNLESS(ldif_next(ldif, &again, &why) == 1 && again.n_attributes == record->n_attributes);
    for (size_t i = 0; i < again.n_attributes; i++)
        BUG_UNLESS(span_equal(again.attributes[i].name, record->attributes[i].name) &&
                   span_equal(again.attributes[i].value, record->attributes[i].value));
    ldif_free(ldif);
    close(fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct ldif_record record = {.line = 0};
    struct why why;
    int fd = file_of(bytes, len), n;
    struct ldif *ldif = ldif_new(fd);
    struct buf written = {0};
    size_t records = 0;
    while ((n = ldif_next(ldif, &record, &why)) != 0) {
        BUG_UNLESS(n == 1 || n == -EINVAL);
        BUG_UNLESS(++records <= len + 1);
        if (n != 1)
            continue;
        buf_reset(&written);
        ldif_add(SPAN("dn"), record.dn, &written);
        for (size_t i = 0; i < record.n_attributes; i++) {
            BUG_UNLESS(record.attributes[i].name.len > 0);
            ldif_add(record.attributes[i].name, record.attributes[i].value, &written);
        }
        buf_add_byte(&written, '\n');
        check_again(&record, &written);
    }
    (void)ldif_ended(ldif);
    buf_clear(&written);
    ldif_free(ldif);
    close(fd);
    return 0;
}
