/* gwise-carrier-t.c - what is handed to an API gateway is settled only when it was taken, and fetched only when
 * it is whole
 *
 * The test is the gateway: it takes header files out of API_IN, refuses them into GWPROB, and leaves its own in
 * API_OUT.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/crc32c.h"
#include "systems/gwise/container.h"
#include "systems/gwise/gwise.h"
#include "t/kit_fake.h"

/* What a share refuses to do: these stand before those of the C library. */
static bool no_rename, no_unlink_tmp;

int
renameat2(int old_fd, const char *old, int new_fd, const char *new, unsigned flags)
{
    if (no_rename && flags != 0) {
        errno = EINVAL;
        return -1;
    }
    return (int)syscall(SYS_renameat2, old_fd, old, new_fd, new, flags);
}

int
unlinkat(int fd, const char *name, int flags)
{
    size_t len = strlen(name);
    if (no_unlink_tmp && len > 4 && strcmp(name + len - 4, ".tmp") == 0) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_unlinkat, fd, name, flags);
}

static char root[400], api_in[420], att_in[420], api_out[420], att_out[420], gwprob[420];
static struct viaduct_gateway gateway;
static const struct viaduct_recipient_out recipients[] = {
    {.address = {"HARBOUR.Quay.crew", 17}, .kind = 1, .responsible = true},
    {.address = {"HARBOUR.Quay.mate", 17}, .kind = 1, .responsible = true},
};

static const char id[] = "0123456789ABCDEFGHJKMNPQRS";

static void
make_tree(void)
{
    static const char *const names[] = {"API_IN", "ATT_IN", "API_OUT", "att_out", "GWPROB"};
    char *const paths[] = {api_in, att_in, api_out, att_out, gwprob};
    snprintf(root, sizeof root, "%s", tap_folder());
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        snprintf(paths[i], 420, "%s/%s", root, names[i]);
        mkdir(paths[i], 0700);
    }
    gateway.base = event_base_new();
    gateway.options[0][0] = "peer.root";
    gateway.options[0][1] = root;
    gateway.options[1][0] = "peer.poll";
    gateway.options[1][1] = "0s";
    gateway.options[2][0] = "peer.confirm";
    gateway.options[2][1] = "0s";
    gateway.options[3][0] = "peer.settle";
    gateway.options[3][1] = "0s";
}

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
    gateway.n_intakes = gateway.n_dropped = gateway.n_ended = gateway.n_unreachable = gateway.n_convert = 0;
}

static int
add(void *arg, const void *bytes, size_t len)
{
    buf_add(arg, bytes, len);
    return 0;
}

/* An item as the converter makes it. */
static void
make_body(const char *message_id)
{
    struct container_writer writer;
    char header[300];
    snprintf(header, sizeof header,
             "WPC-API= 1.2; \r\nMsg-File= \x01.bdy; \r\nMsg-Id= VIADUCT-%s; \r\n-END-\r\n", message_id);
    container_begin(&writer, add, &gateway.body);
    container_part(&writer, PART_BODY, SPAN("bdy"));
    container_add(&writer, "hello\r\n", 7);
    container_part_end(&writer);
    container_part(&writer, PART_FILE, SPAN("001"));
    for (int i = 0; i < 40; i++)
        container_add(&writer, header, sizeof header);
    container_part_end(&writer);
    container_part(&writer, PART_HEADER, SPAN("api"));
    container_add(&writer, header, strlen(header));
    container_part_end(&writer);
    container_end(&writer);
}

static void
name_of(const char *message_id, const char *extension, char name[32])
{
    snprintf(name, 32, "%08x.%s", crc32c(0, message_id, strlen(message_id)), extension);
}

static void
move(const char *from, const char *to, const char *name)
{
    char a[500], b[500];
    snprintf(a, sizeof a, "%s/%s", from, name);
    snprintf(b, sizeof b, "%s/%s", to, name);
    if (rename(a, b) != 0)
        printf("# no file %s\n", a);
}

static void
erase(const char *folder, const char *name)
{
    char path[500];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    unlink(path);
}

static void *
start_out(void)
{
    void *state = NULL;
    struct viaduct_reason reason = {"", ""};
    if (gwise_system.outbound->prepare(&fake_services, &gateway, &state, &reason) != 0 ||
        gwise_system.outbound->begin(state, &reason) != 0)
        printf("# %s\n", reason.text);
    return state;
}

