#!/usr/bin/python3
"""The unit that is installed: what it leaves to the master is enough for all that viaduct does, and it says what the code does."""
import os
import re

from rig import NOBODY, ROOT, Sink, TOP, Viaduct, done, is_, like, message, mode_of, ok, program, run, send, smtp_pair, until

with open(os.path.join(TOP, "conf", "viaduct.service.in")) as f:
    unit = re.findall(r"^(\w+)=(.*)$", f.read().replace("\\\n", " "), re.M)
settings = dict(unit)
with open(os.path.join(TOP, "INSTALL")) as f:
    install = f.read()



def bounding(pid):
    with open("/proc/%s/status" % pid) as status:
        return int(re.search(r"^CapBnd:\s*(\w+)", status.read(), re.M).group(1), 16)


# ---- what it says ----

is_(len(unit), len(settings), "no setting stands twice, of which one would be lost")
is_(settings["Type"], "notify", "the master tells when it is ready; notify-reload is for systemd 253, Debian 12 has 252")
is_(re.findall(r"Type=(\S+?)\)", install), [settings["Type"]], "INSTALL says the same")
ok(settings["ExecReload"].endswith("/viaduct reload"), "a reload waits for the master's answer, and fails with it")
is_(settings["KillMode"], "mixed", "a stop asks the master, who asks the workers; only who is late is killed")
ok(re.search(r"^\d+min$", settings.get("WatchdogSec", "")), "a master that hangs is started again: it tells each second that it does not")

# ---- what it leaves ----

if not ROOT:
    ok(True, "mail under the unit's limits # SKIP only root can give capabilities away")
    done()
names = [c[4:].lower() for c in settings["CapabilityBoundingSet"].split()]
limits = ["setpriv", "--inh-caps=-all", "--bounding-set=-all," + ",".join("+" + name for name in names)]
limits += ["--no-new-privs"] if settings["NoNewPrivileges"] == "yes" else []

BITS = {"chown": 0, "dac_override": 1, "fowner": 3, "fsetid": 4, "kill": 5, "setgid": 6, "setuid": 7, "setpcap": 8,
        "net_bind_service": 10, "sys_resource": 24}
host, branch = Sink(), Sink()
port, from_branch, conf = smtp_pair(host, branch)
viaduct = Viaduct(conf)
viaduct.start(under=limits)
is_(bounding(viaduct.process.pid), bounding("self") & sum(1 << BITS[name] for name in names),
    "the master holds what the unit names, and nothing else")
answer = send(port, "anna@contoso.example", "bob@branch.example", message(subject="out"))
like(answer, "^250", "mail is taken")
branch.one(lambda m: m.header("Subject") == "out", what="and arrives")
send(from_branch, "bob@branch.example", "anna@contoso.example", message(subject="in"))
host.one(lambda m: m.header("Subject") == "in", what="the other way too")
is_(mode_of(os.path.join(viaduct.spool, "drop")), 0o3733, "drop/ is what it has to be, the group of its files included")
said = run(["setpriv", "--reuid=%d" % NOBODY, "--regid=%d" % NOBODY, "--clear-groups", program("viaduct-sendmail"), "-C", viaduct.conf,
            "-f", "anna@contoso.example", "bob@branch.example"], input=b"Subject: dropped\n\nhello\n")
is_(said, (0, ""), "a stranger drops a message")
branch.one(lambda m: m.header("Subject") == "dropped", what="pickup may read it")
os.kill(int(viaduct.master()[1]["router"]["pid"]), 9)
until(lambda: viaduct.restarts() == 1 and int(viaduct.master()[1]["router"]["pid"]) > 0, "a worker that died is started again")
viaduct.reload(conf)
like(send(port, "anna@contoso.example", "bob@branch.example", message(subject="after")), "^250|^421", "a reload is made")
is_([w for w, pairs in viaduct.master()[1].items() if pairs["last"] not in ("0", "9")], [], "no worker ends with an error")
is_(viaduct.stop(), 0, "it is stopped: workers of other users may be signalled")
done()
