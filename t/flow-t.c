/* flow-t.c - the map keeps the rules that stand in its header */
#include "spool-layout/layout.h"
#include "t/tap.h"

static bool
is_folder(enum folder folder)
{
    return folder < FOLDER_COUNT;
}

static bool
holds_messages(enum folder folder)
{
    return is_folder(folder) && folder_table[folder].kind != KIND_OTHER;
}

static bool
all_differ(const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < i; k++)
            if (words[i] == NULL || words[i][0] == '\0' || strcmp(words[i], words[k]) == 0) {
                printf("# %s\n", words[i] != NULL ? words[i] : "(null)");
                return false;
            }
    return true;
}

static void
test_words(void)
{
    const char *verdicts[VERDICT_COUNT], *programs[WORKER_COUNT], *paths[FOLDER_COUNT], *names[FOLDER_COUNT];
    for (unsigned i = 0; i < VERDICT_COUNT; i++)
        verdicts[i] = verdict_word((enum verdict)i);
    for (unsigned i = 0; i < WORKER_COUNT; i++)
        programs[i] = worker_table[i].program;
    for (unsigned i = 0; i < FOLDER_COUNT; i++) {
        paths[i] = folder_table[i].path;
        names[i] = folder_name((enum folder)i);
    }
    ok(all_differ(verdicts, VERDICT_COUNT), "every verdict has a word of its own");
    ok(all_differ(programs, WORKER_COUNT), "every worker is a program of its own");
    ok(all_differ(paths, FOLDER_COUNT), "every folder has a path of its own");
    ok(all_differ(names, FOLDER_COUNT), "and a name of its own, by which an operator can say it");
    is_text(folder_name(FOLDER_GONE), "gone", "what is settled is gone");
    is_text(folder_name(FOLDER_SYSTEM), "system", "and the world outside is the system");
}

static void
test_names_of_folders(void)
{
    unsigned wrong = 0, lost = 0;
    for (unsigned i = 0; i < FOLDER_COUNT; i++) {
        const struct folder_row *row = &folder_table[i];
        const char *slash = strrchr(row->path, '/');
        wrong += strcmp(row->name, slash != NULL ? slash + 1 : row->path) != 0;
        wrong += (strstr(row->path, "%s") != NULL) != (row->per != PER_ONE);
        lost += folder_by_name(row->name) != i;
    }
    is_int(wrong, 0,
           "a folder's name is its path's last component, and only connectors' paths name a connector");
    is_int(lost, 0, "every folder is found by its name");
    is_int(folder_by_name("mts-in"), FOLDER_MTS_IN, "without regard to case");
    is_int(folder_by_name(""), FOLDER_COUNT, "no name is no folder");
    is_int(folder_by_name("MTS-IN/"), FOLDER_COUNT, "and a path is none");
}

static void
test_one_taker(void)
{
    unsigned many = 0, wrong = 0;
    for (unsigned f = 0; f < FOLDER_COUNT; f++) {
        unsigned takers = 0;
        for (unsigned w = 0; w < WORKER_COUNT; w++)
            takers += w != WORKER_COMMAND && flow_takes((enum worker_id)w, (enum folder)f);
        many += takers > 1;
        enum worker_id taker = flow_taker((enum folder)f);
        wrong +=
            takers == 0 ? taker != WORKER_COUNT : taker == WORKER_COMMAND || !flow_takes(taker, (enum folder)f);
    }
    is_int(many, 0, "no folder has two workers that take from it");
    is_int(wrong, 0, "flow_taker() finds the one there is");
}

static void
test_one_move(void)
{
    unsigned twice = 0, lost = 0, still = 0;
    for (size_t i = 0; i < move_count; i++) {
        const struct move_row *a = &move_table[i];
        for (size_t k = 0; k < i; k++)
            twice += a->worker == move_table[k].worker && a->from == move_table[k].from &&
                     a->verdict == move_table[k].verdict;
        lost += flow_find(a->worker, a->from, a->verdict) == NULL;
        still += a->from == a->to && a->to != FOLDER_DEFERRED && a->verdict != VERDICT_REROUTE;
    }
    is_int(twice, 0, "for one worker, folder and verdict there is one move at most");
    is_int(lost, 0, "and flow_find() finds it");
    is_int(still, 0, "nothing is moved to where it is, but to another time or another connector");
    ok(flow_find(WORKER_CLEANUP, FOLDER_SPOOLER_QUEUE, VERDICT_PASS) == NULL,
       "what is not declared is not found");
}

/* A stranger keeps his descriptor over a rename, so his bytes are written anew; one message that becomes
 * several is, too. */