static struct viaduct_delivery delivery;

static void
deliver(void *state, const char *message_id)
{
    forget();
    make_body(message_id);
    delivery = (struct viaduct_delivery){.size = sizeof delivery,
                                         .id = message_id,
                                         .recipients = recipients,
                                         .n_recipients = 2,
                                         .converted = true,
                                         .gateway = &gateway};
    gwise_system.outbound->deliver(state, &delivery);
}

static void
run_until_there(const char *folder, const char *name)
{
    for (int i = 0; i < 500 && !fake_exists(folder, name); i++)
        fake_run_ms(&gateway, 5);
}

static void
test_taken(void)
{
    char api[32], body[32], via[32], tmp[32];
    name_of(id, "api", api);
    name_of(id, "bdy", body);
    name_of(id, "via", via);
    name_of(id, "tmp", tmp);
    void *state = start_out();
    deliver(state, id);
    run_until_there(api_in, api);
    struct buf header = fake_read(api_in, api), text = fake_read(att_in, body);
    ok(strstr(header.at, "Msg-File= ") != NULL && strstr(header.at, body) != NULL,
       "the header names the body by its real name");
    is_text(text.at, "hello\r\n", "the body lies in ATT_IN");
    ok(!fake_exists(api_in, tmp) && fake_exists(att_in, via), "nothing unfinished is left but our marker");
    fake_run_ms(&gateway, 300);
    is_int(gateway.n_ended, 0, "while the header lies in API_IN nothing is settled");
    ok(fake_said(&gateway, "takes nothing"), "and after peer.confirm an event warns");
    ok(gwise_system.outbound->busy(state), "the carrier is busy");
    erase(api_in, api);
    fake_run_until(&gateway, &gateway.n_ended, 1);
    is_int(gateway.results[0].outcome, VIADUCT_RELAYED, "when the gateway took it, it is relayed");
    is_int(gateway.results[1].outcome, VIADUCT_RELAYED, "for every recipient");
    gwise_system.outbound->finish(state);

    state = start_out();
    deliver(state, id);
    fake_run_until(&gateway, &gateway.n_ended, 1);
    ok(gateway.results[0].outcome == VIADUCT_RELAYED && !fake_exists(api_in, api),
       "the same message again, after a crash before its result was kept, is not sent twice");
    gwise_system.outbound->finish(state);
    buf_clear(&header);
    buf_clear(&text);
}

static void
test_refused(void)
{
    static const char other[] = "0123456789ABCDEFGHJKMNPQRT";
    char api[32];
    name_of(other, "api", api);
    void *state = start_out();
    deliver(state, other);
    run_until_there(api_in, api);
    struct buf header = fake_read(api_in, api);
    buf_add_text(&header,
                 "Line 003 Unknown keyword: WPPO\r\nLine 004 Unknown destination in address string: x\r\n");
    fake_write(gwprob, api, header.at, header.len); /* a copy with its lines, then the original goes */
    erase(api_in, api);
    fake_run_until(&gateway, &gateway.n_ended, 1);
    is_int(gateway.results[0].outcome, VIADUCT_REFUSED, "what turns up in GWPROB is refused");
    ok(strstr(gateway.results[0].text, "Line 003 Unknown keyword: WPPO; Line 004") != NULL,
       "with the gateway's lines as reason");
    is_text(gateway.results[0].status, "5.1.1", "and a status that fits them");
    ok(fake_said(&gateway, "evidence in GWPROB") && fake_exists(gwprob, api),
       "the evidence is named and stays");
    gwise_system.outbound->finish(state);
    buf_clear(&header);
}

