/* trial_child.c - the child of a conversion for an operator (see trial.h)
 *
 *     limits --> (gather the item's files) --> nobody --> the module's conversion --> (spread the result) --> the answer
 *
 * Files beside an item are read as whoever asks, since nobody may not; for that a module parses the header file only, as its
 * carrier does. What is hostile here: all that is read.
 */
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "commands/kit.h"
#include "commands/trial_inside.h"

enum { NOBODY = 65534, FILE_MAX = 64 << 20, LINE_MAX_BYTES = 1900 };

struct child {
    struct trial *trial;
    struct viaduct_gateway gateway;
    FILE *tell;
    int from_fd; /* what is converted */
    uint64_t from_bytes;
    uint64_t files_at, shown_at; /* how far these are written */
    struct trial_file file;      /* the one being written; `what` NULL: none */
};

/* ---- streams ---- */

static ssize_t
read_at(int fd, uint64_t offset, void *bytes, size_t size)
{
    ssize_t n = pread(fd, bytes, size, (off_t)offset);
    return n < 0 ? -errno : n;
}

static ssize_t
read_source(void *arg, uint64_t offset, void *bytes, size_t size)
{
    return read_at(((const struct child *)arg)->from_fd, offset, bytes, size);
}

static ssize_t
read_item(void *arg, uint64_t offset, void *bytes, size_t size)
{
    return read_at(((const struct child *)arg)->trial->item_fd, offset, bytes, size);
}

static int
write_all(int fd, const void *bytes, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = write(fd, (const char *)bytes + done, len - done);
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        done += (size_t)n;
    }
    return 0;
}

static int
write_item(void *arg, const void *bytes, size_t len)
{
    return write_all(((struct child *)arg)->trial->item_fd, bytes, len);
}

static int
write_source(void *arg, const void *bytes, size_t len)
{
    struct child *child = arg;
    child->from_bytes += len;
    return write_all(child->from_fd, bytes, len);
}

/* ---- lines ---- */

/* A line is read in one piece: what is longer than LINE_MAX_BYTES would go on as another line. */
static void
tell(const struct child *child, int letter, struct span text)
{
    fprintf(child->tell, "%c ", letter);
    for (size_t i = 0; i < text.len && i < LINE_MAX_BYTES; i++)
        putc(text.at[i] == '\n' ? ' ' : text.at[i], child->tell);
    putc('\n', child->tell);
}

static void
tell_lost(void *arg, const char *line)
{
    tell(arg, TELLS_LOST, span_of(line));
}

static void
tell_pair(const struct child *child, struct span before, struct span after, struct viaduct_text *display,
          struct span name)
{
    struct buf line = {0};
    if (display != NULL)
        *display = (struct viaduct_text){name.at, name.len};
    buf_add_span(&line, before);
    buf_add_text(&line, " -> ");
    buf_add_span(&line, after);
    if (!span_equal(before, after))
        tell(child, TELLS_ADDRESS, buf_span(&line));
    buf_clear(&line);
}

/* Addresses of the header, as in the converters: only listed, so never a failure. */
static struct viaduct_text
translate_listed(void *arg, struct viaduct_text text, bool outwards, struct viaduct_text *display)
{
    const struct child *child = arg;
    const struct trial *trial = child->trial;
    struct arena *arena = trial->lookup->arena;
    struct translation translation;
    struct address address = {span_of(trial->system->address_type), {text.at, text.len}};
    struct why why;
    int r = -ENOENT;
    if (display != NULL)
        *display = (struct viaduct_text){"", 0};
    if (outwards && trial->delivery != NULL &&
        address_parse((struct span){text.at, text.len}, arena, &address, &why) == 0)
        r = translate_out(trial->translator, &address, ROLE_LISTED, arena, &translation, &why);
    else if (!outwards && trial->delivery == NULL)
        r = translate_in(trial->translator, &address, ROLE_LISTED, arena, &translation, &why);
    if (r < 0)
        return text;
    tell_pair(child, (struct span){text.at, text.len}, translation.address.value, display, translation.display);
    return (struct viaduct_text){translation.address.value.at, translation.address.value.len};
}

/* ---- the envelope, from foreign ---- */

static void
tell_person(const struct child *child, const char *word, struct viaduct_text text, enum address_role role)
{
    const struct trial *trial = child->trial;
    struct address address = {span_of(trial->system->address_type), {text.at, text.len}};
    struct translation translation;
    struct why why;
    struct buf line = {0};
    buf_printf(&line, "%s %.*s", word, (int)text.len, text.at);
    int r = text.len == 0
                ? -EINVAL
                : translate_in(trial->translator, &address, role, trial->lookup->arena, &translation, &why);
    if (r == 0)
        buf_printf(&line, " -> %.*s (%s)", (int)translation.address.value.len, translation.address.value.at,
                   address_rule_word(translation.rule));
    else if (text.len == 0)
        buf_add_text(&line, "<>");
    else
        buf_printf(&line, " -> nobody: %s %s", why.status, why.text);
    tell(child, TELLS_ENVELOPE, buf_span(&line));
    buf_clear(&line);
}

static int
take_envelope(void *arg, const struct viaduct_envelope_in *envelope,
              const struct viaduct_recipient_in *recipients, size_t n)
{
    const struct child *child = arg;
    tell_person(child, "from", envelope->originator, ROLE_ORIGINATOR);
    for (size_t i = 0; i < n; i++)
        tell_person(child,
                    recipients[i].kind == 2   ? "cc"
                    : recipients[i].kind == 3 ? "bcc"
                                              : "to",
                    recipients[i].address, ROLE_RESPONSIBLE);
    return 0;
}

