/* maildir-t.c - a copy for each recipient, never outside the tree, never twice; and what lies in new is taken
 * in */
#include <dirent.h>
#include <errno.h>

#include "systems/maildir/maildir.h"
#include "t/kit_fake.h"

static char root[400], url[500];
static struct viaduct_gateway gateway;
static struct viaduct_delivery delivery;

static void
forget(void)
{
    for (int i = 0; i < gateway.n_intakes; i++) {
        buf_clear(&gateway.intakes[i]->bytes);
        buf_clear(&gateway.intakes[i]->originator);
        buf_clear(&gateway.intakes[i]->recipients);
        free(gateway.intakes[i]);
    }
    buf_clear(&gateway.said);
    buf_clear(&gateway.body);
    memset(gateway.results, 0, sizeof gateway.results);
    gateway.n_intakes = gateway.n_dropped = gateway.n_ended = gateway.n_unreachable = 0;
}

static void *
start(const struct viaduct_outbound_ops *ops)
{
    void *state = NULL;
    struct viaduct_reason reason = {"", ""};
    if (ops->prepare(&fake_services, &gateway, &state, &reason) != 0 || ops->begin(state, &reason) != 0)
        printf("# %s\n", reason.text);
    return state;
}

static void
deliver(void *state, const char *id, const struct viaduct_recipient_out *recipients, size_t n)
{
    delivery = (struct viaduct_delivery){.size = sizeof delivery,
                                         .id = id,
                                         .originator = {"anna@contoso.example", 20},
                                         .recipients = recipients,
                                         .n_recipients = n,
                                         .arrival_ms = 1700000000123,
                                         .gateway = &gateway};
    gateway.n_ended = 0;
    maildir_system.outbound->deliver(state, &delivery);
    fake_run_until(&gateway, &gateway.n_ended, 1);
}

/* The number of files in a folder; `name` gets the last one's. */
static int
count_files(const char *folder, char name[300])
{
    char path[900];
    int n = 0;
    snprintf(path, sizeof path, "%s/%s", root, folder);
    DIR *dir = opendir(path);
    const struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.') {
            n++;
            snprintf(name, 300, "%s", entry->d_name);
        }
    if (dir != NULL)
        closedir(dir);
    return n;
}

#define TO(text)                                                                                               \
    {                                                                                                          \
        .address = {text, sizeof(text) - 1}, .kind = 1, .responsible = true                                    \
    }

static void
test_copies(void)
{
    static const struct viaduct_recipient_out to[] = {TO("Bob@Contoso.example"), TO("carl@contoso.example"),
                                                      TO("bob@contoso.example")};
    char name[300] = "", path[900];
    void *state = start(maildir_system.outbound);
    forget();
    buf_add_text(&gateway.body, "Subject: x\n\nbody\n");
    for (int i = 0; i < 100000; i++)
        buf_add_text(&gateway.body, "thirty-two octets and a line end\n");
    deliver(state, "AAAA", to, 3);
    is_int(gateway.results[0].outcome, VIADUCT_RELAYED, "a stored copy is relayed: no more reports will come");
    ok(gateway.results[1].outcome == VIADUCT_RELAYED && gateway.results[2].outcome == VIADUCT_RELAYED,
       "for every recipient");
    is_int(count_files("bob@contoso.example/new", name), 1,
           "a mailbox named twice, in any case, gets one copy");
    snprintf(path, sizeof path, "%s/bob@contoso.example/new", root);
    struct buf copy = fake_read(path, name);
    ok(strncmp(copy.at,
               "Return-Path: <anna@contoso.example>\nDelivered-To: Bob@Contoso.example\nSubject: x\n\nbody\n",
               80) == 0,
       "it begins with Return-Path and Delivered-To");
    buf_clear(&copy);
    is_int(count_files("carl@contoso.example/new", name), 1, "another recipient has his own");
    snprintf(path, sizeof path, "%s/carl@contoso.example/new", root);
    copy = fake_read(path, name);
    static const char head[] = "Return-Path: <anna@contoso.example>\nDelivered-To: carl@contoso.example\n";
    ok(strncmp(copy.at, head, sizeof head - 1) == 0 && copy.len == sizeof head - 1 + gateway.body.len &&
           memcmp(copy.at + sizeof head - 1, gateway.body.at, gateway.body.len) == 0,
       "with his own head and every octet of the body");
    buf_clear(&copy);
    ok(count_files("bob@contoso.example/tmp", name) == 0 &&
           count_files("carl@contoso.example/tmp", name) == 0 &&
           count_files("carl@contoso.example/cur", name) == 0,
       "nothing is left in tmp");
    deliver(state, "AAAA", to, 3);
    ok(gateway.results[0].outcome == VIADUCT_RELAYED && count_files("bob@contoso.example/new", name) == 1 &&
           count_files("carl@contoso.example/new", name) == 1,
       "the same message again, after a crash, is not doubled");
    deliver(state, "AAAB", to, 3);
    is_int(count_files("bob@contoso.example/new", name), 2, "another one is");
    maildir_system.outbound->finish(state);
}

