/* tnef-fuzz.c - any octets as TNEF: every place lies within, every body is read, nothing passes its limit */
#include <errno.h>
#include <sys/types.h>

#include "systems/mime/tnef_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static ssize_t
read_memory(void *arg, uint64_t offset, void *bytes, size_t size)
{
    const struct span *memory = arg;
    if (offset >= memory->len)
        return 0;
    size_t left = memory->len - (size_t)offset, n = size < left ? size : left;
    memcpy(bytes, memory->at + offset, n);
    return (ssize_t)n;
}

static void
check_place(const struct tnef_source *source, struct tnef_place place)
{
    BUG_UNLESS(place.offset <= source->place.bytes && place.bytes <= source->place.bytes - place.offset);
}

static int
take_body(void *arg, bool html, struct span utf8)
{
    (void)arg;
    (void)html;
    BUG_UNLESS(utf8.len > 0 && charset_take_utf8(utf8.at, utf8.len, &(uint32_t){0}) > 0);
    return 0;
}

static void
check_body(const struct tnef_source *source, const struct tnef_body *body)
{
    struct why why;
    check_place(source, body->place);
    int error = tnef_read_body(source, body, take_body, NULL, &why);
    BUG_UNLESS(error == 0 || error == -EINVAL);
}

static void
check_tree(const struct tnef_source *source, const struct tnef_tree *tree)
{
    BUG_UNLESS(tree->n_messages > 0 && tree->n_messages <= TNEF_MESSAGES_MAX);
    BUG_UNLESS(tree->n_attachments <= TNEF_ATTACHMENTS_MAX && tree->n_recipients <= TNEF_RECIPIENTS_MAX);
    BUG_UNLESS(tree->text_bytes <= TNEF_TEXTS_MAX + (1 << 20));
    for (size_t i = 0; i < tree->n_messages; i++) {
        const struct tnef_message *message = &tree->messages[i];
        BUG_UNLESS(message->parent < (int)i && message->level <= TNEF_DEPTH_MAX);
        check_place(source, message->place);
        check_place(source, message->meeting.recurrence);
        check_body(source, &message->text);
        check_body(source, &message->html);
        check_body(source, &message->rtf);
    }
    for (size_t i = 0; i < tree->n_attachments; i++) {
        check_place(source, tree->attachments[i].data);
        check_place(source, tree->attachments[i].meta_file);
        BUG_UNLESS(tree->attachments[i].embedded < (int)tree->n_messages);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span memory = {(const char *)data, size};
    struct tnef_source source = {.read = read_memory, .arg = &memory, .place = {0, size}};
    struct tnef_tree tree;
    struct why why;
    int error = tnef_gather(&source, &tree, &why);
    BUG_UNLESS(error == 0 || error == -EINVAL);
    check_tree(&source, &tree);
    tnef_tree_clear(&tree);
    return 0;
}
