/* conf_check_directory.c - directory servers, and directory synchronisation, which needs them
 *
 * A container that receives what is imported must not be exported as well: the copies would come back.
 */
#include "conf/conf_schema.h"
#include "spool-layout/layout.h"

/* A directory's or dirsync's title is part of a file's name. */
static void
check_title(struct conf_errors *errors, const char *what, const char *title, const struct conf_place *place)
{
    if (!connector_name_valid(title))
        conf_error(
            errors, place,
            "%s \"%s\": the name must be 1 to 40 letters, digits, - and _, beginning with a letter or digit",
            what, title);
}

static bool
is(const char *text, const char *word)
{
    return span_equal(span_of(text), span_of(word));
}

/* "NAME=ATTRIBUTE"; the part behind may be empty where `may_be_empty`. */
static void
check_pairs(const struct conf *conf, struct conf_errors *errors, const struct conf_texts *pairs,
            const char *option, bool may_be_empty, const struct conf_place *section)
{
    for (size_t i = 0; i < pairs->n; i++) {
        const char *equals = strchr(pairs->at[i], '=');
        if (equals == NULL || equals == pairs->at[i] || (equals[1] == '\0' && !may_be_empty))
            conf_error(errors, conf_blame(conf, pairs, section), "%s: \"%s\" is not of the form %s", option,
                       pairs->at[i], may_be_empty ? "NAME=ATTRIBUTE" : "ATTRIBUTE=VALUE");
    }
}

static void
check_urls(const struct conf *conf, struct conf_errors *errors, const struct conf_directory *directory)
{
    bool secret = directory->password_file != NULL && is(directory->auth, "simple");
    for (size_t i = 0; i < directory->url.n; i++) {
        struct span url = span_of(directory->url.at[i]);
        const struct conf_place *place = conf_blame(conf, &directory->url, &directory->place);
        if (!span_starts_nocase(url, SPAN("ldap://")) && !span_starts_nocase(url, SPAN("ldaps://")) &&
            !span_starts_nocase(url, SPAN("ldapi://")))
            conf_error(errors, place, "url: \"%s\" begins with none of ldap://, ldaps://, ldapi://",
                       directory->url.at[i]);
        else if (span_starts_nocase(url, SPAN("ldap://")) && !directory->start_tls && secret)
            conf_error(
                errors, place,
                "url: \"%s\" without start-tls would show the password to everybody on the way; use ldaps://, "
                "start-tls = yes or auth = gssapi",
                directory->url.at[i]);
    }
}

/* `what` names it: directory "ad", or the foreign directory of a dirsync. */
static void
check_server(const struct conf *conf, struct conf_errors *errors, const struct conf_directory *directory,
             const char *what, const char *title)
{
    const struct conf_place *place = &directory->place;
    if (directory->url.n == 0)
        conf_error(errors, place, "%s \"%s\" needs url", what, title);
    if (directory->base == NULL)
        conf_error(errors, place, "%s \"%s\" needs base", what, title);
    if (directory->password_file != NULL && directory->bind_dn == NULL)
        conf_error(errors, place, "%s \"%s\": password-file needs bind-dn", what, title);
    if (is(directory->auth, "simple") && directory->bind_dn != NULL && directory->password_file == NULL)
        conf_error(errors, place, "%s \"%s\": bind-dn needs password-file (a name without password is nobody)",
                   what, title);
    if (is(directory->auth, "gssapi") && directory->keytab_file == NULL)
        conf_error(errors, place, "%s \"%s\": auth = gssapi needs keytab-file", what, title);
    check_urls(conf, errors, directory);
    conf_check_tls(conf, errors, &directory->tls);
    if (directory->tls.name != NULL)
        conf_error(errors, conf_blame(conf, &directory->tls.name, &directory->tls.place),
                   "tls: name is for mail; a directory's certificate must bear the host name in url");
    check_pairs(conf, errors, &directory->map, "map", true, place);
    check_pairs(conf, errors, &directory->opt_out, "opt-out", false, place);
}