static void
test_names(void)
{
    static const struct viaduct_recipient_out to[] = {TO("../../up@x"), TO("/etc@x"),  TO(".."),
                                                      TO("a\0b@x"),     TO("a%2Fb@x"), TO("a/b@x")};
    static const char *const names[] = {"%2E.%2F..%2Fup@x", "%2Fetc@x",  "%2E.",
                                        "a%00b@x",          "a%252fb@x", "a%2Fb@x"};
    struct viaduct_recipient_out longest = {.responsible = true};
    char name[300], folder[400], text[3000];
    void *state = start(maildir_system.outbound);
    forget();
    buf_add_text(&gateway.body, "\n");
    deliver(state, "BBBB", to, 6);
    for (int i = 0; i < 6; i++) {
        snprintf(folder, sizeof folder, "%s/new", names[i]);
        ok(gateway.results[i].outcome == VIADUCT_RELAYED && count_files(folder, name) == 1,
           "no address leads out of the tree: %s", names[i]);
    }
    memset(text, 'a', sizeof text);
    longest.address = (struct viaduct_text){text, sizeof text};
    gateway.results[0].given = false;
    deliver(state, "BBBC", &longest, 1);
    is_int(gateway.results[0].outcome, VIADUCT_RELAYED,
           "an address longer than a name may be has its folder too");
    maildir_system.outbound->finish(state);
}

static void
test_trouble(void)
{
    static const struct viaduct_recipient_out to[] = {TO("dave@x"), TO("erin@x")};
    static const struct viaduct_recipient_out shown = {.address = {"f@x", 3}, .kind = 1, .responsible = false};
    char path[500], name[300];
    void *state = start(maildir_system.outbound);
    forget();
    buf_add_text(&gateway.body, "Subject: x\n\n");
    snprintf(path, sizeof path, "%s/erin@x", root);
    if (symlink("/tmp", path) != 0)
        printf("# no symlink\n");
    deliver(state, "CCCC", to, 2);
    is_int(gateway.results[0].outcome, VIADUCT_RELAYED, "one recipient's trouble is not another's");
    is_int(gateway.results[1].outcome, VIADUCT_LATER, "a folder that is a link is not followed: later");
    ok(gateway.results[1].status[0] == '4', "with a temporary status");
    deliver(state, "CCCD", &shown, 1);
    is_int(gateway.n_ended, 1, "a message for nobody ends at once");
    is_int(count_files("f@x/new", name), 0, "and is stored nowhere");
    snprintf(path, sizeof path, "%s/dave@x/tmp", root);
    fake_write(path, "1700000000.QCCCE.gw1.contoso.example", "half", 4);
    deliver(state, "CCCE", to, 1);
    is_int(gateway.results[0].outcome, VIADUCT_RELAYED, "what an attempt left in tmp is no hindrance");
    maildir_system.outbound->finish(state);

    struct viaduct_reason reason;
    void *none = NULL;
    gateway.options[0][1] = "smtp://x";
    is_int(maildir_system.outbound->prepare(&fake_services, &gateway, &none, &reason), -1,
           "without a maildir:// URL there is nothing to start");
    gateway.options[0][1] = url;
}

