/* sendmail.c - viaduct-sendmail: takes a message from a program and leaves it in drop/
 *
 * The usual command line of sendmail(8), as cron, mail(1), git send-email and web applications call it. It
 * needs no daemon and no rights but to put a file into drop/: the message is written under a name with a dot,
 * which pickup leaves alone, made durable, and renamed. What the envelope means is for pickup to say; here it
 * is only passed on, as the X-Sender and X-Receiver lines of the drop form.
 *
 * What is hostile here: nothing that the caller could not write into drop/ himself. Addresses with control
 * bytes are refused all the same, since they would end an envelope line.
 *
 * Exit codes are those of sysexits.h: 0 it lies in drop/ and is durable; EX_USAGE; EX_DATAERR an address or a
 * message that cannot be; EX_NOINPUT; EX_CONFIG no spool is known; EX_CANTCREAT, EX_NOPERM drop/ takes it not;
 * EX_TEMPFAIL disk full; EX_IOERR; EX_UNAVAILABLE for what this program does not do (-bs, -bd, -q).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "commands/sendmail.h"
#include "common/id.h"
#include "conf/conf.h"
#include "spool-layout/layout.h"

#ifndef VIADUCT_SYSCONFDIR
#define VIADUCT_SYSCONFDIR "/etc"
#endif

static const char program[] = "viaduct-sendmail";

enum { CONF_MAX = 4 << 20 };

int
sendmail_fail(int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s: ", program);
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n");
    va_end(args);
    return status;
}

/* ---- command line ---- */

static int
read_mode(const char *mode)
{
    if (strcmp(mode, "m") == 0)
        return EX_OK;
    if (strcmp(mode, "s") == 0)
        return sendmail_fail(
            EX_UNAVAILABLE,
            "-bs: no SMTP on standard input; send to the server's SMTP port, or give the message "
            "on standard input with its recipients as arguments");
    if (strcmp(mode, "p") == 0)
        return sendmail_fail(EX_UNAVAILABLE, "-bp: `viaduct queue list` shows the queues");
    if (strcmp(mode, "d") == 0 || strcmp(mode, "D") == 0)
        return sendmail_fail(EX_UNAVAILABLE, "-b%s: `viaduct start` starts the daemons", mode);
    if (strcmp(mode, "i") == 0)
        return sendmail_fail(
            EX_UNAVAILABLE, "-bi: there are no aliases to build; `viaduct book build` builds the address book");
    if (strcmp(mode, "v") == 0 || strcmp(mode, "t") == 0)
        return sendmail_fail(EX_UNAVAILABLE, "-b%s: `viaduct route ADDRESS` says where an address leads", mode);
    return sendmail_fail(EX_USAGE, "-b%s: unknown mode", mode);
}

/* -o with its value; all but -oi concern a sendmail that delivers itself. */
static void
read_o(struct options *options, const char *value)
{
    if (strcmp(value, "i") == 0 || strcasecmp(value, "ignoredots") == 0)
        options->dot_is_text = true;
}