/* A gateway that takes a header first and refuses it afterwards. */
static void
test_refused_late(void)
{
    static const char late[] = "0123456789ABCDEFGHJKMNPQS0";
    char api[32];
    name_of(late, "api", api);
    gateway.options[3][1] = "1h"; /* the carrier waits a minute, whatever the poll */
    void *state = start_out();
    deliver(state, late);
    run_until_there(api_in, api);
    struct buf header = fake_read(api_in, api);
    erase(api_in, api);
    fake_run_ms(&gateway, 300);
    is_int(gateway.n_ended, 0, "a header that many polls saw nowhere may still be refused: nothing is settled");
    fake_write(gwprob, api, header.at, header.len);
    fake_run_until(&gateway, &gateway.n_ended, 1);
    is_int(gateway.results[0].outcome, VIADUCT_REFUSED, "and when it turns up in GWPROB it is refused");
    gwise_system.outbound->finish(state);
    gateway.options[3][1] = "0s";
    forget();
    state = start_out();
    ok(!fake_said(&gateway, "settled"), "what was reported once is no surprise to the next process");
    gwise_system.outbound->finish(state);
    erase(gwprob, api);
    buf_clear(&header);
}

/* A gateway that refuses when all the world thinks that the message is through. */
static void
test_refused_too_late(void)
{
    static const char late[] = "0123456789ABCDEFGHJKMNPQS1";
    char api[32], via[32];
    name_of(late, "api", api);
    name_of(late, "via", via);
    void *state = start_out();
    deliver(state, late);
    run_until_there(api_in, api);
    struct buf header = fake_read(api_in, api);
    erase(api_in, api);
    fake_run_until(&gateway, &gateway.n_ended, 1);
    is_int(gateway.results[0].outcome, VIADUCT_RELAYED, "(it is settled as relayed)");
    gwise_system.outbound->finish(state);
    buf_add_text(&header, "Line 009 Unknown destination in address string: x\r\n");
    fake_write(gwprob, api, header.at, header.len);
    forget();
    state = start_out();
    ok(fake_said(&gateway, late) && fake_said(&gateway, "5.1.1 the GroupWise gateway refused it: Line 009") &&
           fake_said(&gateway, "as relayed already"),
       "a refusal after that is an error in the log, with id and reason");
    gwise_system.outbound->finish(state);
    forget();
    state = start_out();
    ok(!fake_said(&gateway, "as relayed already") && fake_exists(gwprob, api) && !fake_exists(att_in, via),
       "once; the evidence stays");
    gwise_system.outbound->finish(state);
    erase(gwprob, api);
    buf_clear(&header);
}

enum { MANY = 300 };

static int
count_headers(void)
{
    int n = 0;
    DIR *folder = opendir(api_in);
    for (const struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;)
        n += strlen(entry->d_name) == 12 && strcmp(entry->d_name + 8, ".api") == 0;
    if (folder != NULL)
        closedir(folder);
    return n;
}

/* Waiting costs a place, not the time of others. */
static void
test_many(void)
{
    static struct viaduct_delivery many[MANY];
    static char ids[MANY][32];
    gateway.options[3][1] = "1h";
    void *state = start_out();
    forget();
    make_body("X");
    for (int i = 0; i < MANY; i++) {
        snprintf(ids[i], sizeof ids[i], "0123456789ABCDEFGHJK%06d", i);
        many[i] = (struct viaduct_delivery){.size = sizeof many[i],
                                            .id = ids[i],
                                            .recipients = recipients,
                                            .n_recipients = 2,
                                            .converted = true,
                                            .gateway = &gateway};
        gwise_system.outbound->deliver(state, &many[i]);
        if (i == MANY / 2) { /* the gateway takes what is there; all of it waits for its minute */
            for (int turn = 0; turn < 200 && count_headers() <= i; turn++)
                fake_run_ms(&gateway, 5);
            for (int k = 0; k <= i; k++) {
                char api[32];
                name_of(ids[k], "api", api);
                erase(api_in, api);
            }
            fake_run_ms(&gateway, 60);
        }
    }
    for (int turn = 0; turn < 200 && count_headers() < MANY - MANY / 2 - 1; turn++)
        fake_run_ms(&gateway, 5);
    ok(count_headers() == MANY - MANY / 2 - 1 && gateway.n_ended == 0,
       "messages that wait for a late refusal keep none behind them from being handed over");
    ok(gwise_system.outbound->in_hand >= 60 * 5 + 60, "and enough may wait that five in a second pass");
    for (int k = 0; k < MANY; k++) {
        char name[32];
        name_of(ids[k], "api", name);
        erase(api_in, name);
    }
    gwise_system.outbound->drain(state);
    is_int(gateway.n_ended, MANY, "at the end all are put off, to be watched again");
    gwise_system.outbound->finish(state);
    for (int k = 0; k < MANY; k++) {
        static const char *const extensions[] = {"via", "bdy", "001"};
        char name[32];
        for (size_t e = 0; e < COUNT_OF(extensions); e++) {
            name_of(ids[k], extensions[e], name);
            erase(att_in, name);
        }
    }
    gateway.options[3][1] = "0s";
}

