/* exchange-fuzz.c - any octets as connector objects of Exchange: what is made of them always is a configuration */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "commands/exchange.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf out = {0}, errors = {0}, wrong = {0};
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    BUG_UNLESS(write(fd, data, size) == (ssize_t)size && lseek(fd, 0, SEEK_SET) == 0);
    int n = exchange_read(fd, "objects.ldif", &out, &errors);
    close(fd);
    if (n > 0) {
        struct conf *conf = conf_read("read", buf_span(&out), &wrong);
        if (conf == NULL)
            fprintf(stderr, "%s%s", out.at, wrong.at);
        BUG_UNLESS(conf != NULL && conf_root(conf)->connectors_n == (size_t)n);
        conf_free(conf);
    }
    buf_clear(&out);
    buf_clear(&errors);
    buf_clear(&wrong);
    return 0;
}
