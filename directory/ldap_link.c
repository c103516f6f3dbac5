/* ldap_link.c - servers, TLS, who we are (see ldap.h)
 *
 *     each URL in turn: connect --> TLS, verified --> bind --> rootDSE --> use it
 *
 * Where a certificate or our credentials are refused no other server is asked: it is not the network that is wrong. A password
 * leaves this process only over TLS that was verified, or over a local socket.
 *
 * Debian's libldap speaks TLS by GnuTLS. It reads neither ldap.conf nor .ldaprc here: what holds stands in viaduct.conf.
 *
 * Sources: ldap_get_option(3), ldap_sasl_bind(3); krb5.conf(5) and MIT Kerberos' documentation of KRB5_CLIENT_KTNAME.
 */
#include <errno.h>
#include <fcntl.h>
#include <sasl/sasl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/secret.h"
#include "directory/ldap_inside.h"

static bool
is(const char *text, const char *word)
{
    return span_equal(span_of(text), span_of(word));
}

static void note(const struct ldap_link *link, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void
note(const struct ldap_link *link, const char *format, ...)
{
    char text[800];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (link->note != NULL)
        link->note(link->arg, text);
}

/* ---- a link ---- */

/* Libraries want a file: what only root may read is copied into memory that has a name in /proc. */
static int
keep_secret(struct span bytes, int *fd, char name[48])
{
    *fd = memfd_create("secret", MFD_CLOEXEC);
    snprintf(name, 48, "/proc/self/fd/%d", *fd);
    if (*fd < 0)
        return -errno;
    ssize_t n = write(*fd, bytes.at, bytes.len);
    return n == (ssize_t)bytes.len ? 0 : n < 0 ? -errno : -ENOSPC;
}

static int
take_key(struct ldap_link *link, struct why *why)
{
    const char *path = link->directory->tls.key_file;
    struct buf secret = {0};
    int r = secret_read(path, &secret);
    if (r == 0)
        r = keep_secret(buf_span(&secret), &link->key_fd, link->key_path);
    secret_wipe(&secret);
    if (r < 0)
        why_set(why, "5.3.5", "key-file %s: %s", path, strerror(-r));
    return r;
}

static int
take_keytab(struct ldap_link *link, struct why *why)
{
    const char *file = link->directory->keytab_file, *principal = link->directory->principal;
    char path[48], name[64];
    struct buf table = {0}, kept = {0};
    int r = secret_read(file, &table);
    bool read = r == 0;
    if (read && principal != NULL)
        r = keytab_of(buf_span(&table), span_of(principal), &kept);
    if (r == 0)
        r = keep_secret(buf_span(principal != NULL ? &kept : &table), &link->keytab_fd, path);
    secret_wipe(&table);
    secret_wipe(&kept);
    if (r < 0) {
        why_set(why, "5.3.5", "keytab-file %s: %s%s", file,
                read && r == -ENOENT    ? "it has no key of "
                : read && r == -EBADMSG ? "it is no key table"
                                        : strerror(-r),
                read && r == -ENOENT ? principal : "");
        return r;
    }
    snprintf(name, sizeof name, "FILE:%s", path);
    setenv("KRB5_CLIENT_KTNAME", name, 1);
    setenv("KRB5CCNAME", "MEMORY:viaduct", 1);
    return 0;
}

static int
take_password(struct ldap_link *link, struct why *why)
{
    int r = secret_read(link->directory->password_file, &link->password);
    while (r == 0 && link->password.len > 0 &&
           strchr("\r\n", link->password.at[link->password.len - 1]) != NULL)
        link->password.len--;
    if (r == 0 && link->password.len == 0) /* a bind without password succeeds as nobody */
        r = why_set(why, "5.3.5", "password-file %s is empty", link->directory->password_file);
    else if (r < 0)
        why_set(why, "5.3.5", "password-file %s: %s", link->directory->password_file, strerror(-r));
    return r;
}

struct ldap_link *
ldap_link_new(const struct conf_directory *directory, int64_t deadline_ms,
              void (*tell)(void *arg, const char *text), void *arg, struct why *why)
{
    struct ldap_link *link = xcalloc(1, sizeof *link);
    setenv("LDAPNOINIT", "1", 1);
    signal(SIGPIPE, SIG_IGN); /* a server that goes away is an error of the next call */
    *link = (struct ldap_link){.directory = directory,
                               .deadline_ms = deadline_ms,
                               .note = tell,
                               .arg = arg,
                               .keytab_fd = -1,
                               .key_fd = -1};
    link_limit_sockets(link);
    int r = 0;
    if (directory->tls.key_file != NULL)
        r = take_key(link, why);
    if (r == 0 && is(directory->auth, "gssapi"))
        r = take_keytab(link, why);
    else if (r == 0 && is(directory->auth, "simple") && directory->password_file != NULL)
        r = take_password(link, why);
    if (r == 0)
        return link;
    ldap_link_free(link);
    return NULL;
}

void
link_close(struct ldap_link *link)
{
    if (link->ld != NULL)
        ldap_unbind_ext(link->ld, NULL, NULL);
    link->ld = NULL;
}

void
ldap_link_free(struct ldap_link *link)
{
    if (link == NULL)
        return;
    link_close(link);
    secret_wipe(&link->password);
    if (link->keytab_fd >= 0)
        close(link->keytab_fd);
    if (link->key_fd >= 0)
        close(link->key_fd);
    for (size_t i = 0; i < link->n_known; i++)
        free(link->known[i]);
    free(link->known);
    free(link->sent);
    free(link);
}

const struct ldap_server *
ldap_link_server(const struct ldap_link *link)
{
    return &link->server;
}

void
ldap_link_paths(const struct conf_directory *directory, void (*each)(void *arg, const char *path), void *arg)
{
    static const char *const always[] = {"/etc/hosts",     "/etc/resolv.conf", "/etc/nsswitch.conf",
                                         "/etc/host.conf", "/etc/gai.conf",    "/etc/services",
                                         "/etc/localtime", "/etc/gnutls"};
    static const char *const kerberos[] = {"/etc/krb5.conf", "/etc/krb5.conf.d", "/etc/gss",
                                           "/usr/lib/sasl2", "/dev/urandom",     "/proc/self"};
    for (size_t i = 0; i < COUNT_OF(always); i++)
        each(arg, always[i]);
    for (size_t i = 0; i < COUNT_OF(kerberos) && is(directory->auth, "gssapi"); i++)
        each(arg, kerberos[i]);
    each(arg, directory->tls.ca_file != NULL ? directory->tls.ca_file : "/etc/ssl/certs");
    if (directory->tls.ca_file == NULL)
        each(arg, "/usr/share/ca-certificates");
    if (directory->tls.certificate != NULL)
        each(arg, directory->tls.certificate);
    const char *variable = getenv("KRB5_CONFIG");
    if (variable != NULL && is(directory->auth, "gssapi"))
        each(arg, variable);
}

void
ldap_link_preload(const struct conf_directory *directory)
{
    if (is(directory->auth, "gssapi"))
        sasl_client_init(NULL); /* loads its mechanisms */
}

/* ---- options ---- */

static int
set_text(LDAP *ld, int option, const char *value)
{
    return value == NULL ? LDAP_SUCCESS : ldap_set_option(ld, option, value);
}

int
link_set_options(LDAP *ld, const struct ldap_link *link)
{
    const struct conf_directory *directory = link->directory;
    int version = LDAP_VERSION3, demand = LDAP_OPT_X_TLS_DEMAND, minimum = LDAP_OPT_X_TLS_PROTOCOL_TLS1_2,
        client = 0;
    struct timeval wait = {.tv_sec = directory->timeout_s};
    const char *ca =
        directory->tls.ca_file != NULL ? directory->tls.ca_file : "/etc/ssl/certs/ca-certificates.crt";
    int r = ldap_set_option(ld, LDAP_OPT_PROTOCOL_VERSION, &version);
    if (r == LDAP_SUCCESS)
        r = ldap_set_option(ld, LDAP_OPT_CONNECT_CB, &link->callback);
    if (r == LDAP_SUCCESS)
        r = ldap_set_option(ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
    if (r == LDAP_SUCCESS)
        r = ldap_set_option(ld, LDAP_OPT_RESTART, LDAP_OPT_ON);
    if (r == LDAP_SUCCESS)
        r = ldap_set_option(ld, LDAP_OPT_NETWORK_TIMEOUT, &wait);
    if (r == LDAP_SUCCESS)
        r = ldap_set_option(ld, LDAP_OPT_TIMEOUT, &wait);
    if (r == LDAP_SUCCESS)
        r = ldap_set_option(ld, LDAP_OPT_X_SASL_NOCANON, LDAP_OPT_ON);
    if (r == LDAP_SUCCESS)
        r = ldap_set_option(ld, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand);
    if (r == LDAP_SUCCESS)
        r = ldap_set_option(ld, LDAP_OPT_X_TLS_PROTOCOL_MIN, &minimum);
    if (r == LDAP_SUCCESS)
        r = set_text(ld, LDAP_OPT_X_TLS_CACERTFILE, ca);
    if (r == LDAP_SUCCESS)
        r = set_text(ld, LDAP_OPT_X_TLS_CERTFILE, directory->tls.certificate);
    if (r == LDAP_SUCCESS)
        r = set_text(ld, LDAP_OPT_X_TLS_KEYFILE, link->key_fd >= 0 ? link->key_path : NULL);
    return r == LDAP_SUCCESS ? ldap_set_option(ld, LDAP_OPT_X_TLS_NEWCTX, &client) : r;
}

/* ---- what went wrong ---- */

/* The server's own words about the last request, or libldap's about TLS. */
static void
add_diagnosis(LDAP *ld, char text[400])
{
    char *said = NULL;
    text[0] = '\0';
    if (ld != NULL && ldap_get_option(ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &said) == LDAP_OPT_SUCCESS &&
        said != NULL && said[0] != '\0')
        snprintf(text, 400, ": %.390s", said);
    ldap_memfree(said);
}

int
link_lose(struct ldap_link *link, int code, const char *what, struct why *why)
{
    char said[400];
    add_diagnosis(link->ld, said);
    why_set(why, "4.4.2", "%s: %s: %s%s", link->server.url, what, ldap_err2string(code), said);
    link_close(link);
    return -EAGAIN;
}

/* Active Directory says in a hexadecimal number why a log-on failed. Source: Microsoft, "Common Active Directory Bind Errors". */
static const char *
account_trouble(const char *said)
{
    static const struct {
        const char *data, *words;
    } troubles[] = {
        {"data 525", "there is no such user"},
        {"data 52e", "the name or the password is wrong"},
        {"data 530", "the account may not log on at this time"},
        {"data 531", "the account may not log on from this machine"},
        {"data 532", "the password has expired: set a new one, and put it into password-file"},
        {"data 533", "the account is disabled"},
        {"data 568", "too many sessions"},
        {"data 701", "the account has expired"},
        {"data 773", "the password must be changed first"},
        {"data 775", "the account is locked"},
    };
    for (size_t i = 0; i < COUNT_OF(troubles); i++)
        if (strstr(said, troubles[i].data) != NULL)
            return troubles[i].words;
    return "check bind-dn and password-file, or the key table";
}

/* Whether the failure is one of identity, theirs or ours: then nobody else is asked. */
static int
judge_connect(struct ldap_link *link, int code, const char *what, struct why *why)
{
    char said[400];
    add_diagnosis(link->ld, said);
    if (code == LDAP_INVALID_CREDENTIALS || code == LDAP_INAPPROPRIATE_AUTH ||
        code == LDAP_INSUFFICIENT_ACCESS) {
        why_set(why, "5.7.8", "%s: %s: %s%s: %s", link->server.url, what, ldap_err2string(code), said,
                account_trouble(said));
        return -EACCES;
    }
    if (code == LDAP_STRONG_AUTH_REQUIRED || code == LDAP_CONFIDENTIALITY_REQUIRED) {
        why_set(why, "5.7.8", "%s: %s: %s%s: use ldaps://, start-tls or auth = gssapi", link->server.url, what,
                ldap_err2string(code), said);
        return -EACCES;
    }
    char certificate[300];
    if (link->impatient) {
        why_set(why, "4.4.1", "%s: %s: no answer within the directory's time-out", link->server.url, what);
        return -ENOTCONN;
    }
    if ((code == LDAP_SERVER_DOWN || code == LDAP_CONNECT_ERROR) && link_sees_certificate(link, certificate)) {
        why_set(why, "5.7.8",
                "%s: its certificate is refused (%s): it must be valid for the URL's host and signed by an "
                "authority of ca-file, %s",
                link->server.url, certificate,
                link->directory->tls.ca_file != NULL ? link->directory->tls.ca_file : "here the system's");
        return -EACCES;
    }
    why_set(why, "4.4.1", "%s: %s: %s%s", link->server.url, what, ldap_err2string(code), said);
    return -ENOTCONN;
}

/* ---- waiting ---- */

int
link_next(struct ldap_link *link, int id, LDAPMessage **message, struct why *why)
{
    int64_t patience = monotonic_ms() + link->directory->timeout_s * 1000;
    int r = 0;
    *message = NULL;
    while (r == 0) {
        int64_t now = monotonic_ms(), until = patience < link->deadline_ms ? patience : link->deadline_ms;
        struct timeval wait = {.tv_sec = 1};
        if (now >= until) {
            why_set(why, "4.4.2", "%s: no answer %s", link->server.url,
                    until == patience ? "within the directory's time-out" : "before the run's deadline");
            link_close(link);
            return -ETIMEDOUT;
        }
        if (until - now < 1000)
            wait = (struct timeval){.tv_usec = (until - now) * 1000};
        r = ldap_result(link->ld, id, LDAP_MSG_ONE, &wait, message);
    }
    if (r > 0)
        return 0;
    int code = LDAP_SERVER_DOWN;
    ldap_get_option(link->ld, LDAP_OPT_RESULT_CODE, &code);
    return link_lose(link, code, "the connection was lost", why);
}

/* ---- binding ---- */

static int
bind_simple(struct ldap_link *link, struct why *why)
{
    struct berval password = {.bv_len = link->password.len, .bv_val = link->password.at};
    LDAPMessage *message;
    int id, code = LDAP_SUCCESS;
    int sent = ldap_sasl_bind(link->ld, link->directory->bind_dn, LDAP_SASL_SIMPLE, &password, NULL, NULL, &id);
    if (sent != LDAP_SUCCESS)
        return judge_connect(link, sent, "logging on", why);
    int r = link_next(link, id, &message, why);
    if (r < 0)
        return r == -EAGAIN ? -ENOTCONN : r;
    int parsed = ldap_parse_result(link->ld, message, &code, NULL, NULL, NULL, NULL, 1);
    return parsed != LDAP_SUCCESS || code != LDAP_SUCCESS
               ? judge_connect(link, parsed != LDAP_SUCCESS ? parsed : code, "logging on", why)
               : 0;
}

/* Nothing is asked of anybody: the key table says who we are. */
static int
answer_sasl(LDAP *ld, unsigned flags, void *defaults, void *in)
{
    (void)ld;
    (void)flags;
    (void)defaults;
    for (sasl_interact_t *ask = in; ask->id != SASL_CB_LIST_END; ask++) {
        ask->result = ask->defresult != NULL ? ask->defresult : "";
        ask->len = (unsigned)strlen(ask->result);
    }
    return LDAP_SUCCESS;
}

/* Over TLS Active Directory takes no layer of GSSAPI's own; without TLS it asks for one. */
static int
bind_gssapi(struct ldap_link *link, bool tls, struct why *why)
{
    int r = ldap_set_option(link->ld, LDAP_OPT_X_SASL_SECPROPS,
                            only_read(tls ? "noanonymous,maxssf=0" : "noanonymous,noplain,minssf=1"));
    if (r == LDAP_SUCCESS)
        r = ldap_sasl_interactive_bind_s(link->ld, NULL, "GSSAPI", NULL, NULL, LDAP_SASL_QUIET, answer_sasl,
                                         NULL);
    if (r == LDAP_SUCCESS)
        return 0;
    int judged = judge_connect(link, r, "logging on by Kerberos", why);
    return r == LDAP_LOCAL_ERROR || r == LDAP_AUTH_UNKNOWN ? -EACCES : judged;
}

/* ---- connecting ---- */

/* scheme://host:port of a URL; what stands behind is not the server's. */
static void
bare_url(const char *url, char out[300])
{
    const char *host = strstr(url, "://");
    size_t len = host != NULL ? (size_t)(host - url) + 3 + strcspn(host + 3, "/?") : strlen(url);
    snprintf(out, 300, "%.*s", (int)(len < 290 ? len : 290), url);
}

static int
begin_tls(struct ldap_link *link, bool *tls, struct why *why)
{
    struct span url = span_of(link->server.url);
    *tls = span_starts_nocase(url, SPAN("ldaps://"));
    if (*tls) {
        int connected = ldap_connect(link->ld);
        if (connected != LDAP_SUCCESS)
            return judge_connect(link, connected, "connecting", why);
        return link->directory->tls.pins.n > 0 ? link_check_pins(link, why) : 0;
    }
    if (*tls || span_starts_nocase(url, SPAN("ldapi://")) || !link->directory->start_tls ||
        is(link->directory->auth, "gssapi"))
        return 0;
    int r = ldap_start_tls_s(link->ld, NULL, NULL);
    *tls = true;
    if (r == LDAP_SUCCESS)
        return link->directory->tls.pins.n > 0 ? link_check_pins(link, why) : 0;
    int judged = judge_connect(link, r, "beginning TLS", why);
    if (judged == -ENOTCONN && r != LDAP_SERVER_DOWN && r != LDAP_CONNECT_ERROR && r != LDAP_TIMEOUT) {
        why_set(why, "5.7.4", "%s: the server begins no TLS (%s); nothing was sent", link->server.url,
                ldap_err2string(r));
        judged = -EACCES;
    }
    return judged;
}

static int
connect_one(struct ldap_link *link, const char *url, struct why *why)
{
    bool tls = false, local = span_starts_nocase(span_of(url), SPAN("ldapi://"));
    memset(&link->server, 0, sizeof link->server);
    if (local)
        snprintf(link->server.url, sizeof link->server.url, "%.290s", url);
    else
        bare_url(url, link->server.url);
    int r = ldap_initialize(&link->ld, link->server.url);
    if (r == LDAP_SUCCESS)
        r = link_set_options(link->ld, link);
    if (r != LDAP_SUCCESS)
        return judge_connect(link, r, "preparing a session", why);
    link_be_patient(link, link->directory->timeout_s);
    r = begin_tls(link, &tls, why);
    link_be_patient(link, r == 0 && is(link->directory->auth, "gssapi") ? link->directory->timeout_s : 0);
    if (r == 0 && is(link->directory->auth, "gssapi"))
        r = bind_gssapi(link, tls, why);
    else if (r == 0 && is(link->directory->auth, "simple") && link->directory->bind_dn != NULL) {
        if (!tls && !local)
            r = why_set(why, "5.7.4", "%s: no password is sent without TLS", link->server.url);
        else
            r = bind_simple(link, why);
    }
    link_be_patient(link, 0);
    return r == 0 ? server_ask(link, why) : r;
}

int
ldap_link_open(struct ldap_link *link, struct why *why)
{
    int r = -ENOTCONN;
    struct buf all = {0};
    link_close(link);
    link->lost = false;
    for (size_t i = 0; i < link->directory->url.n; i++) {
        if (monotonic_ms() >= link->deadline_ms) {
            why_set(why, "4.4.2", "the run's deadline has passed");
            r = -ETIMEDOUT;
            break;
        }
        r = connect_one(link, link->directory->url.at[i], why);
        if (r == 0 && all.len > 0)
            note(link, "%s; %s is used", all.at, link->server.url);
        if (r == 0 || r == -EACCES || r == -EINVAL)
            break;
        link_close(link);
        buf_printf(&all, "%s%s", all.len > 0 ? "; " : "", why->text);
        why_set(why, "4.4.1", "%s", all.at);
        r = r == -ETIMEDOUT || r == -EAGAIN ? -ENOTCONN : r;
    }
    if (r < 0)
        link_close(link);
    buf_clear(&all);
    return r;
}
