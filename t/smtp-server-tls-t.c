/* smtp-server-tls-t.c - TLS of both sides: nothing said in clear outlives STARTTLS, and a peer is who it must
 * be (tls.h) */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <signal.h>

#include "systems/smtp/tls.h"
#include "t/smtp-server-rig.h"

static char certificate[400], key_file[400], old_certificate[400], other_certificate[400];

/* Writes a self-signed certificate for mx.test.example (which is its own authority) and its key. */
static void
make_certificate(EVP_PKEY *key, const char *path, long from_s, long until_s)
{
    X509 *x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), from_s);
    X509_gmtime_adj(X509_getm_notAfter(x), until_s);
    X509_set_pubkey(x, key);
    X509_NAME *name = X509_get_subject_name(x);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(x, name);
    X509_EXTENSION *san =
        X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:mx.test.example,IP:127.0.0.1");
    X509_EXTENSION *ca = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE");
    X509_add_ext(x, san, -1);
    X509_add_ext(x, ca, -1);
    X509_EXTENSION_free(san);
    X509_EXTENSION_free(ca);
    X509_sign(x, key, EVP_sha256());
    FILE *file = fopen(path, "w");
    PEM_write_X509(file, x);
    fclose(file);
    X509_free(x);
}

static void
make_certificates(const char *folder)
{
    EVP_PKEY *key = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256");
    snprintf(certificate, sizeof certificate, "%s/cert.pem", folder);
    snprintf(old_certificate, sizeof old_certificate, "%s/old.pem", folder);
    snprintf(other_certificate, sizeof other_certificate, "%s/other.pem", folder);
    snprintf(key_file, sizeof key_file, "%s/key.pem", folder);
    make_certificate(key, certificate, -3600, 3600);
    make_certificate(key, old_certificate, -7200, -3600);
    make_certificate(other, other_certificate, -3600, 3600);
    FILE *file = fopen(key_file, "w");
    PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
}

static void
start_tls_server(const char *listen, const char *cert)
{
    static const char *addresses[1];
    addresses[0] = listen;
    rig_init();
    rig.root.host.smtp.listen = rig_texts(addresses, 1);
    rig.root.host.smtp.tls = (struct conf_tls){.mode = "may", .certificate = cert, .key_file = key_file};
    rig_start();
}

/* Shakes hands; true where it went well. Takes the SSL either way. */
static bool
client_secure(struct peer_end *c, SSL *ssl, SSL **kept)
{
    int done = 0, error = SSL_ERROR_WANT_READ;
    SSL_set_fd(ssl, c->fd);
    for (int i = 0; i < GUARD_TURNS && done != 1 && error == SSL_ERROR_WANT_READ; i++) {
        event_base_loop(rig.base, EVLOOP_NONBLOCK);
        ERR_clear_error();
        done = SSL_do_handshake(ssl);
        error = SSL_get_error(ssl, done);
        struct pollfd p = {.fd = c->fd, .events = POLLIN};
        if (done != 1 && error == SSL_ERROR_WANT_READ)
            poll(&p, 1, 1);
    }
    *kept = done == 1 ? ssl : NULL;
    if (done != 1)
        SSL_free(ssl);
    return done == 1;
}

/* Sends, and gives `n` answers, over TLS. */
static const char *
secure_ask(struct peer_end *c, SSL *ssl, const char *text, int n)
{
    if (*text != '\0')
        SSL_write(ssl, text, (int)strlen(text));
    for (int i = 0; i < GUARD_TURNS; i++) {
        char bytes[4096];
        size_t at = 0, have = 0;
        struct buf rest = c->got;
        for (size_t len; (len = answer_length(&rest)) > 0; have++, at += len)
            rest = (struct buf){rest.at + len, rest.len - len, 0};
        if (have >= (size_t)n || c->over)
            break;
        event_base_loop(rig.base, EVLOOP_NONBLOCK);
        int got = SSL_read(ssl, bytes, sizeof bytes);
        if (got > 0)
            buf_add(&c->got, bytes, (size_t)got);
        else if (SSL_get_error(ssl, got) != SSL_ERROR_WANT_READ)
            c->over = true;
        else
            poll(&(struct pollfd){.fd = c->fd, .events = POLLIN}, 1, 1);
    }
    bool over = c->over;
    c->over = true; /* what is not there now is not to be waited for in clear */
    const char *heard = client_hear(c, n);
    c->over = over;
    return heard;
}

