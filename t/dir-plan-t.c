/* dir-plan-t.c - the rules of planning, each by an example: who is exported, how he is found again, what happens to who is gone
 *
 * dir-plan-random-t.c has what holds for all of them together.
 */
#include "t/dir_plan_rig.h"

static struct dir_entry entry, copy;

/* Ann of GroupWise, in step. */
static struct world *
world_with_ann(void)
{
    struct world *world = world_new();
    foreign_user(world, "F1", "Dom.PO1.ABEEBE", "Ann Beebe", "ann@gw.example");
    if (!world_sync(world))
        printf("# the world is not in step\n");
    return world;
}

/* ---- import ---- */

static void
test_new(void)
{
    struct world *world = world_new();
    foreign_user(world, "F1", "Dom.PO1.ABEEBE", "Ann Beebe", "ann@gw.example");
    const struct dir_change *add =
        find_change(world_plan(world), true, DIR_ADD, "CN=Ann Beebe,OU=GroupWise,DC=contoso,DC=example");
    ok(add != NULL && add->kind == DIR_CONTACT && span_equal(add->source, SPAN("F1")),
       "somebody new becomes a contact");
    ok(world_sync(world), "which is made, and then there is nothing to do");
    ok(get_copy(world, true, "F1", &copy) && span_equal(copy.target.value, SPAN("Dom.PO1.ABEEBE")) &&
           entry_has(world, &copy, "GWISE:Dom.PO1.ABEEBE") && entry_has(world, &copy, "SMTP:ann@gw.example"),
       "with the foreign address as target, and all addresses");
    is_span(copy.value[DIR_ALIAS], "ABEEBE", "an alias is made of the address where there is none");
    ok(find_change(world_plan(world), false, DIR_ADD, NULL) == NULL, "and the copy is not exported: no echo");
    world_free(world);
}

static void
test_create_as(void)
{
    struct world *world = world_new();
    world->dirsync.import.create_as = "disabled-user";
    foreign_user(world, "F1", "Dom.PO1.ANN", "Ann", "");
    put_group(world, false, "F2", "Dom.PO1.ALL", "GWISE:Dom.PO1.ALL", "Dom.PO1.ANN");
    ok(world_sync(world) && get_copy(world, true, "F1", &copy) && copy.kind == DIR_MAIL_USER,
       "create-as: a mail user");
    ok(get_copy(world, true, "F2", &copy) && copy.kind == DIR_GROUP, "a group is a group");
    world->dirsync.import.create_as = "contact";
    ok(world_plan(world)->n_changes == 0, "who is there stays what he is");
    world_free(world);
    world = world_new();
    world->dirsync.import.groups = "contact";
    put_group(world, false, "F2", "Dom.PO1.ALL", "GWISE:Dom.PO1.ALL", "");
    ok(world_sync(world) && get_copy(world, true, "F2", &copy) && copy.kind == DIR_CONTACT, "groups = contact");
    world->dirsync.import.groups = "no";
    ok(find_change(world_plan(world), true, DIR_HIDE, NULL) != NULL, "groups = no: what was imported goes");
    world_free(world);
}

