/* dir-plan-doubt-t.c - what a plan must not do where it cannot know: readings that are not believed, copies that cannot be read,
 * plans that are not carried out */
#include "t/dir_plan_rig.h"

static struct dir_entry entry, copy;

/* Users F0 ... of GroupWise, all in one group there, in step with the host. */
static struct world *
world_of_group(unsigned n)
{
    struct world *world = world_new();
    struct buf members = {0};
    for (unsigned i = 0; i < n; i++) {
        struct span name = text_of(world, "Dom.PO1.U%u", i);
        foreign_user(world, text_of(world, "F%u", i).at, name.at, text_of(world, "User %u", i).at, "");
        buf_printf(&members, "%s%s", i > 0 ? "|" : "", name.at);
    }
    put_group(world, false, "G", "Dom.PO1.G", "GWISE:Dom.PO1.G", text_of(world, "%s", members.at).at);
    buf_clear(&members);
    ok(world_sync(world) && get_copy(world, true, "G", &copy) && copy.n_members == n,
       "a group with its members is on the other side");
    return world;
}

static void
test_members(void)
{
    struct world *world = world_of_group(10);
    for (unsigned i = 4; i < 10; i++)
        dir_set_drop(world->side[0], text_of(world, "F%u", i));
    world_plan(world);
    ok(world->plan->n_changes == 0 &&
           count_notices(world->plan, DIR_REFUSAL, "6 members stay in their groups") == 1,
       "a reading that is not believed takes nobody out of a group");
    world->dirsync.limits.shrink = "100%";
    ok(world_sync(world) && get_copy(world, true, "G", &copy) && copy.n_members == 4,
       "one that a person believes does");
    world_free(world);
    world = world_of_group(10);
    get_id(world, false, "G", &entry);
    entry.n_members = 7;
    put_entry(world, false, &entry);
    ok(world_sync(world) && get_copy(world, true, "G", &copy) && copy.n_members == 7,
       "who leaves the group on his side leaves it on the other");
    get_copy(world, true, "F1", &copy); /* the host's reading lacks it, and the group there still names it */
    dir_set_drop(world->side[1], copy.id);
    world->in.host_before = 100;
    world_plan(world);
    ok(count_notices(world->plan, DIR_REFUSAL, "1 members stay in their groups") == 1,
       "a name is not taken out where the reading of its own side is not believed");
    world_free(world);
}

static void
test_back_and_hidden(void)
{
    struct world *world = world_new();
    world->dirsync.limits.shrink = "100%";
    foreign_user(world, "F1", "Dom.PO1.A", "Ann", "");
    foreign_user(world, "F2", "Dom.PO1.B", "Bob", "");
    ok(world_sync(world), "two are in step");
    dir_set_drop(world->side[0], SPAN("F1"));
    ok(world_plan(world) != NULL && world_apply(world) && dir_pending_count(world->pending) == 1,
       "one whose source is gone hides");
    world->in.now_s += 2 * DAY;
    foreign_user(world, "F1", "Dom.PO1.A", "Ann", "");
    get_id(world, false, "F1", &entry);
    entry.hidden = true;
    put_entry(world, false, &entry);
    ok(world_plan(world)->n_changes == 0 && dir_pending_count(world->pending) == 0,
       "when it is back, hidden from address lists, nothing is to be done, and it does not wait to be deleted");
    world->in.now_s += 60 * DAY;
    dir_set_drop(world->side[0], SPAN("F1"));
    world_plan(world);
    is_int(dir_plan_count(world->plan, true, DIR_HIDE, -1), 1, "should it go again, its time begins anew");
    is_int(dir_plan_count(world->plan, true, DIR_DELETE, -1), 0, "it is not deleted for the first time's sake");
    world_free(world);
}