/* Any server will do. */
static SSL *
easy_ssl(struct tls_client **client)
{
    struct conf_tls tls = {.mode = "encrypt"};
    struct why why;
    *client = tls_client_new(&tls, &why);
    return tls_client_ssl(*client, "mx.test.example", &why);
}

static void
test_starttls(void)
{
    struct tls_client *client;
    SSL *ssl;
    start_tls_server("127.0.0.1:0", certificate);
    struct peer_end c = client_from(0, "127.0.0.1");
    client_hear(&c, 1);
    client_say(&c, "EHLO clear.example\r\n");
    rig_pump(&c, answer_length(&c.got) > 0);
    ok(strstr(c.got.at, "STARTTLS") != NULL, "STARTTLS is offered");
    client_hear(&c, 1);
    is_text(client_ask(&c, "STARTTLS now\r\n", 1), "501 5.5.4", "STARTTLS takes no parameters");
    is_text(client_ask(&c, MAIL "STARTTLS\r\n", 2), "250 2.1.0,220 2.0.0", "STARTTLS is accepted");
    ok(client_secure(&c, easy_ssl(&client), &ssl), "the handshake goes well");
    is_text(secure_ask(&c, ssl, RCPT, 1), "503 5.5.1", "the transaction begun in clear is forgotten");
    is_text(secure_ask(&c, ssl, MAIL, 1), "503 5.5.1", "and so is the EHLO");
    is_text(secure_ask(&c, ssl, "EHLO tls.example\r\n" MAIL RCPT "DATA\r\nx\r\n.\r\n", 5),
            "250,250 2.1.0,250 2.1.5,354,250 2.0.0", "mail is taken over TLS");
    ok(strstr(rig.envelope.at, "helo=tls.example with=ESMTPS ") != NULL, "as ESMTPS");
    is_text(secure_ask(&c, ssl, "STARTTLS\r\n", 1), "503 5.5.1", "a second STARTTLS is refused");
    is_text(secure_ask(&c, ssl, "QUIT\r\n", 2), "221 2.0.0,end", "QUIT ends it");
    SSL_free(ssl);
    tls_client_free(client);
    client_close(&c);
    rig_stop();
}

static void
test_injection(void)
{
    struct tls_client *client;
    SSL *ssl;
    start_tls_server("127.0.0.1:0", certificate);
    struct peer_end c = client_greeted(0);
    client_say(&c, "STARTTLS\r\nNOOP\r\nEHLO evil.example\r\nMAIL FROM:<evil@evil.example>\r\n");
    is_text(client_hear(&c, 1), "220 2.0.0", "STARTTLS with commands behind it");
    ok(client_secure(&c, easy_ssl(&client), &ssl), "the handshake goes well");
    is_text(secure_ask(&c, ssl, "VRFY x\r\n", 1), "252 2.0.0",
            "no answer to what was sent in clear comes over TLS");
    is_text(secure_ask(&c, ssl, RCPT, 1), "503 5.5.1", "and nothing of it was done");
    SSL_free(ssl);
    tls_client_free(client);
    client_close(&c);
    c = client_greeted(0);
    client_ask(&c, "STARTTLS\r\n", 1);
    client_say(&c, "NOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\n");
    rig_pump(&c, c.over);
    ok(c.over && log_has("TLS handshake failed"),
       "clear text in place of a handshake ends the session, and is logged");
    client_close(&c);
    rig_stop();
}