/* ---- inbound ---- */

static void
is_taken(int which, const char *originator, const char *recipients, const char *body, const char *name)
{
    if (which >= gateway.n_intakes) {
        ok(false, "%s: taken", name);
        return;
    }
    const struct viaduct_intake *intake = gateway.intakes[which];
    is_bytes(intake->originator.at, intake->originator.len, originator, "%s: originator", name);
    is_bytes(intake->recipients.at, intake->recipients.len, recipients, "%s: recipients", name);
    is_bytes(intake->bytes.at, intake->bytes.len, body, "%s: message", name);
}

static void
put(const char *folder, const char *name, const char *text)
{
    fake_write(folder, name, text, strlen(text));
}

static void
test_inbound(void)
{
    static char pickup[420]; /* the options name it in later tests, too */
    char new[440], failed[440];
    struct viaduct_reason reason;
    void *state = NULL;
    snprintf(pickup, sizeof pickup, "%s/in", root);
    snprintf(new, sizeof new, "%s/new", pickup);
    snprintf(failed, sizeof failed, "%s/failed", pickup);
    gateway.options[1][0] = "peer.pickup";
    gateway.options[1][1] = pickup;
    gateway.options[2][0] = "peer.poll";
    gateway.options[2][1] = "0s";
    is_int(maildir_system.inbound->prepare(&fake_services, &gateway, &state, &reason), -1,
           "a pickup folder that is not there is an error");
    mkdir(pickup, 0700);
    mkdir(new, 0700);
    forget();
    put(new, "1", "X-Sender: <a@x>\r\nX-Receiver: b@x\r\nX-Receiver: c@x\r\nSubject: s\r\n\r\nl1\r\nl2\r\n");
    put(new, "2", "Return-Path: <>\nDelivered-To: d@x\nX-Original-To: e@x\nTo: no@x\n\nbody\n");
    put(new, "3", "From: F <f@x>\nTo: G <g@x>,\n h@x\nCc: G <g@X>\n\nlone \r CR\r");
    put(new, "4", "Subject: nobody\n\n");
    put(new, ".5", "X-Receiver: b@x\n\n");
    put(new, "6", "X-Sender: a@x\nX-Receiver: ok@x\n\nbody\n");
    gateway.refused_recipient = "bad@x";
    char link[500];
    snprintf(link, sizeof link, "%s/7", new);
    if (symlink("/etc/passwd", link) != 0)
        printf("# no symlink\n");
    is_int(maildir_system.inbound->prepare(&fake_services, &gateway, &state, &reason), 0,
           "and one that is there is none");
    maildir_system.inbound->begin(state, &reason);
    fake_run_until(&gateway, &gateway.n_intakes, 4);
    fake_run_ms(&gateway, 100);
    is_taken(0, "a@x", "b@x\nc@x\n", "Subject: s\n\nl1\nl2\n",
             "first lines X-Sender and X-Receiver are the envelope");
    is_taken(1, "", "d@x\ne@x\n", "Return-Path: <>\nDelivered-To: d@x\nX-Original-To: e@x\nTo: no@x\n\nbody\n",
             "else Return-Path and Delivered-To are");
    is_taken(2, "f@x", "g@x\nh@x\n", "From: F <f@x>\nTo: G <g@x>,\n h@x\nCc: G <g@X>\n\nlone \r CR\r",
             "else From, To and Cc are");
    is_taken(3, "a@x", "ok@x\n", "\nbody\n", "a message without a header has its empty line still");
    ok(!fake_exists(new, "1") && !fake_exists(new, "2") && !fake_exists(new, "3") && !fake_exists(new, "6"),
       "files are removed when they are durable");
    ok(fake_exists(failed, "4") && fake_said(&gateway, "names no recipient"),
       "a message for nobody is put aside and named");
    ok(fake_exists(failed, "7") && !fake_exists(new, "7"), "a link is put aside, not followed");
    ok(fake_exists(new, ".5"), "a file still being written is left alone");

    gateway.refuse_commit = true;
    put(new, "8", "X-Sender: a@x\nX-Receiver: b@x\n\n");
    for (int i = 0; i < 200 && !fake_said(&gateway, "could not be taken"); i++)
        fake_run_ms(&gateway, 10);
    ok(fake_exists(new, "8"), "what could not be committed stays");
    gateway.refuse_commit = false;
    gateway.fail_add = -28;
    fake_run_ms(&gateway, 100);
    ok(fake_exists(new, "8") && gateway.n_dropped > 0, "so does what found no room");
    gateway.fail_add = 0;
    fake_run_until(&gateway, &gateway.n_intakes, 5);
    is_taken(4, "a@x", "b@x\n", "\n", "and is taken when there is room");
    put(new, "9", "X-Sender: a@x\nX-Receiver: j\xc3\xb6@x\n\n");
    fake_run_until(&gateway, &gateway.n_intakes, 6);
    ok(gateway.n_intakes == 6 && gateway.intakes[5]->smtputf8 && !gateway.intakes[4]->smtputf8,
       "an address beyond ASCII makes it an SMTPUTF8 message, and only that");
    maildir_system.inbound->finish(state);
}

