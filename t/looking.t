#!/usr/bin/python3
"""Who may look, and that nobody is told less than the truth: the set-up that INSTALL recommends, from both sides.

As root: the looking group is there from the first start, with a book and mail; a member looks with every verb that lists, and
changes with none; who is no member is told so by each. Then a spool that is older than its group; and a file that was left out.
"""
import grp
import os
import re

from rig import BUILD, NOBODY, ROOT, Sink, Viaduct, done, is_, like, message, note, ok, program, run, send, skip_all, smtp_pair, until

if not ROOT:
    skip_all("only root can start viaduct for others to look at")
GROUP = next((g for g in grp.getgrall() if g.gr_name in ("games", "operator", "src", "voice") and not g.gr_mem), None)
if GROUP is None:
    skip_all("there is no group without members that could be the looking group here")

A, B = "anna@contoso.example", "bob@branch.example"
BOOK = """display,primary,proxies,side
Anna,SMTP:anna@contoso.example,,host
Bob,SMTP:bob@branch.example,SMTP:bob@contoso.example,branch
"""
host = Sink()
branch = Sink(answer=lambda verb, address, mail: "451 4.2.0 later" if verb == "RCPT" and address.startswith("later") else None)
port, from_branch, conf = smtp_pair(host, branch, 'book { source = { "{top}/book.csv" } }\n', unknown="refuse")
conf = conf.replace('retry { first = "1s" max = "2s" }', 'retry { first = "1h" max = "1h" }')
PRIVILEGES = 'privileges { admin-group = "%s" }\n'


def instance(group):
    viaduct = Viaduct(PRIVILEGES % group + conf)
    with open(os.path.join(viaduct.top, "book.csv"), "w") as f:
        f.write(BOOK)
    os.utime(f.name, (1, 1)) # not written a moment ago
    return viaduct


def looks(viaduct, *args, member=True, **more):
    """A command of somebody who is nobody else, in the looking group or not."""
    who = ["setpriv", "--reuid=%d" % NOBODY, "--regid=%d" % NOBODY]
    who += ["--groups=%d" % GROUP.gr_gid] if member else ["--clear-groups"]
    return run(who + [program("viaduct"), "-c", viaduct.conf] + list(args), env=dict(os.environ, VIADUCT_LIBEXECDIR=BUILD), **more)


def fill(viaduct):
    """Mail that has gone, mail that waits, and mail in Badmail; the id of what waits."""
    def taken():
        return send(port, A, "bob@contoso.example", message(A, "bob@contoso.example", through)).startswith("250")
    through = "through " + viaduct.top
    def gone():
        viaduct.command("queue", "retry", "all", "--yes") # at the first attempt a gateway may not have had the book
        return [m for m in branch.mails if m.header("Subject") == through]
    ok(until(taken, "mail for somebody in the book is taken"), "the workers can read the book, and mail is taken by it")
    until(gone, "it goes")
    branch.one(lambda m: m.header("Subject") == through and m.to() == [B])
    like(send(port, A, "later@branch.example", message(A, "later@branch.example", "waits")), "^250", "mail that will wait is taken")
    until(lambda: viaduct.names("mailbox/branch/Deferred"), "it waits")
    name = viaduct.names("mailbox/branch/Deferred")[0]
    bad = os.path.join(viaduct.spool, "mailbox", "branch", "MTS-OUT", name.split("@")[0][:-1] + ("1" if name.split("@")[0].endswith("0") else "0"))
    with open(bad + ".new", "w") as f:
        f.write("no queue file")
    os.chmod(bad + ".new", 0o660)
    os.chown(bad + ".new", os.stat(os.path.dirname(bad)).st_uid, os.stat(os.path.join(viaduct.spool, "state")).st_gid)
    os.rename(bad + ".new", bad)
    until(lambda: viaduct.names("mailbox/branch/Badmail"), "a damaged file goes to Badmail")
    return name.split("@")[0]


def listing(ident, eml):
    """Every verb that lists or shows: what it must show, and its exit status."""
    return [(("status",), r"runs.*, pid [1-9].*host +host +up.*branch", 0), (("status", "--json"), '"running":true', 0),
            (("queue", "list"), "later@branch.example", 0), (("queue", "list", "--json"), "later@branch.example", 0),
            (("queue", "show", ident), "4.2.0 later", 0), (("queue", "show", ident, "--envelope", "--header", "--body", "--log", "--report"), "Hello", 0),
            (("queue", "show", ident, "--raw"), "^VIADUCT1", 0), (("queue", "shape"), "branch.example", 0), (("shape", "--by", "folder"), "Deferred", 0),
            (("badmail", "list"), "cleanup|outbound-gateway", 0), (("badmail", "show", "all"), "damaged", 0),
            (("connector", "list"), r"branch +smtp", 0), (("connector", "show", "branch"), "confined: uid", 0),
            (("route", B), "-> .*branch", 0), (("address", B, "--from", "SMTP", "--to", "SMTP"), "branch", 0),
            (("simulate", eml, "--sender", A, "--rcpt", B), "branch", 0),
            (("book", "lookup", "bob@contoso.example"), "Bob", 0), (("book", "dump"), "Anna", 0), (("book", "check"), "2 entries, 0 faults", 0),
            (("track", "all"), "RECEIVE.*SEND", 0), (("track", "all", "--json"), "SEND", 0), (("track", "id=" + ident), "DEFER", 0),
            (("stats",), "inbound-gateway", 0), (("stats", "--prometheus"), "viaduct_messages_total", 0), (("top", "--once"), "router", 0),
            (("spool", "check"), "1 messages|2 messages", 0), (("config", "show"), "contoso", 0), (("check",), "valid", 0)]


