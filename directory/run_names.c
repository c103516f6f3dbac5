/* run_names.c - what belongs to a dirsync, and how its files are called (see run.h)
 *
 * Apart from the run itself: sides and the book ask too. */
#include <stdio.h>

#include "directory/run.h"
#include "systems/registry.h"

void
run_directory_set_name(const struct conf_directory *directory, char name[300])
{
    snprintf(name, 300, "directory.%.200s.set", directory->title);
}

void
run_dirsync_set_name(const struct conf_dirsync *dirsync, char name[300])
{
    snprintf(name, 300, "%.200s.set", dirsync->title);
}

const struct conf_directory *
run_directory(const struct conf_root *root, const struct conf_dirsync *dirsync)
{
    for (size_t i = 0; i < root->host.directories_n; i++)
        if (span_equal(span_of(root->host.directories[i].title), span_of(dirsync->directory)))
            return &root->host.directories[i];
    return NULL;
}

const char *
run_address_type(const struct conf_root *root, const struct conf_dirsync *dirsync)
{
    struct why why;
    const struct viaduct_system *system =
        registry_for(root, conf_connector_find(root, dirsync->connector), false, &why);
    return system != NULL ? system->address_type : "SMTP";
}

void
run_given_name(const struct conf_directory *directory, char name[300])
{
    snprintf(name, 300, "directory.%.200s.given", directory->title);
}
