/* simulate_side.c - what one connector would be given of a message (see simulate.h)
 *
 * A system without a form of its own gets the message as it is, with translated addresses in the header. Another's
 * module converts it here as in its converter: in a child, for the message is hostile, with the limits of the
 * connector's section `convert`, and where root asks as the user nobody. The child tells in lines, "<letter> text",
 * what the module says; what it writes goes into a file in memory.
 *
 * What is hostile here: the message, and so the child once it has read it.
 */
#include "commands/simulate.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "commands/kit.h"
#include "common/header_scan.h"
#include "systems/registry.h"

enum { LINES_MAX = 1000, ITEM_SHOWN = 64 << 10, NOBODY = 65534 };

/* ---- a header with other addresses ---- */

/* Compares both headers field by field: translating neither adds a field nor takes one away. */
static void
compare_headers(struct span before, struct span after, struct buf *out)
{
    struct span name, old, new, new_name;
    while (header_next(&before, &name, &old) && header_next(&after, &new_name, &new)) {
        old = span_trim(old);
        new = span_trim(new);
        if (span_equal(old, new))
            continue;
        buf_printf(out, "%.*s: ", (int)name.len, name.at);
        for (size_t i = 0; i < old.len; i++)
            buf_add_byte(out, old.at[i] == '\n' ? ' ' : old.at[i]);
        buf_add_text(out, " -> ");
        for (size_t i = 0; i < new.len; i++)
            buf_add_byte(out, new.at[i] == '\n' ? ' ' : new.at[i]);
        buf_add_byte(out, '\n');
    }
}

static void
translate_fields(struct sim_side *side, const struct sim_message *message)
{
    struct buf header = {0};
    if (translate_header(side->translator, true, buf_span(&message->header), &header) < 0)
        buf_add_text(&side->headers, "(the address book cannot be read now)\n");
    else
        compare_headers(buf_span(&message->header), buf_span(&header), &side->headers);
    buf_clear(&header);
}

/* ---- in the child ---- */

struct child {
    struct lookup *lookup;
    struct sim_side *side;
    const struct sim_message *message;
    FILE *tell;
    int item_fd;
};

static ssize_t
read_message(void *arg, uint64_t offset, void *bytes, size_t size)
{
    const struct child *child = arg;
    ssize_t n = pread(child->message->fd, bytes, size, (off_t)offset);
    return n < 0 ? -errno : n;
}

static int
write_item(void *arg, const void *bytes, size_t len)
{
    struct child *child = arg;
    for (size_t done = 0; done < len;) {
        ssize_t n = write(child->item_fd, (const char *)bytes + done, len - done);
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        done += (size_t)n;
    }
    return 0;
}

static void
tell(const struct child *child, char letter, struct span text)
{
    fprintf(child->tell, "%c ", letter);
    for (size_t i = 0; i < text.len; i++)
        putc(text.at[i] == '\n' ? ' ' : text.at[i], child->tell);
    putc('\n', child->tell);
}

static void
tell_lost(void *arg, const char *line)
{
    tell(arg, 'l', span_of(line));
}

/* Addresses of the header, as in the converter: only listed, so never a failure. */
static struct viaduct_text
translate_listed(void *arg, struct viaduct_text text, bool outwards, struct viaduct_text *display)
{
    struct child *child = arg;
    struct arena *arena = child->lookup->arena;
    struct translation translation;
    struct address address;
    struct buf line = {0};
    struct why why;
    if (display != NULL)
        *display = (struct viaduct_text){"", 0};
    if (!outwards || address_parse((struct span){text.at, text.len}, arena, &address, &why) < 0 ||
        translate_out(child->side->translator, &address, ROLE_LISTED, arena, &translation, &why) < 0)
        return text;
    if (display != NULL)
        *display = (struct viaduct_text){translation.display.at, translation.display.len};
    buf_add(&line, text.at, text.len);
    buf_add_text(&line, " -> ");
    buf_add_span(&line, translation.address.value);
    tell(child, 'h', buf_span(&line));
    buf_clear(&line);
    return (struct viaduct_text){translation.address.value.at, translation.address.value.len};
}

static void
limit(int resource, uint64_t value)
{
    struct rlimit both = {value, value};
    setrlimit((__rlimit_resource_t)resource, &both);
}

static void
confine(const struct child *child, const struct conf_convert *limits)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setgid(NOBODY) < 0 || setuid(NOBODY) < 0))
        _exit(1);
    alarm((unsigned)limits->time_s);
    limit(RLIMIT_CPU, (uint64_t)limits->time_s);
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_FSIZE, child->message->bytes * 4 + (64 << 20));
#if !defined(__SANITIZE_ADDRESS__)
    limit(RLIMIT_AS, limits->memory);
#endif
}

_Noreturn static void
convert_in_child(struct child *child, const struct viaduct_system *system,
                 const struct viaduct_delivery *delivery, const struct conf_convert *limits)
{
    struct viaduct_gateway gateway = {
        .root = child->lookup->command->root, .connector = child->side->connector, .quiet = true};
    struct viaduct_reason reason = {"", ""};
    struct viaduct_convert_in in = {.size = sizeof in,
                                    .gateway = &gateway,
                                    .services = &kit_services,
                                    .id = delivery->id,
                                    .need = "",
                                    .message = delivery,
                                    .read = read_message,
                                    .arg = child,
                                    .bytes = child->message->bytes,
                                    .translate = translate_listed};
    struct viaduct_convert_out out = {
        .size = sizeof out, .write = write_item, .report = tell_lost, .broken = tell_lost, .arg = child};
    confine(child, limits);
    enum viaduct_converted answer = system->convert->to_foreign(&in, &out, &reason);
    tell(child, 's', span_of(reason.status));
    tell(child, 't', span_of(reason.text));
    tell(child, (char)('0' + (int)answer), SPAN(""));
    _exit(fclose(child->tell) == 0 ? 0 : 1);
}

