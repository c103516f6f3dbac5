/* header-scan-t.c - what is learnt of a header, whole and in every cutting */
#include "common/header_scan.h"
#include "t/tap.h"

#include <time.h>

static const char sample[] = "Received: from a.example (a.example [192.0.2.1])\n"
                             "\tby gw1 (viaduct branch in) with ESMTP id 1;\n"
                             "\tWed, 25 Nov 2026 07:26:28 +0000\n"
                             "Received: from b by gw1\n"
                             " (viaduct branch in) with SMTP\n"
                             "Received: by gw1 (viaduct branch out)\n"
                             "RECEIVED : by other (viaduct branch in)\n"
                             "Date: Wed, 25 Nov 2026 07:26:28 +0000\n"
                             "from: a@b\n"
                             "Message-ID:\n"
                             " <one@x>  \n"
                             "Message-ID: <two@x>\n"
                             "Subject:  Gr\303\274\303\237e\n"
                             "\tand more \n"
                             "MIME-Version: 1.0\n"
                             "\n"
                             "Received: by gw1 (viaduct branch in)\nbody\n";

static void
expect_sample(const struct header_scan *scan, bool *same)
{
    *same = *same && scan->ended && !scan->no_header && scan->has_date && scan->has_msgid && scan->has_from;
    *same = *same && scan->has_mime && scan->eight_bit && !scan->has_nul && scan->hops == 4 && scan->loops == 2;
    *same = *same && strcmp(scan->msgid, "<one@x>") == 0 &&
            strcmp(scan->subject, "Gr\303\274\303\237e and more") == 0;
    *same = *same && scan->bytes == (uint64_t)(strstr(sample, "\n\n") - sample) + 2;
}

static size_t
feed_in_pieces(struct header_scan *scan, const char *text, size_t len, size_t piece)
{
    size_t taken = 0;
    for (size_t at = 0; at < len; at += piece)
        taken += header_scan_feed(scan, text + at, len - at < piece ? len - at : piece);
    header_scan_finish(scan);
    return taken;
}

static void
test_sample(void)
{
    char mark[120];
    struct header_scan scan;
    header_mark("gw1", "branch", true, mark);
    is_text(mark, "by gw1 (viaduct branch in)", "the mark of an inbound connector");
    header_scan_start(&scan, mark);
    size_t taken = header_scan_feed(&scan, sample, sizeof sample - 1);
    bool same = true;
    expect_sample(&scan, &same);
    is_int(taken, strstr(sample, "\n\n") + 2 - sample, "the header ends behind its empty line");
    is_int(scan.hops, 4, "every Received field is a hop, whatever its case; the body's are none");
    is_int(scan.loops, 2,
           "our mark counts once a field, folded too; the other direction and other nodes do not");
    is_text(scan.msgid, "<one@x>", "the first Message-ID, unfolded and trimmed");
    is_text(scan.subject, "Gr\303\274\303\237e and more", "the subject, unfolded and trimmed");
    ok(same, "all of the sample is learnt");
    is_int(header_scan_feed(&scan, "Subject: later\n", 15), 0, "after the end nothing is taken");
    for (size_t piece = 1; piece < sizeof sample; piece++) {
        header_scan_start(&scan, mark);
        taken = feed_in_pieces(&scan, sample, sizeof sample - 1, piece);
        same = same && taken == scan.bytes;
        expect_sample(&scan, &same);
    }
    ok(same, "the same is learnt however the message is cut");
    header_scan_start(&scan, NULL);
    header_scan_feed(&scan, sample, sizeof sample - 1);
    is_int(scan.loops, 0, "without a mark nothing is a loop");
}

static void
test_ends(void)
{
    struct header_scan scan;
    static const char *const bodies[] = {"hello\nSubject: x\n\n",   " Subject: x\n\n",    ": x\n\n",
                                         "From bob Wed\nTo: x\n\n", "caf\303\251: x\n\n", "a b: c\n"};
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        bool same = true;
        for (size_t piece = 1; piece <= strlen(bodies[i]); piece++) {
            header_scan_start(&scan, NULL);
            feed_in_pieces(&scan, bodies[i], strlen(bodies[i]), piece);
            same = same && scan.ended && scan.no_header && scan.bytes == 0 && scan.subject[0] == '\0';
        }
        ok(same, "a first line that is no field: all is body (%zu)", i);
    }
    header_scan_start(&scan, NULL);
    is_int(header_scan_feed(&scan, "\nbody\n", 6), 1, "an empty first line is an empty header");
    ok(scan.ended && !scan.no_header && scan.bytes == 1, "and not the lack of one");
    header_scan_start(&scan, NULL);
    is_int(header_scan_feed(&scan, "From: a\nrubbish\nDate: x", 23), 23,
           "rubbish in the midst does not end a header");
    ok(!scan.ended, "it goes on");
    header_scan_finish(&scan);
    ok(scan.ended && scan.has_date && scan.bytes == 23, "the end of the message ends it, the last line counts");
    header_scan_start(&scan, NULL);
    header_scan_finish(&scan);
    ok(scan.ended && scan.no_header, "an empty message has no header");
    header_scan_start(&scan, NULL);
    header_scan_feed(&scan, "X: a\0b\n\n", 8);
    ok(scan.has_nul && !scan.eight_bit, "a NUL is seen");
    header_scan_start(&scan, NULL);
    header_scan_feed(&scan, "X: a\n\n\303\0", 8);
    ok(!scan.has_nul && !scan.eight_bit, "octets of the body are not the header's");
}