def changes(ident, viaduct):
    return [("stop",), ("reload",), ("queue", "retry", "all", "--yes"), ("queue", "hold", "all", "--yes"), ("queue", "bounce", "all", "--yes"),
            ("queue", "delete", "all", "--yes"), ("queue", "reroute", "all", "--to", "host", "--yes"), ("queue", "release", "all", "--yes"),
            ("badmail", "requeue", "all", "--yes"), ("badmail", "delete", "all", "--yes"), ("connector", "hold", "branch", "--yes"),
            ("connector", "run", "branch", "--yes"), ("log", "level", "all", "maximum"), ("book", "build", os.path.join(viaduct.top, "book.csv"))]


def every_look(viaduct, ident, what):
    eml = os.path.join(viaduct.top, "a.eml")
    with open(eml, "wb") as f:
        f.write(message(A, B))
    wrong = []
    for args, shows, status in listing(ident, eml):
        code, said = looks(viaduct, *args)
        if code != status or not re.search(shows, said, re.S | re.M):
            wrong.append((args, code, said[-600:]))
    is_(wrong, [], what)


# ---- the group is there from the beginning ----

viaduct = instance(GROUP.gr_name).start()
ident = fill(viaduct)
every_look(viaduct, ident, "a member of the looking group looks with every verb that lists")
before = viaduct.mail_left()
wrong = [(args, code, said) for args in changes(ident, viaduct) for code, said in [looks(viaduct, *args)]
         if code not in (5,) and not (code == 1 and "release" in args)]
is_(wrong, [], "and changes with none: exit 5")
is_((viaduct.mail_left(), viaduct.restarts()), (before, 0), "nothing has changed")
wrong = [(args, code, said) for args, _, _ in listing(ident, os.path.join(viaduct.top, "a.eml")) for code, said in [looks(viaduct, *args, member=False)]
         if code != 5 and args[0] not in ("config", "check")]
is_(wrong, [], "who is no member is told so by every verb: exit 5")

# ---- a file that was left out ----

for folder, args in (("state", ("status",)), ("counters", ("stats",)), ("counters", ("top", "--once")), ("track", ("track", "all")),
                     ("mailbox/branch/Deferred", ("queue", "show", ident)), ("mailbox/branch/Deferred", ("queue", "list", "sender=" + A)),
                     ("mailbox/branch/Badmail", ("badmail", "list")), ("book", ("book", "dump")), ("book", ("route", B))):
    at = os.path.join(viaduct.spool, folder)
    at = os.path.join(at, sorted(os.listdir(at))[0]) if folder == "book" else at
    names = sorted(os.listdir(at))
    kept = os.getxattr(os.path.join(at, names[0]), "system.posix_acl_access")
    os.removexattr(os.path.join(at, names[0]), "system.posix_acl_access")
    os.chmod(os.path.join(at, names[0]), 0o660)
    code, said = looks(viaduct, *args)
    if not ok(code == 5 and names[0] in said, "%s without the right to read %s: exit 5, and the file is named" % (" ".join(args[:2]), folder)):
        note((code, names[0], said))
    os.setxattr(os.path.join(at, names[0]), "system.posix_acl_access", kept)
is_(viaduct.stop(), 0, "it stops in order")

# ---- the group came later ----

old = instance("viaduct-nobody-has-this-group").start()
ident = fill(old)
is_(looks(old, "status")[0], 5, "without the group nobody but root looks")
old.stop()
link, foreign = os.path.join(old.spool, "track", "foreign.20261125"), os.path.join(old.top, "foreign")
with open(foreign, "w") as f:
    f.write("not the spool's")
os.chmod(foreign, 0o600)
os.link(foreign, link)
os.symlink(foreign, os.path.join(old.spool, "track", "linked.20261125"))
old.write(PRIVILEGES % GROUP.gr_name + conf)
old.start()
is_(os.listxattr(foreign), [], "a start gives nobody a right to a file with a second name, or behind a link")
for name in ("foreign.20261125", "linked.20261125"):
    os.unlink(os.path.join(old.spool, "track", name))
until(lambda: len(re.findall(r"(?:host|smtp) +up", old.command("status")[1])) == 2, "all gateways have told how they are")
every_look(old, ident, "when the group is there at a later start, a member sees what was there before: queue, tracking, counters")
is_(old.stop(), 0, "it stops in order")

# ---- root on the spool of a user ----

users = Viaduct(conf, user=True)
with open(os.path.join(users.top, "book.csv"), "w") as f:
    f.write(BOOK)
os.utime(f.name, (1, 1)) # not written a moment ago
users.start()
code, said = run([program("viaduct-sendmail"), "-C", users.conf, "-f", A, B], input=message(A, B, "root writes"))
is_((code, said), (0, ""), "root leaves a message in a user's spool")
branch.one(lambda m: m.header("Subject") == "root writes", what="root's message")
is_(users.names("drop"), [], "and it is taken from there")
is_(users.stop(), 0, "it stops in order")
done()
