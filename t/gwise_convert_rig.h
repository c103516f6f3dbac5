/* gwise_convert_rig.h - a converter's surroundings, in memory: for tests of the conversion from and to GroupWise
 *
 * Messages go out by outwards(), items come in by inwards(); carry() is what the carriers do in between. What is
 * remembered of messages that left stays in `kept`, one for all.
 */
#ifndef VIADUCT_T_GWISE_CONVERT_RIG_H
#define VIADUCT_T_GWISE_CONVERT_RIG_H

#include "systems/gwise/container.h"
#include "systems/gwise/gwise.h"
#include "systems/mime/mime_header.h"
#include "t/kit_fake.h"

/* ---- a converter's surroundings ---- */

static struct viaduct_gateway gateway;

struct world {
    char refusal[8]; /* status with which the envelope is not taken; "" it is */
    int write_error;
    struct buf input, output, report, recipients;
    struct buf originator, foreign_id, answer, question; /* question: the answer to one */
    struct viaduct_reason reason;
};

static ssize_t
read_input(void *arg, uint64_t offset, void *bytes, size_t size)
{
    const struct buf *input = &((struct world *)arg)->input;
    size_t left = offset < input->len ? input->len - (size_t)offset : 0, n = left < size ? left : size;
    if (n > 0)
        memcpy(bytes, input->at + offset, n);
    return (ssize_t)n;
}

static int
write_output(void *arg, const void *bytes, size_t len)
{
    struct world *world = arg;
    buf_add(&world->output, bytes, len);
    return world->write_error;
}

static int
take_envelope(void *arg, const struct viaduct_envelope_in *envelope,
              const struct viaduct_recipient_in *recipients, size_t n)
{
    struct world *world = arg;
    if (world->refusal[0] != '\0') {
        snprintf(world->reason.status, sizeof world->reason.status, "%s", world->refusal);
        snprintf(world->reason.text, sizeof world->reason.text, "the book is being replaced");
        return -EINVAL;
    }
    buf_add(&world->originator, envelope->originator.at, envelope->originator.len);
    buf_add(&world->foreign_id, envelope->foreign_id.at, envelope->foreign_id.len);
    for (size_t i = 0; i < n; i++) {
        buf_printf(&world->recipients, "%d:%.*s\n", recipients[i].kind, (int)recipients[i].address.len,
                   recipients[i].address.at);
    }
    return 0;
}

static inline void
take_report(void *arg, const char *line)
{
    buf_printf(&((struct world *)arg)->report, "%s\n", line);
}

static int
take_answer(void *arg, const void *bytes, size_t len)
{
    buf_add(&((struct world *)arg)->question, bytes, len);
    return 0;
}

/* user@exchange.example <-> Exchange.HQ.user; user@gw.example <-> HARBOUR.Quay.user; Exchange.SMTP.address is read as the
 * address, others have no other form.
 */
static struct viaduct_text
translate(void *arg, struct viaduct_text address, bool outwards, struct viaduct_text *display)
{
    struct world *world = arg;
    static const char *const forms[][2] = {
        {"@exchange.example", "Exchange.HQ."}, {"@gw.example", "HARBOUR.Quay."}, {"", "Exchange.SMTP."}};
    buf_reset(&world->answer);
    *display = (struct viaduct_text){NULL, 0};
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        size_t mail = strlen(forms[i][0]), gw = strlen(forms[i][1]);
        if (outwards && mail > 0 && address.len > mail &&
            memcmp(address.at + address.len - mail, forms[i][0], mail) == 0) {
            buf_add_text(&world->answer, forms[i][1]);
            buf_add(&world->answer, address.at, address.len - mail);
        } else if (!outwards && address.len > gw && memcmp(address.at, forms[i][1], gw) == 0) {
            buf_add(&world->answer, address.at + gw, address.len - gw);
            buf_add_text(&world->answer, forms[i][0]);
        }
    }
    return (struct viaduct_text){world->answer.at, world->answer.len};
}

