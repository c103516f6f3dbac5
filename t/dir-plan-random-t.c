/* dir-plan-random-t.c - thousands of random pairs of directories with random histories: each plan carried out leaves nothing to do
 *
 * (One in some ten thousand knots of people who want each other's addresses, in directories as crowded as these, takes a second
 * plan; none a third.)
 *
 * Beside that, of each plan: what is not ours is not touched (save by policies, and where adoption was asked for), nothing is hidden
 * or deleted that has a source, or that has not hidden long enough, or when the other side was not read to its end; nobody has two
 * copies; whoever has none is spoken of; what an administrator added to a copy stays.
 *
 * VIADUCT_SEED=n runs one history and prints it; VIADUCT_HISTORIES=n as many as that.
 */
#include "t/dir_plan_rig.h"

enum { HISTORIES = 5000, ROUNDS = 12, PEOPLE = 9 };

static uint64_t chance_state, knots;

static unsigned
chance(unsigned n)
{
    chance_state ^= chance_state << 13;
    chance_state ^= chance_state >> 7;
    chance_state ^= chance_state << 17;
    return (unsigned)(chance_state >> 33) % n;
}

static const char *
one_of(const char *words)
{
    static char word[100];
    unsigned n = 1;
    for (const char *c = words; *c != '\0'; c++)
        n += *c == '|';
    for (unsigned pick = chance(n); pick > 0; pick--)
        words = strchr(words, '|') + 1;
    snprintf(word, sizeof word, "%.*s", (int)strcspn(words, "|"), words);
    return word;
}

/* ---- a random world ---- */

static void
set_up(struct world *world)
{
    world->dirsync.import.create_as = chance(3) > 0 ? "contact" : "disabled-user";
    world->dirsync.import.groups = chance(3) > 0 ? "group" : chance(2) > 0 ? "contact" : "no";
    world->dirsync.export.groups = chance(3) > 0 ? "group" : "contact";
    world->dirsync.import.delete_s = chance(3) * 7 * DAY;
    world->dirsync.export.delete_s = chance(2) * 7 * DAY;
    world->dirsync.export.contacts = chance(4) == 0;
    if (chance(4) == 0)
        world->dirsync.import.initial = texts_of(world, "telephoneNumber|department");
    if (chance(4) == 0)
        world->dirsync.import.omit = texts_of(world, "title");
    if (chance(3) == 0) {
        world->traits[0].naming = DIR_NAMED_ADDRESS;
        world->dirsync.export.container = NULL;
        world->dirsync.foreign.format = "gwise";
    }
    if (chance(3) == 0)
        world->traits[0].proxies = chance(2) > 0 ? DIR_PROXIES_MAIL : DIR_PROXIES_NONE;
    if (chance(4) == 0)
        world->traits[0].attributes = 0x3f;
    world->traits[0].hides = chance(2) > 0;
    if (chance(4) == 0)
        world->traits[0].limits[DIR_DISPLAY] = 8;
    if (chance(2) > 0)
        world_policy(world, "GWISE:Exchange.First.%m|SMTP:%m@contoso.example|smtp:%m@old.contoso.example");
    world->directory.proxies = chance(4) == 0 ? "book" : "directory";
    if (chance(10) == 0)
        world->in.adopt = "all";
}

static void
dress(struct world *world, struct dir_entry *entry)
{
    entry->value[DIR_DISPLAY] =
        text_of(world, "%s",
                one_of("Ann Beebe|Bob, Jr.|Cleo|Ann Beebe|D\xc3\xb6rte M\xc3\xbcller-L\xc3\xbc"
                       "denscheidt|"));
    entry->value[DIR_ALIAS] = text_of(world, "%s", one_of("ann|bob|cleo|ann|"));
    entry->value[DIR_GIVEN] = text_of(world, "%s", one_of("Ann|Bob|"));
    entry->value[DIR_PHONE] = text_of(world, "%s", one_of("1|2|3|"));
    entry->value[DIR_TITLE] = text_of(world, "%s", one_of("Clerk|"));
}