/* Found by the mark: names and addresses may change. */
static void
test_link(void)
{
    struct world *world = world_with_ann();
    get_copy(world, true, "F1", &copy);
    struct span id = copy.id;
    foreign_user(world, "F1", "Dom.PO2.ANN", "Ann Cole", "cole@gw.example");
    const struct dir_plan *plan = world_plan(world);
    const struct dir_change *rename = find_change(plan, true, DIR_RENAME, NULL);
    ok(plan->n_changes == 1 && rename != NULL &&
           span_equal(rename->new_name, SPAN("CN=Ann Cole,OU=GroupWise,DC=contoso,DC=example")),
       "another display name renames");
    ok(rename != NULL && memmem(rename->why.at, rename->why.len, "groupwise owns it", 17) != NULL,
       "and says who owns it");
    ok(world_sync(world) && get_copy(world, true, "F1", &copy) && span_equal(copy.id, id),
       "the entry is the same");
    ok(entry_has(world, &copy, "GWISE:Dom.PO2.ANN") && !entry_has(world, &copy, "GWISE:Dom.PO1.ABEEBE") &&
           entry_has(world, &copy, "SMTP:cole@gw.example") && copy.n_proxies == 2,
       "with the new addresses instead of the old ones");
    foreign_user(world, "F9", "Dom.PO1.X", "Ann Cole", "");
    ok(world_sync(world) && get_copy(world, true, "F9", &copy) &&
           span_equal(copy.name, SPAN("CN=Ann Cole (PO1.X),OU=GroupWise,DC=contoso,DC=example")),
       "a second of the name is no match: he is told apart by his address");
    dir_set_drop(world->side[0], SPAN("F1"));
    world->dirsync.limits.shrink = "100%";
    world->dirsync.import.delete_s = 0;
    ok(world_sync(world) && get_copy(world, true, "F9", &copy) &&
           span_equal(copy.name, SPAN("CN=Ann Cole (PO1.X),OU=GroupWise,DC=contoso,DC=example")),
       "and keeps his name when the first one leaves");
    world_free(world);
}

static void
test_owner(void)
{
    struct world *world = world_with_ann();
    get_copy(world, true, "F1", &copy);
    copy.value[DIR_DISPLAY] = SPAN("Somebody");
    copy.value[DIR_PHONE] = SPAN("007");
    copy.value[DIR_INFO] = SPAN("a note");
    put_entry(world, true, &copy);
    ok(world_sync(world) && get_copy(world, true, "F1", &copy) &&
           span_equal(copy.value[DIR_DISPLAY], SPAN("Ann Beebe")) && copy.value[DIR_PHONE].len == 0,
       "two sides fight over an attribute: its owner wins");
    world->dirsync.import.initial = texts_of(world, "telephoneNumber|info|cn");
    world->dirsync.import.omit = texts_of(world, "title");
    copy.value[DIR_PHONE] = SPAN("007");
    copy.value[DIR_TITLE] = SPAN("Chief");
    copy.name = SPAN("CN=Renamed,OU=GroupWise,DC=contoso,DC=example");
    put_entry(world, true, &copy);
    ok(world_plan(world)->n_changes == 0, "what is initial or omitted is the host's own");
    get_id(world, false, "F1", &entry);
    entry.value[DIR_PHONE] = SPAN("1");
    entry.id = SPAN("F2");
    entry.proxies = NULL;
    entry.n_proxies = 0;
    entry.target = address_in(world, "GWISE:Dom.PO1.NEW");
    put_entry(world, false, &entry);
    ok(world_sync(world) && get_copy(world, true, "F2", &copy) && span_equal(copy.value[DIR_PHONE], SPAN("1")),
       "and initial attributes are set once");
    world->traits[1].attributes = 1U << DIR_DISPLAY;
    get_id(world, false, "F2", &entry);
    entry.value[DIR_GIVEN] = SPAN("Ann");
    put_entry(world, false, &entry);
    ok(world_plan(world)->n_changes == 0, "what one side does not keep is not kept in step");
    world_free(world);
}

static void
test_limits_of_values(void)
{
    struct world *world = world_new();
    struct span name = text_of(world, "%063d\xc3\x84\xc3\x96", 7);
    foreign_user(world, "F1", "Dom.PO1.ANN", name.at, "");
    get_id(world, false, "F1", &entry);
    entry.value[DIR_INITIALS] = SPAN("\xc3\x84\xc3\x84\xc3\x84\xc3\x84\xc3\x84\xc3\x84\xc3\x84");
    entry.value[DIR_GIVEN] = SPAN("  ");
    put_entry(world, false, &entry);
    world_plan(world);
    is_int(count_notices(world->plan, DIR_REMARK, "initials is longer"), 1,
           "a value that is too long is cut, and said to be");
    ok(world_sync(world) && get_copy(world, true, "F1", &copy) &&
           span_equal(copy.value[DIR_INITIALS], SPAN("\xc3\x84\xc3\x84\xc3\x84\xc3\x84\xc3\x84\xc3\x84")),
       "between characters");
    ok(copy.value[DIR_DISPLAY].len == 67 && copy.name.len == 65 + 3 + 35, "names too: 64 characters of an RDN");
    is_span(copy.value[DIR_GIVEN], "", "blanks alone are nothing");
    world_free(world);
}

