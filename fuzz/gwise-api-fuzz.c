/* gwise-api-fuzz.c - any octets as an API header file: read, walked, and understood as addresses and dates */
#include "systems/gwise/api_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
walk(const struct api_item *parent)
{
    int64_t time_s;
    struct api_address address;
    for (const struct api_item *item = parent->children; item != NULL; item = item->next) {
        api_read_date(item->text, &time_s);
        api_split_address(item->text, &address);
        api_address(item, &address);
        api_text(item, "Current-File");
        for (const struct api_item *element = item->children; element != NULL; element = element->next) {
            BUG_UNLESS(item->kind != API_GROUP || element->kind == API_ELEMENT);
            api_address(element, &address);
        }
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = {(const char *)data, size};
    struct arena *arena = arena_new(16 << 20);
    struct api_file file;
    struct why why;
    if (api_read(text, arena, &file, &why) == 0) {
        walk(&file.root);
        BUG_UNLESS(file.trailer.len <= size);
    }
    arena_free(arena);
    return 0;
}
