/* simulate_side.c - what one connector would be given of a message (see simulate.h)
 *
 * A system without a form of its own gets the message as it is, with translated addresses in the header. Another's
 * module converts it here as in its converter, in a child (trial.h).
 *
 * What is hostile here: the message.
 */
#include "commands/simulate.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands/trial.h"
#include "common/header_scan.h"
#include "systems/registry.h"

enum { ITEM_SHOWN = 64 << 10 };

/* ---- a header with other addresses ---- */

/* Compares both headers field by field: translating neither adds a field nor takes one away. */
static void
compare_headers(struct span before, struct span after, struct buf *out)
{
    struct span name, old, new, new_name;
    while (header_next(&before, &name, &old) && header_next(&after, &new_name, &new)) {
        old = span_trim(old);
        new = span_trim(new);
        if (span_equal(old, new))
            continue;
        buf_printf(out, "%.*s: ", (int)name.len, name.at);
        for (size_t i = 0; i < old.len; i++)
            buf_add_byte(out, old.at[i] == '\n' ? ' ' : old.at[i]);
        buf_add_text(out, " -> ");
        for (size_t i = 0; i < new.len; i++)
            buf_add_byte(out, new.at[i] == '\n' ? ' ' : new.at[i]);
        buf_add_byte(out, '\n');
    }
}

static void
translate_fields(struct sim_side *side, const struct sim_message *message)
{
    struct buf header = {0};
    if (translate_header(side->translator, true, buf_span(&message->header), &header) < 0)
        buf_add_text(&side->headers, "(the address book cannot be read now)\n");
    else
        compare_headers(buf_span(&message->header), buf_span(&header), &side->headers);
    buf_clear(&header);
}

/* ---- the conversion ---- */

/* What the module writes, its beginning. */
static void
take_item(struct sim_side *side, int fd)
{
    struct stat st;
    char *bytes = xmalloc(ITEM_SHOWN);
    ssize_t n = pread(fd, bytes, ITEM_SHOWN, 0);
    if (n > 0)
        buf_add(&side->item, bytes, (size_t)n);
    side->item_bytes = fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
    free(bytes);
}

static void
run_module(struct lookup *lookup, struct sim_side *side, const struct viaduct_system *system,
           const struct viaduct_delivery *delivery, const struct sim_message *message)
{
    struct trial trial = {.lookup = lookup,
                          .system = system,
                          .connector = side->connector,
                          .translator = side->translator,
                          .delivery = delivery,
                          .fd = message->fd,
                          .bytes = message->bytes};
    trial_run(&trial);
    buf_add_span(&side->headers, buf_span(&trial.headers));
    buf_add_span(&side->lost, buf_span(&trial.lost));
    side->bad = trial.answer < 0 || trial.answer == VIADUCT_CONVERT_BAD;
    side->failed = trial.answer != VIADUCT_CONVERTED;
    side->why = trial.why;
    if (!side->failed)
        take_item(side, trial.item_fd);
    trial_clear(&trial);
}

static struct viaduct_text
text_of(struct span span)
{
    return (struct viaduct_text){span.at, span.len};
}

void
sim_side_convert(struct lookup *lookup, struct sim_side *side, const struct sim_message *message,
                 const struct sim_recipient *recipients, size_t n)
{
    struct why why;
    const struct viaduct_system *system = registry_for(lookup->command->root, side->connector, false, &why);
    struct viaduct_recipient_out *out = xcalloc(n + 1, sizeof *out);
    struct viaduct_delivery delivery = {.size = sizeof delivery,
                                        .id = TRIAL_ID,
                                        .originator = text_of(side->sender.value),
                                        .smtputf8 = false,
                                        .body_8bit = message->eight_bit,
                                        .recipients = out,
                                        .bytes = message->bytes,
                                        .arrival_ms = time_ms()};
    for (size_t i = 0; i < n; i++)
        if (recipients[i].side == side && recipients[i].fails == NULL)
            out[delivery.n_recipients++] =
                (struct viaduct_recipient_out){.address = text_of(recipients[i].becomes.address.value),
                                               .original = text_of(recipients[i].address.value),
                                               .display = text_of(recipients[i].becomes.display),
                                               .kind = 1,
                                               .responsible = true};
    side->converts = system != NULL && system->always_convert && system->convert != NULL &&
                     system->convert->to_foreign != NULL;
    if (side->converts)
        run_module(lookup, side, system, &delivery, message);
    else
        translate_fields(side, message);
    free(out);
}

void
sim_side_clear(struct sim_side *side)
{
    translator_free(side->translator);
    buf_clear(&side->headers);
    buf_clear(&side->lost);
    buf_clear(&side->item);
}
