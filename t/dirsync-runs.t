#!/usr/bin/env python3
"""How runs of dirsync stand beside each other and follow on each other: one at a time; all read again when it is asked for or its time
has come; a schedule that only plans; no book before each directory was read."""
import os
import subprocess
import time

from directory import ENV, Slapd
from fakeldap import Cutter
from rig import BUILD, Viaduct, done, free_port, is_, like, note, ok, private_folder, program, rcpt, until

# writes without a name, over plain LDAP, so that messages can be counted and held on the way
ad = Slapd("ad", first="allow update_anon", extra="access to * by * write")
FOREIGN, PEOPLE = "ou=Foreign," + ad.suffix, 40
top = private_folder()
os.chmod(top, 0o777)
IN, OUT = top + "/in.csv", top + "/out.csv"
cutter, gate = Cutter(ad.port), Cutter(ad.port)
PORT = free_port()
CONF = """admin-address = "postmaster@contoso.example"
host { domains = { "contoso.example" } smtp { listen = { "127.0.0.1:%d" } } deliver { to = { "smtp://127.0.0.1:9" } }
    directory "ad" { url = { "%s" } auth = "none" start-tls = no base = "%s" mark = "importedFrom" page = 5 timeout = "30s" } MORE }
connector "branch" { type = "smtp" peer { to = { "smtp://127.0.0.1:9" } } address-space { type = "SMTP" pattern = "*@branch.example" cost = 1 } }
recipient-policy "default" { filter = "(mailNickname=*)" proxy = { "SMTP:%%m@contoso.example" } }
dirsync "people" { connector = "branch" directory = "ad" schedule = "never" full = "7d"
    foreign { format = "csv" read = "%s" write = "%s" }
    import { container = "%s" delete-after = 0 }
    export { containers = { "ou=Staff,%s" } }
    limits { delete = { "1000" } change = { "1000" } shrink = "100%%" } }
schedule "soon" { every = "1s" }
""" % (PORT, cutter.url, ad.suffix, IN, OUT, FOREIGN, ad.suffix)
SOON = 'schedule = "never"', 'schedule = "soon"'
OTHER = 'directory "other" { url = { "%s" } auth = "none" start-tls = no base = "ou=Other,%s" timeout = "30s" refresh = "1s" }' % (gate.url, ad.suffix)
viaduct = Viaduct(CONF.replace("MORE", OTHER))
ad.add("".join("dn: cn=h%d,ou=Staff,%s\nobjectClass: user\ncn: h%d\ndisplayName: h%d\nmailNickname: h%d\nhomeMDB: x\n"
               "mail: h%d@contoso.example\nproxyAddresses: SMTP:h%d@contoso.example\n\n" % (n, ad.suffix, n, n, n, n, n) for n in range(PEOPLE)))
ad.add("dn: cn=olga,ou=Other,%s\nobjectClass: user\ncn: olga\ndisplayName: olga\nmailNickname: olga\nhomeMDB: x\nmail: olga@contoso.example\n"
       "proxyAddresses: SMTP:olga@contoso.example\n" % ad.suffix)


def leave(names):
    with open(IN + ".new", "w") as f:
        f.write("id,address,displayName,mailNickname\n")
        for name in names:
            f.write("%s,SMTP:%s@branch.example,%s Branch,%s\n" % (name, name, name, name))
    os.utime(IN + ".new", (1, 1)) # not written a moment ago
    os.rename(IN + ".new", IN)


def copies():
    return sorted(e.get("targetAddress", [None])[0] for _, e in ad.search("(objectClass=contact)", FOREIGN))


