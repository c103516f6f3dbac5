/* tls.c - OpenSSL contexts for the SMTP server and client (see tls.h)
 *
 * What is hostile here: the peer's certificate. Chains and names are judged by OpenSSL; pins by a comparison of
 * digests.
 */
#include "systems/smtp/tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/secret.h"

enum { PIN_BYTES = 32, PIN_TEXT = 44 };

struct tls_client {
    SSL_CTX *context;
    enum tls_mode mode;
    char *name;
    unsigned char (*pins)[PIN_BYTES];
    size_t n_pins;
};

enum tls_mode
tls_mode_by_word(const char *word)
{
    static const char *const words[] = {"none", "may", "encrypt", "verify", "pin"};
    for (size_t i = 0; word != NULL && i < COUNT_OF(words); i++)
        if (strcmp(word, words[i]) == 0)
            return (enum tls_mode)i;
    return TLS_MAY;
}

/* ---- contexts ---- */

/* Says what OpenSSL says; its queue of errors is emptied. */
static void
why_openssl(struct why *why, const char *what, const char *subject)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    why_set(why, "4.7.5", "%s%s%s: %s", what, subject ? " " : "", subject ? subject : "",
            reason ? reason : "failed");
    ERR_clear_error();
}

static SSL_CTX *
context_new(const SSL_METHOD *method)
{
    /* Error texts and openssl.cnf now, not in the sandbox. */
    OPENSSL_init_ssl(
        OPENSSL_INIT_LOAD_SSL_STRINGS | OPENSSL_INIT_LOAD_CRYPTO_STRINGS | OPENSSL_INIT_LOAD_CONFIG, NULL);
    SSL_CTX *context = SSL_CTX_new(method);
    if (context == NULL)
        return NULL;
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    /* SMTP has its own ends, so a TCP end without close_notify cuts nothing off unseen. */
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
    return context;
}

/* The key may be a file that only the master could open. */
static bool
context_use_key(SSL_CTX *context, const char *path, struct why *why)
{
    struct buf text = {0};
    int r = secret_read(path, &text);
    BIO *bio = r == 0 ? BIO_new_mem_buf(text.at, (int)text.len) : NULL;
    EVP_PKEY *key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
    bool used = key != NULL && SSL_CTX_use_PrivateKey(context, key) == 1;
    if (r < 0)
        why_set(why, "4.7.5", "cannot read the key %s: %s", path, strerror(-r));
    else if (!used)
        why_openssl(why, "cannot use the key", path);
    EVP_PKEY_free(key);
    BIO_free(bio);
    secret_wipe(&text);
    return used;
}

/* Chain and key, where the section has them. Returns false with `why`. */
static bool
context_identify(SSL_CTX *context, const struct conf_tls *tls, struct why *why)
{
    const char *key = tls->key_file ? tls->key_file : tls->certificate;
    if (SSL_CTX_use_certificate_chain_file(context, tls->certificate) != 1)
        why_openssl(why, "cannot use the certificate", tls->certificate);
    else if (!context_use_key(context, key, why))
        return false;
    else if (SSL_CTX_check_private_key(context) != 1)
        why_openssl(why, "the key does not belong to the certificate", tls->certificate);
    else
        return true;
    return false;
}

SSL_CTX *
tls_server_new(const struct conf_tls *tls, struct why *why)
{
    if (tls->certificate == NULL) {
        why_set(why, "4.7.5", "no certificate is set");
        return NULL;
    }
    SSL_CTX *context = context_new(TLS_server_method());
    if (context == NULL) {
        why_openssl(why, "cannot use TLS", NULL);
        return NULL;
    }
    if (!context_identify(context, tls, why)) {
        SSL_CTX_free(context);
        return NULL;
    }
    SSL_CTX_set_dh_auto(context, 1);
    SSL_CTX_set_session_id_context(context, (const unsigned char *)"viaduct", 7);
    return context;
}

SSL *
tls_server_ssl(SSL_CTX *context)
{
    SSL *ssl = SSL_new(context);
    if (ssl != NULL)
        SSL_set_accept_state(ssl);
    return ssl;
}

/* ---- pins ---- */

/* The digest of a certificate's SubjectPublicKeyInfo. Returns false where it has none that can be read. */
static bool
pin_of(X509 *certificate, unsigned char pin[PIN_BYTES])
{
    unsigned char *der = NULL;
    X509_PUBKEY *key = certificate ? X509_get_X509_PUBKEY(certificate) : NULL;
    int len = key ? i2d_X509_PUBKEY(key, &der) : -1;
    bool done = len > 0 && EVP_Digest(der, (size_t)len, pin, NULL, EVP_sha256(), NULL) == 1;
    OPENSSL_free(der);
    return done;
}

/* Reads "sha256/BASE64=" or the base64 alone. */
static bool
pin_read(const char *text, unsigned char pin[PIN_BYTES])
{
    unsigned char bytes[PIN_TEXT];
    struct span s = span_of(text);
    if (span_starts_nocase(s, SPAN("sha256/"))) {
        size_t skip = s.at[7] == '/' ? 8 : 7;
        s = (struct span){s.at + skip, s.len - skip};
    }
    if (s.len != PIN_TEXT || s.at[PIN_TEXT - 1] != '=' || s.at[PIN_TEXT - 2] == '=')
        return false;
    if (EVP_DecodeBlock(bytes, (const unsigned char *)s.at, PIN_TEXT) != PIN_BYTES + 1)
        return false;
    memcpy(pin, bytes, PIN_BYTES);
    return true;
}

