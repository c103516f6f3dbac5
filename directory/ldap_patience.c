/* ldap_patience.c - no handshake takes longer than it may (see ldap_inside.h)
 *
 * libldap waits for a TLS handshake as long as it takes, whatever time-outs it was given. So below TLS lies a layer that waits for
 * octets itself, and no longer than `patience_ms` says.
 *
 * Source: lber-sockbuf(3).
 */
#include <errno.h>
#include <poll.h>

#include "directory/ldap_inside.h"

enum { LEVEL = (LBER_SBIOD_LEVEL_PROVIDER + LBER_SBIOD_LEVEL_TRANSPORT) / 2 }; /* above TCP, below TLS */

static ber_slen_t
patient_read(Sockbuf_IO_Desc *layer, void *bytes, ber_len_t size)
{
    struct ldap_link *link = layer->sbiod_pvt;
    struct pollfd socket = {.fd = -1, .events = POLLIN};
    if (link->patience_ms > 0 && ber_sockbuf_ctrl(layer->sbiod_sb, LBER_SB_OPT_GET_FD, &socket.fd) > 0) {
        int64_t left = link->patience_ms - monotonic_ms();
        if (left <= 0 || poll(&socket, 1, left < INT32_MAX ? (int)left : INT32_MAX) == 0) {
            link->impatient = true;
            errno = ETIMEDOUT;
            return -1;
        }
    }
    return LBER_SBIOD_READ_NEXT(layer, bytes, size);
}

static ber_slen_t
pass_write(Sockbuf_IO_Desc *layer, void *bytes, ber_len_t size)
{
    return LBER_SBIOD_WRITE_NEXT(layer, bytes, size);
}

static int
pass_ctrl(Sockbuf_IO_Desc *layer, int option, void *arg)
{
    return LBER_SBIOD_CTRL_NEXT(layer, option, arg);
}

static int
keep_link(Sockbuf_IO_Desc *layer, void *arg)
{
    layer->sbiod_pvt = arg;
    return 0;
}

static int
pass(Sockbuf_IO_Desc *layer)
{
    (void)layer;
    return 0;
}

static Sockbuf_IO patient_layer = {keep_link, pass, pass_ctrl, patient_read, pass_write, pass};

static int
add_layer(LDAP *ld, Sockbuf *sockbuf, LDAPURLDesc *server, struct sockaddr *address,
          struct ldap_conncb *callback)
{
    (void)ld;
    (void)server;
    (void)address;
    return ber_sockbuf_add_io(sockbuf, &patient_layer, LEVEL, callback->lc_arg);
}

static void
end_session(LDAP *ld, Sockbuf *sockbuf, struct ldap_conncb *callback)
{
    (void)ld;
    (void)sockbuf;
    (void)callback;
}

void
link_limit_sockets(struct ldap_link *link)
{
    link->callback = (struct ldap_conncb){add_layer, end_session, link};
}

void
link_be_patient(struct ldap_link *link, int64_t seconds)
{
    int64_t until = monotonic_ms() + seconds * 1000;
    link->patience_ms = seconds == 0 ? 0 : until < link->deadline_ms ? until : link->deadline_ms;
    if (link->patience_ms > 0)
        link->impatient = false;
}
