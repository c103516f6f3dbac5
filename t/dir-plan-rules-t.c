/* dir-plan-rules-t.c - more rules of planning: export, policies, groups, names and containers, GroupWise's ways, limits */
#include "t/dir_plan_rig.h"

static struct dir_entry entry, copy;

/* ---- export ---- */

static void
test_export(void)
{
    struct world *world = world_new();
    host_user(world, "H1", "Ann", "SMTP:ann@contoso.example|GWISE:Exchange.First.ann");
    host_user(world, "H2", "No address of theirs", "SMTP:bob@contoso.example");
    struct dir_entry other =
        entry_of(world, "H3", "CN=Cleo,OU=Elsewhere,DC=contoso,DC=example", "Cleo", "GWISE:Exchange.First.c");
    put_entry(world, true, &other);
    other.id = SPAN("H4");
    other.name = SPAN("CN=Dora, OU=staff ,DC=Contoso,DC=example");
    other.proxies[0].address = address_in(world, "GWISE:Exchange.First.d");
    put_entry(world, true, &other);
    struct dir_entry broken = {
        .id = SPAN("H5"), .name = SPAN("CN=B,OU=Elsewhere,DC=contoso,DC=example"), .broken = true};
    put_entry(world, true, &broken);
    is_int(world_plan(world)->n_notices, 0,
           "of what lies elsewhere nothing is said, though it cannot be mapped");
    ok(world_sync(world) && get_copy(world, false, "H1", &copy) && copy.kind == DIR_CONTACT &&
           span_equal(copy.target.value, SPAN("Exchange.First.ann")) &&
           entry_has(world, &copy, "SMTP:ann@contoso.example"),
       "a recipient of the host goes out under his foreign address");
    ok(!get_copy(world, false, "H2", &copy), "who has none does not");
    ok(!get_copy(world, false, "H3", &copy) && get_copy(world, false, "H4", &copy),
       "nor who is in no exported container, compared as DNs");
    get_id(world, true, "H1", &entry);
    entry.n_proxies = 1;
    put_entry(world, true, &entry);
    world->dirsync.limits.shrink = "100%";
    ok(find_change(world_plan(world), false, DIR_DELETE, NULL) != NULL,
       "who loses it leaves the foreign directory");
    world_free(world);
}

static void
test_export_kinds(void)
{
    struct world *world = world_new();
    struct dir_entry contact = entry_of(world, "H1", "CN=Supplier,OU=Staff,DC=contoso,DC=example", "Supplier",
                                        "SMTP:s@supplier.example|GWISE:Exchange.First.s");
    contact.kind = DIR_CONTACT;
    contact.target = address_in(world, "SMTP:s@supplier.example");
    put_entry(world, true, &contact);
    ok(world_plan(world)->n_changes == 0, "contacts of the host stay at home");
    world->dirsync.export.contacts = true;
    ok(dir_plan_count(world_plan(world), false, DIR_ADD, -1) == 1, "unless they are asked for");
    contact.target = address_in(world, "GWISE:Dom.PO1.X");
    put_entry(world, true, &contact);
    ok(world_plan(world)->n_changes == 0, "never one that stands for somebody of theirs");
    contact.target = address_in(world, "SMTP:s@supplier.example");
    contact.mark = SPAN("viaduct:notes:N1");
    put_entry(world, true, &contact);
    ok(dir_plan_count(world_plan(world), false, DIR_ADD, -1) == 1,
       "the copy of another dirsync's is a contact like others");
    contact.kind = DIR_MAILBOX;
    contact.mark = SPAN("viaduct:gw:F9");
    put_entry(world, true, &contact);
    world->in.foreign_complete = false;
    ok(dir_plan_count(world_plan(world), false, DIR_ADD, -1) == 0,
       "our own copy is never exported, whatever kind it is");
    world_free(world);
    world = world_new();
    foreign_user(world, "F1", "Dom.PO1.ANN", "Ann", "");
    get_id(world, false, "F1", &entry);
    entry.mark = SPAN("viaduct:other:H7");
    put_entry(world, false, &entry);
    ok(world_plan(world)->n_changes == 0, "what another dirsync wrote there is no foreign recipient");
    world_free(world);
}

