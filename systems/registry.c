/* registry.c - finding a system's module by its name (see registry.h) */
#include "systems/registry.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "systems/gwise/gwise.h"
#include "systems/maildir/maildir.h"
#include "systems/module_note.h"
#include "systems/smtp/smtp_system.h"

const struct viaduct_system *const registry_builtin[] = {&smtp_system, &maildir_system, &gwise_system, NULL};

static const struct viaduct_system *
load(const char *path, const char *name, struct why *why)
{
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (object == NULL) {
        why_set(why, "5.3.5", "no module for the system \"%s\": %s", name, dlerror());
        return NULL;
    }
    const struct viaduct_system *(*entry)(void);
    *(void **)&entry = dlsym(object, "viaduct_system_entry");
    const struct viaduct_system *system = entry != NULL ? entry() : NULL;
    if (system == NULL || system->size < offsetof(struct viaduct_system, address) ||
        system->abi != VIADUCT_SYSTEM_ABI || system->name == NULL || strcmp(system->name, name) != 0 ||
        system->address_type == NULL) {
        why_set(why, "5.3.5", "%s is no module for the system \"%s\" of ABI %d", path, name,
                VIADUCT_SYSTEM_ABI);
        return NULL;
    }
    return system;
}

const struct viaduct_system *
registry_find_builtin(const char *name)
{
    for (size_t i = 0; registry_builtin[i] != NULL; i++)
        if (strcmp(registry_builtin[i]->name, name) == 0)
            return registry_builtin[i];
    return NULL;
}

int
registry_path(const struct conf_root *root, const char *name, char path[REGISTRY_PATH_SIZE], struct why *why)
{
    const char *folder = root->modules != NULL ? root->modules : VIADUCT_MODULES;
    if (strchr(name, '/') != NULL || name[0] == '.')
        return why_set(why, "5.3.5", "\"%s\" is no name of a system", name);
    if ((size_t)snprintf(path, REGISTRY_PATH_SIZE, "%s/%s.so", folder, name) >= REGISTRY_PATH_SIZE)
        return why_set(why, "5.3.5", "the path of the modules folder is too long");
    return 0;
}

const struct viaduct_system *
registry_find(const struct conf_root *root, const char *name, struct why *why)
{
    char path[REGISTRY_PATH_SIZE];
    const struct viaduct_system *builtin = registry_find_builtin(name);
    if (builtin != NULL)
        return builtin;
    return registry_path(root, name, path, why) < 0 ? NULL : load(path, name, why);
}

int
registry_check(const struct conf_root *root, const char *name, struct why *why)
{
    char path[REGISTRY_PATH_SIZE];
    if (registry_find_builtin(name) != NULL)
        return 0;
    if (registry_path(root, name, path, why) < 0)
        return -EINVAL;
    int abi = module_note_abi(path);
    if (abi == VIADUCT_SYSTEM_ABI)
        return 0;
    if (abi > 0)
        return why_set(why, "5.3.5", "%s was built for ABI %d, and this is ABI %d: build it again", path, abi,
                       VIADUCT_SYSTEM_ABI);
    if (abi == -EINVAL)
        return why_set(why, "5.3.5", "%s is no module for this machine, built with viaduct/system.h", path);
    if (abi == -ENOENT && strcmp(name, "notes") == 0)
        return why_set(why, "5.3.5",
                       "\"notes\" comes with a later version; this one has smtp, maildir and gwise");
    return why_set(why, "5.3.5",
                   "no module for the system \"%s\" (%s: %s); built in are smtp, maildir and gwise", name, path,
                   strerror(-abi));
}

static bool
delivers_into_maildir(const struct conf_root *root)
{
    const struct conf_texts *to = &root->host.deliver.to;
    return to->n > 0 && span_starts_nocase(span_of(to->at[0]), SPAN("maildir:"));
}

const struct viaduct_system *
registry_builtin_for(const struct conf_root *root, const struct conf_connector *connector, bool inbound)
{
    if (connector != NULL)
        return registry_find_builtin(connector->type);
    return !inbound && delivers_into_maildir(root) ? &maildir_system : &smtp_system;
}

const struct viaduct_system *
registry_for(const struct conf_root *root, const struct conf_connector *connector, bool inbound,
             struct why *why)
{
    const struct viaduct_system *builtin = registry_builtin_for(root, connector, inbound);
    return builtin != NULL ? builtin : registry_find(root, connector->type, why);
}

bool
registry_has_part(const struct viaduct_system *system, enum worker_id worker)
{
    if (worker == WORKER_INBOUND)
        return system->inbound != NULL;
    if (worker == WORKER_INBOUND_CONVERTER)
        return system->convert != NULL && system->convert->from_foreign != NULL;
    if (worker == WORKER_OUTBOUND_CONVERTER)
        return system->convert != NULL && system->convert->to_foreign != NULL;
    return true;
}
