/* clock-so.c - another clock for tests: loaded into real programs, it adds what a file says to CLOCK_REALTIME, as if the clock
 * were set, and with VIADUCT_TEST_STEADY to CLOCK_MONOTONIC too, as if so much time had passed
 *
 * The file (VIADUCT_TEST_CLOCK) holds seconds, as eight octets. It is mapped before a worker confines itself.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static volatile const int64_t *offset_s;
static int (*real)(clockid_t, struct timespec *);
static int steady;

__attribute__((constructor)) static void
open_clock(void)
{
    const char *path = getenv("VIADUCT_TEST_CLOCK");
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *map = fd >= 0 ? mmap(NULL, sizeof *offset_s, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
    void *symbol = dlsym(RTLD_NEXT, "clock_gettime");
    __builtin_memcpy(&real, &symbol, sizeof real);
    if (map == MAP_FAILED || real == NULL)
        abort(); /* a test that runs by the true clock would prove nothing */
    offset_s = map;
    steady = getenv("VIADUCT_TEST_STEADY") != NULL;
    close(fd);
}

int
clock_gettime(clockid_t id, struct timespec *time)
{
    if (real == NULL)
        open_clock();
    int r = real(id, time);
    if (r == 0 && (id == CLOCK_REALTIME || (steady && id == CLOCK_MONOTONIC)))
        time->tv_sec += *offset_s;
    return r;
}
