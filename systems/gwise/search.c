/* search.c - busy searches of GroupWise's (see convert_in.h)
 *
 * A GroupWise user who plans a meeting asks when somebody of ours is busy; without an answer he waits until his program gives
 * up. No host calendar is asked yet, so the answer says what is known: nothing. A list without times is the only way to
 * say it that is known; `convert.busy = "none"` leaves such questions unanswered instead.
 *
 * What Exchange's free/busy provider sends through the gateway to see that it lives (FB-PROBE) comes back as a question of
 * its own, and is nobody's to answer.
 */
#include <errno.h>

#include "systems/gwise/api_write.h"
#include "systems/gwise/convert_in.h"

static void
put_asker(const struct in_item *item, struct buf *header)
{
    const struct api_item *from = api_find(&item->file.root, "From");
    struct api_address address;
    struct api_list list;
    if (from == NULL || !api_address(from->children, &address))
        return;
    api_list_begin(&list, header, "To");
    api_put_address(&list, address.domain, address.office, address.user, api_text(from->children, "CDBA"));
    api_list_end(&list);
}

static void
put_whose(const struct in_item *item, struct buf *header)
{
    const struct api_item *to = api_find(&item->file.root, "To");
    struct api_address address;
    if (to == NULL || to->children == NULL)
        return;
    struct span token = api_text(to->children, "CDBA");
    buf_add_text(header, "Busy-For= \r\n");
    if (token.len > 0) {
        api_put(header, "    CDBA", token);
    } else if (api_address(to->children, &address)) {
        api_put(header, "    WPD", address.domain);
        api_put(header, "    WPPO", address.office);
        api_put(header, "    WPU", address.user);
    }
    buf_add_text(header, "    ; \r\n");
}

static void
write_header(const struct in_item *item, struct buf *header)
{
    struct buf id = {0};
    api_put_raw(header, "WPC-API", "1.2");
    api_put_raw(header, "Header-Char", "T50");
    api_put_raw(header, "Msg-Type", "SEARCH");
    buf_printf(&id, GWISE_ID_PREFIX "%s", item->in->id != NULL ? item->in->id : "");
    api_put(header, "Msg-Id", buf_span(&id));
    api_put(header, "Orig-Msg-ID", api_text(&item->file.root, "Msg-Id"));
    put_asker(item, header);
    put_whose(item, header);
    buf_add_text(header, "Busy-Report= \r\n    ; \r\n");
    api_put_raw(header, "Send-Options", "None");
    buf_add_text(header, "-END-\r\n");
    buf_clear(&id);
}

static int
write_answer(const struct in_item *item)
{
    struct container_writer writer;
    struct buf header = {0}, encoded = {0};
    write_header(item, &header);
    codepage_encode(item->codepage, buf_span(&header), UNMAPPABLE_BEST_FIT, &encoded);
    container_begin(&writer, item->out->answer, item->out->arg);
    container_part(&writer, PART_HEADER, SPAN("api"));
    container_add(&writer, encoded.at, encoded.len);
    container_part_end(&writer);
    int r = container_end(&writer);
    buf_clear(&header);
    buf_clear(&encoded);
    return r;
}

enum viaduct_converted
in_search(struct in_item *item, struct viaduct_reason *reason)
{
    const char *how = gwise_option(item->in, "convert.busy");
    struct span id = api_text(&item->file.root, "Msg-Id");
    if (api_find(&item->file.root, "Orig-Msg-Id") != NULL)
        return gwise_ends(VIADUCT_CONVERT_NOTHING, reason, "",
                          "the answer to a busy search that nobody here asked");
    if (span_starts_nocase(id, SPAN("FB-PROBE")))
        return gwise_ends(VIADUCT_CONVERT_NOTHING, reason, "",
                          "a probe of Exchange's free/busy provider, come back");
    if (how != NULL && strcmp(how, "none") == 0)
        return gwise_ends(VIADUCT_CONVERT_NOTHING, reason, "", "a busy search, not answered (convert.busy)");
    if (id.len == 0 || item->out->size <= offsetof(struct viaduct_convert_out, answer) ||
        item->out->answer == NULL)
        return gwise_ends(VIADUCT_CONVERT_BAD, reason, "5.6.0",
                          "a busy search without Msg-Id, which cannot be answered");
    int r = write_answer(item);
    if (r != 0)
        return gwise_ends(VIADUCT_CONVERT_BAD, reason, "4.3.0",
                          "the answer to a busy search cannot be written: %s", strerror(r < 0 ? -r : EIO));
    return VIADUCT_CONVERT_ANSWERED;
}