static void
check_sync_connector(const struct conf *conf, struct conf_errors *errors, const struct conf_dirsync *sync)
{
    struct conf_nearest nearest = {0};
    if (sync->connector == NULL) {
        conf_error(errors, &sync->place, "dirsync \"%s\" needs connector", sync->title);
        return;
    }
    if (conf_connector_find(&conf->root, sync->connector) != NULL)
        return;
    for (size_t i = 0; i < conf->root.connectors_n && errors->n < CONF_ERRORS_MAX; i++)
        conf_nearest_offer(&nearest, span_of(sync->connector), conf->root.connectors[i].title);
    conf_error_nearest(errors, conf_blame(conf, &sync->connector, &sync->place), &nearest,
                       "connector \"%s\" does not exist", sync->connector);
}

static void
check_sync_directory(const struct conf *conf, struct conf_errors *errors, const struct conf_dirsync *sync)
{
    const struct conf_host *host = &conf->root.host;
    struct conf_nearest nearest = {0};
    if (sync->directory == NULL) {
        conf_error(errors, &sync->place, "dirsync \"%s\" needs directory", sync->title);
        return;
    }
    for (size_t i = 0; i < host->directories_n; i++)
        if (span_equal(span_of(host->directories[i].title), span_of(sync->directory)))
            return;
    for (size_t i = 0; i < host->directories_n && errors->n < CONF_ERRORS_MAX; i++)
        conf_nearest_offer(&nearest, span_of(sync->directory), host->directories[i].title);
    conf_error_nearest(errors, conf_blame(conf, &sync->directory, &sync->place), &nearest,
                       "directory \"%s\" does not exist in host", sync->directory);
}

/* "25", "2%" */
static void
check_shares(const struct conf *conf, struct conf_errors *errors, const struct conf_texts *shares,
             const char *name, const struct conf_place *section)
{
    for (size_t i = 0; i < shares->n; i++) {
        struct span text = span_of(shares->at[i]);
        uint64_t number, max = 1000000000;
        if (text.len > 0 && text.at[text.len - 1] == '%') {
            text.len--;
            max = 100;
        }
        if (!span_to_u64(text, max, &number))
            conf_error(errors, conf_blame(conf, shares, section),
                       "%s: \"%s\" is neither a number nor a share like 2%%", name, shares->at[i]);
    }
}

static void
check_dirsync(const struct conf *conf, struct conf_errors *errors, const struct conf_dirsync *sync)
{
    const struct conf_place *place = conf_blame(conf, &sync->schedule, &sync->place);
    check_sync_connector(conf, errors, sync);
    check_sync_directory(conf, errors, sync);
    if (!sync->import.set && !sync->export.set)
        conf_error(errors, &sync->place, "dirsync \"%s\" does nothing: it needs import, export or both",
                   sync->title);
    if (sync->import.set && sync->import.container == NULL)
        conf_error(errors, &sync->import.place, "import needs container");
    if (sync->export.set && sync->export.containers.n == 0)
        conf_error(errors, &sync->export.place, "export needs containers");
    check_shares(conf, errors, &sync->limits.delete, "delete", &sync->limits.place);
    check_shares(conf, errors, &sync->limits.change, "change", &sync->limits.place);
    if (span_equal(span_of(sync->schedule), SPAN("never")))
        return;
    if (span_equal(span_of(sync->schedule), SPAN("always"))) {
        conf_error(errors, place, "schedule: a run needs times (at, every), not \"always\"");
        return;
    }
    const struct conf_schedule *schedule = conf_find_schedule(conf, errors, sync->schedule, place);
    if (schedule != NULL && schedule->at.n == 0 && schedule->every_s == 0)
        conf_error(errors, place, "schedule \"%s\" names no time of a run: it needs at or every",
                   sync->schedule);
}

static bool
is_below(struct span dn, struct span base)
{
    return dn.len >= base.len && octets_equal_nocase(dn.at + dn.len - base.len, base.at, base.len) &&
           (dn.len == base.len || dn.at[dn.len - base.len - 1] == ',');
}

static void
check_containers(const struct conf *conf, struct conf_errors *errors, const struct conf_dirsync *sync)
{
    for (size_t i = 0; sync->import.container != NULL && i < sync->export.containers.n; i++)
        if (is_below(span_of(sync->import.container), span_of(sync->export.containers.at[i])))
            conf_error(errors, conf_blame(conf, &sync->export.containers, &sync->export.place),
                       "containers: import.container \"%s\" lies in \"%s\": what is imported would come back",
                       sync->import.container, sync->export.containers.at[i]);
}