static void
test_needed(void)
{
    static const char *listen[] = {"127.0.0.1:0"};
    rig_init();
    rig.root.host.smtp.listen = rig_texts(listen, 1);
    rig.root.host.smtp.tls =
        (struct conf_tls){.mode = "encrypt", .certificate = certificate, .key_file = key_file};
    rig_start();
    struct peer_end c = client_greeted(0);
    is_text(client_ask(&c, MAIL, 1), "530 5.7.0", "mode encrypt: no mail in clear");
    client_close(&c);
    rig_stop();
}

static void
test_implicit(void)
{
    static const char *from[] = {"127.0.0.1"}, *allow[] = {"127.0.0.0/8", "192.0.2.1"};
    struct tls_client *client;
    SSL *ssl;
    start_tls_server("smtps://127.0.0.1:0", certificate);
    struct peer_end c = client_from(0, "127.0.0.1");
    ok(client_secure(&c, easy_ssl(&client), &ssl), "implicit TLS: the handshake comes first");
    is_text(secure_ask(&c, ssl, "", 1), "220", "then the greeting");
    is_text(secure_ask(&c, ssl, "EHLO x\r\n" MAIL RCPT "DATA\r\n", 4), "250,250 2.1.0,250 2.1.5,354",
            "then SMTP");
    char line[8192];
    memset(line, 'x', sizeof line);
    for (int i = 0; i < 100; i++) { /* many records, with bytes left in OpenSSL between turns */
        while (SSL_write(ssl, line, sizeof line) <= 0)
            event_base_loop(rig.base, EVLOOP_NONBLOCK);
    }
    is_text(secure_ask(&c, ssl, "\r\n.\r\n", 1), "250 2.0.0", "a large message passes");
    is_int(rig.last_body.len, 100 * 8192 + 1, "whole");
    SSL_free(ssl);
    tls_client_free(client);
    client_close(&c);
    rig_stop();
    static const char *listen[] = {"smtps://127.0.0.1:0"};
    rig_init();
    rig.root.host.smtp.listen = rig_texts(listen, 1);
    rig.root.host.smtp.proxy_from = rig_texts(from, 1);
    rig.root.host.smtp.allow = rig_texts(allow, 2);
    rig.root.host.smtp.tls = (struct conf_tls){.mode = "may", .certificate = certificate, .key_file = key_file};
    rig_start();
    c = client_from(0, "127.0.0.1");
    client_say(&c, "PROXY TCP4 192.0.2.1 10.0.0.1 5000 465\r\n");
    ok(client_secure(&c, easy_ssl(&client), &ssl), "PROXY before implicit TLS takes nothing of the handshake");
    secure_ask(&c, ssl, "", 1);
    secure_ask(&c, ssl, "EHLO x\r\n" MAIL RCPT "DATA\r\n.\r\n", 5);
    ok(strstr(rig.envelope.at, "client=[192.0.2.1]") != NULL, "and tells the client");
    SSL_free(ssl);
    tls_client_free(client);
    client_close(&c);
    rig_stop();
}

/* Whether a client with this section shakes hands with a server that shows this certificate. */
static bool
trusts(const struct conf_tls *tls, const char *host, const char *shown)
{
    struct why why = {.text = ""};
    SSL *ssl = NULL;
    start_tls_server("smtps://127.0.0.1:0", shown);
    struct tls_client *client = tls_client_new(tls, &why);
    if (client == NULL) {
        printf("# %s\n", why.text);
        rig_stop();
        return false;
    }
    struct peer_end c = client_from(0, "127.0.0.1");
    bool good = client_secure(&c, tls_client_ssl(client, host, &why), &ssl);
    SSL_free(ssl);
    tls_client_free(client);
    client_close(&c);
    rig_stop();
    return good;
}

/* The pin as an operator would get it. */
static void
read_pin(char pin[60])
{
    struct tls_client *client;
    struct buf text = {0};
    SSL *ssl;
    start_tls_server("smtps://127.0.0.1:0", certificate);
    struct peer_end c = client_from(0, "127.0.0.1");
    if (client_secure(&c, easy_ssl(&client), &ssl))
        tls_peer_pin(ssl, &text);
    snprintf(pin, 60, "%s", text.at ? text.at : "");
    buf_clear(&text);
    SSL_free(ssl);
    tls_client_free(client);
    client_close(&c);
    rig_stop();
}