static void
random_foreign(struct world *world, unsigned n)
{
    char addresses[200];
    snprintf(addresses, sizeof addresses, "GWISE:Dom.PO%u.%s%u%s", chance(2), one_of("ann|bob|x"), chance(12),
             one_of("|\x1fSMTP:a@gw.example|\x1fSMTP:b@gw.example|\x1fsmtp:c@gw.example"));
    for (char *c = addresses; *c != '\0'; c++)
        if (*c == '\x1f')
            *c = '|';
    struct span id = text_of(world, "F%u", n);
    struct dir_entry entry = entry_of(world, id.at, addresses, "", addresses);
    entry.name = text_of(world, "CN=native%u,O=Dom", n);
    if (chance(8) > 0)
        entry.target = entry.proxies[0].address;
    dress(world, &entry);
    entry.kind = chance(5) == 0 ? DIR_GROUP : chance(8) == 0 ? DIR_CONTACT : DIR_MAILBOX;
    entry.hidden = chance(8) == 0;
    entry.opted_out = chance(8) == 0;
    entry.broken = chance(8) == 0;
    entry.trouble = SPAN("its address cannot be read");
    put_entry(world, false, &entry);
}

static void
random_host(struct world *world, unsigned n)
{
    char addresses[200];
    snprintf(addresses, sizeof addresses, "SMTP:%s%u@contoso.example", one_of("ann|bob|x"), chance(6));
    if (world->policies == NULL || chance(2) > 0)
        snprintf(addresses + strlen(addresses), 60, "|GWISE:Exchange.First.%s%u", one_of("ann|bob"),
                 chance(12));
    struct span id = text_of(world, "H%u", n);
    struct span name =
        text_of(world, "CN=native %u,OU=%s,DC=contoso,DC=example", n, one_of("Staff|Staff|Staff|Other"));
    struct dir_entry entry = entry_of(world, id.at, name.at, "", addresses);
    dress(world, &entry);
    entry.kind = chance(5) == 0 ? DIR_GROUP : chance(6) == 0 ? DIR_CONTACT : DIR_MAILBOX;
    entry.policy = world->policies != NULL && chance(4) > 0;
    entry.hidden = chance(8) == 0;
    entry.opted_out = chance(8) == 0;
    entry.broken = chance(8) == 0;
    entry.trouble = SPAN("its address cannot be read");
    put_entry(world, true, &entry);
}

/* Members are anybody of the same side, groups and the group itself among them, and names that nobody has. */
static void
random_members(struct world *world, bool host, struct dir_entry *entry)
{
    struct dir_entry other;
    entry->members = arena_alloc(world->texts, 20 * sizeof *entry->members);
    entry->n_members = 0;
    for (size_t place = 0; place < dir_set_places(world->side[host]) && entry->n_members < 18; place++)
        if (chance(3) == 0 && get_entry(world, host, place, &other))
            entry->members[entry->n_members++] = other.name;
    if (chance(5) == 0)
        entry->members[entry->n_members++] = SPAN("CN=nobody,O=nowhere");
}

/* ---- what happens ---- */

static bool
pick(struct world *world, bool host, bool copies, struct dir_entry *entry)
{
    struct span dirsync, source;
    for (unsigned tries = 0; tries < 10; tries++) {
        size_t places = dir_set_places(world->side[host]);
        if (places > 0 && get_entry(world, host, chance((unsigned)places), entry) &&
            dir_mark_parse(entry->mark, &dirsync, &source) == copies)
            return true;
    }
    return false;
}

