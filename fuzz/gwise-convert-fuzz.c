/* gwise-convert-fuzz.c - any octets as a message for GroupWise, and as an item from it
 *
 * The first octet chooses: a message, a container as it stands, or a header file with a body and a file, which
 * this wraps into a container, since no chance finds a right check. What is made must be well-formed: a message
 * becomes a container that reads without fault and holds a header and a body that is not empty.
 */
#include <stdlib.h>

#include "common/buf.h"
#include "systems/gwise/container.h"
#include "systems/gwise/convert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
    struct span input;
    struct buf output;
    bool enveloped;
};

static ssize_t
read_input(void *arg, uint64_t offset, void *bytes, size_t size)
{
    const struct world *world = arg;
    size_t left = offset < world->input.len ? world->input.len - (size_t)offset : 0,
           n = left < size ? left : size;
    if (n > 0)
        memcpy(bytes, world->input.at + offset, n);
    return (ssize_t)n;
}

static int
write_output(void *arg, const void *bytes, size_t len)
{
    buf_add(&((struct world *)arg)->output, bytes, len);
    return 0;
}

static int
take_envelope(void *arg, const struct viaduct_envelope_in *envelope,
              const struct viaduct_recipient_in *recipients, size_t n)
{
    (void)envelope;
    BUG_UNLESS(n > 0 && recipients[0].address.len > 0);
    ((struct world *)arg)->enveloped = true;
    return 0;
}

static void
take_report(void *arg, const char *line)
{
    (void)arg;
    BUG_UNLESS(strchr(line, '\n') == NULL);
}

static struct viaduct_text
translate(void *arg, struct viaduct_text address, bool outwards, struct viaduct_text *display)
{
    (void)arg;
    *display = (struct viaduct_text){"Shown", address.len % 3 == 0 ? 5 : 0};
    if (address.len % 5 == 0)
        return (struct viaduct_text){NULL, 0};
    return outwards ? (struct viaduct_text){"D.P.u", 5} : address;
}

static void
check_container(struct buf *made)
{
    struct world world = {.input = buf_span(made)};
    struct container_reader *reader = calloc(1, sizeof *reader);
    struct container_item *item = calloc(1, sizeof *item);
    struct why why;
    enum container_event event;
    enum part_kind kind = PART_META;
    uint64_t header = 0, body = 0;
    container_open(reader, read_input, &world);
    while ((event = container_next(reader, item, &why)) != CONTAINER_END) {
        BUG_UNLESS(event != CONTAINER_BROKEN);
        if (event == CONTAINER_PART)
            kind = item->kind;
        if (event == CONTAINER_DATA)
            *(kind == PART_HEADER ? &header : &body) += item->data.len;
    }
    BUG_UNLESS(header > 0 && body > 0);
    free(reader);
    free(item);
}

static void
wrap(struct span text, struct buf *item)
{
    struct container_writer writer;
    struct world world = {.output = *item};
    size_t half = text.len / 2;
    container_begin(&writer, write_output, &world);
    container_part(&writer, PART_HEADER, SPAN("a.api"));
    static const char begin[] = "From= WPD= D; WPPO= P; WPU= u; ; To= WPD= D; WPPO= P; WPU= v; ; ";
    container_add(&writer, begin, sizeof begin - 1);
    container_add(&writer, text.at, text.len);
    container_add(&writer, "\r\n-END-\r\n", 9);
    container_part_end(&writer);
    container_part(&writer, PART_BODY, SPAN("a.bdy"));
    container_add(&writer, text.at, half);
    container_part_end(&writer);
    container_part(&writer, PART_FILE, SPAN("a.001"));
    container_add(&writer, text.at + half, text.len - half);
    container_part_end(&writer);
    container_end(&writer);
    *item = world.output;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct viaduct_recipient_out recipient = {
        .address = {"D.P.u", 5}, .kind = 1, .responsible = true};
    struct viaduct_delivery delivery = {.size = sizeof delivery,
                                        .id = "X",
                                        .originator = {"E.P.s", 5},
                                        .recipients = &recipient,
                                        .n_recipients = 1};
    struct viaduct_reason reason;
    struct buf item = {0};
    if (size == 0)
        return 0;
    struct span rest = {(const char *)data + 1, size - 1};
    struct world world = {.input = rest};
    struct viaduct_convert_in in = {
        .size = sizeof in, .id = "X", .need = "", .read = read_input, .arg = &world, .translate = translate};
    struct viaduct_convert_out out = {.size = sizeof out,
                                      .write = write_output,
                                      .envelope = take_envelope,
                                      .report = take_report,
                                      .arg = &world};
    if (data[0] % 3 == 0) {
        in.message = &delivery;
        enum viaduct_converted result = gwise_to_foreign(&in, &out, &reason);
        BUG_UNLESS(result == VIADUCT_CONVERTED);
        check_container(&world.output);
    } else {
        if (data[0] % 3 == 1)
            wrap(rest, &item);
        if (data[0] % 3 == 1)
            world.input = buf_span(&item);
        if (gwise_from_foreign(&in, &out, &reason) == VIADUCT_CONVERTED)
            BUG_UNLESS(world.enveloped && world.output.len > 0 &&
                       memchr(world.output.at, '\0', strcspn(world.output.at, "\r")) == NULL);
    }
    buf_clear(&world.output);
    buf_clear(&item);
    return 0;
}