static void
test_modes(void)
{
    struct conf_tls verify = {.mode = "verify", .ca_file = certificate};
    ok(trusts(&verify, "mx.test.example", certificate), "verify: known authority, right name");
    ok(trusts(&verify, "127.0.0.1", certificate), "verify: an address in the certificate");
    ok(!trusts(&verify, "127.0.0.2", certificate), "verify: another address");
    ok(!trusts(&verify, "mail.test.example", certificate), "verify: wrong name");
    ok(!trusts(&verify, "mx.test.example", old_certificate), "verify: expired");
    verify.name = "mx.test.example";
    ok(trusts(&verify, "somewhere.else", certificate), "verify: the section's name goes before the host's");
    verify.name = NULL;
    verify.ca_file = other_certificate;
    ok(!trusts(&verify, "mx.test.example", certificate), "verify: another authority");
    verify.ca_file = NULL;
    ok(!trusts(&verify, "mx.test.example", certificate), "verify: the system's authorities do not know it");
    char pin[60], wrong[60];
    read_pin(pin);
    ok(strlen(pin) == 44, "a peer's pin can be read off");
    snprintf(wrong, sizeof wrong, "%s", pin);
    wrong[0] = pin[0] == 'A' ? 'B' : 'A';
    const char *pins[] = {wrong, pin};
    struct conf_tls pinned = {.mode = "pin", .pins = {pins, 2}};
    ok(trusts(&pinned, "any.name", old_certificate), "pin: one of several fits; name and date do not count");
    pinned.pins.n = 1;
    ok(!trusts(&pinned, "mx.test.example", certificate), "pin: another key");
    pins[0] = "c2hvcnQ=";
    ok(!trusts(&pinned, "mx.test.example", certificate), "pin: what is no digest is refused when loaded");
    pinned.pins.n = 0;
    ok(!trusts(&pinned, "mx.test.example", certificate), "pin: none at all is refused when loaded");
    struct conf_tls encrypt = {.mode = "encrypt"}, none = {.mode = "none"};
    struct why why;
    ok(trusts(&encrypt, "any.name", old_certificate), "encrypt: any certificate");
    struct tls_client *client = tls_client_new(&none, &why);
    ok(client != NULL && tls_client_ssl(client, "x", &why) == NULL, "none: no TLS");
    tls_client_free(client);
}

static bool
server_prepares(const char *mode, const char *cert, const char *key)
{
    struct viaduct_reason reason = {"", ""};
    void *state = NULL;
    rig_init();
    rig.root.host.smtp.tls = (struct conf_tls){.mode = mode, .certificate = cert, .key_file = key};
    bool good = smtp_inbound_ops.prepare(&rig_services, NULL, &state, &reason) == 0;
    if (good)
        smtp_inbound_ops.finish(state);
    else
        printf("# %s\n", reason.text);
    event_base_free(rig.base);
    return good;
}

int
main(void)
{
    const char *folder = tap_folder();
    signal(SIGPIPE, SIG_IGN);
    make_certificates(folder);
    test_starttls();
    test_injection();
    test_needed();
    test_implicit();
    test_modes();
    ok(server_prepares("may", NULL, NULL), "a server without certificate starts, without TLS");
    ok(!server_prepares("encrypt", NULL, NULL), "mode encrypt needs a certificate");
    ok(!server_prepares("may", other_certificate, key_file), "a key of another certificate is refused");
    ok(!server_prepares("may", "/nonexistent", key_file), "a certificate that is not there is refused");
    ok(!server_prepares("verify", certificate, key_file), "a listener has no mode verify");
    remove(certificate);
    remove(key_file);
    remove(old_certificate);
    remove(other_certificate);
    rmdir(folder);
    return tap_done();
}