def begin():
    return subprocess.Popen([program("viaduct"), "-c", viaduct.conf, "dirsync", "run"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            env=dict(ENV, VIADUCT_LIBEXECDIR=BUILD), text=True)


def run(*args):
    """Messages of a run."""
    cutter.seen = 0
    status, said = viaduct.command("dirsync", "run", *args)
    if status != 0:
        ok(False, "a run ends well")
        note(said)
    return cutter.seen


# ---- no book before each directory was read ----

leave(["carl"])
viaduct.command("spool", "create")
gate.at = 1
status, said = viaduct.command("dirsync", "run")
like(said, 'no new book: directory "other" has not been read yet', "a run of which a directory is missing makes no book")
is_(status, 7, "and says so by its exit code")
is_(viaduct.rows("book", "dump"), [], "nobody is made unknown by half a book")
is_(copies(), ["SMTP:carl@branch.example"], "but both sides are in step")
viaduct.start()
viaduct.wait_log("directory other: .*", name="the directory is still out of reach")
like(rcpt(PORT, "h0@contoso.example", "carl@contoso.example"), "^4", "mail for whom only the book knows waits for the first one")
is_(viaduct.stop(), 0, "nothing is on its way, nor reported")
gate.at = None
viaduct.start()
viaduct.wait_log("by=dirsync .*a new generation of the book is published", name="when it was read there is one")
is_(len([row for row in viaduct.rows("book", "dump") if row["display"] in ("olga", "h0", "carl Branch")]), 3, "with the people of each")
gate.at = 1
viaduct.wait_log("directory other: .*", name="out of reach later")
leave(["carl", "dora"])
like(viaduct.command("dirsync", "run")[1], "a new generation of the address book is published", "what it held then is enough")
is_(len(viaduct.rows("book", "dump")), PEOPLE + 3, "and stays in the book")
viaduct.stop()
gate.at = None

# ---- one at a time ----

viaduct.write(CONF.replace("MORE", ""))
leave(["carl", "dora", "eve"])
cutter.hold(5)
first = begin()
ok(cutter.held.wait(20), "a run is under way")
second = begin()
line = second.stdout.readline()
like(line, "another run is under way; waiting for its end", "a second one says that it waits")
viaduct.write(CONF.replace("MORE", "").replace(*SOON))
viaduct.start()
viaduct.wait_log("dirsync people: another run of dirsync is under way", name="the worker's does not wait, and says so")
ok(first.poll() is None and second.poll() is None, "until then nothing was done by either")
viaduct.stop()
viaduct.write(CONF.replace("MORE", ""))
cutter.release(cuts=False)
said = first.communicate(timeout=60)[0], second.communicate(timeout=60)[0]
is_((first.returncode, second.returncode), (0, 0), "then both end well")
ok("1 of 1 changes" in said[0] and "0 of 0 changes" in said[1], "the second finds what the first has done")
is_(copies(), ["SMTP:%s@branch.example" % name for name in ("carl", "dora", "eve")], "nobody is there twice")

# ---- all is read again ----

few = run()
whole = run("--full")
ok(few + PEOPLE <= whole, "--full reads all, where else only changes are: %d messages, not %d" % (whole, few))
ok(run() + PEOPLE <= whole, "that once")
viaduct.write(CONF.replace("MORE", "").replace('full = "7d"', 'full = "1s"'))
until(lambda: time.time() % 1 < 0.1, "a new second")
time.sleep(1)
ok(few + PEOPLE <= run(), "so does a run when the time of dirsync.full has passed")

# ---- a schedule that only plans ----

viaduct.write(CONF.replace("MORE", "").replace(*SOON).replace('full = "7d"', "apply = no"))
leave(["carl", "dora", "eve", "fay"])
viaduct.start()
viaduct.wait_log("dirsync people: 1 changes planned, 0 done", 2, name="with apply = no scheduled runs make plans")
is_(len(copies()), 3, "and carry none out")
is_(viaduct.rows("dirsync", "status")[0]["result"], "planned", "status says so")
viaduct.stop()
like(viaduct.command("dirsync", "apply")[1], "1 of 1 changes carried out", "a person does")
is_(len(copies()), 4, "then it is done")
done()