/* ---- addresses ---- */

static void
test_only_ours(void)
{
    struct world *world = world_with_ann();
    get_copy(world, true, "F1", &copy);
    struct dir_proxy proxies[] = {copy.proxies[0],
                                  copy.proxies[1],
                                  {address_in(world, "SMTP:a.beebe@contoso.example"), false},
                                  {address_in(world, "X500:/o=Old/cn=ann"), false}};
    copy.proxies = proxies;
    copy.n_proxies = 4;
    put_entry(world, true, &copy);
    ok(world_plan(world)->n_changes == 0, "what an administrator adds to a copy stays");
    foreign_user(world, "F1", "Dom.PO1.ABEEBE", "Ann Beebe", "new@gw.example");
    ok(world_sync(world) && get_copy(world, true, "F1", &copy) && copy.n_proxies == 4 &&
           entry_has(world, &copy, "smtp:a.beebe@contoso.example") &&
           entry_has(world, &copy, "SMTP:new@gw.example") &&
           entry_has(world, &copy, "X500:/o=Old/cn=ann") == false &&
           entry_has(world, &copy, "x500:/o=Old/cn=ann"),
       "when ours change, too");
    dir_set_free(world->added);
    world->added = NULL;
    foreign_user(world, "F1", "Dom.PO3.ABEEBE", "Ann Beebe", "newer@gw.example");
    ok(world_sync(world) && get_copy(world, true, "F1", &copy) &&
           !entry_has(world, &copy, "GWISE:Dom.PO1.ABEEBE") &&
           entry_has(world, &copy, "smtp:a.beebe@contoso.example") &&
           entry_has(world, &copy, "SMTP:new@gw.example"),
       "where it is lost what was added, the old target goes, and nothing that may be somebody else's");
    world_free(world);
}

static void
test_x500(void)
{
    struct world *world = world_new();
    struct dir_entry source = entry_of(world, "F1", "n", "Ann", "GWISE:Dom.PO1.ANN|X500:/o=Old/cn=ann");
    source.target = source.proxies[0].address;
    put_entry(world, false, &source);
    world_sync(world);
    source.n_proxies = 1;
    put_entry(world, false, &source);
    ok(world_sync(world) && get_copy(world, true, "F1", &copy) && entry_has(world, &copy, "X500:/o=Old/cn=ann"),
       "a former legacy address is not lost");
    world_free(world);
}

static void
test_swap(void)
{
    struct world *world = world_new();
    foreign_user(world, "F1", "Dom.PO1.A", "Ann", "");
    foreign_user(world, "F2", "Dom.PO1.B", "Bob", "");
    foreign_user(world, "F3", "Dom.PO1.C", "Cleo", "");
    world_sync(world);
    foreign_user(world, "F1", "Dom.PO1.B", "Ann", "");
    foreign_user(world, "F2", "Dom.PO1.A", "Bob", "");
    foreign_user(world, "F3", "Dom.PO1.D", "Cleo", "");
    foreign_user(world, "F4", "Dom.PO1.C", "Dora", "");
    ok(world_sync(world) && get_copy(world, true, "F1", &copy) &&
           span_equal(copy.target.value, SPAN("Dom.PO1.B")) && get_copy(world, true, "F4", &entry) &&
           span_equal(entry.target.value, SPAN("Dom.PO1.C")),
       "two who change places, and one who gets what another one leaves, are no conflict");
    world_free(world);
}

/* ---- conflicts and adoption ---- */

