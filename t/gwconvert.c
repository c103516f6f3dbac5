/* gwconvert.c - messages to GroupWise and back, items from GroupWise, for t/gwise-corpus.t
 *
 *     gwconvert FOLDER CODEPAGE DOMAIN
 *
 * NAME.eml, with NAME.to (lines "KIND ADDRESS") beside it, goes out to GroupWise and comes back:
 *
 *     NAME.out     the result outwards, its reason; the result on the way back, its reason (a line each)
 *     NAME.report  the lines of both reports
 *     NAME.item    the header file as the gateway gets it
 *     NAME.back    the message that comes back;   NAME.who    its envelope: "from ADDRESS", then "KIND:ADDRESS"
 *     NAME.reply   the header of what a GroupWise user answers to it
 *
 * NAME.api, with NAME.bdy and NAME.at.FILE beside it, comes in: NAME.out, .report, .back and .who. Names are taken in
 * order and each is printed before its turn, so that the last one printed is the one that crashed.
 */
#include <dirent.h>

#include "systems/gwise/api_read.h"
#include "systems/gwise/api_write.h"
#include "systems/mime/charset.h"
#include "t/gwise_convert_rig.h"

static const char *folder;

static void
save(const char *name, const char *extension, const struct buf *text)
{
    char file[300];
    snprintf(file, sizeof file, "%s.%s", name, extension);
    fake_write(folder, file, text->at != NULL ? text->at : "", text->len);
}

static struct buf
load(const char *name, const char *extension)
{
    char file[300];
    snprintf(file, sizeof file, "%s.%s", name, extension);
    return fake_read(folder, file);
}

static void
add_result(struct buf *out, enum viaduct_converted result, const struct viaduct_reason *reason)
{
    static const struct {
        enum viaduct_converted result;
        const char *word;
    } words[] = {{VIADUCT_CONVERTED, "converted"},       {VIADUCT_CONVERT_REFUSED, "refused"},
                 {VIADUCT_CONVERT_BAD, "bad"},           {VIADUCT_CONVERT_DIRECTORY, "directory"},
                 {VIADUCT_CONVERT_ANSWERED, "answered"}, {VIADUCT_CONVERT_NOTHING, "nothing"}};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (words[i].result == result)
            buf_printf(out, "%s %s %s\n", words[i].word, reason->status, reason->text);
}

/* ---- there and back ---- */

/* The addresses of NAME.to; user@gw.example is HARBOUR.Quay.user. */
static struct viaduct_recipient_out *
read_recipients(const char *name, struct arena *arena, size_t *n)
{
    struct buf text = load(name, "to");
    size_t lines = 0;
    for (size_t i = 0; i < text.len; i++)
        lines += text.at[i] == '\n';
    struct viaduct_recipient_out *all = arena_alloc(arena, (lines + 1) * sizeof *all);
    *n = 0;
    for (const char *at = text.at; at != NULL && *n < lines; at = strchr(at, '\n') + 1) {
        struct span original = arena_span(arena, (struct span){at + 2, strcspn(at + 2, "\n")});
        struct buf address = {0};
        const char *host = memchr(original.at, '@', original.len);
        buf_printf(&address, "HARBOUR.Quay.%.*s", (int)(host != NULL ? host - original.at : 0), original.at);
        struct span copy = arena_span(arena, buf_span(&address));
        buf_clear(&address);
        all[(*n)++] = (struct viaduct_recipient_out){.address = {copy.at, copy.len},
                                                     .original = {original.at, original.len},
                                                     .kind = at[0] - '0',
                                                     .responsible = true};
    }
    buf_clear(&text);
    return all;
}

/* What a GroupWise user sends who answers: to the sender, with the token that came with him. */
static void
reply(const char *name, const struct buf *header, struct arena *arena)
{
    struct buf utf8 = {0}, text = {0}, encoded = {0};
    struct codepage *codepage = codepage_new(gateway.options[1][1]);
    struct api_file file;
    struct api_address address;
    struct api_list list;
    codepage_decode(codepage, buf_span(header), &utf8);
    if (api_read(buf_span(&utf8), arena, &file, NULL) != 0 || api_find(&file.root, "From") == NULL ||
        !api_address(api_find(&file.root, "From")->children, &address))
        printf("# %s: its item has no sender\n", name);
    else {
        buf_add_text(&text, "WPC-API= 1.2; \r\nMsg-Type= Mail; \r\n" FROM);
        api_list_begin(&list, &text, "To");
        api_put_address(&list, address.domain, address.office, address.user,
                        api_text(api_find(&file.root, "From")->children, "CDBA"));
        api_list_end(&list);
        buf_add_text(&text, "Subject= answer; \r\nMsg-Id= 4003A1B2.0001.000B.000; \r\n-END-\r\n");
        codepage_encode(codepage, buf_span(&text), UNMAPPABLE_BEST_FIT, &encoded);
        struct buf item = make_item(encoded.at, encoded.len, "body\r\n", NULL);
        struct world world = {0};
        inwards(&world, &item);
        save(name, "reply", &world.output);
        clear_world(&world);
        buf_clear(&item);
    }
    codepage_free(codepage);
    buf_clear(&utf8);
    buf_clear(&text);
    buf_clear(&encoded);
}