/* What an administrator of the other side may do to a copy of ours. */
static void
meddle(struct world *world)
{
    struct dir_entry copy;
    bool host = chance(2) > 0;
    if (!pick(world, host, true, &copy))
        return;
    struct dir_proxy *proxies = arena_alloc(world->texts, (copy.n_proxies + 1) * sizeof *proxies);
    switch (chance(5)) {
    case 0:
        if (world->traits[host].proxies != DIR_PROXIES_ALL)
            break;
        if (copy.n_proxies > 0)
            memcpy(proxies, copy.proxies, copy.n_proxies * sizeof *proxies);
        proxies[copy.n_proxies++] = (struct dir_proxy){
            address_in(world, text_of(world, "smtp:local%u@contoso.example", chance(100)).at), false};
        copy.proxies = proxies;
        break;
    case 1:
        copy.value[DIR_PHONE] = SPAN("meddled");
        break;
    case 2:
        if (copy.kind == DIR_GROUP)
            random_members(world, host, &copy);
        break;
    case 3:
        copy.mark = SPAN(""); /* from now on it is somebody else's */
        break;
    default:
        dir_set_drop(world->side[host], copy.id);
        follow_members(world, host, copy.name, SPAN(""));
        return;
    }
    put_entry(world, host, &copy);
}

static void
happen(struct world *world)
{
    struct dir_entry entry;
    bool host = chance(2) > 0;
    switch (chance(8)) {
    case 0:
    case 1:
        random_foreign(world, chance(PEOPLE));
        break;
    case 2:
    case 3:
        random_host(world, chance(PEOPLE));
        break;
    case 4:
        if (pick(world, host, false, &entry)) {
            dir_set_drop(world->side[host], entry.id);
            follow_members(world, host, entry.name, SPAN(""));
        }
        break;
    case 5:
        if (pick(world, host, false, &entry) && entry.kind == DIR_GROUP) {
            random_members(world, host, &entry);
            put_entry(world, host, &entry);
        }
        break;
    case 6:
        meddle(world);
        break;
    default:
        world->in.now_s += (int64_t)chance(10) * DAY;
    }
}

/* ---- what must be ---- */

static bool
is_deletion(const struct dir_change *change)
{
    return change->operation == DIR_HIDE || change->operation == DIR_DELETE || change->operation == DIR_DISABLE;
}

static const char *
wrong_change(struct world *world, const struct dir_change *change)
{
    struct dir_entry entry, source = {.name = {"", 0}};
    struct span dirsync, id;
    bool host = change->host, complete = host ? world->in.foreign_complete : world->in.host_complete;
    int64_t since = dir_pending_since(world->pending, host, change->id);
    int64_t wait = host ? world->dirsync.import.delete_s : world->dirsync.export.delete_s;
    if (change->id.len == 0)
        return NULL;
    if (!get_entry(world, host, dir_set_find_id(world->side[host], change->id), &entry))
        return "it changes what is not there";
    bool ours = dir_mark_parse(entry.mark, &dirsync, &id);
    if (!ours && change->operation != DIR_ADOPT && change->source.len > 0 && world->in.adopt == NULL)
        return "it changes what is not ours";
    if (!ours && (is_deletion(change) || (change->source.len == 0 && !host)))
        return "it takes away what is not ours";
    if (!is_deletion(change))
        return NULL;
    bool there = get_entry(world, !host, dir_set_find_id(world->side[!host], id), &source);
    bool renewed = world->traits[host].naming == DIR_NAMED_ADDRESS;
    if (!complete && !(there && renewed))
        return "it takes away though the other side was not read to its end";
    bool elsewhere = memmem(source.name.at, there ? source.name.len : 0, "OU=Other", 8) != NULL;
    if (there && source.broken && !source.opted_out && !elsewhere)
        return "it takes away the copy of a source that cannot be mapped";
    if (change->operation != DIR_HIDE && !(there && renewed) &&
        (wait > 0 && (since == 0 || world->in.now_s - since < wait)))
        return "it deletes what has not hidden long enough";
    return NULL;
}