static int
read_options(struct options *options, int argc, char **argv)
{
    int status = EX_OK;
    opterr = 0;
    /* With "+": options end at the first recipient, as with every sendmail. */
    for (int c; status == EX_OK &&
                (c = getopt(argc, argv, "+:A:B:C:F:GL:N:O:R:UV:X:b:c:d:e:f:h:imno:p:q::r:tv")) != -1;) {
        switch (c) {
        case 'C':
            options->conf = optarg;
            break;
        case 'F':
            options->full_name = optarg;
            break;
        case 'N':
            options->notify = optarg;
            break;
        case 'R':
            options->ret = optarg;
            break;
        case 'V':
            options->envid = optarg;
            break;
        case 'b':
            status = read_mode(optarg);
            break;
        case 'f':
        case 'r':
            options->sender = optarg;
            break;
        case 'i':
            options->dot_is_text = true;
            break;
        case 'o':
            read_o(options, optarg);
            break;
        case 'q':
            status = sendmail_fail(EX_UNAVAILABLE, "-q: `viaduct queue retry all` tries what is deferred");
            break;
        case 't':
            options->header_recipients = true;
            break;
        case 'v':
            options->verbose = true;
            break;
        case ':':
            status = sendmail_fail(EX_USAGE, "-%c needs a value", optopt);
            break;
        case '?':
            status = sendmail_fail(EX_USAGE, "-%c: unknown option", optopt);
            break;
        default: /* -A -B -G -L -O -U -X -c -d -e -h -m -n -p: nothing to do with them here */
            break;
        }
    }
    options->recipients = argv + optind;
    options->n_recipients = argc - optind;
    if (status == EX_OK && options->n_recipients == 0 && !options->header_recipients)
        status = sendmail_fail(EX_USAGE,
                               "no recipients; give them as arguments, or -t to take them from the header");
    return status;
}

/* ---- drop/ ---- */

static int
failed_status(int error, const char *what)
{
    int status = error == -ENOSPC || error == -EDQUOT  ? EX_TEMPFAIL
                 : error == -EACCES || error == -EPERM ? EX_NOPERM
                 : error == -EROFS || error == -ENOENT ? EX_CANTCREAT
                                                       : EX_IOERR;
    return sendmail_fail(status, "%s: %s", what, strerror(-error));
}

/* The name that is still being written, for the handler of signals. */
static int drop_fd = -1;
static int conf_folder_fd = AT_FDCWD;
static char temp_name[QUEUE_NAME_MAX];

static _Noreturn void
on_signal(int number)
{
    if (temp_name[0] != '\0')
        spool_remove(drop_fd, temp_name);
    _exit(128 + number);
}

/* The text of the configuration. An ordinary user may not read the secrets it names, and need not: conf_read()
 * opens none of them. */
static int
slurp(const char *path, struct buf *text)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ssize_t n = fd < 0 ? -1 : 1;
    while (n > 0 && text->len < CONF_MAX) {
        buf_reserve(text, 65536);
        n = read(fd, text->at + text->len, 65536);
        text->len += n > 0 ? (size_t)n : 0;
    }
    int error = n < 0 ? -errno : text->len >= CONF_MAX ? -EFBIG : 0;
    if (fd >= 0)
        close(fd);
    return error;
}

/* A relative spool is meant from where the configuration lies, whoever calls us from wherever. */
static int
open_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return AT_FDCWD;
    char *folder = xasprintf("%.*s", (int)(slash - path) + 1, path);
    int fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    return fd < 0 ? AT_FDCWD : fd;
}

static struct conf *
load_configuration(const struct options *options)
{
    const char *path = options->conf;
    struct buf errors = {0}, text = {0};
    if (path == NULL)
        path = getenv("VIADUCT_CONF");
    if (path == NULL)
        path = VIADUCT_SYSCONFDIR "/viaduct/viaduct.conf";
    int error = slurp(path, &text);
    conf_folder_fd = open_folder_of(path);
    struct conf *conf = error < 0 ? NULL : conf_read(path, buf_span(&text), &errors);
    if (error < 0)
        sendmail_fail(EX_CONFIG, "no spool is known: %s: %s", path, strerror(-error));
    else if (conf == NULL)
        sendmail_fail(EX_CONFIG, "no spool is known: %s", errors.len > 0 ? errors.at : path);
    buf_clear(&errors);
    buf_clear(&text);
    return conf;
}

