#!/usr/bin/python3
"""The tree against its declaration: owners, groups and modes are part of it; and what somebody may not read is never "as declared"."""
import os
import re

from rig import BUILD, NOBODY, ROOT, Sink, Viaduct, done, is_, like, message, mode_of, note, ok, program, run, smtp_pair

host, branch = Sink(), Sink()
port, _, conf = smtp_pair(host, branch)


def nobody(viaduct, *args):
    who = ["setpriv", "--reuid=%d" % NOBODY, "--regid=%d" % NOBODY, "--clear-groups"]
    return run(who + [program("viaduct"), "-c", viaduct.conf] + list(args), env=dict(os.environ, VIADUCT_LIBEXECDIR=BUILD))


def spoil(viaduct, changes):
    """Each change is found, named, and mended; the tree is as declared before and behind it."""
    for folder, change in changes:
        path = os.path.join(viaduct.spool, folder)
        before = os.stat(path)
        change(path)
        code, said = viaduct.command("spool", "check")
        if not ok(code == 1 and re.search("^%s: owner " % re.escape(folder), said, re.M), "%s with another owner or mode is named" % folder):
            note((code, said))
        is_(viaduct.command("check")[0], 1, "check says so too")
        code, said = run([program("viaduct"), "-c", viaduct.conf, "spool", "check", "--repair"])
        after = os.stat(path)
        is_((code, after.st_uid, after.st_gid, after.st_mode), (0, before.st_uid, before.st_gid, before.st_mode), "--repair mends it")
        is_(viaduct.command("check")[0], 0, "and it is as declared again")


# ---- a spool that root's master runs ----

if ROOT:
    roots = Viaduct(conf).start()
    code, said = roots.command("spool", "check")
    is_((code, "0 with another owner" in said), (0, True), "a tree that the master made is as declared")
    roots.command("connector", "hold", "branch", "--yes")
    roots.command("log", "level", "all", "maximum")
    is_(roots.command("spool", "check")[0], 0, "and still is when orders were given")
    spoil(roots, [("Spooler-Queue", lambda path: os.chmod(path, 0o755)), ("Bounce", lambda path: os.chown(path, 0, -1)),
                  ("mailbox/branch/MTS-OUT", lambda path: os.chown(path, -1, 0)), ("drop", lambda path: os.chmod(path, 0o1733)),
                  ("Temp/router.0", lambda path: os.chmod(path, 0o777))])
    eml = os.path.join(roots.top, "a.eml")
    with open(eml, "wb") as f:
        f.write(message())
    os.chmod(roots.top, 0o755)
    for args in (("stop",), ("reload",), ("route", "b@branch.example"), ("check",), ("status",), ("spool", "check"),
                 ("simulate", eml, "--sender", "a@contoso.example", "--rcpt", "b@branch.example")):
        code, said = nobody(roots, *args)
        if not ok(code == 5 and "as declared" not in said and "no master runs" not in said, "an ordinary user is told that %s is not his: exit 5" % args[0]):
            note((code, said))
    is_(roots.stop(), 0, "it stops in order")
    for args in (("stop",), ("reload",)):
        is_(nobody(roots, *args)[0], 5, "whether a master runs is not his to know: %s" % args[0])

# ---- a book that was built before the first start ----

if ROOT:
    early = Viaduct(conf)
    os.chmod(early.top, 0o755)
    people = os.path.join(early.top, "people.csv")
    with open(people, "w") as f:
        f.write("display,primary,proxies,side\nBob,SMTP:bob@branch.example,SMTP:bob@contoso.example,branch\n")
    is_((early.command("spool", "create")[0], early.command("book", "build", people)[0]), (0, 0), "root makes a spool and a book before the first start")
    early.start()
    ok("Permission denied" not in early.command("status")[1], "the workers can read that book")
    is_(early.stop(), 0, "it stops in order")

# ---- a spool that an ordinary user runs ----

users = Viaduct(conf, user=True).start()
is_(users.command("spool", "check")[0], 0, "a user's tree is as declared")
changes = [("Spooler-Queue", lambda path: os.chmod(path, 0o705)), ("mailbox/host/MTS-IN", lambda path: os.chmod(path, 0o707))]
spoil(users, changes + ([("Bounce", lambda path: (os.chown(path, 0, 0), os.chmod(path, 0o705)))] if ROOT else []))
os.chmod(os.path.join(users.spool, "drop"), 0o1733)
is_(users.command("spool", "check")[0], 0, "who may drop is his to say")
is_(users.stop(), 0, "it stops in order")

# ---- what is no spool ----

empty = os.path.join(users.top, "empty")
os.mkdir(empty)
os.chmod(users.top, 0o755)
for args in (("queue", "list"), ("status",), ("stats",), ("queue", "retry", "all", "--yes"), ("book", "dump")):
    code, said = run([program("viaduct"), "--spool", empty] + list(args))
    if not ok(code == 1 and "is no spool" in said, "a folder without a spool's folders is no empty spool: %s" % " ".join(args)):
        note((code, said))
like(run([program("viaduct"), "--spool", empty, "spool", "check"])[1], "Spooler-Queue: missing", "spool check names what is missing in it")
fresh = Viaduct(conf)
code, said = fresh.command("route", "b@branch.example")
is_((code, "is not there yet" in said), (1, True), "route says that there is no spool")

# ---- without state/ nobody knows the group of queue files ----

users.user = False
os.makedirs(os.path.join(users.spool, "Bounce"), exist_ok=True)
with open(os.path.join(users.spool, "mailbox", "branch", "MTS-OUT", "06H13DPVGK0023NO413O2N78A3"), "w") as f:
    f.write("x")
for folder, _, names in os.walk(os.path.join(users.spool, "state")):
    for name in names:
        os.unlink(os.path.join(folder, name))
os.rmdir(os.path.join(users.spool, "state"))
code, said = run([program("viaduct"), "-c", users.conf, "spool", "check"])
ok(code == 1 and "state: missing" in said and "4294967295" not in said, "and spool check says only that state is missing")
os.unlink(os.path.join(users.spool, "mailbox", "branch", "MTS-OUT", "06H13DPVGK0023NO413O2N78A3"))
done()