/* Somebody moves: his copy here gets a mailbox, later he is gone from the other side. */
static void
test_migration(void)
{
    struct world *world = world_new();
    foreign_user(world, "F1", "Dom.PO1.ANN", "Ann", "ann@gw.example");
    foreign_user(world, "F2", "Dom.PO1.BOB", "Bob", "");
    world_sync(world);
    get_copy(world, true, "F1", &copy);
    copy.kind = DIR_MAILBOX;
    copy.target = (struct address){SPAN(""), SPAN("")};
    copy.value[DIR_TITLE] = SPAN("moved");
    put_entry(world, true, &copy);
    world_plan(world);
    ok(world->plan->n_changes == 0 && count_notices(world->plan, DIR_CONFLICT, "mailbox of its own") == 1,
       "a copy that has got a mailbox is left alone, and that is told");
    dir_set_drop(world->side[0], SPAN("F1"));
    world->dirsync.import.delete_s = 0;
    world->dirsync.limits.shrink = "100%";
    world_plan(world);
    const struct dir_change *change = find_change(world->plan, true, DIR_DISABLE, NULL);
    ok(world->plan->n_changes == 1 && change != NULL && change->n_deltas == 1 &&
           span_equal(change->deltas[0].name, SPAN("mark")),
       "when the other one is gone it loses the mark, and no address");
    world_free(world);
}

static void
test_mail_only(void)
{
    struct world *world = world_new();
    world->traits[0].proxies = DIR_PROXIES_MAIL;
    world->traits[0].needs_surname = true;
    world->traits[0].no_target = true;
    host_user(world, "H1", "Ann",
              "SMTP:ann@contoso.example|GWISE:Exchange.First.ann|smtp:second@contoso.example");
    ok(world_sync(world) && get_copy(world, false, "H1", &copy) && copy.n_proxies == 1 &&
           entry_has(world, &copy, "SMTP:ann@contoso.example") && copy.target.type.len == 0 &&
           span_equal(copy.value[DIR_SURNAME], SPAN("Ann")),
       "a directory with one address and a surname for each gets these");
    host_user(world, "H1", "Ann", "SMTP:new@contoso.example|GWISE:Exchange.First.ann");
    ok(world_sync(world) && get_copy(world, false, "H1", &copy) &&
           entry_has(world, &copy, "SMTP:new@contoso.example"),
       "and follows");
    world_free(world);
}

static void
test_gwise(void)
{
    struct world *world = world_new();
    world->traits[0].naming = DIR_NAMED_ADDRESS;
    world->dirsync.export.container = NULL;
    host_user(world, "H1", "Ann", "GWISE:Exchange.First.ann");
    world_sync(world);
    ok(get_copy(world, false, "H1", &copy) && span_equal(copy.name, SPAN("Exchange.First.ann")),
       "the address is the name");
    host_user(world, "H1", "Ann Cole", "GWISE:Exchange.First.ann");
    world_plan(world);
    ok(world->plan->n_changes == 1 && world->plan->changes[0].operation == DIR_CHANGE,
       "another name is a change");
    host_user(world, "H1", "Ann Cole", "GWISE:Exchange.First.cole");
    host_user(world, "H2", "Ann Beebe", "GWISE:Exchange.First.ann");
    world_plan(world);
    ok(world->plan->n_changes == 3 && world->plan->changes[0].operation == DIR_DELETE &&
           dir_plan_count(world->plan, false, DIR_ADD, -1) == 2,
       "another address is a deletion first, and then somebody new, perhaps two");
    ok(world_sync(world) && get_copy(world, false, "H2", &copy) &&
           span_equal(copy.name, SPAN("Exchange.First.ann")),
       "and so it comes to be");
    get_copy(world, false, "H1", &copy);
    copy.mark = SPAN("viaduct:gw:");
    put_entry(world, false, &copy);
    ok(world_plan(world)->n_changes == 0, "a copy that does not say whose it is is known by its address");
    host_user(world, "H1", "Ann Cole", "GWISE:Exchange.First.other|gwise:Exchange.First.cole");
    ok(find_change(world_plan(world), false, DIR_DELETE, "Exchange.First.cole") != NULL &&
           find_change(world->plan, false, DIR_ADD, "Exchange.First.other") != NULL,
       "which is his as long as it is his first");
    world_free(world);
}

/* ---- policies ---- */