/* ---- in the parent ---- */

struct answer {
    int converted; /* -1: none came */
    char status[12], text[500];
};

/* A module may ask for an address more than once. */
static void
add_once(struct buf *lines, const char *text)
{
    size_t len = strlen(text);
    for (size_t at = 0; at < lines->len;) {
        size_t n = (size_t)((const char *)memchr(lines->at + at, '\n', lines->len - at) - (lines->at + at));
        if (n == len && memcmp(lines->at + at, text, len) == 0)
            return;
        at += n + 1;
    }
    buf_printf(lines, "%s\n", text);
}

static void
take_line(struct sim_side *side, struct answer *answer, const char *line)
{
    const char *text = line[0] != '\0' && line[1] == ' ' ? line + 2 : "";
    if (line[0] == 'l')
        buf_printf(&side->lost, "%s\n", text);
    else if (line[0] == 'h')
        add_once(&side->headers, text);
    else if (line[0] == 's')
        snprintf(answer->status, sizeof answer->status, "%.11s", text);
    else if (line[0] == 't')
        snprintf(answer->text, sizeof answer->text, "%.499s", text);
    else if (line[0] >= '0' && line[0] <= '0' + VIADUCT_CONVERT_BAD)
        answer->converted = line[0] - '0';
}

static struct answer
read_answer(struct sim_side *side, int fd)
{
    struct answer answer = {.converted = -1};
    char line[2000];
    FILE *file = fdopen(fd, "r");
    for (size_t n = 0; file != NULL && fgets(line, sizeof line, file) != NULL; n++) {
        line[strcspn(line, "\n")] = '\0';
        if (n < LINES_MAX || (line[0] != 'l' && line[0] != 'h'))
            take_line(side, &answer, line);
    }
    if (file != NULL)
        fclose(file);
    else
        close(fd);
    return answer;
}

static void
take_item(struct sim_side *side, int fd)
{
    struct stat st;
    char *bytes = xmalloc(ITEM_SHOWN);
    ssize_t n = pread(fd, bytes, ITEM_SHOWN, 0);
    if (n > 0)
        buf_add(&side->item, bytes, (size_t)n);
    side->item_bytes = fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
    free(bytes);
}

static void
judge(struct sim_side *side, const struct answer *answer, int status)
{
    side->bad = answer->converted < 0 || answer->converted == VIADUCT_CONVERT_BAD;
    side->failed = answer->converted != VIADUCT_CONVERTED;
    if (answer->converted >= 0)
        why_set(&side->why, answer->status, "%s", answer->text);
    else if (WIFSIGNALED(status))
        why_set(&side->why, "5.6.0",
                "the conversion passed the limits of the section convert, or crashed (signal %d)",
                WTERMSIG(status));
    else
        why_set(&side->why, "5.6.0", "the conversion ended without an answer");
}

static void
run_child(struct child *child, const struct viaduct_system *system, const struct viaduct_delivery *delivery)
{
    static const struct conf_convert standard = {.time_s = 60, .memory = 256 << 20};
    const struct conf_convert *limits =
        child->side->connector != NULL ? &child->side->connector->convert : &standard;
    int ends[2], status = 0;
    child->item_fd = memfd_create("item", MFD_CLOEXEC);
    fflush(NULL);
    if (child->item_fd < 0 || pipe(ends) < 0) {
        child->side->failed = true;
        why_set(&child->side->why, "4.3.0", "no conversion can be started: %s", strerror(errno));
        return;
    }
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        child->tell = fdopen(ends[1], "w");
        if (child->tell == NULL)
            _exit(1);
        convert_in_child(child, system, delivery, limits);
    }
    close(ends[1]);
    struct answer answer = read_answer(child->side, ends[0]);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    judge(child->side, &answer, status);
    if (!child->side->failed)
        take_item(child->side, child->item_fd);
    close(child->item_fd);
}

static struct viaduct_text
text_of(struct span span)
{
    return (struct viaduct_text){span.at, span.len};
}

void
sim_side_convert(struct lookup *lookup, struct sim_side *side, const struct sim_message *message,
                 const struct sim_recipient *recipients, size_t n)
{
    struct why why;
    const struct viaduct_system *system = registry_for(lookup->command->root, side->connector, false, &why);
    struct viaduct_recipient_out *out = xcalloc(n + 1, sizeof *out);
    struct viaduct_delivery delivery = {.size = sizeof delivery,
                                        .id = "0000000000000000000000SIMU",
                                        .originator = text_of(side->sender.value),
                                        .smtputf8 = false,
                                        .body_8bit = message->eight_bit,
                                        .recipients = out,
                                        .bytes = message->bytes,
                                        .arrival_ms = time_ms()};
    for (size_t i = 0; i < n; i++)
        if (recipients[i].side == side && recipients[i].fails == NULL)
            out[delivery.n_recipients++] =
                (struct viaduct_recipient_out){.address = text_of(recipients[i].becomes.address.value),
                                               .original = text_of(recipients[i].address.value),
                                               .display = text_of(recipients[i].becomes.display),
                                               .kind = 1,
                                               .responsible = true};
    side->converts = system != NULL && system->always_convert && system->convert != NULL &&
                     system->convert->to_foreign != NULL;
    struct child child = {.lookup = lookup, .side = side, .message = message};
    if (side->converts)
        run_child(&child, system, &delivery);
    else
        translate_fields(side, message);
    free(out);
}

void
sim_side_clear(struct sim_side *side)
{
    translator_free(side->translator);
    buf_clear(&side->headers);
    buf_clear(&side->lost);
    buf_clear(&side->item);
}
