/* lookup.c - the book, translators and addresses for the verbs that ask (see lookup.h) */
#include "commands/lookup.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "commands/listing.h"
#include "systems/registry.h"

enum { LOOKUP_ARENA = 64 << 20 };

void
lookup_open(struct lookup *lookup, struct command *command)
{
    struct why why = {"", ""};
    lookup->command = command;
    lookup->bookless = false;
    lookup->arena = arena_new(LOOKUP_ARENA);
    if (command->spool_fd < 0) {
        fprintf(stderr,
                "(the spool %s is not there yet, and no address book; `viaduct spool create` makes it)\n",
                command->spool_path);
        lookup->book_fd = -ENOENT;
        lookup->book = book_new(-1);
        lookup->bookless = true;
        return;
    }
    command_check_readable(command, FOLDER_BOOK);
    lookup->book_fd = command->spool_fd >= 0 ? folder_open(command->spool_fd, FOLDER_BOOK, NULL) : -ENOENT;
    lookup->book = book_new(lookup->book_fd);
    int r = lookup->book_fd >= 0 ? book_refresh(lookup->book, &why) : -ENOENT;
    if (r == -EAGAIN)
        command_fail(EXIT_NOTHING, "the address book cannot be read: %s", why.text);
    else if (r >= 0 && why.text[0] != '\0')
        command_fail(EXIT_NOTHING, "%s; generation %llu is in use", why.text,
                     (unsigned long long)book_generation(lookup->book));
    else if (r == -ENOENT)
        fprintf(stderr, "(there is no address book; `viaduct book build` makes one)\n");
    lookup->bookless = r == -ENOENT;
}

void
lookup_close(struct lookup *lookup)
{
    book_free(lookup->book);
    arena_free(lookup->arena);
    if (lookup->book_fd >= 0)
        close(lookup->book_fd);
}

void
lookup_print(const struct address *address)
{
    struct buf out = {0}, clean = {0};
    address_print(address, &out);
    text_add_clean(&clean, buf_span(&out));
    fputs(clean.at != NULL ? clean.at : "", stdout);
    buf_clear(&out);
    buf_clear(&clean);
}

struct span
lookup_text(const struct lookup *lookup, const struct address *address)
{
    struct buf text = {0};
    address_print(address, &text);
    struct span span = arena_span(lookup->arena, buf_span(&text));
    buf_clear(&text);
    return span;
}

struct span
lookup_type(const struct conf_root *root, const struct conf_connector *connector)
{
    struct why why;
    const struct viaduct_system *system = connector != NULL ? registry_for(root, connector, false, &why) : NULL;
    return system != NULL ? span_of(system->address_type) : SPAN("SMTP");
}

struct translator *
lookup_translator(struct lookup *lookup, const struct conf_connector *connector, struct why *why)
{
    struct buf errors = {0};
    const struct conf_root *root = lookup->command->root;
    struct translator *translator =
        translator_new(root, connector, lookup_type(root, connector), lookup->book, &errors);
    if (translator == NULL)
        why_set(why, "4.3.5", "the mapping cannot be read: %s", errors.at != NULL ? errors.at : "");
    buf_clear(&errors);
    return translator;
}
