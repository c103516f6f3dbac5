/* drop-envelope-fuzz.c - what strangers drop: whatever it says, the envelope made of it is one that can be read
 * again */
#include <stdlib.h>

#include "daemons/pickup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(struct envelope *envelope, struct arena *arena)
{
    struct envelope again;
    struct why why;
    struct buf records = {0};
    envelope->id = SPAN("06GVK4N5D00000000000000001");
    envelope->arrival_ms = 1;
    envelope->origin = SPAN("host");
    envelope->class = SPAN("IPM.Note");
    envelope_print(envelope, &records);
    if (envelope->n_recipients == 0 || envelope->n_recipients > 50 ||
        envelope_parse(buf_span(&records), 50, arena, &again, &why) < 0 ||
        again.n_recipients != envelope->n_recipients)
        abort();
    buf_clear(&records);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct drop_rules rules = {.domain = "contoso.example", .max_recipients = 50, .seed = 7};
    struct arena *arena = arena_new(4 << 20);
    struct envelope envelope = {.originator = {SPAN("SMTP"), SPAN("")}};
    struct span text = {(const char *)data, size};
    struct why why;
    int lines = drop_envelope_lines(&text, &rules, arena, &envelope, &why);
    if (text.at + text.len != (const char *)data + size)
        abort();
    if (lines > 0)
        check(&envelope, arena);
    envelope = (struct envelope){.originator = {SPAN("SMTP"), SPAN("")}};
    if (drop_envelope_header((struct span){(const char *)data, size}, &rules, arena, &envelope, &why) == 0)
        check(&envelope, arena);
    arena_free(arena);
    return 0;
}