/* A share without exclusive rename, on which a name cannot be removed. */
static void
test_links(void)
{
    static const char linked[] = "0123456789ABCDEFGHJKMNPQS2";
    char api[32], tmp[32], via[32];
    name_of(linked, "api", api);
    name_of(linked, "tmp", tmp);
    name_of(linked, "via", via);
    no_rename = no_unlink_tmp = true;
    gateway.options[3][1] = "1h";
    void *state = start_out();
    deliver(state, linked);
    run_until_there(api_in, api);
    fake_run_ms(&gateway, 60);
    ok(gateway.n_ended == 0 && fake_exists(api_in, api) && fake_exists(api_in, tmp) && fake_exists(att_in, via),
       "a header that got its second name is handed over, though the first cannot be removed");
    struct buf header = fake_read(att_in, via);
    ok(fake_said(&gateway, "cannot be removed"), "which the log tells");
    erase(api_in, api);
    gwise_system.outbound->drain(state);
    gwise_system.outbound->finish(state);

    gateway.options[3][1] = "0s";
    state = start_out();
    deliver(state, linked);
    ok(fake_said(&gateway, "was handed over before"),
       "what is left of it does not send it again after a crash");
    no_unlink_tmp = false;
    fake_run_until(&gateway, &gateway.n_ended, 1);
    ok(gateway.results[0].outcome == VIADUCT_RELAYED && !fake_exists(api_in, tmp) && !fake_exists(api_in, api),
       "and as soon as it can be removed it is");
    gwise_system.outbound->finish(state);
    no_rename = false;
    buf_clear(&header);
}

/* Every state in which a crash may leave the folders, and what the next attempt makes of it. */
static void
test_crashes(void)
{
    static const char third[] = "0123456789ABCDEFGHJKMNPQRV";
    char api[32], tmp[32], via[32], body[32], mine[64];
    name_of(third, "api", api);
    name_of(third, "tmp", tmp);
    name_of(third, "via", via);
    name_of(third, "bdy", body);
    int len = snprintf(mine, sizeof mine, "VIADUCT-%s\r\n", third);

    fake_write(api_in, tmp, mine, (size_t)len);
    fake_write(att_in, via, mine, (size_t)len);
    fake_write(att_in, body, "half", 4);
    void *state = start_out();
    deliver(state, third);
    run_until_there(api_in, api);
    struct buf text = fake_read(att_in, body);
    ok(fake_exists(api_in, api) && !fake_exists(api_in, tmp),
       "an attempt cut short is made again under the same name");
    is_text(text.at, "hello\r\n", "with its files whole");
    gwise_system.outbound->drain(state);
    is_int(gateway.results[0].outcome, VIADUCT_LATER, "at the end of the process what waits is put off");
    ok(!gwise_system.outbound->busy(state) && fake_exists(att_in, via), "its marker stays");
    gwise_system.outbound->finish(state);

    state = start_out();
    deliver(state, third);
    fake_run_ms(&gateway, 100);
    ok(gateway.n_ended == 0 && fake_said(&gateway, "was handed over before"),
       "the next process waits on for the same header");
    move(api_in, gwprob, api);
    fake_run_until(&gateway, &gateway.n_ended, 1);
    is_int(gateway.results[0].outcome, VIADUCT_REFUSED, "and hears of its refusal");
    gwise_system.outbound->finish(state);
    buf_clear(&text);
}

static void
test_collision(void)
{
    static const char fourth[] = "0123456789ABCDEFGHJKMNPQRW";
    char api[32], next[32];
    static const char others[] = "WPC-API= 1.2; \r\nMsg-Id= SOMEBODY; \r\n-END-\r\n";
    name_of(fourth, "api", api);
    uint32_t crc = crc32c(crc32c(0, fourth, strlen(fourth)), "#1", 2);
    snprintf(next, sizeof next, "%08x.api", crc);
    fake_write(api_in, api, others, sizeof others - 1);
    void *state = start_out();
    deliver(state, fourth);
    run_until_there(api_in, next);
    struct buf text = fake_read(api_in, api);
    ok(fake_exists(api_in, next), "a name in use is passed over");
    is_text(text.at, others, "and the other file is untouched");
    erase(api_in, next);
    fake_run_until(&gateway, &gateway.n_ended, 1);
    is_int(gateway.results[0].outcome, VIADUCT_RELAYED, "the message goes under the next name");
    erase(api_in, api);
    gwise_system.outbound->finish(state);
    buf_clear(&text);
}