static void
save_back(const char *name, const struct world *back)
{
    struct buf who = {0};
    buf_add_text(&who, "from ");
    buf_add_span(&who, buf_span(&back->originator));
    buf_add_byte(&who, '\n');
    buf_add_span(&who, buf_span(&back->recipients));
    save(name, "back", &back->output);
    save(name, "who", &who);
    buf_clear(&who);
}

static void
there_and_back(const char *name)
{
    struct world out = {0}, back = {0};
    struct arena *arena = arena_new(64 << 20);
    struct buf message = load(name, "eml"), result = {0};
    size_t n;
    const struct viaduct_recipient_out *to = read_recipients(name, arena, &n);
    enum viaduct_converted how = outwards_to(&out, message.at != NULL ? message.at : "", message.len, to, n);
    add_result(&result, how, &out.reason);
    if (how == VIADUCT_CONVERTED) {
        struct buf carried = carry(&out.output), header = part_of(&carried, PART_HEADER, 0);
        const char *domain = gateway.options[0][1];
        gateway.options[0][1] = "HARBOUR"; /* now seen from the other side */
        how = inwards(&back, &carried);
        gateway.options[0][1] = domain;
        add_result(&result, how, &back.reason);
        save(name, "item", &header);
        reply(name, &header, arena);
        buf_clear(&header);
        buf_clear(&carried);
    }
    buf_add_span(&out.report, buf_span(&back.report));
    save(name, "report", &out.report);
    save(name, "out", &result);
    save_back(name, &back);
    buf_clear(&message);
    buf_clear(&result);
    clear_world(&out);
    clear_world(&back);
    arena_free(arena);
    forget_all();
}

/* ---- in ---- */

static void
add_part(struct container_writer *writer, enum part_kind kind, const char *shown, const char *file)
{
    struct buf text = fake_read(folder, file);
    container_part(writer, kind, span_of(shown));
    container_add(writer, text.at, text.len);
    container_part_end(writer);
    buf_clear(&text);
}

static void
come_in(const char *name, struct dirent **all, int n)
{
    struct world made = {0}, world = {0};
    struct container_writer writer;
    struct buf result = {0};
    char file[300];
    size_t len = strlen(name);
    container_begin(&writer, write_output, &made);
    snprintf(file, sizeof file, "%s.api", name);
    add_part(&writer, PART_HEADER, file, file);
    for (int i = 0; i < n; i++) {
        const char *other = all[i]->d_name;
        if (strncmp(other, name, len) == 0 && strcmp(other + len, ".bdy") == 0)
            add_part(&writer, PART_BODY, other, other);
        if (strncmp(other, name, len) == 0 && strncmp(other + len, ".at.", 4) == 0)
            add_part(&writer, PART_FILE, other + len + 4, other);
    }
    container_end(&writer);
    enum viaduct_converted how = inwards(&world, &made.output);
    add_result(&result, how, &world.reason);
    save(name, "report", &world.report);
    save(name, "out", &result);
    save_back(name, &world);
    buf_clear(&result);
    clear_world(&made);
    clear_world(&world);
    forget_all();
}

int
main(int argc, char **argv)
{
    struct dirent **all = NULL;
    if (argc != 4)
        return 64;
    folder = argv[1];
    setenv("TZ", "UTC", 1);
    gateway.options[0][0] = "peer.domain";
    gateway.options[0][1] = argv[3];
    gateway.options[1][0] = "convert.codepage";
    gateway.options[1][1] = argv[2];
    int n = scandir(folder, &all, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        char name[256];
        size_t len = strlen(all[i]->d_name);
        if (len < 5 || len > 200)
            continue;
        snprintf(name, sizeof name, "%.*s", (int)(len - 4), all[i]->d_name);
        bool message = strcmp(all[i]->d_name + len - 4, ".eml") == 0;
        if (!message && strcmp(all[i]->d_name + len - 4, ".api") != 0)
            continue;
        printf("%s\n", name);
        fflush(stdout);
        if (message)
            there_and_back(name);
        else
            come_in(name, all, n);
    }
    for (int i = 0; i < n; i++)
        free(all[i]);
    free(all);
    return n < 0;
}