/* Nobody has two copies. */
static const char *
wrong_copies(struct world *world, bool host)
{
    struct dir_entry entry, other;
    struct span dirsync, id;
    for (size_t i = 0; i < dir_set_places(world->side[host]); i++)
        for (size_t j = 0;
             get_entry(world, host, i, &entry) && dir_mark_parse(entry.mark, &dirsync, &id) && j < i; j++)
            if (get_entry(world, host, j, &other) && span_equal(entry.mark, other.mark))
                return "somebody has two copies";
    return NULL;
}

static size_t
count_local(struct world *world)
{
    struct dir_entry entry;
    size_t n = 0;
    for (int host = 0; host < 2; host++)
        for (size_t place = 0; place < dir_set_places(world->side[host]); place++)
            for (size_t i = 0; get_entry(world, host, place, &entry) && i < entry.n_proxies; i++)
                n += span_starts_nocase(entry.proxies[i].address.value, SPAN("local"));
    return n;
}

static const char *
wrong_round(struct world *world)
{
    const char *wrong = NULL;
    struct dir_plan *plan = world_plan(world);
    size_t local = count_local(world);
    bool removes = false;
    world->trouble[0] = '\0';
    for (size_t i = 0; i < plan->n_changes && wrong == NULL; i++) {
        wrong = wrong_change(world, &plan->changes[i]);
        if (wrong != NULL)
            complain(world, &plan->changes[i], "", SPAN(""));
        removes = removes || is_deletion(&plan->changes[i]);
    }
    if (wrong == NULL && !world_apply(world))
        wrong = "it cannot be carried out";
    if (wrong == NULL)
        wrong = wrong_copies(world, true);
    if (wrong == NULL)
        wrong = wrong_copies(world, false);
    if (wrong == NULL && !removes && count_local(world) < local)
        wrong = "what an administrator added is gone";
    /* what was adopted and is let go is a recipient of its own again, whom policies serve */
    if (wrong == NULL && world->in.adopt != NULL && removes && world_plan(world)->n_changes > 0 &&
        !world_apply(world))
        wrong = "the plan after it cannot be carried out";
    for (unsigned more = 0; wrong == NULL && world_plan(world)->n_changes > 0; more++) {
        knots += more == 0;
        if (more == 1 || !world_apply(world))
            wrong = "the next plan has something to do";
    }
    return wrong;
}

static bool
run_history(uint64_t seed, bool aloud)
{
    struct world *world = world_new();
    const char *wrong = NULL;
    chance_state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    set_up(world);
    for (unsigned round = 0; round < ROUNDS && wrong == NULL; round++) {
        for (unsigned n = round == 0 ? 25 : chance(5); n > 0; n--)
            happen(world);
        world->in.host_complete = chance(6) > 0;
        world->in.foreign_complete = chance(6) > 0;
        if (aloud) {
            printf("# ---- round %u\n", round);
            print_plan(world_plan(world));
        }
        wrong = wrong_round(world);
    }
    if (wrong != NULL) {
        printf("# seed %llu: %s %s\n", (unsigned long long)seed, wrong, world->trouble);
        if (aloud)
            print_plan(world->plan);
    }
    world_free(world);
    return wrong == NULL;
}

int
main(void)
{
    const char *one = getenv("VIADUCT_SEED"), *many = getenv("VIADUCT_HISTORIES");
    uint64_t n = many != NULL ? strtoull(many, NULL, 10) : HISTORIES, failed = 0;
    if (one != NULL)
        return run_history(strtoull(one, NULL, 10), true) ? 0 : 1;
    for (uint64_t seed = 1; seed <= n && failed < 5; seed++)
        failed += !run_history(seed, false);
    is_int(failed, 0, "%llu histories: each plan is right, and leaves nothing to do", (unsigned long long)n);
    ok(knots <= n / 1000, "but for %llu knots, which take a second plan", (unsigned long long)knots);
    return tap_done();
}