static void
test_broken_copy(void)
{
    struct world *world = world_new();
    world->dirsync.limits.shrink = "100%";
    foreign_user(world, "F1", "Dom.PO1.A", "Ann", "ann@gw.example");
    foreign_user(world, "F2", "Dom.PO1.B", "Bob", "");
    ok(world_sync(world), "two are in step");
    get_copy(world, true, "F1", &copy);
    copy.broken = true;
    copy.target = (struct address){{NULL, 0}, {NULL, 0}};
    copy.trouble = SPAN("targetAddress: no address");
    put_entry(world, true, &copy);
    foreign_user(world, "F1", "Dom.PO1.C", "Anna", "new@gw.example");
    foreign_user(world, "F3", "Dom.PO1.D", "Dan", "ann@gw.example");
    world_plan(world);
    ok(find_change(world->plan, true, DIR_CHANGE, NULL) == NULL &&
           count_notices(world->plan, DIR_CONFLICT, "cannot be read, so it is left as it is: targetAddress") ==
               1,
       "a copy that cannot be read is left as it is, and told of");
    ok(count_notices(world->plan, DIR_CONFLICT, "SMTP:ann@gw.example is not given to its copy") == 1,
       "the addresses that it has stay its own");
    dir_set_drop(world->side[0], SPAN("F1"));
    world->dirsync.import.delete_s = 0;
    world_plan(world);
    ok(find_change(world->plan, true, DIR_DELETE, NULL) == NULL &&
           count_notices(world->plan, DIR_CONFLICT, "cannot be read") == 1,
       "also when its source is gone");
    dir_set_drop(world->side[1], copy.id);
    foreign_user(world, "F1", "Dom.PO1.C", "Anna", "new@gw.example");
    ok(world_sync(world) && get_copy(world, true, "F1", &copy), "deleted by a person it is made anew");
    world_free(world);
}

static void
test_given(void)
{
    struct world *world = world_new();
    world->directory.proxies = "book";
    world->dirsync.import.create_as = "disabled-user";
    world->dirsync.import.delete_s = 0;
    world->dirsync.limits.shrink = "100%";
    world_policy(world, "SMTP:%m@contoso.example");
    foreign_user(world, "F1", "Dom.PO1.A", "Ann", "");
    foreign_user(world, "F2", "Dom.PO1.B", "Bob", "");
    world_plan(world);
    world_apply(world);
    world_plan(world);
    world_apply(world);
    is_int(dir_set_count(world->given), 2, "two users have addresses that the book alone keeps");
    get_copy(world, true, "F1", &copy);
    dir_set_drop(world->side[0], SPAN("F1"));
    world_plan(world);
    is_int(dir_plan_count(world->plan, true, DIR_DISABLE, -1), 1, "one is to be let go");
    is_int(dir_set_count(world->plan->given), 2, "a plan alone takes no address out of the book");
    world_apply(world);
    get_id(world, true, arena_copy(world->texts, copy.id), &entry);
    ok(entry.mark.len == 0 && !dir_entry_is_recipient(&entry), "carried out, it is no recipient any more");
    is_int(dir_set_count(world_plan(world)->given), 1, "and the next plan has it no more");
    world_free(world);
}

static void
test_flow_off(void)
{
    struct world *world = world_new();
    foreign_user(world, "F1", "Dom.PO1.A", "Ann", "ann@gw.example");
    ok(world_sync(world), "one is in step");
    world->in.host_read_only = true;
    ok(world_plan(world)->n_changes == 0 && world_apply(world), "for one run the host cannot be written");
    world->in.host_read_only = false;
    foreign_user(world, "F1", "Dom.PO1.A", "Ann", "new@gw.example");
    foreign_user(world, "F2", "Dom.PO1.B", "Bob", "ann@gw.example");
    ok(world_sync(world) && get_copy(world, true, "F2", &copy) &&
           entry_has(world, &copy, "SMTP:ann@gw.example"),
       "which addresses are ours is remembered: one that moves on moves on");
    world_free(world);
}

static void
test_first_groups(void)
{
    struct world *world = world_new();
    host_user(world, "H1", "Ann", "GWISE:Ex.PO.ANN");
    put_group(world, true, "G1", "CN=G1,OU=Staff,DC=contoso,DC=example", "GWISE:Ex.PO.G1",
              "CN=G3,OU=Staff,DC=contoso,DC=example");
    put_group(world, true, "G2", "CN=G2,OU=Staff,DC=contoso,DC=example", "GWISE:Ex.PO.G2",
              "CN=G3,OU=Staff,DC=contoso,DC=example");
    put_group(world, true, "G3", "CN=G3,OU=Staff,DC=contoso,DC=example", "GWISE:Ex.PO.G3",
              "CN=Ann,OU=Staff,DC=contoso,DC=example");
    world_plan(world);
    is_int(dir_plan_count(world->plan, false, DIR_CHANGE, -1), 2,
           "new groups get new groups as members by changes");
    is_text(world->plan->refused, "", "which are no changes to what is there: no limit holds them back");
    ok(world_sync(world), "and all is carried out");
    world_free(world);
}

int
main(void)
{
    test_members();
    test_back_and_hidden();
    test_broken_copy();
    test_given();
    test_flow_off();
    test_first_groups();
    return tap_done();
}
