/* module_note.h - which ABI a module was built for, by its file alone (part of registry.c)
 *
 * Every file that includes viaduct/system.h bears a note of the name "viaduct" whose one word is the ABI. Reading it runs none of
 * the module's code, as dlopen() would; the file is foreign all the same: sizes and offsets are compared before they are used.
 *
 * Sources: elf(5); System V ABI, "Note Section".
 */
#ifndef VIADUCT_MODULE_NOTE_H
#define VIADUCT_MODULE_NOTE_H

/* The ABI, above 0. -EINVAL for what is no shared object for this machine or bears no such note, or the -errno of opening it. */
int module_note_abi(const char *path);

#endif