static inline void
clear_world(struct world *world)
{
    buf_clear(&world->input);
    buf_clear(&world->output);
    buf_clear(&world->report);
    buf_clear(&world->recipients);
    buf_clear(&world->originator);
    buf_clear(&world->foreign_id);
    buf_clear(&world->answer);
    buf_clear(&world->question);
    memset(world, 0, sizeof *world);
}

/* ---- what is remembered ---- */

static struct {
    struct buf key, value;
} kept[50];
static size_t n_kept;
static int keep_error;

static int
remember(struct viaduct_gateway *unused, struct viaduct_text key, struct viaduct_text value,
         struct viaduct_reason *reason)
{
    (void)unused;
    if (keep_error < 0) {
        snprintf(reason->status, sizeof reason->status, "4.3.0");
        return keep_error;
    }
    BUG_UNLESS(n_kept < COUNT_OF(kept));
    buf_add(&kept[n_kept].key, key.at, key.len);
    buf_add(&kept[n_kept].value, value.at, value.len);
    n_kept++;
    return 0;
}

static int
recall(struct viaduct_gateway *unused, struct viaduct_text key, struct viaduct_text *value)
{
    (void)unused;
    for (size_t i = n_kept; i-- > 0;)
        if (span_equal(buf_span(&kept[i].key), (struct span){key.at, key.len})) {
            *value = (struct viaduct_text){kept[i].value.at, kept[i].value.len};
            return 1;
        }
    return 0;
}

static inline void
forget_all(void)
{
    for (; n_kept > 0; n_kept--) {
        buf_clear(&kept[n_kept - 1].key);
        buf_clear(&kept[n_kept - 1].value);
    }
}

#define TEXT(literal)                                                                                          \
    {                                                                                                          \
        ("" literal), sizeof(literal) - 1                                                                      \
    }

static const struct viaduct_recipient_out recipients[] = {
    {.address = TEXT("HARBOUR.Quay.crew"), .original = TEXT("crew@gw.example"), .kind = 1, .responsible = true},
    {.address = TEXT("HARBOUR.Quay.jo.hn"),
     .original = TEXT("jo.hn@gw.example"),
     .kind = 2,
     .responsible = true},
};

static struct viaduct_services
services(void)
{
    struct viaduct_services all = fake_services;
    all.remember = remember;
    all.recall = recall;
    return all;
}

static inline enum viaduct_converted
outwards_to(struct world *world, const char *message, size_t len, const struct viaduct_recipient_out *to,
            size_t n)
{
    struct viaduct_services all = services();
    struct viaduct_delivery delivery = {.size = sizeof delivery,
                                        .id = "0123456789ABCDEFGHJKMNPQRS",
                                        .originator = TEXT("Exchange.HQ.anna"),
                                        .envid = TEXT("QQ+3D1"),
                                        .recipients = to,
                                        .n_recipients = n,
                                        .arrival_ms = 1000};
    buf_add(&world->input, message, len);
    struct viaduct_convert_in in = {.size = sizeof in,
                                    .gateway = &gateway,
                                    .services = &all,
                                    .id = delivery.id,
                                    .need = "",
                                    .message = &delivery,
                                    .read = read_input,
                                    .arg = world,
                                    .bytes = len,
                                    .translate = translate};
    struct viaduct_convert_out out = {.size = sizeof out,
                                      .write = write_output,
                                      .envelope = take_envelope,
                                      .report = take_report,
                                      .arg = world};
    return gwise_system.convert->to_foreign(&in, &out, &world->reason);
}

static inline enum viaduct_converted
outwards(struct world *world, const char *message, size_t len)
{
    return outwards_to(world, message, len, recipients, 2);
}