static void
test_lost_share(void)
{
    static const char fifth[] = "0123456789ABCDEFGHJKMNPQRX";
    char api[32], aside[420];
    name_of(fifth, "api", api);
    void *state = start_out();
    deliver(state, fifth);
    run_until_there(api_in, api);
    snprintf(aside, sizeof aside, "%s/gone", root);
    /* The folder is removed under our feet: its files seem gone, and were not taken. */
    erase(api_in, api);
    if (rmdir(api_in) != 0)
        printf("# API_IN is not empty\n");
    fake_run_ms(&gateway, 300);
    is_int(gateway.n_ended, 0, "while the share is gone nothing counts as taken");
    mkdir(api_in, 0700);
    fake_run_until(&gateway, &gateway.n_ended, 1);
    is_int(gateway.results[0].outcome, VIADUCT_RELAYED, "when it is back the watch goes on");
    gwise_system.outbound->finish(state);

    state = start_out();
    rmdir(api_in);
    deliver(state, "0123456789ABCDEFGHJKMNPQRY");
    ok(gateway.n_ended == 1 && gateway.n_unreachable == 1, "without its folders the gateway is unreachable");
    mkdir(api_in, 0700);
    gwise_system.outbound->finish(state);

    gateway.options[0][1] = "/nonexistent/gateway";
    struct viaduct_reason reason;
    void *none = NULL;
    is_int(gwise_system.outbound->prepare(&fake_services, &gateway, &none, &reason), -1,
           "a gateway that is not there is an error at start");
    ok(strstr(reason.text, "/nonexistent/gateway") != NULL, "that names the folder");
    gateway.options[0][1] = root;
}

static void
test_broken_item(void)
{
    static const char sixth[] = "0123456789ABCDEFGHJKMNPQRZ";
    char api[32], tmp[32], via[32], body[32];
    name_of(sixth, "api", api);
    name_of(sixth, "tmp", tmp);
    name_of(sixth, "via", via);
    name_of(sixth, "bdy", body);
    void *state = start_out();
    forget();
    deliver(state, sixth);
    gateway.body.at[gateway.body.len - 3] ^= 1; /* its check */
    fake_run_until(&gateway, &gateway.n_ended, 1);
    is_int(gateway.results[0].outcome, VIADUCT_LATER, "a damaged item is not handed over");
    ok(!fake_exists(api_in, api) && !fake_exists(api_in, tmp) && !fake_exists(att_in, via) &&
           !fake_exists(att_in, body),
       "and nothing of it is left in the gateway's folders");
    forget();
    deliver(state, sixth);
    struct container_writer writer;
    buf_reset(&gateway.body);
    container_begin(&writer, add, &gateway.body);
    container_part(&writer, PART_BODY, SPAN("bdy"));
    container_add(&writer, "x", 1);
    container_part_end(&writer);
    container_end(&writer);
    fake_run_until(&gateway, &gateway.n_ended, 1);
    ok(gateway.results[0].outcome == VIADUCT_LATER && !fake_exists(api_in, api),
       "an item without header neither");
    gwise_system.outbound->finish(state);
}

/* ---- inbound ---- */

static void *
start_in(void)
{
    void *state = NULL;
    struct viaduct_reason reason = {"", ""};
    forget();
    if (gwise_system.inbound->prepare(&fake_services, &gateway, &state, &reason) != 0 ||
        gwise_system.inbound->begin(state, &reason) != 0)
        printf("# %s\n", reason.text);
    return state;
}

static void
put_header(const char *name, const char *lines)
{
    struct buf text = {0};
    buf_printf(&text, "WPC-API= 1.2; \r\nMsg-Type= Mail; \r\n%s-END-\r\n", lines);
    fake_write(api_out, name, text.at, text.len);
    buf_clear(&text);
}

