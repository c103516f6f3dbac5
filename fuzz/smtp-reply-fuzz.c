/* smtp-reply-fuzz.c - answers of a hostile server, in pieces: the first byte says how large */
#include <errno.h>

#include "systems/smtp/smtp_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void
check_reply(const struct smtp_reply *reply)
{
    BUG_UNLESS(reply->code >= 200 && reply->code <= 599);
    BUG_UNLESS(reply->bytes <= SMTP_REPLY_MAX && reply->text_len < sizeof reply->text);
    BUG_UNLESS(strlen(reply->text) == reply->text_len);
    for (size_t i = 0; i < reply->text_len; i++)
        BUG_UNLESS(reply->text[i] >= ' ' && reply->text[i] <= '~');
    char status[12];
    smtp_reply_status(reply, status);
    BUG_UNLESS(status[0] == '0' + reply->code / 100 && status[1] == '.');
}

/* The input arrives `step` bytes at a time; whole lines are taken as they come. */
static size_t
read_all(const char *in, size_t size, size_t step, struct smtp_caps *caps, int *result)
{
    struct smtp_reply reply;
    struct why why;
    size_t used = 0, arrived = 0, replies = 0;
    smtp_reply_reset(&reply);
    memset(caps, 0, sizeof *caps);
    for (;;) {
        bool last = false;
        struct span text;
        int took = smtp_reply_line(&reply, (struct span){in + used, arrived - used}, &last, &text, &why);
        *result = took;
        if (took < 0 || (took == 0 && arrived == size))
            return replies;
        if (took == 0) {
            arrived = size - arrived < step ? size : arrived + step;
            continue;
        }
        used += (size_t)took;
        BUG_UNLESS(used <= arrived && text.at >= in && text.at + text.len <= in + used);
        check_reply(&reply);
        smtp_caps_line(caps, text);
        if (last) {
            replies++;
            smtp_reply_reset(&reply);
        }
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct smtp_caps whole, pieces;
    int result = 0, other = 0;
    if (size == 0)
        return 0;
    const char *in = (const char *)bytes + 1;
    size_t replies = read_all(in, size - 1, size, &whole, &result);
    BUG_UNLESS(read_all(in, size - 1, (size_t)bytes[0] % 7 + 1, &pieces, &other) == replies);
    BUG_UNLESS((result < 0) == (other < 0) && whole.size_max == pieces.size_max && whole.dsn == pieces.dsn);
    return 0;
}