static void
test_policy(void)
{
    struct world *world = world_new();
    world_policy(world, "SMTP:%m@contoso.example|GWISE:Exchange.First.%m|smtp:%m@old.example");
    host_user(world, "H1", "Ann", "smtp:kept@x.example");
    host_user(world, "H2", "Ann 2", "SMTP:other@x.example|GWISE:Exchange.First.ann");
    for (unsigned i = 1; i < 3; i++) {
        get_id(world, true, i == 1 ? "H1" : "H2", &entry);
        entry.value[DIR_ALIAS] = SPAN("ann");
        put_entry(world, true, &entry);
    }
    foreign_user(world, "F1", "Dom.PO1.ANN", "Ann of theirs", "ann@contoso.example");
    world_plan(world);
    const struct dir_change *change =
        find_change(world->plan, true, DIR_CHANGE, "CN=Ann,OU=Staff,DC=contoso,DC=example");
    ok(change != NULL && change->source.len == 0 &&
           strstr(change->why.at, "recipient-policy \"Default\"") != NULL,
       "what a policy gives is written as a change of its own");
    ok(world_sync(world) && get_id(world, true, "H1", &entry) &&
           entry_has(world, &entry, "SMTP:ann2@contoso.example") &&
           entry_has(world, &entry, "smtp:kept@x.example") &&
           entry_has(world, &entry, "GWISE:Exchange.First.ann2"),
       "no address that another one has on either side; what exists is kept");
    ok(get_copy(world, false, "H1", &copy) && span_equal(copy.target.value, SPAN("Exchange.First.ann2")),
       "and he is exported under it by the same plan");
    ok(get_copy(world, true, "F1", &copy) && entry_has(world, &copy, "SMTP:ann@contoso.example") &&
           entry_has(world, &copy, "gwise:Exchange.First.ANN") == false,
       "an imported copy has its own addresses first");
    struct dir_entry stranger = entry_of(world, "H9", "CN=S,OU=x", "S", "SMTP:s@x.example");
    stranger.kind = DIR_CONTACT;
    stranger.policy = 1;
    stranger.mark = SPAN("somebody's");
    stranger.value[DIR_ALIAS] = SPAN("s");
    put_entry(world, true, &stranger);
    ok(world_plan(world)->n_changes == 0, "what has another's mark gets none");
    stranger.kind = DIR_MAILBOX;
    put_entry(world, true, &stranger);
    ok(dir_plan_count(world_plan(world), true, DIR_CHANGE, DIR_MAILBOX) == 1, "a mailbox is nobody's copy");
    world_free(world);
}

static void
test_copies_get_proxies(void)
{
    struct world *world = world_new();
    world_policy(world, "SMTP:%m@contoso.example");
    foreign_user(world, "F1", "Dom.PO1.ANN", "Ann", "");
    ok(world_sync(world) && get_copy(world, true, "F1", &copy) &&
           entry_has(world, &copy, "SMTP:ANN@contoso.example"),
       "an imported copy gets what it lacks, in the plan that makes it");
    foreign_user(world, "F1", "Dom.PO1.ANN", "Ann", "ann@gw.example");
    ok(world_sync(world) && get_copy(world, true, "F1", &copy) &&
           entry_has(world, &copy, "SMTP:ANN@contoso.example") &&
           entry_has(world, &copy, "smtp:ann@gw.example"),
       "and keeps it as primary when its source gets one");
    world_free(world);
}

static void
test_in_book(void)
{
    struct world *world = world_new();
    struct address given = address_in(world, "GWISE:Exchange.First.ann2");
    bool more;
    world->directory.proxies = "book";
    world_policy(world, "GWISE:Exchange.First.%m");
    host_user(world, "H1", "Ann", "SMTP:ann@contoso.example|GWISE:Exchange.First.ann");
    host_user(world, "H2", "Ann 2", "SMTP:ann2@contoso.example");
    get_id(world, true, "H2", &entry);
    entry.value[DIR_ALIAS] = SPAN("ann");
    put_entry(world, true, &entry);
    world_plan(world);
    ok(dir_plan_count(world->plan, true, DIR_CHANGE, -1) == 0 &&
           count_notices(world->plan, DIR_REMARK, "in the address book alone") == 1,
       "where the directory does not keep them, a notice tells of them");
    ok(world_sync(world) &&
           dir_set_find_address(world->given, &given, &more) == dir_set_find_id(world->given, SPAN("H2")) &&
           get_copy(world, false, "H2", &copy) && span_equal(copy.target.value, given.value),
       "they are kept for the book, and he is exported under them");
    ok(count_notices(world->plan, DIR_REMARK, "in the address book") == 0,
       "the next plan has nothing new to tell");
    dir_set_drop(world->side[1], SPAN("H1"));
    world->dirsync.limits.shrink = "100%";
    ok(world_sync(world) && get_copy(world, false, "H2", &copy) && span_equal(copy.target.value, given.value),
       "and his stays though the shorter one is free now");
    world->directory.proxies = "directory";
    is_int(dir_set_count(world_plan(world)->given), 1, "it is kept until the directory has it");
    ok(world_sync(world) && get_id(world, true, "H2", &entry) &&
           entry_has(world, &entry, "GWISE:Exchange.First.ann2"),
       "it is what is written when the directory may keep it");
    world_free(world);
}