static bool
fetched(int which, const char *what)
{
    return which < gateway.n_intakes && gateway.intakes[which]->fetched &&
           memmem(gateway.intakes[which]->bytes.at, gateway.intakes[which]->bytes.len, what, strlen(what)) !=
               NULL;
}

static void
test_fetch(void)
{
    void *state = start_in();
    fake_write(att_out, "BODY1.TXT", "the body", 8);
    fake_write(att_out, "Comments", "shared", 6);
    put_header("36ED2937.API", "Msg-File= body1.txt; \r\nAttach-File= \r\n Current-File= COMMENTS; "
                               "Original-File= c.txt; Size= 6; ; \r\n");
    put_header("36ED2938.api", "Attach-File= \r\n Current-File= comments; Original-File= d.txt; ; \r\n");
    put_header(".hidden.api", "");
    event_base_loop(gateway.base, EVLOOP_ONCE);
    is_int(gateway.n_intakes, 0, "a file seen for the first time is not taken: it may still grow");
    fake_write(api_out, "note.txt", "x", 1);
    fake_run_until(&gateway, &gateway.n_intakes, 2);
    is_int(gateway.n_intakes, 2, "two headers are two items");
    ok(fetched(0, "part header 12:36ED2937.API\n") && fetched(0, "part body 9:BODY1.TXT\n") &&
           fetched(0, "the body"),
       "header and body are one item, under their names on disk");
    ok(fetched(0, "part file 8:Comments\n") && fetched(1, "part file 8:Comments\n") && fetched(1, "shared"),
       "a file that two headers name goes into both");
    fake_run_ms(&gateway, 100);
    ok(!fake_exists(api_out, "36ED2937.API") && !fake_exists(att_out, "BODY1.TXT") &&
           !fake_exists(att_out, "Comments"),
       "what was taken over is removed, attachments too");
    ok(fake_exists(api_out, "note.txt") && fake_exists(api_out, ".hidden.api"), "other files are left alone");
    gwise_system.inbound->finish(state);
}

static void
test_accents(void)
{
    void *state = start_in();
    fake_write(att_out,
               "\x9a"
               "bersicht.doc",
               "octets", 6);
    fake_write(att_out, "Ü2.doc", "characters", 10);
    put_header("36ED2939.api", "Attach-File= \r\n Current-File= \x9a"
                               "bersicht.doc; ; \r\n");
    put_header("36ED293A.api", "Attach-File= \r\n Current-File= \x9a"
                               "2.doc; ; \r\n");
    fake_run_until(&gateway, &gateway.n_intakes, 2);
    ok(fetched(0, "octets"), "a file's name with accents is looked for by its octets");
    ok(fetched(1, "characters"), "and by its characters, where the share shows them as UTF-8");
    fake_run_ms(&gateway, 100);
    ok(!fake_exists(att_out, "Ü2.doc"), "and it is removed under the name it has");
    gwise_system.inbound->finish(state);
}

static void
test_unfinished(void)
{
    void *state = start_in();
    fake_write(api_out, "a0000001.api", "", 0);
    fake_write(api_out, "a0000002.api", "WPC-API= 1.2; \r\nMsg-Type= Mail; \r\n", 34);
    put_header("a0000003.api", "Msg-File= later.bdy; \r\n");
    put_header("a0000004.api", "Attach-File= \r\n Current-File= part.doc; Size= 10; ; \r\n");
    fake_write(att_out, "part.doc", "12345", 5);
    put_header("a0000005.api", "Subject= locked; \r\n");
    char path[500];
    snprintf(path, sizeof path, "%s/a0000005.api", api_out);
    int fd = open(path, O_RDWR);
    if (fd < 0 || flock(fd, LOCK_EX) != 0)
        printf("Bail out! cannot lock\n");
    fake_run_ms(&gateway, 400);
    is_int(gateway.n_intakes, 0, "empty, unfinished, locked files and ones that wait for theirs are not taken");
    put_header("a0000002.api", "Subject= now whole; \r\n");
    fake_run_until(&gateway, &gateway.n_intakes, 1);
    ok(fetched(0, "now whole"), "a file that was finished is");
    fake_write(att_out, "LATER.BDY", "late", 4);
    fake_write(att_out, "part.doc", "1234567890", 10);
    close(fd);
    fake_run_until(&gateway, &gateway.n_intakes, 4);
    ok(fetched(1, "late") && fetched(2, "1234567890") && fetched(3, "locked"),
       "and so are those whose files came and lock went");
    gwise_system.inbound->finish(state);
}

