/* tls.h - OpenSSL contexts for the SMTP server and client, made from a `tls` section
 *
 * At least TLS 1.2, no renegotiation, no compression. Everything that lies in files (chain, key, authorities,
 * OpenSSL's own configuration and error texts) is read when a context is made, which is before the sandbox
 * closes.
 *
 *     server   tls_server_new(conf.smtp.tls) -> tls_server_ssl() for each connection -> conn_secure()
 *     client   tls_client_new(conf.peer.tls) -> tls_client_ssl(host) for each connection -> conn_secure()
 *
 * A client's handshake fails (conn's ops->closed, 4.7.5) unless the peer is who `mode` wants it to be:
 *
 *     none     no TLS is to be begun
 *     may      any certificate; no TLS where the peer offers none
 *     encrypt  any certificate; no mail without TLS
 *     verify   a chain to an authority of ca-file (the system's where not set) and the host's name in the
 * certificate pin      the SHA-256 of the leaf's public key (SubjectPublicKeyInfo) is one of pins; chain, name
 * and dates do not count. Only the leaf is looked at: the rest of an unverified chain is whatever the peer
 * likes.
 *
 * Sources: RFC 5280, RFC 6125, RFC 7469 section 2.4 (how a pin is computed), RFC 8314, RFC 8996.
 */
#ifndef VIADUCT_TLS_H
#define VIADUCT_TLS_H

#include <openssl/ssl.h>

#include "common/buf.h"
#include "conf/conf.h"

enum tls_mode { TLS_NONE, TLS_MAY, TLS_ENCRYPT, TLS_VERIFY, TLS_PIN };

/* The mode of a section's word; NULL and an unknown word are TLS_MAY. */
enum tls_mode tls_mode_by_word(const char *word);

/* ---- server ---- */

/* A context with the section's certificate and key. Returns NULL with `why` (no certificate set, unreadable,
 * key does not belong to it). Free with SSL_CTX_free(). */
SSL_CTX *tls_server_new(const struct conf_tls *tls, struct why *why);

/* An SSL in accept state, for conn_secure(); NULL when out of memory. */
SSL *tls_server_ssl(SSL_CTX *context);

/* ---- client ---- */

struct tls_client;

/* Reads what the section names; with a certificate and key in it the client shows them when asked. Returns NULL
 * with `why`: unreadable files, mode pin without a valid pin. Mode none gives a client whose tls_client_ssl()
 * refuses. */
struct tls_client *tls_client_new(const struct conf_tls *tls, struct why *why);
void tls_client_free(struct tls_client *client); /* NULL is allowed */
enum tls_mode tls_client_mode(const struct tls_client *client);

/* An SSL in connect state, for conn_secure(), which will check that the peer is `host` (a name or an IP
 * address; the section's `name` goes before it) as the mode wants. The name is sent along (SNI). NULL with
 * `why` (4.7.5). */
SSL *tls_client_ssl(struct tls_client *client, const char *host, struct why *why);

/* ---- both ---- */

/* Adds what was agreed on: "TLSv1.3 TLS_AES_256_GCM_SHA384". */
void tls_describe(const SSL *ssl, struct buf *out);

/* Adds the pin of the peer's certificate (base64), for an operator to copy; nothing where it showed none. */
void tls_peer_pin(const SSL *ssl, struct buf *out);

#endif