static void
test_not_writable(void)
{
    struct world *world = world_new();
    world->directory.writable = false;
    world_policy(world, "GWISE:Exchange.First.%m");
    host_user(world, "H1", "Ann", "SMTP:ann@contoso.example");
    get_id(world, true, "H1", &entry);
    entry.value[DIR_ALIAS] = SPAN("ann");
    put_entry(world, true, &entry);
    foreign_user(world, "F1", "Dom.PO1.X", "X", "");
    world_plan(world);
    ok(!dir_plan_writes(world->plan, true) && dir_plan_count(world->plan, false, DIR_ADD, -1) == 1 &&
           count_notices(world->plan, DIR_REFUSAL, "\"ad\" is not writable") == 1,
       "a host that is not writable is not written, and export goes on");
    world->directory.writable = true;
    world->in.host_read_only = true;
    ok(!dir_plan_writes(world_plan(world), true), "nor one that finds that it cannot be");
    world->in.host_read_only = false;
    world->dirsync.foreign.directory.writable = false;
    world_plan(world);
    ok(!dir_plan_writes(world->plan, false) &&
           count_notices(world->plan, DIR_REFUSAL, "nothing is exported") == 1,
       "nor a foreign directory");
    world_free(world);
}

/* ---- groups ---- */

static struct span
foreign_name(struct world *world, const char *source)
{
    return get_copy(world, false, source, &entry) ? entry.name : SPAN("?");
}

static void
test_group(void)
{
    struct world *world = world_new();
    host_user(world, "H1", "Hugo", "GWISE:Exchange.First.hugo");
    foreign_user(world, "F1", "Dom.PO1.ANN", "Ann", "");
    foreign_user(world, "F2", "Dom.PO1.BOB", "Bob", "");
    world_sync(world);
    struct span hugo = foreign_name(world, "H1");
    struct span members = text_of(world, "Dom.PO1.ANN|%.*s|Dom.PO1.NOBODY", (int)hugo.len, hugo.at);
    put_group(world, false, "G1", "Dom.PO1.ALL", "GWISE:Dom.PO1.ALL", members.at);
    world_plan(world);
    is_int(count_notices(world->plan, DIR_REMARK, "1 of its 3 members have no counterpart"), 1,
           "a member without counterpart is left out, and told of");
    ok(world_sync(world) && get_copy(world, true, "G1", &copy) && copy.n_members == 2 &&
           entry_has_member(&copy, SPAN("CN=Ann,OU=GroupWise,DC=contoso,DC=example")) &&
           entry_has_member(&copy, SPAN("CN=Hugo,OU=Staff,DC=contoso,DC=example")),
       "members are found by their links, both ways");
    put_group(world, false, "G1", "Dom.PO1.ALL", "GWISE:Dom.PO1.ALL", "Dom.PO1.BOB|Dom.PO1.ANN");
    world_plan(world);
    const struct dir_change *change =
        find_change(world->plan, true, DIR_CHANGE, "CN=G1,OU=GroupWise,DC=contoso,DC=example");
    ok(world->plan->n_changes == 1 && change != NULL && change->n_deltas == 1 && change->deltas[0].n_add == 1 &&
           change->deltas[0].n_remove == 1,
       "only members that changed are written");
    foreign_user(world, "F1", "Dom.PO1.ANN", "Anna", "");
    foreign_user(world, "F3", "Dom.PO1.NEW", "New", "");
    put_group(world, false, "G1", "Dom.PO1.ALL", "GWISE:Dom.PO1.ALL", "Dom.PO1.NEW|Dom.PO1.ANN");
    world_plan(world);
    change = &world->plan->changes[world->plan->n_changes - 1];
    ok(change->kind == DIR_GROUP && change->n_deltas == 1,
       "groups come last; one who was renamed is no other member");
    ok(world_sync(world) && get_copy(world, true, "G1", &copy) && copy.n_members == 2 &&
           entry_has_member(&copy, SPAN("CN=Anna,OU=GroupWise,DC=contoso,DC=example")) &&
           entry_has_member(&copy, SPAN("CN=New,OU=GroupWise,DC=contoso,DC=example")),
       "a new one is in it by the same plan");
    world_free(world);
}

