#!/usr/bin/env python3
"""A run of dirsync that is cut anywhere: the network before every single LDAP message, the process at any moment, the disk full. The
next run makes both sides agree: nobody twice, nobody lost, no link broken, and there is always a whole book."""
import csv
import os
import random
import re
import signal
import subprocess
import time

from directory import ENV, Slapd
from fakeldap import Cutter
from rig import BUILD, Viaduct, done, free_port, is_, note, ok, private_folder, program, until

# writes without a name, over plain LDAP, so that messages can be counted on the way
ad = Slapd("ad", first="allow update_anon", extra="access to * by * write")
FOREIGN = "ou=Foreign," + ad.suffix
top = private_folder()
os.chmod(top, 0o777)
IN, OUT = top + "/in.csv", top + "/out.csv"
cutter = Cutter(ad.port)
CONF = """admin-address = "postmaster@contoso.example"
host { domains = { "contoso.example" } smtp { listen = { "127.0.0.1:%d" } } deliver { to = { "smtp://127.0.0.1:9" } }
    directory "ad" { url = { "%s" } auth = "none" start-tls = no base = "%s" mark = "importedFrom" window = 3 page = 5 timeout = "5s" } }
connector "branch" { type = "smtp" peer { to = { "smtp://127.0.0.1:9" } } address-space { type = "SMTP" pattern = "*@branch.example" cost = 1 } }
recipient-policy "default" { filter = "(mailNickname=*)" proxy = { "SMTP:%%m@contoso.example" } }
dirsync "people" { connector = "branch" directory = "ad" schedule = "never"
    foreign { format = "csv" read = "%s" write = "%s" }
    import { container = "%s" delete-after = 0 }
    export { containers = { "ou=Staff,%s" } }
    limits { delete = { "1000" } change = { "1000" } shrink = "100%%" } }
""" % (free_port(), cutter.url, ad.suffix, IN, OUT, FOREIGN, ad.suffix)
viaduct = Viaduct(CONF)
for n in range(6):
    ad.add("dn: cn=h%d,ou=Staff,%s\nobjectClass: user\ncn: h%d\ndisplayName: h%d\nmailNickname: h%d\nhomeMDB: x\n"
           "mail: h%d@contoso.example\nproxyAddresses: SMTP:h%d@contoso.example\n" % (n, ad.suffix, n, n, n, n, n))
generation, hosts = [0], {n: ("SMTP:h%d@contoso.example" % n, "h%d" % n) for n in range(6)}