static inline enum viaduct_converted
inwards(struct world *world, const struct buf *container)
{
    struct viaduct_services all = services();
    buf_add(&world->input, container->at, container->len);
    struct viaduct_convert_in in = {.size = sizeof in,
                                    .gateway = &gateway,
                                    .services = &all,
                                    .id = "x",
                                    .need = "",
                                    .read = read_input,
                                    .arg = world,
                                    .bytes = container->len,
                                    .translate = translate};
    struct viaduct_convert_out out = {.size = sizeof out,
                                      .write = write_output,
                                      .envelope = take_envelope,
                                      .report = take_report,
                                      .arg = world,
                                      .answer = take_answer};
    return gwise_system.convert->from_foreign(&in, &out, &world->reason);
}

/* The octets of a part of a container, by its place among those of its kind. */
static inline struct buf
part_of(const struct buf *container, enum part_kind kind, int which)
{
    struct world world = {.input = *container};
    struct container_reader *reader = xcalloc(1, sizeof *reader);
    struct container_item *item = xcalloc(1, sizeof *item);
    struct buf out = {0};
    enum container_event event;
    int n = -1;
    enum part_kind now = PART_META;
    struct why why = {"", ""};
    container_open(reader, read_input, &world);
    while ((event = container_next(reader, item, &why)) != CONTAINER_END && event != CONTAINER_BROKEN) {
        if (event == CONTAINER_PART) {
            now = item->kind;
            n += now == kind;
        }
        if (event == CONTAINER_DATA && now == kind && n == which)
            buf_add_span(&out, item->data);
    }
    if (event == CONTAINER_BROKEN)
        printf("# %s\n", why.text);
    free(reader);
    free(item);
    buf_add(&out, "", 0);
    return out;
}

static inline bool
holds(const struct buf *text, const char *what)
{
    return text->len > 0 && memmem(text->at, text->len, what, strlen(what)) != NULL;
}

/* What the carriers do in between: the base's name comes in, and parts get the names of files. */
static inline struct buf
carry(const struct buf *container)
{
    struct world world = {.input = *container};
    struct container_reader *reader = xcalloc(1, sizeof *reader);
    struct container_item *item = xcalloc(1, sizeof *item);
    struct container_writer writer;
    enum container_event event;
    struct why why;
    bool header = false;
    container_begin(&writer, write_output, &world);
    container_open(reader, read_input, &world);
    while ((event = container_next(reader, item, &why)) != CONTAINER_END && event != CONTAINER_BROKEN) {
        char name[40];
        snprintf(name, sizeof name, "0badcafe.%.20s", item->name);
        if (event == CONTAINER_PART) {
            header = item->kind == PART_HEADER;
            container_part(&writer, item->kind, span_of(name));
        } else if (event == CONTAINER_PART_END) {
            container_part_end(&writer);
        } else if (!header) {
            container_add(&writer, item->data.at, item->data.len);
        } else {
            for (size_t i = 0; i < item->data.len; i++)
                if (item->data.at[i] == CONTAINER_BASE_MARK)
                    container_add(&writer, "0badcafe", 8);
                else
                    container_add(&writer, item->data.at + i, 1);
        }
    }
    container_end(&writer);
    free(reader);
    free(item);
    return world.output;
}

/* A container as the inbound carrier makes it. */
static inline struct buf
make_item(const char *header, size_t len, const char *body, const char *file_name)
{
    struct world world = {0};
    struct container_writer writer;
    container_begin(&writer, write_output, &world);
    container_part(&writer, PART_HEADER, SPAN("4003A1B2.API"));
    container_add(&writer, header, len);
    container_part_end(&writer);
    if (body != NULL) {
        container_part(&writer, PART_BODY, SPAN("4003a1b2.bdy"));
        container_add(&writer, body, strlen(body));
        container_part_end(&writer);
    }
    if (file_name != NULL) {
        container_part(&writer, PART_FILE, span_of(file_name));
        container_add(&writer, "12345", 5);
        container_part_end(&writer);
    }
    container_end(&writer);
    return world.output;
}

#define FROM "From= \r\n WPD= HARBOUR; WPPO= Quay; WPU= crew; ; \r\n"
#define TO   "To= \r\n WPD= Exchange; WPPO= HQ; WPU= anna; ; \r\n"

#endif