static void
test_long(void)
{
    struct header_scan scan;
    enum { BIG = 3000000 };
    char *text = malloc(BIG);
    memset(text, 'x', BIG);
    header_scan_start(&scan, NULL);
    is_int(header_scan_feed(&scan, text, BIG), 0, "a first line without end is body, and not waited for");
    ok(scan.no_header, "it is no header");
    memcpy(text, "Subject: ", 9);
    memset(text + 9, ' ', 600);
    text[BIG - 1] = '\n';
    header_scan_start(&scan, NULL);
    is_int(feed_in_pieces(&scan, text, BIG, 4096), BIG, "a field of any length is taken");
    is_text(scan.subject, "", "only the beginning of a line is looked at");
    for (size_t i = 0; i < 8; i++) {
        memset(text, '.', 1000);
        memcpy(text, "Subject: ", 9);
        for (size_t j = 9 + i; j + 3 <= 1000; j += 3)
            memcpy(text + j, "\342\202\254", 3);
        text[998] = text[999] = '\n';
        header_scan_start(&scan, NULL);
        header_scan_feed(&scan, text, 1000);
        size_t len = strlen(scan.subject);
        ok(len > 190 && len < 200 && (len - i) % 3 == 0, "a long subject is cut between characters (%zu)", i);
    }
    free(text);
}

static void
test_blocks(void)
{
    struct span header = SPAN("junk\nA: 1\n 2\n\t3\nB:\nb : x:y\n\nC: 4\n"), name, body;
    ok(header_find(header, SPAN("a"), &body), "a field is found without case");
    is_span(body, "1\n 2\n\t3", "its body as it stands");
    ok(header_find(header, SPAN("B"), &body) && body.len == 0, "the first of its name, though empty");
    ok(!header_find(header, SPAN("C"), &body), "what stands behind the empty line is no header");
    ok(!header_find((struct span){NULL, 0}, SPAN("C"), &body), "an empty block has no fields");
    size_t n = 0;
    while (header_next(&header, &name, &body))
        n++;
    is_int(n, 3, "the walk passes every field, and nothing else");
    is_span(body, "x:y", "the last one");
    is_span(name, "b", "blanks before the colon are not the name's");
    ok(!header_next(&header, &name, &body), "the end stays the end");
    header = SPAN("D: last");
    ok(header_next(&header, &name, &body) && body.len == 4, "a last line without LF");
}

static void
test_written(void)
{
    char date[40], mark[120], long_name[300];
    setenv("TZ", "UTC0", 1);
    tzset();
    header_date(1795591588, date);
    is_text(date, "Wed, 25 Nov 2026 07:26:28 +0000", "a date in UTC");
    setenv("TZ", "XXX-05:30", 1);
    tzset();
    header_date(1795591588, date);
    is_text(date, "Wed, 25 Nov 2026 12:56:28 +0530", "a date east of it");
    setenv("TZ", "XXX+03:30", 1);
    tzset();
    header_date(1795591588, date);
    is_text(date, "Wed, 25 Nov 2026 03:56:28 -0330", "a date west of it");
    header_date(INT64_MAX, date);
    is_text(date, "Thu, 01 Jan 1970 00:00:00 +0000", "a time that no calendar holds");
    memset(long_name, 'n', sizeof long_name);
    long_name[255] = '\0';
    header_mark(long_name, "0123456789012345678901234567890123456789", false, mark);
    ok(strlen(mark) < sizeof mark && strstr(mark, "6789 out)") != NULL,
       "a long node name does not cost the mark its end");
}

int
main(void)
{
    test_sample();
    test_ends();
    test_long();
    test_blocks();
    test_written();
    return tap_done();
}
