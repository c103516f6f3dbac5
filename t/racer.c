/* racer.c - a stranger who exchanges files in drop while they are picked up, for t/drop-races.t
 *
 *     racer DROP SECRET ROUNDS FIRST SEED
 *
 * Each round is one race about one name: a file, and then over it, by one rename, a link to a secret, a second name of
 * the secret, a FIFO, a folder, another file, two others; or the other way round; or all of it exchanged back and forth.
 * Files are whole messages whose subject is `race N letter`. A line on stdout for each that pickup must take: `must N letter`
 * (it was never replaced) or `may N letter` (another was put in its place: once or never), `back N
 * letter` (it was taken away and put back).
 *
 * What can never be taken is removed some rounds later, so that drop does not fill. The racer waits for pickup when its files
 * of long ago are still there; where that takes a minute, something hangs, and it says `hangs`.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { NAME_LEN = 300, KEPT = 1000, KINDS = 12, EXCHANGE = 2 };

struct round {
    char name[NAME_LEN];
    bool taken; /* pickup must take it away */
};

static int drop;
static const char *secret; /* it gets second names: links point to SECRET.one, which has one name */
static char secret_of_links[4096];
static uint64_t seed;
static struct round rounds[KEPT];

static unsigned
some(unsigned below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)((seed >> 20) % below);
}

/* None, some instructions, the length of a system call or two, or of a small write to the disk. */
static void
pause_a_little(void)
{
    unsigned how = some(4), n = some(3000);
    if (how == 1)
        for (volatile unsigned i = 0; i < n; i++)
            continue;
    else if (how == 2)
        sched_yield();
    else if (how == 3)
        nanosleep(&(struct timespec){.tv_nsec = (long)some(1500000)}, NULL);
}

