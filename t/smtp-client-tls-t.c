/* smtp-client-tls-t.c - the SMTP client and TLS, with real certificates on both sides */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "t/smtp_fake.h"

#define SCRIPT(...) ((const char *const[]){__VA_ARGS__, NULL})
#define GREET       "@0", ">220 fake", "<EHLO", ">250-fake", ">250-STARTTLS", ">250-DSN", ">250 PIPELINING"
#define SECURE      GREET, "<STARTTLS", "=", ">220 go", "T", "<EHLO", ">250-fake", ">250 PIPELINING"
#define TAKE        "<MAIL", "<RCPT", "<DATA", "+250 1\r\n250 2\r\n354 3\r\n", "D", ">250 ok"

static struct gateway g;
static struct message m;
static const char *folder;
static char ca_path[400];
static char pin[60];

/* ---- certificates ---- */

struct identity {
    EVP_PKEY *key;
    X509 *cert;
};

static void
add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
}

/* A certificate; signed by itself where `issuer` is NULL. */
static struct identity
identity_new(const char *name, const char *names, const struct identity *issuer)
{
    struct identity id = {EVP_EC_gen("P-256"), X509_new()};
    X509_set_version(id.cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(id.cert), issuer ? 2 : 1);
    X509_gmtime_adj(X509_getm_notBefore(id.cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(id.cert), 86400);
    X509_set_pubkey(id.cert, id.key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(id.cert), "CN", MBSTRING_ASC, (const unsigned char *)name,
                               -1, -1, 0);
    X509 *by = issuer ? issuer->cert : id.cert;
    X509_set_issuer_name(id.cert, X509_get_subject_name(by));
    if (issuer == NULL)
        add_extension(id.cert, by, NID_basic_constraints, "critical,CA:TRUE");
    if (names != NULL)
        add_extension(id.cert, by, NID_subject_alt_name, names);
    X509_sign(id.cert, issuer ? issuer->key : id.key, EVP_sha256());
    return id;
}

static void
identity_free(struct identity *id)
{
    EVP_PKEY_free(id->key);
    X509_free(id->cert);
}

static void
write_ca(const struct identity *ca)
{
    snprintf(ca_path, sizeof ca_path, "%.300s/ca.pem", folder);
    FILE *file = fopen(ca_path, "w");
    if (file == NULL || PEM_write_X509(file, ca->cert) != 1 || fclose(file) != 0)
        printf("Bail out! cannot write %s\n", ca_path), exit(1);
}

/* By another way than the code under test: the key's own DER, not the certificate's. */
static void
make_pin(const struct identity *id)
{
    unsigned char *der = NULL, digest[32];
    unsigned int n = 0;
    int len = i2d_PUBKEY(id->key, &der);
    EVP_Digest(der, (size_t)len, digest, &n, EVP_sha256(), NULL);
    EVP_EncodeBlock((unsigned char *)pin, digest, (int)n);
    OPENSSL_free(der);
}

/* ---- one message ---- */

struct trial {
    const char *name, *mode, *scheme, *cert_name, *wanted_pin;
    bool with_ca;
    const char *const *script;
    const char *status; /* of the outage, or NULL: the message is taken */
    const struct identity *shows;
};

static int accepted;

static void
try(const struct trial *trial)
{
    struct server s;
    gateway_init(&g);
    server_listen(&s);
    s.tls = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(s.tls, trial->shows->cert);
    SSL_CTX_use_PrivateKey(s.tls, trial->shows->key);
    gateway_hop(&g, trial->scheme ? trial->scheme : "smtp", "localhost", s.port);
    struct conf_tls *tls = &g.root.host.deliver.tls;
    tls->mode = trial->mode;
    tls->ca_file = trial->with_ca ? ca_path : NULL;
    tls->name = trial->cert_name;
    g.pins[0] = trial->wanted_pin;
    tls->pins = (struct conf_texts){g.pins, trial->wanted_pin != NULL};
    gateway_begin(&g);
    message_init(&m, "b@x.example", "x\n");
    server_start(&s, trial->script);
    gateway_send(&g, &m);
    gateway_run(&g, all_ended);
    if (trial->status == NULL) {
        is_result(&m, 0, VIADUCT_RELAYED, "2.0.0", trial->name);
    } else {
        ok(m.unreachable && m.ends == 1, "%s: no mail goes: %s", trial->name, m.reason.text);
        /* localhost is two addresses; behind the second nobody listens, so the last failure may be that one's.
         */
        is_text(m.reason.status, trial->status, "%s: status", trial->name);
        is_int(m.results[0].times, 0, "%s: and nothing is refused for good", trial->name);
    }
    gateway_end(&g);
    server_stop(&s, trial->name);
    ok(s.heard.at == NULL || trial->status == NULL || strstr(s.heard.at, "MAIL") == NULL,
       "%s: nothing slips out", trial->name);
    accepted = s.accepted;
    buf_clear(&s.heard);
    SSL_CTX_free(s.tls);
}

#define TRY(...) try(&(struct trial){__VA_ARGS__})

static void
modes(const struct identity *good, const struct identity *self)
{
    TRY("may with STARTTLS", "may", .script = SCRIPT(SECURE, TAKE, "~"), .shows = self);
    TRY("may without STARTTLS", "may",
        .script = SCRIPT("@0", ">220 x", "<EHLO", ">250-x", ">250 PIPELINING", TAKE, "~"), .shows = self);
    TRY("may with STARTTLS refused", "may",
        .script = SCRIPT("@0", ">220 x", "<EHLO", ">250-x", ">250 STARTTLS", "<STARTTLS", ">454 no", "<EHLO",
                         ">250-x", ">250 PIPELINING", TAKE, "~"),
        .shows = self);
    TRY("may with a broken handshake", "may",
        .script = SCRIPT(GREET, "<STARTTLS", ">220 go", "1\x16", "+nonsense that is no TLS\r\n", "X", "@1",
                         ">220 x", "<EHLO", ">250-x", ">250-STARTTLS", ">250 PIPELINING", TAKE, "~"),
        .shows = self);
    is_int(accepted, 2, "it is tried without TLS once, on a new connection");
    TRY("none never asks", "none",
        .script = SCRIPT("@0", ">220 x", "<EHLO", ">250-STARTTLS", ">250-PIPELINING", ">250 X", TAKE, "~"),
        .shows = self);
    TRY("encrypt takes any certificate", "encrypt", .script = SCRIPT(SECURE, TAKE, "~"), .shows = self);
    TRY("encrypt without STARTTLS", "encrypt", .script = SCRIPT("@0", ">220 x", "<EHLO", ">250 x", "."),
        .status = "4.7.4", .shows = self);
    TRY("encrypt with HELO alone", "encrypt",
        .script = SCRIPT("@0", ">220 x", "<EHLO", ">502 x", "<HELO", ">250 x", "."), .status = "4.7.4",
        .shows = self);
    TRY("encrypt with STARTTLS refused", "encrypt", .script = SCRIPT(GREET, "<STARTTLS", ">454 no", "."),
        .status = "4.7.4", .shows = self);
    TRY("encrypt with a broken handshake", "encrypt",
        .script = SCRIPT(GREET, "<STARTTLS", ">220 go", "1\x16", "+nonsense\r\n", "."), .status = "4.7.5",
        .shows = self);
    is_int(accepted, 1, "it is not tried without TLS");
    TRY("smtps", "encrypt", "smtps",
        .script = SCRIPT("@0", "T", ">220 x", "<EHLO", ">250-x", ">250 PIPELINING", TAKE, "~"), .shows = good);
    TRY("smtps without TLS", "may", "smtps", .script = SCRIPT("@0", "+220 plain\r\n", "X"), .status = "4.7.5",
        .shows = good);
}

static void
identities(const struct identity *good, const struct identity *other, const struct identity *self)
{
    char wrong[60];
    snprintf(wrong, sizeof wrong, "%s", pin);
    wrong[5] = wrong[5] == 'A' ? 'B' : 'A';
    TRY("verify with the right name and authority", "verify", .with_ca = true,
        .script = SCRIPT(SECURE, TAKE, "~"), .shows = good);
    TRY("verify with another name", "verify", .with_ca = true, .script = SCRIPT(SECURE), .status = "4.7.5",
        .shows = other);
    TRY("verify with a name set for it", "verify", .cert_name = "mail.other.example", .with_ca = true,
        .script = SCRIPT(SECURE, TAKE, "~"), .shows = other);
    TRY("verify with a self-signed certificate", "verify", .with_ca = true, .script = SCRIPT(SECURE),
        .status = "4.7.5", .shows = self);
    TRY("verify with an authority that is not ours", "verify", .script = SCRIPT(SECURE), .status = "4.7.5",
        .shows = good);
    TRY("pin with the right key", "pin", .wanted_pin = pin, .script = SCRIPT(SECURE, TAKE, "~"), .shows = self);
    TRY("pin with another key", "pin", .wanted_pin = pin, .script = SCRIPT(SECURE), .status = "4.7.5",
        .shows = good);
    TRY("pin with a wrong pin", "pin", .wanted_pin = wrong, .script = SCRIPT(SECURE), .status = "4.7.5",
        .shows = self);
}

static void
tampering(const struct identity *good)
{
    static const char *const modes[] = {"may", "encrypt", "verify"};
    for (size_t i = 0; i < COUNT_OF(modes); i++) {
        TRY("answers behind STARTTLS's, in the clear", modes[i], .with_ca = true,
            .script = SCRIPT(GREET, "<STARTTLS", "+220 go\r\n250-evil\r\n250 PIPELINING\r\n", "."),
            .status = "4.7.5", .shows = good);
        is_int(accepted, 1, "and it is not tried again without TLS");
    }
}

/* What was offered in the clear is forgotten: the DSN of GREET is not in SECURE's second answer. */
static void
forgets(const struct identity *good)
{
    TRY("offers made in the clear", "encrypt",
        .script = SCRIPT(SECURE, "<MAIL FROM:<a@contoso.example>\r\n", "<RCPT TO:<b@x.example>\r\n", "<DATA",
                         "+250 1\r\n250 2\r\n354 3\r\n", "D", ">250 ok", "~"),
        .shows = good);
}

static void
add_line(void *arg, const char *text)
{
    buf_add_text(arg, text);
    buf_add_byte(arg, '\n');
}

static void
test_op(const struct identity *self)
{
    struct server s;
    struct buf said = {NULL, 0, 0};
    gateway_init(&g);
    server_listen(&s);
    s.tls = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(s.tls, self->cert);
    SSL_CTX_use_PrivateKey(s.tls, self->key);
    gateway_hop(&g, "smtp", "127.0.0.1", s.port);
    g.root.host.deliver.tls.mode = "encrypt";
    gateway_begin(&g);
    server_start(&s, SCRIPT(SECURE, "<QUIT", "~"));
    is_int(smtp_outbound_ops.test(g.state, add_line, &said), 0, "a test goes through TLS");
    ok(strstr(said.at, "TLSv1.") != NULL && strstr(said.at, pin) != NULL,
       "and shows the key's pin, to be copied");
    gateway_end(&g);
    server_stop(&s, "test");
    SSL_CTX_free(s.tls);
    buf_clear(&s.heard);
    buf_clear(&said);
}

int
main(void)
{
    signal(SIGPIPE, SIG_IGN);
    folder = tap_folder();
    struct identity ca = identity_new("Test Authority", NULL, NULL);
    struct identity good = identity_new("x", "DNS:localhost", &ca);
    struct identity other = identity_new("localhost", "DNS:mail.other.example", &ca);
    struct identity self = identity_new("localhost", "DNS:localhost", NULL);
    write_ca(&ca);
    make_pin(&self);
    modes(&good, &self);
    identities(&good, &other, &self);
    tampering(&good);
    forgets(&good);
    test_op(&self);
    identity_free(&ca);
    identity_free(&good);
    identity_free(&other);
    identity_free(&self);
    unlink(ca_path);
    rmdir(folder);
    return tap_done();
}