static void
test_conflict(void)
{
    struct world *world = world_new();
    struct dir_entry there =
        entry_of(world, "H1", "CN=A,OU=Other,DC=contoso,DC=example", "Ann B.", "SMTP:ann@gw.example");
    there.kind = DIR_CONTACT;
    put_entry(world, true, &there);
    foreign_user(world, "F1", "Dom.PO1.ABEEBE", "Ann Beebe", "ann@gw.example");
    ok(world_plan(world)->n_changes == 0 &&
           count_notices(world->plan, DIR_CONFLICT, "--adopt GWISE:Dom.PO1.ABEEBE") == 1,
       "who is there under one of the addresses makes a conflict, which says what to do");
    world->in.adopt = "SMTP:nobody@gw.example";
    ok(world_plan(world)->n_changes == 0, "adoption of somebody else changes nothing");
    world->in.adopt = "SMTP:ann@gw.example";
    const struct dir_change *adopt = find_change(world_plan(world), true, DIR_ADOPT, there.name.at);
    ok(adopt != NULL && adopt->n_deltas == 1 &&
           span_equal(adopt->deltas[0].add[0], SPAN("viaduct-adopted:gw:F1")),
       "asked for, it gets our mark");
    ok(world_sync(world) && get_copy(world, true, "F1", &copy) && span_equal(copy.id, SPAN("H1")) &&
           span_equal(copy.name, there.name) && span_equal(copy.value[DIR_DISPLAY], SPAN("Ann Beebe")),
       "is kept in step, and stays where it is");
    world->in.adopt = NULL;
    ok(world_plan(world)->n_changes == 0, "also when nobody asks any more");
    world->dirsync.limits.shrink = "100%";
    world->dirsync.import.delete_s = 0;
    dir_set_drop(world->side[0], SPAN("F1"));
    ok(world_sync(world) && get_id(world, true, "H1", &entry) && entry.mark.len == 0 &&
           entry.target.type.len == 0,
       "it was there before us: it is let go, and not deleted");
    world_free(world);
}

static void
test_strangers(void)
{
    struct world *world = world_new();
    struct dir_entry there = entry_of(world, "H1", "CN=A,OU=x", "Ann", "SMTP:ann@gw.example");
    there.kind = DIR_CONTACT;
    there.mark = SPAN("{26491CFC}");
    put_entry(world, true, &there);
    host_user(world, "H2", "Bob", "SMTP:bob@gw.example");
    foreign_user(world, "F1", "Dom.PO1.ANN", "Ann", "ann@gw.example");
    foreign_user(world, "F2", "Dom.PO1.BOB", "Bob", "bob@gw.example");
    foreign_user(world, "F3", "Dom.PO1.ANN", "Ann too", "");
    world->in.adopt = "all";
    world_plan(world);
    ok(world->plan->n_changes == 1 && find_change(world->plan, true, DIR_ADD, NULL) != NULL &&
           count_notices(world->plan, DIR_CONFLICT, "another's mark") == 1,
       "what has another's mark is never touched");
    is_int(count_notices(world->plan, DIR_CONFLICT, "is a mailbox of ad itself"), 1,
           "and no mailbox becomes a copy");
    dir_set_drop(world->side[1], SPAN("H1"));
    world_plan(world);
    is_int(count_notices(world->plan, DIR_CONFLICT, "has the address GWISE:Dom.PO1.ANN too"), 1,
           "of two sources with one address the second is a conflict");
    ok(dir_plan_count(world->plan, true, DIR_ADD, -1) == 1, "and the first is imported");
    world_free(world);
}

static void
test_twins(void)
{
    struct world *world = world_with_ann();
    get_copy(world, true, "F1", &copy);
    copy.id = SPAN("twin");
    copy.name = SPAN("CN=Ann copied,OU=GroupWise,DC=contoso,DC=example");
    put_entry(world, true, &copy);
    world_plan(world);
    ok(world->plan->n_changes == 0 && count_notices(world->plan, DIR_CONFLICT, "has the same mark as") == 1,
       "an entry that was copied with its mark is told of, and left alone");
    world_free(world);
}

/* ---- who is gone ---- */

/* A world of ten, of whom Ann leaves. */
static struct world *
world_ann_left(void)
{
    struct world *world = world_with_ann();
    for (unsigned i = 2; i < 11; i++)
        foreign_user(world, text_of(world, "F%u", i).at, text_of(world, "Dom.PO1.U%u", i).at, "User", "");
    world_sync(world);
    dir_set_drop(world->side[0], SPAN("F1"));
    return world;
}