static void
must(bool done, const char *what)
{
    if (done)
        return;
    printf("failed %s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- things ---- */

static void
make_file(const char *as, unsigned n, char letter)
{
    char text[300];
    int len = snprintf(
        text, sizeof text,
        "X-Sender: <r@contoso.example>\nX-Receiver: <b@branch.example>\nSubject: race %u %c\n\nround %u\n", n,
        letter, n);
    int fd = openat(drop, as, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    must(fd >= 0 && write(fd, text, (size_t)len) == len, "write");
    close(fd);
}

static void
make_thing(const char *as, unsigned what)
{
    if (what == 0)
        must(symlinkat(secret_of_links, drop, as) == 0, "symlink");
    else if (what == 1)
        must(linkat(AT_FDCWD, secret, drop, as, 0) == 0, "link");
    else
        must(mkfifoat(drop, as, 0666) == 0, "fifo");
}

static void
put(const char *from, const char *to)
{
    must(renameat(drop, from, drop, to) == 0, "rename");
}

/* True unless the other name is gone: pickup was quicker. */
static bool
exchange(const char *a, const char *b)
{
    return syscall(SYS_renameat2, drop, a, drop, b, (unsigned)EXCHANGE) == 0;
}

/* ---- races ---- */

static void
tell(const char *how, unsigned n, char letter)
{
    printf("%s %u %c\n", how, n, letter);
}

/* A file, then what must not be read in its place. */
static bool
file_then_thing(const char *name, unsigned n, unsigned what)
{
    make_file(".a", n, 'a');
    make_thing(".b", what);
    put(".a", name);
    pause_a_little();
    put(".b", name);
    tell("may", n, 'a');
    return false;
}

static bool
thing_then_file(const char *name, unsigned n, unsigned what)
{
    make_thing(".b", what);
    make_file(".a", n, 'a');
    put(".b", name);
    pause_a_little();
    put(".a", name);
    tell("must", n, 'a');
    return true;
}

static bool
file_then_folder(const char *name, unsigned n)
{
    make_file(".a", n, 'a');
    must(mkdirat(drop, ".d", 0700) == 0, "mkdir");
    put(".a", name);
    pause_a_little();
    if (!exchange(".d", name)) { /* it is gone already */
        must(unlinkat(drop, ".d", AT_REMOVEDIR) == 0, "rmdir");
        tell("must", n, 'a');
        return true;
    }
    unlinkat(drop, ".d", 0);
    tell("may", n, 'a');
    return false;
}

static bool
files_over_files(const char *name, unsigned n, unsigned how_many)
{
    make_file(".a", n, 'a');
    put(".a", name);
    for (unsigned i = 1; i <= how_many; i++) {
        make_file(".b", n, (char)('a' + i));
        pause_a_little();
        put(".b", name);
        tell("may", n, (char)('a' + i - 1));
    }
    tell("must", n, (char)('a' + how_many));
    return true;
}

/* The file and a link to the secret change places until the file is taken, or at the end stays. */
static bool
back_and_forth(const char *name, unsigned n, unsigned what)
{
    make_file(".a", n, 'a');
    make_thing(".b", what);
    put(".a", name);
    unsigned done = 0;
    while (done < 6 && (pause_a_little(), exchange(".b", name)))
        done++;
    if (done % 2 == 0) /* the file has its name, or was taken under it */
        unlinkat(drop, ".b", 0);
    else /* the thing was just being looked at elsewhere */
        put(".b", name);
    tell("back", n, 'a');
    return true;
}

static bool
plain(const char *name, unsigned n)
{
    make_file(".a", n, 'a');
    put(".a", name);
    tell("must", n, 'a');
    return true;
}

static bool
race(const char *name, unsigned n)
{
    unsigned kind = some(KINDS);
    if (kind < 3)
        return file_then_thing(name, n, kind);
    if (kind < 6)
        return thing_then_file(name, n, kind - 3);
    if (kind == 6)
        return file_then_folder(name, n);
    if (kind < 9)
        return files_over_files(name, n, kind - 6);
    if (kind < 11)
        return back_and_forth(name, n, kind == 9 ? 0 : 2);
    return plain(name, n);
}

/* ---- rounds ---- */

static void
choose_name(char name[NAME_LEN], unsigned n)
{
    memset(name, 0, NAME_LEN);
    static const char *const odd[] = {"-", "--help ", "..", "...", " ", "~", "@", "%s%n", "\xc3\xa4"};
    if (some(4) == 0)
        snprintf(name, NAME_LEN, "%s%u", odd[some(9)], n);
    else
        snprintf(name, NAME_LEN, "m%u.eml", n);
    if (name[0] == '.') /* names that begin with a dot are not picked up */
        name[0] = ',';
    size_t len = strlen(name);
    if (some(50) == 0)
        memset(name + len, 'x', NAME_MAX - len);
}

/* What can be taken has gone, or goes soon; what cannot is removed. */
static void
forget(const struct round *old)
{
    struct stat st;
    for (unsigned i = 0; old->taken && fstatat(drop, old->name, &st, AT_SYMLINK_NOFOLLOW) == 0; i++) {
        if (i == 60000) {
            printf("hangs %s\n", old->name);
            exit(1);
        }
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    if (!old->taken && unlinkat(drop, old->name, 0) < 0)
        unlinkat(drop, old->name, AT_REMOVEDIR);
}

int
main(int argc, char **argv)
{
    if (argc != 6)
        return 2;
    drop = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    secret = argv[2];
    snprintf(secret_of_links, sizeof secret_of_links, "%s.one", secret);
    unsigned n = (unsigned)strtoul(argv[3], NULL, 10), first = (unsigned)strtoul(argv[4], NULL, 10);
    seed = strtoull(argv[5], NULL, 10) * 2654435769u + 88172645463325252u;
    must(drop >= 0, "open");
    for (unsigned i = 0; i < n + KEPT; i++) {
        struct round *round = &rounds[i % KEPT];
        if (round->name[0] != '\0')
            forget(round);
        round->name[0] = '\0';
        if (i >= n)
            continue;
        choose_name(round->name, first + i);
        round->taken = race(round->name, first + i);
    }
    printf("raced %u\n", n);
    return 0;
}