/* Stands in for OpenSSL's whole check of the chain in mode pin. */
static int
pin_check(X509_STORE_CTX *store, void *arg)
{
    const struct tls_client *client = arg;
    unsigned char pin[PIN_BYTES];
    bool known = false;
    if (pin_of(X509_STORE_CTX_get0_cert(store), pin))
        for (size_t i = 0; i < client->n_pins; i++)
            known = known || memcmp(pin, client->pins[i], PIN_BYTES) == 0;
    X509_STORE_CTX_set_error(store, known ? X509_V_OK : X509_V_ERR_APPLICATION_VERIFICATION);
    return known;
}

static bool
client_read_pins(struct tls_client *client, const struct conf_texts *pins, struct why *why)
{
    client->pins = xcalloc(pins->n, sizeof *client->pins);
    for (size_t i = 0; i < pins->n; i++, client->n_pins++)
        if (!pin_read(pins->at[i], client->pins[i])) {
            why_set(why, "4.7.5", "not a pin (base64 of 32 bytes): %s", pins->at[i]);
            return false;
        }
    if (pins->n == 0)
        why_set(why, "4.7.5", "mode pin without pins");
    return pins->n > 0;
}

/* ---- client ---- */

/* The system's authorities are read as one file now: OpenSSL would look into its folder later, from the
 * sandbox. */
static bool
client_trust(struct tls_client *client, const char *ca_file, struct why *why)
{
    const char *const files[] = {ca_file, getenv(X509_get_default_cert_file_env()),
                                 "/etc/ssl/certs/ca-certificates.crt", X509_get_default_cert_file()};
    size_t last = ca_file ? 1 : COUNT_OF(files);
    for (size_t i = 0; i < last; i++)
        if (files[i] != NULL && SSL_CTX_load_verify_file(client->context, files[i]) == 1) {
            ERR_clear_error();
            return true;
        }
    why_openssl(why, "cannot read the trusted authorities", ca_file ? ca_file : "of the system");
    return false;
}

static bool
client_fill(struct tls_client *client, const struct conf_tls *tls, struct why *why)
{
    client->context = context_new(TLS_client_method());
    if (client->context == NULL) {
        why_openssl(why, "cannot use TLS", NULL);
        return false;
    }
    if (tls->certificate != NULL && !context_identify(client->context, tls, why))
        return false;
    if (client->mode == TLS_VERIFY) {
        SSL_CTX_set_verify(client->context, SSL_VERIFY_PEER, NULL);
        return client_trust(client, tls->ca_file, why);
    }
    if (client->mode == TLS_PIN) {
        SSL_CTX_set_verify(client->context, SSL_VERIFY_PEER, NULL);
        SSL_CTX_set_cert_verify_callback(client->context, pin_check, client);
        return client_read_pins(client, &tls->pins, why);
    }
    SSL_CTX_set_verify(client->context, SSL_VERIFY_NONE, NULL);
    return true;
}

struct tls_client *
tls_client_new(const struct conf_tls *tls, struct why *why)
{
    struct tls_client *client = xcalloc(1, sizeof *client);
    client->mode = tls_mode_by_word(tls->mode);
    client->name = tls->name ? xstrdup(tls->name) : NULL;
    if (client->mode == TLS_NONE || client_fill(client, tls, why))
        return client;
    tls_client_free(client);
    return NULL;
}

void
tls_client_free(struct tls_client *client)
{
    if (client == NULL)
        return;
    SSL_CTX_free(client->context);
    free(client->name);
    free(client->pins);
    free(client);
}

enum tls_mode
tls_client_mode(const struct tls_client *client)
{
    return client->mode;
}

static bool
is_ip(const char *text)
{
    unsigned char address[16];
    return inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1;
}

/* SNI. OpenSSL's macro takes the name as not const, though it copies it. */
static bool
client_indicate(SSL *ssl, const char *name)
{
    char *copy = xstrdup(name);
    long done = SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, copy);
    free(copy);
    return done == 1;
}

/* What the certificate must bear, and what the peer is asked for. */
static bool
client_expect(const struct tls_client *client, SSL *ssl, const char *name)
{
    bool ip = is_ip(name);
    if (!ip && !client_indicate(ssl, name))
        return false;
    if (client->mode != TLS_VERIFY)
        return true;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (ip)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
    return *name != '\0' && SSL_set1_host(ssl, name) == 1;
}

SSL *
tls_client_ssl(struct tls_client *client, const char *host, struct why *why)
{
    if (client->context == NULL) {
        why_set(why, "4.7.5", "TLS is switched off for this peer");
        return NULL;
    }
    SSL *ssl = SSL_new(client->context);
    if (ssl == NULL || !client_expect(client, ssl, client->name ? client->name : host)) {
        why_openssl(why, "cannot use TLS with", host);
        SSL_free(ssl);
        return NULL;
    }
    SSL_set_connect_state(ssl);
    return ssl;
}

/* ---- both ---- */

void
tls_describe(const SSL *ssl, struct buf *out)
{
    buf_printf(out, "%s %s", SSL_get_version(ssl), SSL_get_cipher_name(ssl));
}

void
tls_peer_pin(const SSL *ssl, struct buf *out)
{
    unsigned char pin[PIN_BYTES], text[PIN_TEXT + 1];
    if (!pin_of(SSL_get0_peer_certificate(ssl), pin))
        return;
    EVP_EncodeBlock(text, pin, PIN_BYTES);
    buf_add_text(out, (const char *)text);
}