static void
test_group_attributes(void)
{
    struct world *world = world_new();
    world->traits[1].not_of_groups = 1U << DIR_TITLE;
    world->traits[0].not_of_groups = 1U << DIR_PHONE;
    put_group(world, false, "G1", "Dom.PO1.G1", "GWISE:Dom.PO1.G1", "");
    get_id(world, false, "G1", &entry);
    entry.value[DIR_TITLE] = SPAN("not of groups");
    put_entry(world, false, &entry);
    ok(world_sync(world) && get_copy(world, true, "G1", &copy) && copy.value[DIR_TITLE].len == 0,
       "what groups cannot have there is not planned for them");
    copy.value[DIR_PHONE] = SPAN("1");
    put_entry(world, true, &copy);
    ok(world_plan(world)->n_changes == 0, "nor taken from them what theirs cannot have");
    world_free(world);
}

static void
test_circle(void)
{
    struct world *world = world_new();
    foreign_user(world, "F1", "Dom.PO1.ANN", "Ann", "");
    put_group(world, false, "G1", "Dom.PO1.G1", "GWISE:Dom.PO1.G1", "Dom.PO1.G2|Dom.PO1.G1|Dom.PO1.ANN");
    put_group(world, false, "G2", "Dom.PO1.G2", "GWISE:Dom.PO1.G2", "Dom.PO1.G1|Dom.PO1.G3");
    put_group(world, false, "G3", "Dom.PO1.G3", "GWISE:Dom.PO1.G3", "Dom.PO1.G1");
    ok(world_sync(world), "groups that are members of each other are made by one plan");
    ok(get_copy(world, true, "G1", &copy) && copy.n_members == 2 && get_copy(world, true, "G2", &copy) &&
           copy.n_members == 2 && get_copy(world, true, "G3", &copy) && copy.n_members == 1,
       "with all their members, but no group in itself");
    struct span odd[] = {copy.members[0], SPAN("CN=Nobody,OU=GroupWise,DC=contoso,DC=example"),
                         SPAN("CN=Computer,OU=Machines,DC=contoso,DC=example")};
    copy.members = odd;
    copy.n_members = 3;
    put_entry(world, true, &copy);
    const struct dir_change *change = find_change(world_plan(world), true, DIR_CHANGE, NULL);
    ok(world->plan->n_changes == 1 && change != NULL && change->deltas[0].n_remove == 1 &&
           span_equal(change->deltas[0].remove[0], odd[1]),
       "a member that no entry is goes where only our copies can be, and stays elsewhere");
    copy.n_members = 0;
    put_entry(world, true, &copy);
    ok(dir_plan_count(world_plan(world), true, DIR_CHANGE, DIR_GROUP) == 1 && world_sync(world),
       "the owner's members win");
    world_free(world);
}

static void
test_large_group(void)
{
    struct world *world = world_new();
    struct buf members = {0};
    for (unsigned i = 0; i < 5000; i++) {
        struct span name = text_of(world, "Dom.PO1.U%u", i);
        foreign_user(world, text_of(world, "F%u", i).at, name.at, name.at, "");
        buf_printf(&members, "%s%.*s", i > 0 ? "|" : "", (int)name.len, name.at);
    }
    struct dir_entry group = entry_of(world, "G", "Dom.PO1.G", "G", "GWISE:Dom.PO1.G");
    group.kind = DIR_GROUP;
    group.target = group.proxies[0].address;
    group.members = arena_alloc(world->texts, 5000 * sizeof *group.members);
    for (char *at = members.at; group.n_members < 5000; at += strcspn(at, "|") + 1)
        group.members[group.n_members++] = (struct span){at, strcspn(at, "|")};
    put_entry(world, false, &group);
    world_plan(world);
    const struct dir_change *add = &world->plan->changes[world->plan->n_changes - 1];
    ok(add->kind == DIR_GROUP && add->deltas[add->n_deltas - 1].n_add == 5000, "a group of 5,000 has them all");
    buf_clear(&members);
    world_free(world);
}

/* ---- containers ---- */