/* ---- the files of the result ---- */

static void
end_file(struct child *child)
{
    const struct trial_file *file = &child->file;
    if (file->what == NULL)
        return;
    fprintf(child->tell, "%c %s %llu %llu %llu %llu %s\n", TELLS_FILE, file->what, (unsigned long long)file->at,
            (unsigned long long)(child->files_at - file->at), (unsigned long long)file->shown_at,
            (unsigned long long)(child->shown_at - file->shown_at), file->name);
    free(file->name);
    child->file.what = NULL;
}

static int
begin_file(void *arg, const char *what, const char *name)
{
    struct child *child = arg;
    end_file(child);
    if (!trial_name_fine(span_of(name)))
        return -EINVAL;
    child->file = (struct trial_file){
        .what = what, .name = xstrdup(name), .at = child->files_at, .shown_at = child->shown_at};
    return 0;
}

static int
add_data(void *arg, const void *bytes, size_t len)
{
    struct child *child = arg;
    child->files_at += len;
    return write_all(child->trial->files_fd, bytes, len);
}

static int
add_shown(void *arg, const void *bytes, size_t len)
{
    struct child *child = arg;
    child->shown_at += len;
    return write_all(child->trial->shown_fd, bytes, len);
}

static int
spread(struct child *child, struct viaduct_reason *reason)
{
    struct viaduct_convert_in in = {.size = sizeof in,
                                    .gateway = &child->gateway,
                                    .services = &kit_services,
                                    .id = TRIAL_ID,
                                    .need = "",
                                    .read = read_item,
                                    .arg = child};
    struct viaduct_files_out out = {
        .size = sizeof out, .file = begin_file, .data = add_data, .shown = add_shown, .arg = child};
    int result = child->trial->system->files->spread(&in, &out, reason);
    end_file(child);
    return result;
}

/* ---- limits ---- */

static void
limit(int resource, uint64_t value)
{
    struct rlimit both = {value, value};
    setrlimit((__rlimit_resource_t)resource, &both);
}

static const struct conf_convert *
limits_of(const struct trial *trial)
{
    static const struct conf_convert standard = {.time_s = 60, .memory = 256 << 20};
    return trial->connector != NULL ? &trial->connector->convert : &standard;
}

static void
set_limits(const struct trial *trial)
{
    const struct conf_convert *limits = limits_of(trial);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    alarm((unsigned)limits->time_s);
    limit(RLIMIT_CPU, (uint64_t)limits->time_s);
    limit(RLIMIT_CORE, 0);
#if !defined(__SANITIZE_ADDRESS__)
    limit(RLIMIT_AS, limits->memory);
#endif
}

static bool
become_nobody(const struct child *child)
{
    limit(RLIMIT_FSIZE, child->from_bytes * 4 + FILE_MAX);
    return geteuid() != 0 || (setgroups(0, NULL) == 0 && setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
}

/* ---- the whole ---- */

static enum viaduct_converted
run_module(struct child *child, struct viaduct_reason *reason)
{
    const struct trial *trial = child->trial;
    struct viaduct_convert_in in = {.size = sizeof in,
                                    .gateway = &child->gateway,
                                    .services = &kit_services,
                                    .id = TRIAL_ID,
                                    .need = "",
                                    .message = trial->delivery,
                                    .read = read_source,
                                    .arg = child,
                                    .bytes = child->from_bytes,
                                    .translate = translate_listed};
    struct viaduct_convert_out out = {.size = sizeof out,
                                      .write = write_item,
                                      .envelope = take_envelope,
                                      .report = tell_lost,
                                      .arg = child,
                                      .broken = tell_lost,
                                      .answer = write_item};
    const struct viaduct_convert_ops *ops = trial->system->convert;
    return trial->delivery != NULL ? ops->to_foreign(&in, &out, reason) : ops->from_foreign(&in, &out, reason);
}

static enum viaduct_converted
work(struct child *child, struct viaduct_reason *reason)
{
    const struct trial *trial = child->trial;
    if (trial->path != NULL && trial->system->files->gather(&kit_services, &child->gateway, trial->path,
                                                            write_source, child, reason) != 0)
        return VIADUCT_CONVERT_BAD;
    if (!become_nobody(child))
        _exit(1);
    enum viaduct_converted answer = run_module(child, reason);
    bool item = answer == (trial->delivery != NULL ? VIADUCT_CONVERTED : VIADUCT_CONVERT_ANSWERED);
    if (item && trial->spreads && spread(child, reason) != 0)
        return VIADUCT_CONVERT_BAD;
    return answer;
}

void
trial_child(struct trial *trial, int fd)
{
    struct viaduct_reason reason = {"", ""};
    struct child child = {
        .trial = trial, .tell = fdopen(fd, "w"), .from_fd = trial->fd, .from_bytes = trial->bytes};
    child.gateway = (struct viaduct_gateway){
        .root = trial->lookup->command->root, .connector = trial->connector, .quiet = true};
    if (trial->path != NULL)
        child.from_fd = memfd_create("source", MFD_CLOEXEC);
    if (child.tell == NULL || child.from_fd < 0)
        _exit(1);
    set_limits(trial);
    enum viaduct_converted answer = work(&child, &reason);
    tell(&child, TELLS_STATUS, span_of(reason.status));
    tell(&child, TELLS_REASON, span_of(reason.text));
    tell(&child, '0' + (int)answer, SPAN(""));
    _exit(fclose(child.tell) == 0 ? 0 : 1);
}
