/* maildir-envelope-fuzz.c - any octets as a message in a maildir: its envelope */
#include <sys/mman.h>
#include <unistd.h>

#include "systems/maildir/maildir_envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct maildir_envelope envelope = {.n = 0};
    int fd = memfd_create("message", MFD_CLOEXEC);
    BUG_UNLESS(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    BUG_UNLESS(maildir_read_envelope(fd, &envelope) == 0);
    const char *at = envelope.recipients.at;
    for (size_t i = 0; i < envelope.n; i++) { /* each one whole, none empty */
        BUG_UNLESS(at < envelope.recipients.at + envelope.recipients.len && strchr(at, '@') != NULL);
        at += strlen(at) + 1;
    }
    BUG_UNLESS(envelope.skip <= size);
    BUG_UNLESS(envelope.body <= size &&
               envelope.header.len <= envelope.body - (envelope.body > 0 ? envelope.skip : 0));
    maildir_envelope_clear(&envelope);
    close(fd);
    return 0;
}
