/* conf_check_policy.c - recipient policies, and the filters that are asked of entries
 *
 * A filter that cannot be, or that asks entries for what no entry has, would match nobody: addresses would not be made, and all
 * that was exported would be deleted. So it is an error of the configuration, told at its line.
 */
#include "conf/conf_schema.h"
#include "directory/policy.h"

static struct dir_filter *
read_filter(const struct conf *conf, struct conf_errors *errors, const char *const *filter,
            const struct conf_place *section)
{
    struct why why;
    struct dir_filter *read = dir_filter_new(span_of(*filter), &why);
    if (read == NULL)
        conf_error(errors, conf_blame(conf, filter, section), "\"%.200s\": %s", *filter, why.text);
    return read;
}

/* ---- export.filter: asked of entries as they are kept, not of a server ---- */

struct names {
    struct conf_errors *errors;
    const struct conf_place *place;
};

static void
check_name(void *arg, struct span name)
{
    const struct names *names = arg;
    if (!dir_filter_name_of_entry(name))
        conf_error(
            names->errors, names->place,
            "filter: entries are kept without \"%.*s\", so that it would match nobody; there are displayName, "
            "department and the other attributes that are kept in step, mail, proxyAddresses, targetAddress, "
            "objectClass, userAccountControl and more, see viaduct-dirsync(7)",
            (int)name.len, name.at);
}

static void
check_export(const struct conf *conf, struct conf_errors *errors, const struct conf_export *export)
{
    if (export->filter == NULL)
        return;
    struct names names = {errors, conf_blame(conf, &export->filter, &export->place)};
    struct dir_filter *filter = read_filter(conf, errors, &export->filter, &export->place);
    if (filter != NULL)
        dir_filter_names(filter, check_name, &names);
    dir_filter_free(filter);
}

/* ---- recipient-policy ---- */

/* The type of a template where it marks the primary address; else empty. */
static struct span
primary_type(const char *template)
{
    struct span type = {template, strcspn(template, ":")};
    for (size_t i = 0; i < type.len; i++)
        if (type.at[i] >= 'a' && type.at[i] <= 'z')
            return SPAN("");
    return type;
}

static void
check_templates(const struct conf *conf, struct conf_errors *errors, const struct conf_policy *policy)
{
    const struct conf_place *place = conf_blame(conf, &policy->proxy, &policy->place);
    struct why why;
    if (policy->proxy.n == 0)
        conf_error(errors, place, "recipient-policy \"%s\" needs proxy", policy->title);
    for (size_t i = 0; i < policy->proxy.n; i++) {
        const char *template = policy->proxy.at[i];
        struct span type = primary_type(template);
        if (address_template_check(span_of(template), &why) != 0)
            conf_error(errors, place, "proxy: \"%.200s\": %s", template, why.text);
        for (size_t k = 0; k < i && type.len > 0; k++)
            if (span_equal(type, primary_type(policy->proxy.at[k]))) {
                conf_error(errors, place,
                           "proxy: \"%.200s\": a recipient has one primary address of type %.*s, and another "
                           "template makes it; "
                           "with the type in lower case it makes another address",
                           template, (int)type.len, type.at);
                break;
            }
    }
}

void
conf_check_policies(const struct conf *conf, struct conf_errors *errors)
{
    for (size_t i = 0; i < conf->root.policies_n; i++) {
        const struct conf_policy *policy = &conf->root.policies[i];
        dir_filter_free(read_filter(conf, errors, &policy->filter, &policy->place));
        check_templates(conf, errors, policy);
    }
    for (size_t i = 0; i < conf->root.dirsyncs_n; i++)
        check_export(conf, errors, &conf->root.dirsyncs[i].export);
}
