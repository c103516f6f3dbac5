/* smtp-server-fuzz.c - the SMTP and LMTP server fed with anything, by libFuzzer
 *
 * The first byte chooses the listener (SMTP or LMTP), PROXY and XCLIENT, bare newlines, and in which pieces the
 * rest comes; services are those of the unit tests. What must hold: no crash; every message taken has no CR; an
 * intake ends exactly once (the sanitizer would find the other).
 */
#include "t/smtp-server-rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static int
pair_for(int *server_end)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) < 0)
        abort();
    *server_end = ends[0];
    return ends[1];
}

static void
prepare(unsigned choice)
{
    static const char *lmtp[] = {"lmtp://127.0.0.1:0"}, *any[] = {"0.0.0.0/0", "::/0"};
    rig_init();
    if (choice & 1)
        rig.root.host.smtp.listen = rig_texts(lmtp, 1);
    if (choice & 2)
        rig.root.host.smtp.proxy_from = rig_texts(any, 2);
    if (choice & 4) {
        rig.root.host.smtp.allow = rig_texts(any, 2);
        rig.root.host.smtp.xclient_from = rig_texts(any, 2);
    }
    if (choice & 8)
        rig.root.host.smtp.bare_newline = "normalize";
    rig.hold_commits = (choice & 16) != 0;
    rig.root.host.limits.message = 10000;
    rig_start();
}

static void
turn(int fd)
{
    char answers[65536];
    event_base_loop(rig.base, EVLOOP_NONBLOCK);
    if (rig.held != NULL) {
        struct viaduct_intake *held = rig.held;
        rig.held = NULL;
        if (rig.last_body.len > 0 && memchr(rig.last_body.at, '\r', rig.last_body.len) != NULL)
            abort();
        rig_commit_now(held);
        event_base_loop(rig.base, EVLOOP_NONBLOCK);
    }
    while (recv(fd, answers, sizeof answers, 0) > 0)
        ;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    if (len < 1)
        return 0;
    unsigned choice = bytes[0];
    size_t piece = choice & 32 ? 7 : choice & 64 ? 100 : len;
    int server_end;
    prepare(choice);
    int fd = pair_for(&server_end);
    struct sockaddr local = {.sa_family = AF_UNIX};
    server_start_session(rig.server, &rig.server->listeners[0], server_end, &local);
    turn(fd);
    for (size_t at = 1; at < len; at += piece) {
        size_t part = len - at < piece ? len - at : piece;
        if (send(fd, bytes + at, part, MSG_NOSIGNAL) < 0)
            break;
        turn(fd);
    }
    for (int i = 0; i < 3; i++)
        turn(fd);
    close(fd);
    for (int i = 0; i < 3; i++)
        event_base_loop(rig.base, EVLOOP_NONBLOCK);
    rig_stop();
    return 0;
}
