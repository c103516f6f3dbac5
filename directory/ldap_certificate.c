/* ldap_certificate.c - which certificate was refused, and whether a key is one of those that are pinned (see ldap_inside.h)
 *
 * GnuTLS, by way of libldap, says of a certificate that does not verify "unknown error code". So the server is asked once more, by a
 * session that verifies nothing and says nothing but StartTLS, what it shows. It is shown our own certificate, where there is one:
 * that is public.
 */
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <sys/time.h>

#include "directory/ldap_inside.h"

/* A handshake alone, verified or not. */
static bool
shake_hands(LDAP *ld, struct ldap_link *link, int verify)
{
    int client = 0;
    struct timeval wait = {.tv_sec = link->directory->timeout_s < 10 ? link->directory->timeout_s : 10};
    if (link_set_options(ld, link) != LDAP_SUCCESS ||
        ldap_set_option(ld, LDAP_OPT_X_TLS_REQUIRE_CERT, &verify) != LDAP_SUCCESS ||
        ldap_set_option(ld, LDAP_OPT_NETWORK_TIMEOUT, &wait) != LDAP_SUCCESS ||
        ldap_set_option(ld, LDAP_OPT_TIMEOUT, &wait) != LDAP_SUCCESS ||
        ldap_set_option(ld, LDAP_OPT_X_TLS_NEWCTX, &client) != LDAP_SUCCESS)
        return false;
    link_be_patient(link, wait.tv_sec);
    bool ldaps = span_starts_nocase(span_of(link->server.url), SPAN("ldaps://"));
    return (ldaps ? ldap_connect(ld) : ldap_start_tls_s(ld, NULL, NULL)) == LDAP_SUCCESS;
}

static void
describe(const struct berval *der, char text[300])
{
    const unsigned char *at = (const unsigned char *)der->bv_val;
    X509 *certificate = d2i_X509(NULL, &at, (long)der->bv_len);
    char subject[100] = "?", issuer[100] = "?";
    struct tm end;
    snprintf(text, 300, "it cannot be read");
    if (certificate == NULL)
        return;
    X509_NAME_oneline(X509_get_subject_name(certificate), subject, sizeof subject);
    X509_NAME_oneline(X509_get_issuer_name(certificate), issuer, sizeof issuer);
    bool expired = X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0;
    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) == 1)
        snprintf(text, 300, "%.90s, issued by %.90s, %s %04d-%02d-%02d", subject, issuer,
                 expired ? "expired" : "valid until", end.tm_year + 1900, end.tm_mon + 1, end.tm_mday);
    X509_free(certificate);
}

/* A connection that was closed for another reason proves nothing against a certificate. */
static bool
verifies(struct ldap_link *link)
{
    LDAP *ld = NULL;
    bool good =
        ldap_initialize(&ld, link->server.url) == LDAP_SUCCESS && shake_hands(ld, link, LDAP_OPT_X_TLS_DEMAND);
    if (ld != NULL)
        ldap_unbind_ext(ld, NULL, NULL);
    return good;
}

bool
link_sees_certificate(struct ldap_link *link, char text[300])
{
    struct berval der = {0, NULL};
    LDAP *ld = NULL;
    struct span url = span_of(link->server.url);
    bool tls = span_starts_nocase(url, SPAN("ldaps://")) ||
               (span_starts_nocase(url, SPAN("ldap://")) && link->directory->start_tls &&
                !span_equal(span_of(link->directory->auth), SPAN("gssapi")));
    bool seen = tls && !verifies(link) && ldap_initialize(&ld, link->server.url) == LDAP_SUCCESS &&
                shake_hands(ld, link, LDAP_OPT_X_TLS_NEVER) &&
                ldap_get_option(ld, LDAP_OPT_X_TLS_PEERCERT, &der) == LDAP_OPT_SUCCESS && der.bv_val != NULL;
    if (seen)
        describe(&der, text);
    ber_memfree(der.bv_val);
    if (ld != NULL)
        ldap_unbind_ext(ld, NULL, NULL);
    return seen;
}

/* ---- pins ---- */

enum { PIN_TEXT = 44 }; /* a SHA-256 digest in base64 */

static bool
print_pin(const struct berval *der, char text[PIN_TEXT + 1])
{
    const unsigned char *at = (const unsigned char *)der->bv_val;
    X509 *certificate = d2i_X509(NULL, &at, (long)der->bv_len);
    unsigned char *key = NULL, digest[32];
    int len = certificate != NULL ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &key) : -1;
    bool done = len > 0 && EVP_Digest(key, (size_t)len, digest, NULL, EVP_sha256(), NULL) == 1;
    if (done)
        EVP_EncodeBlock((unsigned char *)text, digest, sizeof digest);
    OPENSSL_free(key);
    X509_free(certificate);
    return done;
}

int
link_check_pins(const struct ldap_link *link, struct why *why)
{
    const struct conf_texts *pins = &link->directory->tls.pins;
    struct berval der = {0, NULL};
    char shown[PIN_TEXT + 1] = "none";
    bool read = ldap_get_option(link->ld, LDAP_OPT_X_TLS_PEERCERT, &der) == LDAP_OPT_SUCCESS &&
                der.bv_val != NULL && print_pin(&der, shown),
         known = false;
    ber_memfree(der.bv_val);
    for (size_t i = 0; read && i < pins->n; i++)
        known |= span_equal(span_of(pins->at[i]), span_of(shown));
    if (known)
        return 0;
    why_set(why, "5.7.8", "%s: its key is none of tls.pins (it is %s); nothing was sent", link->server.url,
            shown);
    return -EACCES;
}