static void
test_gone(void)
{
    struct world *world = world_ann_left();
    const struct dir_change *hide = find_change(world_plan(world), true, DIR_HIDE, NULL);
    ok(world->plan->n_changes == 1 && hide != NULL && span_equal(hide->source, SPAN("F1")),
       "who is gone is hidden first");
    ok(world_sync(world) && get_copy(world, true, "F1", &copy) && copy.hidden, "and only that");
    world->in.now_s += 13 * DAY;
    ok(world_plan(world)->n_changes == 0, "for delete-after");
    foreign_user(world, "F1", "Dom.PO1.ABEEBE", "Ann Beebe", "ann@gw.example");
    ok(find_change(world_plan(world), true, DIR_SHOW, NULL) != NULL, "who comes back is shown");
    ok(world_sync(world) && get_copy(world, true, "F1", &copy) && !copy.hidden, "as the one that he was");
    dir_set_drop(world->side[0], SPAN("F1"));
    world_sync(world);
    world->in.now_s += 14 * DAY;
    ok(find_change(world_plan(world), true, DIR_DELETE, NULL) != NULL && world_sync(world) &&
           !get_copy(world, true, "F1", &copy),
       "when the time is over he is deleted");
    world_free(world);
}

static void
test_user_is_disabled(void)
{
    struct world *world = world_new();
    world->dirsync.import.create_as = "enabled-user";
    world->dirsync.import.delete_s = 0;
    foreign_user(world, "F1", "Dom.PO1.ANN", "Ann", "");
    world_sync(world);
    get_copy(world, true, "F1", &copy);
    dir_set_drop(world->side[0], SPAN("F1"));
    world->dirsync.limits.shrink = "100%";
    const struct dir_change *disable = find_change(world_plan(world), true, DIR_DISABLE, NULL);
    ok(world->plan->n_changes == 1 && disable != NULL, "an account is not deleted");
    ok(world_sync(world) && get_entry(world, true, dir_set_find_id(world->side[1], copy.id), &entry) &&
           entry.mark.len == 0 && entry.n_proxies == 0 && entry.target.type.len == 0,
       "it loses mark and addresses");
    foreign_user(world, "F1", "Dom.PO1.ANN", "Ann", "");
    ok(world_sync(world) && get_copy(world, true, "F1", &copy) &&
           span_equal(copy.name, SPAN("CN=Ann (PO1.ANN),OU=GroupWise,DC=contoso,DC=example")),
       "who comes back gets another one, of another name");
    world_free(world);
}

/* The same address, another entry: somebody restored from a tape, or recreated. */
static void
test_heir(void)
{
    struct world *world = world_ann_left();
    world_sync(world);
    get_copy(world, true, "F1", &copy);
    foreign_user(world, "F77", "Dom.PO1.ABEEBE", "Ann Beebe", "ann@gw.example");
    ok(world_sync(world) && get_copy(world, true, "F77", &entry) && span_equal(entry.id, copy.id) &&
           !entry.hidden && !get_copy(world, true, "F1", &copy),
       "the copy of who is gone passes to whoever has his address now");
    ok(entry_has(world, &entry, "SMTP:ann@gw.example"), "with the addresses that he has");
    world_free(world);
    world = world_ann_left();
    world_sync(world);
    foreign_user(world, "F78", "Dom.PO1.ABEEBE", "Another Ann", "");
    ok(world_sync(world) && get_copy(world, true, "F78", &entry) && entry.n_proxies == 1 &&
           span_equal(entry.value[DIR_DISPLAY], SPAN("Another Ann")),
       "and not with those of who is gone");
    world_free(world);
}

