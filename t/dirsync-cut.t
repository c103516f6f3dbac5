#!/usr/bin/env python3
"""A run of dirsync that is cut anywhere: the network before every single LDAP message, the process at any moment, the disk full. The
next run makes both sides agree: nobody twice, nobody lost, no link broken, and there is always a whole book."""
import os
import random
import subprocess
import time

from directory import ENV, Slapd
from fakeldap import Cutter
from rig import Viaduct, done, free_port, is_, note, ok, private_folder, program

# writes without a name, over plain LDAP, so that messages can be counted on the way
ad = Slapd("ad", first="allow update_anon", extra="access to * by * write")
FOREIGN = "ou=Foreign," + ad.suffix
top = private_folder()
os.chmod(top, 0o777)
IN, OUT = top + "/in.csv", top + "/out.csv"
cutter = Cutter(ad.port)
viaduct = Viaduct("""admin-address = "postmaster@contoso.example"
host { domains = { "contoso.example" } smtp { listen = { "127.0.0.1:%d" } } deliver { to = { "smtp://127.0.0.1:9" } }
    directory "ad" { url = { "%s" } auth = "none" start-tls = no base = "%s" mark = "importedFrom" window = 3 page = 5 timeout = "5s" } }
connector "branch" { type = "smtp" peer { to = { "smtp://127.0.0.1:9" } } address-space { type = "SMTP" pattern = "*@branch.example" cost = 1 } }
recipient-policy "default" { filter = "(mailNickname=*)" proxy = { "SMTP:%%m@contoso.example" } }
dirsync "people" { connector = "branch" directory = "ad" schedule = "never"
    foreign { format = "csv" read = "%s" write = "%s" }
    import { container = "%s" delete-after = 0 }
    export { containers = { "ou=Staff,%s" } }
    limits { delete = { "1000" } change = { "1000" } shrink = "100%%" } }
""" % (free_port(), cutter.url, ad.suffix, IN, OUT, FOREIGN, ad.suffix))
for n in range(6):
    ad.add("dn: cn=h%d,ou=Staff,%s\nobjectClass: user\ncn: h%d\ndisplayName: h%d\nmailNickname: h%d\nhomeMDB: x\n"
           "mail: h%d@contoso.example\nproxyAddresses: SMTP:h%d@contoso.example\n" % (n, ad.suffix, n, n, n, n, n))
generation = [0]


def leave():
    """A foreign directory that differs from the last one in everything: new people, others gone, renamed, with other addresses."""
    generation[0] += 1
    g = generation[0]
    with open(IN + ".new", "w") as f:
        f.write("id,address,displayName,mailNickname\n")
        for n in range(g, g + 6):
            f.write("%d,SMTP:p%d.%d@branch.example,Person %d of %d,p%d\n" % (n, n, g // 2, n, g, n))
    os.utime(IN + ".new", (1, 1)) # not written a moment ago
    os.rename(IN + ".new", IN)
    return {str(n): "SMTP:p%d.%d@branch.example" % (n, g // 2) for n in range(g, g + 6)}


def run():
    return viaduct.command("dirsync", "run")


def state():
    """Who is there, by the source he stands for; twice is told by a list."""
    found = {}
    for dn, e in ad.search("(objectClass=contact)", FOREIGN):
        found.setdefault((e.get("importedFrom") or ["nobody's"])[0].split(":")[-1], []).append(e.get("targetAddress", [None])[0])
    return found


def book_is_whole():
    status, said = viaduct.command("book", "check")
    return status in (0, 1) and "torn" not in said and "cannot be read" not in said


def agree(wanted, what):
    status, said = run()
    good = status == 0 and state() == {k: [v] for k, v in wanted.items()} and book_is_whole()
    if not good:
        ok(False, what)
        note("status %d %s\n%r\n%r" % (status, said, state(), wanted))
    return good


viaduct.command("spool", "create")
wanted = leave()
ok(agree(wanted, "the first run"), "the first run")

# ---- the network is cut before each message ----

cutter.seen = 0
wanted = leave()
ok(agree(wanted, "a run that is not cut"), "a run that is not cut")
messages = cutter.seen
ok(messages > 40, "it has %d messages" % messages)
failed, codes = 0, set()
for at in range(1, messages + 12):
    wanted = leave()
    cutter.seen, cutter.at = 0, at
    status, said = run()
    codes.add(status)
    if not book_is_whole():
        ok(False, "a whole book after message %d" % at)
    cutter.seen, cutter.at = 0, None
    failed += not agree(wanted, "after a cut before message %d" % at)
    if failed > 3:
        break
is_(failed, 0, "cut before any of %d messages, the next run makes both sides agree, nobody twice" % messages)
ok(codes <= {0, 1, 7} and 7 in codes, "and the cut run says that a directory is out of reach")

# ---- a plan that was looked at goes on where it was cut ----

wanted = leave()
is_(viaduct.command("dirsync", "plan")[0], 0, "a plan is made")
plan = viaduct.rows("dirsync", "status")[0]["plan"]
cutter.seen, cutter.at = 0, 22
is_(viaduct.command("dirsync", "apply", "--plan", plan)[0], 7, "it is cut while it is carried out")
part = state()
cutter.at = None
with open(viaduct.spool + "/dirsync/people.applied") as f:
    before = [line for line in f if " done" in line]
status, said = viaduct.command("dirsync", "apply", "--plan", plan)
is_(status, 0, "the same plan is carried on")
with open(viaduct.spool + "/dirsync/people.applied") as f:
    after = [line for line in f if " done" in line or " before" in line]
ok(0 < len(before) < len(after) and after[:len(before)] == before, "what was done is not done again: %d, then %d changes" % (len(before), len(after)))
is_(state(), {k: [v] for k, v in wanted.items()}, "and both sides agree")
is_(run()[1].count("0 of 0 changes"), 1, "so that nothing is left to do")

# ---- the process is killed at any moment ----

random.seed(1)
failed = 0
for i in range(25):
    wanted = leave()
    process = subprocess.Popen([program("viaduct"), "-c", viaduct.conf, "dirsync", "run"], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, env=ENV)
    time.sleep(random.uniform(0, 0.15))
    process.kill()
    process.wait()
    failed += not agree(wanted, "after a kill")
    if failed > 3:
        break
is_(failed, 0, "killed at any of 25 moments, the next run makes both sides agree")

# ---- the disk is full while the book is written ----

wanted = leave()
before = viaduct.rows("book", "dump")
status = subprocess.run(["prlimit", "--fsize=600", program("viaduct"), "-c", viaduct.conf, "dirsync", "run"], env=ENV,
                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
ok(status != 0, "a run that can write nothing fails")
ok(book_is_whole(), "the book in use stays whole")
is_(len(viaduct.rows("book", "dump")), len(before), "with the same people")
ok(agree(wanted, "with room again"), "with room again both sides agree")

# ---- what is kept in the spool may be lost ----

for name in sorted(os.listdir(viaduct.spool + "/dirsync")):
    path = viaduct.spool + "/dirsync/" + name
    wanted = leave()
    if os.path.exists(path):
        with open(path, "r+b") as f: # torn in the middle
            f.truncate(os.path.getsize(path) // 2)
    failed += not agree(wanted, "with a torn " + name)
    wanted = leave()
    if os.path.exists(path):
        os.unlink(path)
    failed += not agree(wanted, "without " + name)
is_(failed, 0, "torn or lost, no file of dirsync's breaks a link: the marks in the directory are the links")
done()