/* O_PATH: drop/ lets us in to write and not to look around. */
static int
open_drop(const char *spool_path)
{
    char folder[SPOOL_PATH_MAX];
    folder_path(FOLDER_DROP, NULL, folder);
    int spool = openat(conf_folder_fd, spool_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    drop_fd = spool < 0 ? -1 : openat(spool, folder, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    int error = drop_fd < 0 ? -errno : 0;
    if (spool >= 0)
        close(spool);
    return error < 0 ? failed_status(error, spool_path) : EX_OK;
}

/* On a spool that an ordinary user runs drop/ is that user's, without the set-gid bit: root's file would be closed to pickup.
 * Only what root has just made is given away. */
static int
give_to_spool(int fd)
{
    struct stat folder;
    if (geteuid() != 0)
        return 0;
    if (fstat(drop_fd, &folder) < 0)
        return -errno;
    if (folder.st_uid == 0 || (folder.st_mode & S_ISGID))
        return 0;
    return fchown(fd, folder.st_uid, folder.st_gid) < 0 ? -errno : 0;
}

/* Writes the dot file, whole and durable. Its descriptor is handed back: -1 where the status is not EX_OK. */
static int
write_file(struct input *input, ssize_t first, struct span head, int *file_fd)
{
    int fd = openat(drop_fd, temp_name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
    if (fd < 0) {
        int error = -errno;
        temp_name[0] = '\0';
        return failed_status(error, "cannot write into the spool's drop folder");
    }
    /* drop/ is set-gid: its group, pickup's, may read what a umask would have hidden. */
    int error = fchmod(fd, 0640) < 0 ? -errno : sendmail_write(fd, head.at, head.len);
    if (error == 0)
        error = sendmail_write_body(input, first, fd);
    if (error == 0)
        error = give_to_spool(fd);
    if (error == 0 && fsync(fd) < 0)
        error = -errno;
    if (error == 0) {
        *file_fd = fd;
        return EX_OK;
    }
    close(fd);
    return failed_status(error, "cannot write the message");
}

static int
drop_message(struct input *input, ssize_t first, struct span head, bool verbose)
{
    char id[ID_LEN + 1], name[QUEUE_NAME_MAX];
    id_start(0, (uint16_t)getpid());
    id_new(id);
    snprintf(temp_name, sizeof temp_name, ".%s.tmp", id);
    snprintf(name, sizeof name, "%s.eml", id);
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    int fd = -1, status = write_file(input, first, head, &fd);
    if (status == EX_OK) {
        int error = spool_move(drop_fd, temp_name, drop_fd, name);
        /* Once more for the new name, since drop/ cannot be opened to be synced itself. */
        if (error == 0 && fsync(fd) < 0)
            error = -errno;
        status = error < 0 ? failed_status(error, "cannot leave the message in the drop folder") : EX_OK;
        close(fd);
    }
    if (status != EX_OK && temp_name[0] != '\0')
        spool_remove(drop_fd, temp_name);
    temp_name[0] = '\0';
    if (status == EX_OK && verbose)
        printf("left as %s\n", name);
    return status;
}

static int
send_message(const struct options *options, const struct conf_root *root)
{
    struct input input = {.dot_is_text = options->dot_is_text};
    struct buf header = {0}, head = {0};
    ssize_t first = 0;
    const char *domain = root->host.domains.n > 0 ? root->host.domains.at[0] : root->node;
    int status = sendmail_read_header(&input, &header, &first);
    if (status == EX_OK)
        status = sendmail_envelope(options, buf_span(&header), &head);
    if (status == EX_OK)
        status = open_drop(root->spool);
    if (status == EX_OK) {
        sendmail_add_from(options, buf_span(&header), domain, &head);
        buf_add_span(&head, buf_span(&header));
        buf_add_byte(&head, '\n');
        status = drop_message(&input, first, buf_span(&head), options->verbose);
    }
    free(input.line);
    buf_clear(&header);
    buf_clear(&head);
    return status;
}

int
main(int argc, char **argv)
{
    struct options options = {0};
    signal(SIGPIPE, SIG_IGN);
    int status = read_options(&options, argc, argv);
    if (status != EX_OK)
        return status;
    struct conf *conf = load_configuration(&options);
    status = conf != NULL ? send_message(&options, conf_root(conf)) : EX_CONFIG;
    conf_free(conf);
    return status;
}