static void
check_foreign(const struct conf *conf, struct conf_errors *errors, const struct conf_dirsync *sync)
{
    const struct conf_foreign *foreign = &sync->foreign;
    const struct conf_place *place = foreign->set ? &foreign->place : &sync->place;
    const struct conf_connector *connector =
        sync->connector != NULL ? conf_connector_find(&conf->root, sync->connector) : NULL;
    if (is(foreign->format, "gwise")) {
        if (connector != NULL && !is(connector->type, "gwise"))
            conf_error(errors, place,
                       "dirsync \"%s\" needs foreign { format = ... }: ldap, csv or ldif, since its connector "
                       "is of type %s",
                       sync->title, connector->type);
        return;
    }
    if (is(foreign->format, "ldap")) {
        check_server(conf, errors, &foreign->directory, "the foreign directory of dirsync", sync->title);
        if (sync->export.set && sync->export.container == NULL)
            conf_error(errors, &sync->export.place, "export needs into: where host recipients are made");
        return;
    }
    if (sync->import.set && foreign->read == NULL)
        conf_error(errors, place, "foreign needs read: the file that the foreign system leaves");
    if (sync->export.set && foreign->write == NULL)
        conf_error(errors, place, "foreign needs write: the file that is written for the foreign system");
}

/* Whatever lies in the gateway's foreign domain is taken for ours: each of two would delete what the other one exports. Files too
 * are one dirsync's alone. */
static void
check_alone(const struct conf *conf, struct conf_errors *errors, const struct conf_dirsync *sync)
{
    const struct conf_foreign *foreign = &sync->foreign;
    for (size_t i = 0; i < conf->root.dirsyncs_n && &conf->root.dirsyncs[i] != sync; i++) {
        const struct conf_dirsync *other = &conf->root.dirsyncs[i];
        if (!sync->export.set || !other->export.set || !is(foreign->format, other->foreign.format))
            continue;
        if (is(foreign->format, "gwise") && sync->connector != NULL && other->connector != NULL &&
            is(sync->connector, other->connector))
            conf_error(errors, &sync->export.place,
                       "dirsync \"%s\" exports to connector \"%s\" as \"%s\" does: each would delete what the "
                       "other has exported",
                       sync->title, sync->connector, other->title);
        if (!is(foreign->format, "gwise") && !is(foreign->format, "ldap") && foreign->write != NULL &&
            other->foreign.write != NULL && is(foreign->write, other->foreign.write))
            conf_error(errors, conf_blame(conf, &foreign->write, &foreign->place),
                       "write: the file is that of dirsync \"%s\"", other->title);
    }
}

/* "20%" */
static void
check_shrink(const struct conf *conf, struct conf_errors *errors, const struct conf_dirsync *sync)
{
    struct span text = span_of(sync->limits.shrink);
    uint64_t share;
    if (text.len < 2 || text.at[text.len - 1] != '%' ||
        !span_to_u64((struct span){text.at, text.len - 1}, 100, &share))
        conf_error(errors, conf_blame(conf, &sync->limits.shrink, &sync->limits.place),
                   "shrink: \"%s\" is not a share like 20%%", sync->limits.shrink);
}

void
conf_check_directories(const struct conf *conf, struct conf_errors *errors)
{
    const struct conf_host *host = &conf->root.host;
    for (size_t i = 0; i < host->directories_n; i++) {
        check_title(errors, "directory", host->directories[i].title, &host->directories[i].place);
        check_server(conf, errors, &host->directories[i], "directory", host->directories[i].title);
    }
    for (size_t i = 0; i < conf->root.dirsyncs_n; i++) {
        const struct conf_dirsync *sync = &conf->root.dirsyncs[i];
        check_title(errors, "dirsync", sync->title, &sync->place);
        check_dirsync(conf, errors, sync);
        check_foreign(conf, errors, sync);
        check_containers(conf, errors, sync);
        check_alone(conf, errors, sync);
        check_shrink(conf, errors, sync);
    }
}