static void
test_present(void)
{
    struct world *world = world_with_ann();
    for (unsigned i = 20; i < 30; i++) /* so that one who is missing is no shrinkage */
        foreign_user(world, text_of(world, "F%u", i).at, text_of(world, "Dom.PO1.U%u", i).at, "User", "");
    world_sync(world);
    get_id(world, false, "F1", &entry);
    entry.broken = true;
    entry.trouble = SPAN("no such post office");
    entry.value[DIR_DISPLAY] = SPAN("");
    put_entry(world, false, &entry);
    ok(world_plan(world)->n_changes == 0 && count_notices(world->plan, DIR_REMARK, "no such post office") == 1,
       "who cannot be mapped is present, and left as he is");
    entry.broken = false;
    entry.target = (struct address){{NULL, 0}, {NULL, 0}};
    entry.n_proxies = 0;
    put_entry(world, false, &entry);
    ok(world_plan(world)->n_changes == 0 && count_notices(world->plan, DIR_REMARK, "no GWISE address") == 1,
       "so is who has lost his address");
    foreign_user(world, "F1", "Dom.PO1.ABEEBE", "Ann Beebe", "ann@gw.example");
    get_id(world, false, "F1", &entry);
    entry.hidden = true;
    put_entry(world, false, &entry);
    ok(world_sync(world) && get_copy(world, true, "F1", &copy) && copy.hidden,
       "who hides is hidden on the other side");
    entry.hidden = false;
    put_entry(world, false, &entry);
    ok(world_sync(world) && get_copy(world, true, "F1", &copy) && !copy.hidden, "and shown again");
    entry.id = SPAN("F2");
    entry.hidden = true;
    entry.proxies[0].address = entry.target = address_in(world, "GWISE:Dom.PO1.HIDDEN");
    entry.n_proxies = 1;
    put_entry(world, false, &entry);
    ok(world_plan(world)->n_changes == 0, "who hides from the beginning is not exported");
    entry.hidden = false;
    entry.opted_out = true;
    put_entry(world, false, &entry);
    ok(world_plan(world)->n_changes == 0, "nor who has opted out");
    get_id(world, false, "F1", &entry);
    entry.opted_out = true;
    put_entry(world, false, &entry);
    ok(find_change(world_plan(world), true, DIR_HIDE, NULL) != NULL,
       "whose copy goes, as that of one who is gone");
    world_free(world);
}

/* ---- readings that cannot be believed ---- */

static void
test_reading(void)
{
    struct world *world = world_ann_left();
    world->in.foreign_complete = false;
    ok(world_plan(world)->n_changes == 0 &&
           count_notices(world->plan, DIR_REFUSAL, "was not read to its end") == 1,
       "a reading that broke off hides and deletes nobody");
    world->in.foreign_complete = true;
    for (unsigned i = 2; i < 5; i++)
        dir_set_drop(world->side[0], text_of(world, "F%u", i));
    world_plan(world);
    ok(world->plan->n_changes == 0 &&
           count_notices(world->plan, DIR_REFUSAL, "6 were read in groupwise, and 10 at the last run") == 1 &&
           count_notices(world->plan, DIR_REFUSAL, "limits.shrink = 100%") == 1,
       "nor one that is much smaller than the last; the notice says what to do");
    ok(world_apply(world) && world_plan(world)->n_changes == 0, "also the second time");
    world->dirsync.limits.shrink = "50%";
    is_int(dir_plan_count(world_plan(world), true, DIR_HIDE, -1), 4, "the limit is the operator's");
    for (unsigned i = 5; i < 11; i++)
        dir_set_drop(world->side[0], text_of(world, "F%u", i));
    world->in.foreign_before = 0;
    ok(world_plan(world)->n_changes == 0 && count_notices(world->plan, DIR_REFUSAL, "nobody was read") == 1,
       "an empty one hides nobody, whatever it was before");
    world_free(world);
    world = world_new();
    foreign_user(world, "F1", "Dom.PO1.ABEEBE", "Ann Beebe", "");
    world->in.host_complete = false;
    ok(world_plan(world)->n_changes == 0 &&
           count_notices(world->plan, DIR_REFUSAL, "may be there already") == 1,
       "where the target was not read whole nobody is added: he may be there");
    world_free(world);
}

int
main(void)
{
    test_new();
    test_create_as();
    test_link();
    test_owner();
    test_limits_of_values();
    test_only_ours();
    test_x500();
    test_swap();
    test_conflict();
    test_strangers();
    test_twins();
    test_gone();
    test_user_is_disabled();
    test_heir();
    test_present();
    test_reading();
    return tap_done();
}