static void
is_kept(const char *failed, const char *name, const char *text, const char *holding, const char *what)
{
    char why[60];
    snprintf(why, sizeof why, "%s.why", name);
    bool there = fake_exists(failed, name) && fake_exists(failed, why);
    ok(there, "%s: it lies in failed with a .why", what);
    if (!there)
        return;
    struct buf copy = fake_read(failed, name), reason = fake_read(failed, why);
    if (text != NULL)
        is_bytes(copy.at, copy.len, text, "%s: unchanged", what);
    ok(strstr(reason.at, holding) != NULL, "%s: with the reason %s", what, holding);
    buf_clear(&copy);
    buf_clear(&reason);
}

/* Nobody who is named vanishes, and nobody is written to who may not be. */
static void
test_lost(void)
{
    static const char mixed[] =
        "X-Sender: a@x\nX-Receiver: b@x\nX-Receiver: bad@x\nX-Receiver: no address\n\nbody\n",
                      torn[] = "X-Sender: a@x\nX-Receiver: <b@x> <c@x>\nX-Receiver: b@x\rx\n\nbody\n",
                      relay[] = "X-Sender: a@x\nX-Receiver: bad@x\n\nbody\n",
                      sender[] = "X-Sender: what ever\nX-Receiver: b@x\n\nbody\n",
                      list[] = "From: f@x\nTo: G <g@x>, somebody else, <bad@x>\n\nbody\n",
                      group[] = "From: f@x\nTo: undisclosed-recipients:;\nBcc: h@x\n\nbody\n";
    char new[440], failed[440];
    struct viaduct_reason reason;
    struct buf many = {0};
    void *state = NULL;
    snprintf(new, sizeof new, "%s/in/new", root);
    snprintf(failed, sizeof failed, "%s/in/failed", root);
    forget();
    put(new, "a", mixed);
    put(new, "b", torn);
    put(new, "c", relay);
    put(new, "d", sender);
    put(new, "e", list);
    put(new, "f", group);
    buf_add_text(&many, "From: f@x\nTo: g@x");
    for (int i = 0; i < 10000; i++)
        buf_printf(&many, ",\n r%d@x", i);
    buf_add_text(&many, "\n\nbody\n");
    fake_write(new, "g", many.at, many.len);
    buf_reset(&many);
    buf_add_text(&many, "From: f@x\nTo: g@x\nX-Long: ");
    for (int i = 0; i < 1 << 20; i++)
        buf_add_byte(&many, 'x');
    buf_add_text(&many, "\n\nbody\n");
    fake_write(new, "h", many.at, many.len);
    put(failed, "c", "another of that name");
    maildir_system.inbound->prepare(&fake_services, &gateway, &state, &reason);
    maildir_system.inbound->begin(state, &reason);
    for (int i = 0; i < 200 && (gateway.n_intakes < 3 || fake_exists(new, "h")); i++)
        fake_run_ms(&gateway, 10);
    is_int(gateway.n_intakes, 3, "what can be sent to somebody is sent, and nothing else");
    is_taken(0, "a@x", "b@x\n", "\nbody\n", "those who may get it do");
    is_kept(failed, "a", mixed, "recipient bad@x: ", "a message of which somebody got nothing");
    is_kept(failed, "a", mixed, "recipient no address: ", "and who was no address is named");
    ok(fake_said(&gateway, "a: recipient bad@x") && fake_said(&gateway, "a: recipient no address"),
       "the log names each as well");
    is_kept(failed, "b", torn, "recipient b@x?x", "only malformed recipients");
    ok(fake_exists(failed, "c.1") && !fake_exists(new, "c"), "nothing in failed is written over");
    is_kept(failed, "c.1", relay, "nobody is left", "only refused recipients");
    is_kept(failed, "d", sender, "sender is no address", "a sender who is none");
    is_taken(1, "f@x", "g@x\n", "From: f@x\nTo: G <g@x>, somebody else, <bad@x>\n\nbody\n",
             "a list with others in it");
    is_kept(failed, "e", list, "recipient somebody else", "and they are told of");
    is_taken(2, "f@x", "h@x\n", "From: f@x\nTo: undisclosed-recipients:;\n\nbody\n", "a blind copy alone");
    ok(!fake_exists(failed, "f"), "an empty group is nobody, and loses nobody");
    is_kept(failed, "g", NULL, "10,000 recipients", "too many recipients");
    is_kept(failed, "h", NULL, "larger than a megabyte", "too large a header");

    /* a copy that was kept before a crash is not kept twice */
    char from[500], to[500];
    put(new, "i", mixed);
    snprintf(from, sizeof from, "%s/i", new);
    snprintf(to, sizeof to, "%s/i", failed);
    if (link(from, to) != 0)
        printf("# no link\n");
    fake_run_until(&gateway, &gateway.n_intakes, 4);
    fake_run_ms(&gateway, 50);
    ok(fake_exists(failed, "i") && !fake_exists(failed, "i.1") && !fake_exists(new, "i"),
       "one copy is kept, however often it is tried");
    gateway.fail_add = -EMSGSIZE;
    put(new, "j", "X-Sender: a@x\nX-Receiver: b@x\n\nbody\n");
    for (int i = 0; i < 200 && fake_exists(new, "j"); i++)
        fake_run_ms(&gateway, 10);
    is_kept(failed, "j", NULL, "limits.header", "a header over the configured limit");
    gateway.fail_add = 0;
    maildir_system.inbound->finish(state);
    buf_clear(&many);
}