static void
test_hand_and_rewrite(void)
{
    unsigned strangers = 0, several = 0, removed = 0, kinds = 0;
    for (size_t i = 0; i < move_count; i++) {
        const struct move_row *m = &move_table[i];
        bool outside =
            m->from == FOLDER_SYSTEM || (is_folder(m->from) && folder_table[m->from].kind == KIND_DROP);
        strangers += outside && m->how != HOW_REWRITE;
        several += (m->verdict == VERDICT_SPLIT || m->verdict == VERDICT_REPORT) && m->how != HOW_REWRITE;
        removed += m->to == FOLDER_GONE && m->how != HOW_HAND;
        if (m->how == HOW_HAND && is_folder(m->from) && is_folder(m->to) && m->to != FOLDER_BADMAIL &&
            m->from != FOLDER_BADMAIL)
            kinds += folder_table[m->from].kind != folder_table[m->to].kind;
    }
    is_int(strangers, 0, "what strangers wrote is written anew, never moved in");
    is_int(several, 0, "parts and reports are new files");
    is_int(removed, 0, "nothing is rewritten to be removed");
    is_int(kinds, 0, "a name that is moved stays among files of its kind, Badmail aside");
}

static void
test_ends(void)
{
    unsigned wrong = 0;
    for (size_t i = 0; i < move_count; i++) {
        const struct move_row *m = &move_table[i];
        wrong += m->from == FOLDER_GONE || m->to == FOLDER_SYSTEM;
        wrong += !holds_messages(m->from) && m->from != FOLDER_SYSTEM;
        wrong += !holds_messages(m->to) && m->to != FOLDER_GONE;
        wrong += is_folder(m->to) && folder_table[m->to].kind == KIND_DROP;
    }
    is_int(wrong, 0, "messages move only between folders of messages, from outside, and out");
    unsigned no_badmail = 0;
    for (size_t i = 0; i < move_count; i++)
        if (move_table[i].worker != WORKER_COMMAND)
            no_badmail += flow_find(move_table[i].worker, move_table[i].from, VERDICT_BAD) == NULL;
    is_int(no_badmail, 0, "every worker can give up on a message, wherever it takes one");
}

/* Spreads a mark along the moves (against them: `back`), the operator's left out unless `by_command`. */
static void
spread(bool marked[FOLDER_SYSTEM + 1], bool back, bool by_command)
{
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < move_count; i++) {
            const struct move_row *m = &move_table[i];
            enum folder from = back ? m->to : m->from, to = back ? m->from : m->to;
            if ((m->worker == WORKER_COMMAND && !by_command) || !marked[from] || marked[to])
                continue;
            marked[to] = more = true;
        }
    }
}

static void
test_reachable(void)
{
    bool from_outside[FOLDER_SYSTEM + 1] = {[FOLDER_SYSTEM] = true, [FOLDER_DROP] = true};
    bool ends[FOLDER_SYSTEM + 1] = {[FOLDER_GONE] = true, [FOLDER_BADMAIL] = true};
    bool out[FOLDER_SYSTEM + 1] = {[FOLDER_GONE] = true};
    spread(from_outside, false, true);
    spread(ends, true, false);
    spread(out, true, true);
    /* directory requests are made by a part of dirsync that is not there yet */
    for (unsigned f = 0; f < FOLDER_COUNT; f++)
        if (holds_messages((enum folder)f) && f != FOLDER_DIR_OUT)
            ok(from_outside[f], "a message can come to %s", folder_name((enum folder)f));
    for (unsigned f = 0; f < FOLDER_COUNT; f++)
        if (holds_messages((enum folder)f) && f != FOLDER_HOLD)
            ok(ends[f], "and from %s the workers bring it to an end", folder_name((enum folder)f));
    unsigned stuck = 0;
    for (unsigned f = 0; f < FOLDER_COUNT; f++)
        stuck += holds_messages((enum folder)f) && !out[f];
    is_int(stuck, 0, "an operator can bring every message out");
}

static void
test_connector_names(void)
{
    static const char *const good[] = {"a", "host", "7", "A-b_c", "0123456789012345678901234567890123456789"};
    static const char *const bad[] = {"",
                                      "-a",
                                      "_a",
                                      ".",
                                      "..",
                                      "a.b",
                                      "a/b",
                                      "../host",
                                      "a b",
                                      "a\n",
                                      "%s",
                                      "\xc3\xa4",
                                      "01234567890123456789012345678901234567890"};
    char path[SPOOL_PATH_MAX];
    unsigned wrong = 0;
    for (size_t i = 0; i < COUNT_OF(good); i++)
        wrong += !connector_name_valid(good[i]) || folder_path(FOLDER_MTS_IN, good[i], path) != 0;
    is_int(wrong, 0, "names of letters, digits, - and _ are connectors'");
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        wrong += connector_name_valid(bad[i]) || folder_path(FOLDER_MTS_IN, bad[i], path) == 0;
    is_int(wrong, 0, "nothing else is, and makes no path");
    ok(folder_path(FOLDER_MTS_IN, NULL, path) < 0, "a connector's folder wants its connector");
    is_int(folder_path(FOLDER_BOUNCE, "../x", path), 0, "a folder there is one of wants none");
    ok(strchr(path, '/') == NULL && strchr(path, '.') == NULL, "and does not look at it");
}

int
main(void)
{
    test_words();
    test_names_of_folders();
    test_one_taker();
    test_one_move();
    test_hand_and_rewrite();
    test_ends();
    test_reachable();
    test_connector_names();
    return tap_done();
}