static void
test_container(void)
{
    struct world *world = world_new();
    foreign_user(world, "F1", "Dom.PO1.ANN", "Ann, Dr.", "");
    world_sync(world);
    get_copy(world, true, "F1", &copy);
    is_span(copy.name, "CN=Ann\\, Dr.,OU=GroupWise,DC=contoso,DC=example", "a name is escaped in a DN");
    struct span id = copy.id;
    world->dirsync.import.container = "ou=groupwise , dc=CONTOSO,DC=example";
    ok(world_plan(world)->n_changes == 0, "the same container written otherwise is the same");
    copy.name = SPAN("CN=Ann\\2C Dr.,OU=Sales,OU=GroupWise,DC=contoso,DC=example");
    put_entry(world, true, &copy);
    ok(world_plan(world)->n_changes == 0, "a container below it is an administrator's business");
    world->dirsync.import.container = "OU=Partners,DC=contoso,DC=example";
    const struct dir_change *move = find_change(world_plan(world), true, DIR_RENAME, NULL);
    ok(world->plan->n_changes == 1 && move != NULL &&
           span_equal(move->new_name, SPAN("CN=Ann\\, Dr.,OU=Partners,DC=contoso,DC=example")),
       "another container in the configuration moves what was made");
    ok(world_sync(world) && get_copy(world, true, "F1", &copy) && span_equal(copy.id, id),
       "and makes nothing anew");
    world_free(world);
}

/* ---- limits ---- */

static struct world *
world_of(unsigned n)
{
    struct world *world = world_new();
    world->dirsync.import.delete_s = 0;
    world->dirsync.limits.shrink = "100%";
    for (unsigned i = 0; i < n; i++)
        foreign_user(world, text_of(world, "F%u", i).at, text_of(world, "Dom.PO1.U%u", i).at, "User", "");
    for (unsigned i = 0; i < 4; i++)
        put_group(world, false, text_of(world, "G%u", i).at, text_of(world, "Dom.PO1.G%u", i).at,
                  text_of(world, "GWISE:Dom.PO1.G%u", i).at, "");
    if (!world_sync(world))
        printf("# the world is not in step\n");
    return world;
}

static void
test_guard(void)
{
    struct world *world = world_of(400);
    ok(world->plan->refused[0] == '\0', "the first plan is not refused: additions are not limited");
    for (unsigned i = 0; i < 8; i++)
        dir_set_drop(world->side[0], text_of(world, "F%u", i));
    ok(world_plan(world)->refused[0] == '\0' && dir_plan_count(world->plan, true, DIR_DELETE, -1) == 8,
       "deletions within 2%% pass");
    dir_set_drop(world->side[0], SPAN("F8"));
    ok(strstr(world_plan(world)->refused, "9 deletions of 404 recipients on the host's side") != NULL &&
           strstr(world->plan->refused, "limits.delete") != NULL && strstr(world->plan->refused, "2%") != NULL,
       "more do not: %s", world->plan->refused);
    world->dirsync.limits.delete = texts_of(world, "5|50%");
    ok(strstr(world_plan(world)->refused, "limits.delete of dirsync \"gw\" allows, 5") != NULL, "by number: %s",
       world->plan->refused);
    world->dirsync.limits.delete = texts_of(world, "25|2%");
    for (unsigned i = 0; i < 9; i++)
        foreign_user(world, text_of(world, "F%u", i).at, text_of(world, "Dom.PO1.U%u", i).at, "User", "");
    dir_set_drop(world->side[0], SPAN("G0"));
    ok(world_plan(world)->refused[0] == '\0', "one of a kind may always go");
    dir_set_drop(world->side[0], SPAN("G1"));
    ok(strstr(world_plan(world)->refused, "2 deletions of 4 the kind \"group\"") != NULL,
       "two of four groups may not: %s", world->plan->refused);
    world_free(world);
    world = world_of(100);
    for (unsigned i = 0; i < 30; i++)
        foreign_user(world, text_of(world, "F%u", i).at, text_of(world, "Dom.PO1.U%u", i).at, "Changed", "");
    ok(strstr(world_plan(world)->refused, "30 changes of") != NULL, "changes have limits of their own: %s",
       world->plan->refused);
    world->dirsync.limits.change = texts_of(world, "");
    ok(world_plan(world)->refused[0] == '\0', "no limits limit nothing");
    world_free(world);
}

int
main(void)
{
    test_export();
    test_export_kinds();
    test_migration();
    test_mail_only();
    test_gwise();
    test_policy();
    test_copies_get_proxies();
    test_in_book();
    test_not_writable();
    test_group();
    test_circle();
    test_group_attributes();
    test_large_group();
    test_container();
    test_guard();
    return tap_done();
}