def leave():
    """Both directories differ from the last ones: foreign people come, go, are renamed and get other addresses; two of the host's
    get another name and another address. Who is to be there then: foreign addresses by source, names of the host's by address."""
    generation[0] += 1
    g = generation[0]
    with open(IN + ".new", "w") as f:
        f.write("id,address,displayName,mailNickname\n")
        for n in range(g, g + 6):
            f.write("%d,SMTP:p%d.%d@branch.example,Person %d of %d,p%d\n" % (n, n, g // 2, n, g, n))
    os.utime(IN + ".new", (1, 1)) # not written a moment ago
    os.rename(IN + ".new", IN)
    for n in (g % 6, (g + 3) % 6):
        hosts[n] = ("SMTP:h%d.%d@contoso.example" % (n, g), "h%d of %d" % (n, g))
    ad.modify("".join("dn: cn=h%d,ou=Staff,%s\nchangetype: modify\nreplace: displayName\ndisplayName: %s\n-\nreplace: proxyAddresses\n"
                      "proxyAddresses: %s\n-\nreplace: mail\nmail: %s\n\n" % (n, ad.suffix, hosts[n][1], hosts[n][0], hosts[n][0][5:])
                      for n in (g % 6, (g + 3) % 6)))
    return {str(n): "SMTP:p%d.%d@branch.example" % (n, g // 2) for n in range(g, g + 6)}, dict(hosts.values())


def run():
    return viaduct.command("dirsync", "run")


def limited(octets):
    """A run that can write no file longer than that: where it would, it is told, and not killed."""
    return subprocess.run(["prlimit", "--fsize=%d" % octets, program("viaduct"), "-c", viaduct.conf, "dirsync", "run"],
                          env=dict(ENV, VIADUCT_LIBEXECDIR=BUILD), restore_signals=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True)


def begin():
    return subprocess.Popen([program("viaduct"), "-c", viaduct.conf, "dirsync", "run"], stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL, env=dict(ENV, VIADUCT_LIBEXECDIR=BUILD))


def copies():
    """Who is there, by the source he stands for; twice is told by a list."""
    found = {}
    for dn, e in ad.search("(objectClass=contact)", FOREIGN):
        found.setdefault((e.get("importedFrom") or ["nobody's"])[0].split(":")[-1], []).append(e.get("targetAddress", [None])[0])
    return found


def exported():
    with open(OUT) as f:
        return sorted((row["address"], row["displayName"]) for row in csv.DictReader(f))


def book():
    """Primary addresses by side."""
    found = {}
    for row in viaduct.rows("book", "dump"):
        found.setdefault(row["side"], []).append(row["primary"])
    return {side: sorted(addresses) for side, addresses in found.items()}


def book_is_whole():
    """In use, and without loss: the host's people, all of them, and some of the foreign ones."""
    status, said = viaduct.command("book", "check")
    sides = book()
    return (status in (0, 1) and re.search("generation [0-9]", said) and "torn" not in said and "cannot be read" not in said
            and len(sides.get("host", [])) == len(hosts) and len(sides.get("branch", [])) >= 6)


def carried_out():
    """How many changes of the last plan are noted as done, and how many it has; a note of another plan is none."""
    def lines(name):
        try:
            with open("%s/dirsync/people.%s" % (viaduct.spool, name)) as f:
                return f.read().split("\n")
        except FileNotFoundError:
            return [""]
    plan, applied = lines("plan"), lines("applied")
    of_it = applied[0].startswith("plan ") and any(applied[0][5:] in line for line in plan)
    return sum(line.endswith((" done", " before")) for line in applied) if of_it else 0, sum(line.startswith("change ") for line in plan)


def agree(wanted, what):
    status, said = run()
    foreign, host = wanted
    good = (status == 0 and copies() == {k: [v] for k, v in foreign.items()} and exported() == sorted(host.items()) and book_is_whole()
            and book() == {"branch": sorted(foreign.values()), "host": sorted(host)})
    if not good:
        ok(False, what)
        note("status %d %s\n%r\n%r\n%r\n%r" % (status, said, copies(), exported(), book(), wanted))
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
cutter.at = None
with open(viaduct.spool + "/dirsync/people.applied") as f:
    before = [line for line in f if " done" in line]
status, said = viaduct.command("dirsync", "apply", "--plan", plan)
is_(status, 0, "the same plan is carried on")
with open(viaduct.spool + "/dirsync/people.applied") as f:
    after = [line for line in f if " done" in line or " before" in line]
ok(0 < len(before) < len(after) and after[:len(before)] == before, "what was done is not done again: %d, then %d changes" % (len(before), len(after)))
is_((copies(), exported()), ({k: [v] for k, v in wanted[0].items()}, sorted(wanted[1].items())), "and both sides agree")
is_(run()[1].count("0 of 0 changes"), 1, "so that nothing is left to do")

# ---- the process is killed at any moment ----

random.seed(1)
failed, applying, building = 0, [], 0
wanted, cutter.seen = leave(), 0
began = time.monotonic()
failed += not agree(wanted, "a run whose length is taken")
length = time.monotonic() - began
# before every third message, which stays on the way for ever, and at moments over the length of a run and behind its last message
for moment in list(range(3, cutter.seen, 3)) + [length * n / 10 for n in range(10)] + ["book"] * 3:
    wanted = leave()
    if isinstance(moment, int):
        cutter.hold(moment)
    process = begin()
    if isinstance(moment, int):
        cutter.held.wait(20)
    elif moment == "book":
        while process.poll() is None and not any(name.startswith("book.") and name != "book.digest" for name in
                                                 os.listdir(viaduct.spool + "/dirsync")):
            pass
    else:
        time.sleep(moment + random.uniform(0, length / 10))
    process.kill()
    building += process.wait() != 0 and moment == "book"
    cutter.release()
    some, all = carried_out()
    applying += [moment] if 0 < some < all else []
    if not book_is_whole():
        ok(False, "a whole book after a kill at %s" % moment)
    failed += not agree(wanted, "after a kill at %s" % moment)
    if failed > 3:
        break
is_(failed, 0, "killed at any moment, the next run makes both sides agree")
ok(len(applying) > 1, "%d kills hit a plan that was carried out in part" % len(applying))
note("%d kills hit the building of the book" % building)

# ---- the worker's run is killed ----

viaduct.write(CONF.replace('schedule = "never"', 'schedule = "soon"') + 'schedule "soon" { every = "1s" }\n')
cutter.hold(1) # whatever the worker begins with, it stands there
viaduct.start()
worker = int(viaduct.master()[1]["dirsync"]["pid"])


def child():
    with open("/proc/%d/task/%d/children" % (worker, worker)) as f:
        return [int(pid) for pid in f.read().split()]


def held_child(at):
    """Lets what is held go, and waits until a run of the worker's stands before that message."""
    for pid in child():
        os.kill(pid, signal.SIGKILL)
    cutter.release()
    cutter.hold(at)
    until(cutter.held.is_set, "a run of the worker's comes to message %d" % at)
    return child()


cutter.held.wait(20)
wanted = leave()
before = len(re.findall("the run was ended by signal 9", viaduct.log()))
hit = held_child(([m for m in applying if isinstance(m, int)] or [messages // 2])[-1])
some, all = carried_out()
ok(len(hit) == 1 and 0 < some < all, "the worker has one child, which has carried a plan out in part")
for pid in hit:
    os.kill(pid, signal.SIGKILL)
viaduct.wait_log("dirsync people: the run was ended by signal 9", before + 1, name="the worker tells that its run was killed")
cutter.release()
ok(until(lambda: copies() == {k: [v] for k, v in wanted[0].items()} and exported() == sorted(wanted[1].items())
         and book() == {"branch": sorted(wanted[0].values()), "host": sorted(wanted[1])}, "both sides agree"),
   "and its next run makes both sides agree")
is_(int(viaduct.master()[1]["dirsync"]["pid"]), worker, "the worker itself lived on")
viaduct.stop()
viaduct.write(CONF)

# ---- the disk is full while something is written ----

failed, named = 0, set()
for few in (False, True): # many changes have a plan that is longer than the sets and the book; one change has not
    for octets in (range(1500, 20000, 75) if few else (int(150 * 1.15 ** n) for n in range(35))):
        if few:
            hosts[0] = (hosts[0][0], "h0 within %d" % octets)
            ad.modify("dn: cn=h0,ou=Staff,%s\nchangetype: modify\nreplace: displayName\ndisplayName: %s\n" % (ad.suffix, hosts[0][1]))
        else:
            wanted = leave()
        r = limited(octets)
        if r.returncode == 0:
            break
        named |= set(re.findall(r"(\S+?)(?:\.\d+)? (?:in the spool )?cannot be (?:written|published)", r.stdout))
        if "File too large" not in r.stdout or not book_is_whole():
            ok(False, "a run that can write %d octets a file says which, and the book in use stays whole" % octets)
            note(r.stdout)
            failed += 1
    ok(r.returncode == 0 and octets > 1000, "%s: all is written within %d octets a file" % ("one change" if few else "many changes", octets))
    failed += not agree((wanted[0], dict(hosts.values())), "with room again")
is_(failed, 0, "whatever cannot be written is told, there is a whole book, and with room again both sides agree")
is_(sorted(named & {"directory.ad.set", "dirsync/people.plan", "book"}), ["book", "directory.ad.set", "dirsync/people.plan"],
    "it was a reading, a plan and the book that could not")

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
