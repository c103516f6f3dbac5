/* address-fuzz.c - any bytes as mailbox, path, typed address, encapsulation, one-off, pattern and header field
 *
 * Beside not crashing: what was parsed is parsed again from its own printed form, and is equal to itself.
 */
#include "common/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct arena *arena;

static void
check_address(const struct address *address)
{
    struct buf text = {0}, key = {0};
    struct address again;
    address_print(address, &text);
    BUG_UNLESS(address_parse(buf_span(&text), arena, &again, NULL) == 0);
    BUG_UNLESS(address_equal(address, &again));
    BUG_UNLESS(address_key(&again, &key) == 0);
    if (address->value.len > 0) {
        buf_reset(&text);
        imcea_encode(address, SPAN("h.example"), &text);
        BUG_UNLESS(imcea_decode_once(buf_span(&text), arena, &again, NULL) == 0);
        BUG_UNLESS(address_equal(address, &again));
    }
    buf_clear(&key);
    buf_clear(&text);
}

static void
check_oneoff(struct span display, const struct address *address)
{
    struct buf text = {0};
    struct span shown;
    struct address again;
    oneoff_print(display, address, &text);
    BUG_UNLESS(oneoff_parse(buf_span(&text), arena, &shown, &again, NULL) == 0);
    BUG_UNLESS(address_equal(address, &again));
    buf_clear(&text);
}

static void
check_element(const struct header_address *element, void *arg)
{
    struct mailbox_parts parts;
    size_t *count = arg;
    *count += 1;
    BUG_UNLESS(element->whole.len > 0);
    BUG_UNLESS(element->mailbox.len == 0 || mailbox_parse(element->mailbox, &parts, NULL) == 0);
    BUG_UNLESS(element->mailbox.len == 0 ||
               (element->mailbox.at >= element->whole.at &&
                element->mailbox.at + element->mailbox.len <= element->whole.at + element->whole.len));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = {(const char *)data, size}, rest, display;
    struct address address;
    struct mailbox_parts parts;
    struct why why;
    struct buf domain = {0};
    size_t count = 0;
    if (arena == NULL)
        arena = arena_new(1 << 24);
    mailbox_parse(text, &parts, &why);
    if (path_parse(text, true, "h.example", arena, &address, &rest, &why) == 0)
        check_address(&address);
    if (address_parse(text, arena, &address, &why) == 0)
        check_address(&address);
    if (imcea_decode(text, arena, &address, &why) == 0)
        check_address(&address);
    if (oneoff_parse(text, arena, &display, &address, &why) == 0)
        check_oneoff(display, &address);
    if (domain_to_ascii(text, &domain, &why) == 0) {
        bool utf8;
        BUG_UNLESS(domain_valid(buf_span(&domain), &utf8) && !utf8);
    }
    buf_clear(&domain);
    BUG_UNLESS(header_addresses(text, check_element, &count) == count);
    address = (struct address){SPAN("EX"), text};
    pattern_match(SPAN("EX"), text, &address);
    address.type = SPAN("X400");
    pattern_match(SPAN("X400"), (struct span){text.at, size / 2}, &address);
    address.type = SPAN("SMTP");
    pattern_match(SPAN("SMTP"), (struct span){text.at, size / 2}, &address);
    pattern_valid(SPAN("SMTP"), text, &why);
    arena_reset(arena);
    return 0;
}
