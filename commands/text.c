/* text.c - times, sizes, colours and messages to a person (see command.h) */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "commands/command.h"
#include "conf/conf_schema.h"

int
command_fail(enum exit_code code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fflush(stdout);
    fputs("viaduct: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return (int)code;
}

static const char who_may[] =
    "; looking needs membership in the group viaduct-adm (privileges.admin-group), which must be there when "
    "viaduct is started or reloaded; changing needs root (or the user whose spool it is)";

int
command_fail_errno(int error, const char *format, ...)
{
    bool permission = error == EACCES || error == EPERM;
    va_list args;
    va_start(args, format);
    fflush(stdout);
    fputs("viaduct: ", stderr);
    vfprintf(stderr, format, args);
    fprintf(stderr, ": %s%s\n", strerror(error), permission ? who_may : "");
    va_end(args);
    return permission ? EXIT_PERMISSION : EXIT_NOTHING;
}

int
command_usage(const struct command *command, const char *format, ...)
{
    const struct verb *verb = command->verb;
    va_list args;
    va_start(args, format);
    fprintf(stderr, "viaduct: %s%s%s: ", verb->noun, verb->name[0] != '\0' ? " " : "", verb->name);
    vfprintf(stderr, format, args);
    fprintf(stderr, "\nusage: viaduct %s%s%s%s%s\n", verb->noun, verb->name[0] != '\0' ? " " : "", verb->name,
            verb->operands[0] != '\0' ? " " : "", verb->operands);
    va_end(args);
    return EXIT_USAGE;
}

bool
command_limit(const struct command *command, size_t *limit)
{
    uint64_t n = SIZE_MAX;
    const char *text = command->values[OPTION_LIMIT];
    if (text != NULL && !span_to_u64(span_of(text), SIZE_MAX, &n)) {
        command_usage(command, "--limit wants a number, not \"%s\"", text);
        return false;
    }
    *limit = n;
    return true;
}

int
command_since(const struct command *command, int64_t *since_ms)
{
    const char *text = command->values[OPTION_SINCE];
    *since_ms = 0;
    if (text != NULL && !parse_when(text, true, since_ms))
        return command_usage(command, "--since wants a time like 2h, 3d or 2026-11-25, not \"%s\"", text);
    *since_ms *= 1000;
    return 0;
}

const char *
command_who(void)
{
    static char who[64]; /* of this process: never changes */
    if (who[0] == '\0') {
        const char *sudo = getenv("SUDO_USER");
        const struct passwd *user = getpwuid(getuid());
        if (getuid() == 0 && sudo != NULL && sudo[0] != '\0')
            snprintf(who, sizeof who, "%.60s", sudo);
        else if (user != NULL)
            snprintf(who, sizeof who, "%.60s", user->pw_name);
        else
            snprintf(who, sizeof who, "uid%u", (unsigned)getuid());
        for (char *p = who; *p != '\0'; p++) /* it goes into logs and names nothing */
            if (!isalnum((unsigned char)*p) && strchr("-_.@$", *p) == NULL)
                *p = '?';
    }
    return who;
}

const char *
command_offline(const struct command *command)
{
    return command->offline ? " (offline)" : "";
}

bool
command_confirm(const struct command *command, const char *format, ...)
{
    if (command_has(command, OPTION_YES))
        return true;
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
        return false;
    va_list args;
    va_start(args, format);
    fflush(stdout);
    vfprintf(stderr, format, args);
    va_end(args);
    fputs(" [y/N] ", stderr);
    int answer = getchar();
    for (int c = answer; c != '\n' && c != EOF;)
        c = getchar();
    return answer == 'y' || answer == 'Y';
}

const char *
colour_on(enum colour colour)
{
    static const char *const sequences[] = {"\033[0m",  "\033[31m", "\033[32m",
                                            "\033[33m", "\033[1m",  "\033[2m"};
    static int wanted = -1;
    if (wanted < 0) {
        const char *no = getenv("NO_COLOR");
        const char *term = getenv("TERM");
        wanted =
            isatty(STDOUT_FILENO) && (no == NULL || no[0] == '\0') && term != NULL && strcmp(term, "dumb") != 0;
    }
    return wanted ? sequences[colour] : "";
}

void
print_age(int64_t seconds, char text[24])
{
    int64_t s = seconds < 0 ? 0 : seconds;
    if (s < 60)
        snprintf(text, 24, "%" PRId64 "s", s);
    else if (s < 3600)
        snprintf(text, 24, "%" PRId64 "m", s / 60);
    else if (s < 86400)
        snprintf(text, 24, "%" PRId64 "h%02" PRId64 "m", s / 3600, s % 3600 / 60);
    else
        snprintf(text, 24, "%" PRId64 "d%02" PRId64 "h", s / 86400, s % 86400 / 3600);
}

void
print_time(int64_t time_s, char text[32])
{
    time_t t = (time_t)time_s;
    struct tm tm;
    if (gmtime_r(&t, &tm) == NULL || strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        snprintf(text, 32, "1970-01-01T00:00:00Z");
}

void
print_time_ms(int64_t time, char text[40])
{
    char seconds[32];
    int64_t ms = time % 1000;
    if (ms < 0)
        ms += 1000;
    print_time((time - ms) / 1000, seconds);
    snprintf(text, 40, "%.*s.%03dZ", (int)strlen(seconds) - 1, seconds, (int)ms);
}

void
print_bytes(uint64_t bytes, char text[24])
{
    static const char units[] = "KMGTPE";
    if (bytes < 1024) {
        snprintf(text, 24, "%" PRIu64, bytes);
        return;
    }
    double value = (double)bytes / 1024;
    size_t unit = 0;
    while (value >= 1024 && unit < sizeof units - 2) {
        value /= 1024;
        unit++;
    }
    snprintf(text, 24, value < 10 ? "%.1f%c" : "%.0f%c", value, units[unit]);
}

/* Units as in the configuration, where their letters may be large or small. */
enum { UNITS_MAX = 32 };

static struct span
with_case(const char *text, int (*to_case)(int), char copy[UNITS_MAX])
{
    size_t len = strlen(text);
    if (len == 0 || len >= UNITS_MAX)
        return SPAN("");
    memcpy(copy, text, len + 1);
    copy[len - 1] = (char)to_case((unsigned char)copy[len - 1]);
    return (struct span){copy, len};
}

bool
parse_duration(const char *text, int64_t *seconds)
{
    char copy[UNITS_MAX];
    return conf_time_parse(with_case(text, tolower, copy), seconds);
}

bool
parse_size(const char *text, int64_t *bytes)
{
    char copy[UNITS_MAX];
    return conf_bytes_parse(with_case(text, toupper, copy), bytes);
}

bool
parse_when(const char *text, bool past, int64_t *time_s)
{
    int64_t seconds;
    struct tm tm = {0};
    if (parse_duration(text, &seconds)) {
        int64_t now = time_ms() / 1000;
        *time_s = past ? now - seconds : now + seconds;
        return *time_s > 0;
    }
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M", &tm);
    if (rest == NULL)
        rest = strptime(text, "%Y-%m-%d", &tm);
    else if (*rest == ':')
        rest = strptime(rest, ":%S", &tm);
    if (rest == NULL || (strcmp(rest, "Z") != 0 && *rest != '\0'))
        return false;
    /* Without a Z it is what the operator's clock shows. */
    tm.tm_isdst = -1;
    time_t t = *rest == 'Z' ? timegm(&tm) : mktime(&tm);
    *time_s = (int64_t)t;
    return t > 0;
}