static void
test_blind(void)
{
    char new[440];
    struct viaduct_reason reason;
    void *state = NULL;
    snprintf(new, sizeof new, "%s/in/new", root);
    forget();
    put(new, "k",
        "From: f@x\r\nBcc: secret@x,\r\n other@x\r\nTo: g@x\r\nresent-bcc : more@x\r\nBccx: y\r\n\r\nBcc: "
        "body\r\n");
    put(new, "l", "X-Sender: a@x\nX-Receiver: b@x\nBCC: secret@x\nSubject: s");
    maildir_system.inbound->prepare(&fake_services, &gateway, &state, &reason);
    maildir_system.inbound->begin(state, &reason);
    fake_run_until(&gateway, &gateway.n_intakes, 2);
    is_taken(0, "f@x", "secret@x\nother@x\ng@x\n", "From: f@x\nTo: g@x\nBccx: y\n\nBcc: body\n",
             "who gets a blind copy gets it, and nobody sees that");
    is_taken(1, "a@x", "b@x\n", "Subject: s", "nor behind an envelope of its own");
    maildir_system.inbound->finish(state);
}

int
main(void)
{
    snprintf(root, sizeof root, "%s", tap_folder());
    snprintf(url, sizeof url, "smtp://elsewhere\nmaildir://%s", root);
    gateway.base = event_base_new();
    gateway.options[0][0] = "peer.to";
    gateway.options[0][1] = url;
    test_copies();
    test_names();
    test_trouble();
    test_inbound();
    test_lost();
    test_blind();
    forget();
    event_base_free(gateway.base);
    return tap_done();
}