static void
test_given_up(void)
{
    gateway.options[3][1] = "0s";
    void *state = start_in();
    put_header("b0000001.api", "Msg-File= never.bdy; \r\nAttach-File= \r\n Current-File= there.doc; ; \r\n");
    put_header("b0000002.api", "Msg-File= ../../etc/passwd; \r\n");
    fake_write(att_out, "there.doc", "is", 2);
    fake_run_until(&gateway, &gateway.n_intakes, 3); /* with the empty one of before */
    int missing = -1, path = -1, empty = -1;
    for (int i = 0; i < gateway.n_intakes; i++) {
        missing = fetched(i, "never.bdy is not in ATT_OUT") ? i : missing;
        path = fetched(i, "no plain name (../../etc/passwd)") ? i : path;
        empty = fetched(i, "it is empty") ? i : empty;
    }
    ok(missing >= 0 && fetched(missing, "part meta 3:why\n") && fetched(missing, "part file 9:there.doc\n"),
       "what stays without its files too long is kept as evidence, with what there is");
    ok(path >= 0 && !fetched(path, "root:"), "a name that leads out of ATT_OUT is never opened");
    ok(empty >= 0 && !fake_exists(api_out, "a0000001.api"), "an empty header too, when nobody holds it");
    gwise_system.inbound->finish(state);
    gateway.options[3][1] = "1h";
}

static void
test_pauses(void)
{
    void *state = start_in();
    gateway.closed = true;
    put_header("c0000001.api", "Subject= waits; \r\n");
    fake_run_ms(&gateway, 200);
    is_int(gateway.n_intakes, 0, "while the spool takes nothing, nothing is fetched");
    gateway.closed = false;
    gateway.refuse_commit = true;
    for (int i = 0; i < 200 && !fake_said(&gateway, "could not be taken over"); i++)
        fake_run_ms(&gateway, 10);
    ok(fake_said(&gateway, "could not be taken over: no room") && fake_exists(api_out, "c0000001.api"),
       "what could not be committed stays with the gateway");
    gateway.refuse_commit = false;
    fake_run_until(&gateway, &gateway.n_intakes, 1);
    ok(fetched(0, "waits") && !gwise_system.inbound->busy(state), "and is taken when there is room");
    gwise_system.inbound->finish(state);
}

static void
test_addresses(void)
{
    const struct viaduct_address_ops *ops = gwise_system.address;
    struct viaduct_reason reason;
#define ADDRESS(text) ((struct viaduct_text){text, sizeof(text) - 1})
    ok(ops->check(ADDRESS("Dom.PO.user"), &reason) == 0 &&
           ops->check(ADDRESS("Dom.Post Office.a.b@c"), &reason) == 0,
       "three parts are an address, dots in the user too");
    ok(ops->check(ADDRESS("Dom.user"), &reason) == -1 && ops->check(ADDRESS("Dom..user"), &reason) == -1 &&
           ops->check(ADDRESS(""), &reason) == -1 && ops->check(ADDRESS("D.P.u\n"), &reason) == -1,
       "what has fewer parts, or control characters, is none");
    is_text(reason.status, "5.1.3", "with its status");
    ok(ops->equal(ADDRESS("Dom.PO.user"), ADDRESS("dom.po.USER")) &&
           ops->equal(ADDRESS("D.P.\"u@h\""), ADDRESS("d.p.u@h")) &&
           !ops->equal(ADDRESS("D.P.u"), ADDRESS("D.P.v")),
       "case and quotes do not tell addresses apart");
}

int
main(void)
{
    make_tree();
    test_addresses();
    test_taken();
    test_refused();
    test_refused_late();
    test_refused_too_late();
    test_many();
    test_links();
    test_crashes();
    test_collision();
    test_lost_share();
    test_broken_item();
    gateway.options[3][1] = "1h";
    test_fetch();
    test_accents();
    test_unfinished();
    test_given_up();
    test_pauses();
    forget();
    event_base_free(gateway.base);
    return tap_done();
}
