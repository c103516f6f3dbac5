/* converter.c - a child for each conversion (see converter.h)
 *
 *     parent: fork --> read the pipe until its end --> waitpid
 *     child:  limits --> work --> answer, status, reason, report into the pipe --> _exit
 *
 * The answer is `<answer byte><status NUL><text NUL><broken NUL><report>`. A child killed by its limits writes nothing.
 */
#include "daemons/converter.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ANSWER_MAX = 64 * 1024 };

const struct conf_convert *
converter_limits(const struct service *service)
{
    static const struct conf_convert host = {.time_s = 60,
                                             .memory = 256 << 20,
                                             .codepage = "437",
                                             .unmappable = "best-fit",
                                             .keep_s = 7 * 24 * 3600};
    return service->connector != NULL ? &service->connector->convert : &host;
}

static void
set_limit(int resource, uint64_t value)
{
    struct rlimit limit = {value, value};
    setrlimit((__rlimit_resource_t)resource, &limit);
}

/* Sanitizers map terabytes of address space: there the limit cannot be had. */
static void
limit_memory(uint64_t bytes)
{
#if defined(__SANITIZE_ADDRESS__)
    (void)bytes;
#else
    set_limit(RLIMIT_AS, bytes);
#endif
}

static void
write_all(int fd, struct span bytes)
{
    while (bytes.len > 0) {
        ssize_t n = write(fd, bytes.at, bytes.len);
        if (n <= 0)
            _exit(1);
        bytes = (struct span){bytes.at + n, bytes.len - (size_t)n};
    }
}

_Noreturn static void
child(const struct conf_convert *limits, uint64_t file_bytes,
      enum viaduct_converted (*work)(void *, struct conversion *), void *arg, int fd)
{
    struct conversion conversion = {.answer = VIADUCT_CONVERT_BAD};
    char answer;
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    sandbox_refuse_signals();
    signal(SIGALRM, SIG_DFL);
    alarm((unsigned)limits->time_s);
    set_limit(RLIMIT_CPU, (uint64_t)limits->time_s);
    set_limit(RLIMIT_CORE, 0);
    set_limit(RLIMIT_FSIZE, file_bytes);
    limit_memory(limits->memory);
    answer = (char)('0' + (int)work(arg, &conversion));
    write_all(fd, (struct span){&answer, 1});
    write_all(fd, (struct span){conversion.why.status, strlen(conversion.why.status) + 1});
    write_all(fd, (struct span){conversion.why.text, strlen(conversion.why.text) + 1});
    if (conversion.broken.len > ANSWER_MAX / 4)
        conversion.broken.len = ANSWER_MAX / 4;
    write_all(fd, buf_span(&conversion.broken));
    write_all(fd, (struct span){"", 1});
    if (conversion.report.len > ANSWER_MAX / 2)
        conversion.report.len = ANSWER_MAX / 2;
    write_all(fd, buf_span(&conversion.report));
    _exit(0);
}

static void
read_answer(int fd, struct buf *answer)
{
    char bytes[4096];
    for (ssize_t n; (n = read(fd, bytes, sizeof bytes)) > 0 || (n < 0 && errno == EINTR);)
        if (n > 0 && answer->len + (size_t)n <= ANSWER_MAX)
            buf_add(answer, bytes, (size_t)n);
}

static bool
take_answer(const struct buf *answer, struct conversion *conversion)
{
    const char *at = answer->at, *end = answer->at + answer->len;
    if (answer->len < 3 || at[0] < '0' || at[0] > '0' + (int)VIADUCT_CONVERT_ANSWERED)
        return false;
    const char *status = at + 1, *status_end = memchr(status, '\0', (size_t)(end - status));
    const char *text = status_end != NULL ? status_end + 1 : end;
    const char *text_end = text < end ? memchr(text, '\0', (size_t)(end - text)) : NULL;
    const char *broken = text_end != NULL ? text_end + 1 : end;
    const char *broken_end = broken < end ? memchr(broken, '\0', (size_t)(end - broken)) : NULL;
    if (broken_end == NULL)
        return false;
    conversion->answer = (enum viaduct_converted)(at[0] - '0');
    why_set(&conversion->why, status, "%s", text);
    buf_add(&conversion->broken, broken, (size_t)(broken_end - broken));
    buf_add(&conversion->report, broken_end + 1, (size_t)(end - broken_end - 1));
    return true;
}

static void
describe_end(int status, const struct conf_convert *limits, struct why *why)
{
    int number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    if (number == SIGALRM || number == SIGXCPU)
        why_set(why, "5.6.0", "the conversion took longer than %lld seconds (convert.time)",
                (long long)limits->time_s);
    else if (number == SIGXFSZ)
        why_set(why, "5.6.0", "the conversion made more of the message than it may become");
    else if (number == SIGABRT || number == SIGKILL)
        why_set(why, "5.6.0",
                "the conversion needed more memory than allowed (convert.memory), or found a fault of its own");
    else if (number != 0)
        why_set(why, "5.6.0", "the conversion crashed (signal %d)", number);
    else
        why_set(why, "5.6.0", "the conversion ended without an answer (status %d)", WEXITSTATUS(status));
}

void
converter_run(const struct conf_convert *limits, uint64_t file_bytes,
              enum viaduct_converted (*work)(void *arg, struct conversion *conversion), void *arg,
              struct conversion *conversion)
{
    struct buf answer = {0};
    int ends[2], status = 0;
    *conversion = (struct conversion){.answer = VIADUCT_CONVERT_BAD, .crashed = true};
    log_flush();
    pid_t pid = pipe2(ends, O_CLOEXEC) < 0 ? -1 : fork();
    if (pid == 0) {
        close(ends[0]);
        child(limits, file_bytes, work, arg, ends[1]);
    }
    if (pid < 0) {
        why_set(&conversion->why, "4.3.0", "cannot start a conversion: %s", strerror(errno));
        return;
    }
    close(ends[1]);
    read_answer(ends[0], &answer);
    close(ends[0]);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (status == 0 && take_answer(&answer, conversion))
        conversion->crashed = false;
    else
        describe_end(status, limits, &conversion->why);
    buf_clear(&answer);
}

void
conversion_clear(struct conversion *conversion)
{
    buf_clear(&conversion->broken);
    buf_clear(&conversion->report);
}
