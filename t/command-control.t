#!/usr/bin/python3
"""Operators' orders to workers and the master, and the screens that show how it is."""
import fcntl
import json
import os
import signal
import subprocess
import sys
import time

from spooltest import Spool, done, is_, ok, program

VIADUCT, MKMSG = program("viaduct"), program("t/mkmsg")
spool = Spool(connectors=("branch", "other"))


def viaduct(*args):
    r = subprocess.run([VIADUCT, "-c", spool.conf] + list(args), capture_output=True, text=True, timeout=90,
                       stdin=subprocess.DEVNULL)
    return r.returncode, r.stdout, r.stderr


def rows(*args):
    code, out, _ = viaduct(*args, "--json")
    return code, [json.loads(line) for line in out.splitlines()]


def order(instance, name):
    path = os.path.join(spool.folder("CONTROL"), instance, name)
    if not os.path.exists(path):
        return None
    with open(path) as f:
        return f.read()


# ---- connectors ----

code, found = rows("connector", "list")
is_((code, sorted(r["name"] for r in found)), (0, ["branch", "host", "other"]), "every connector is listed, the host too")
ok(all(r["light"] == "stopped" for r in found), "with an honest light: the daemons are stopped")
code, out, _ = viaduct("connector", "hold", "branch", "out", "--reason", 'tape "A" = full', "--until", "2h")
is_(code, 0, "one direction goes on hold")
text = order("outbound-gateway-branch", "hold")
ok(text is not None and 'reason="tape' in text and "until=" in text and "by=" in text, "as a file that outlives daemons")
is_(order("inbound-gateway-branch", "hold"), None, "the other direction does not")
light = {r["name"]: r for r in rows("connector", "list")[1]}
is_((light["branch"]["light"], light["branch"]["hold"], light["branch"]["why"]), ("held", "out", 'tape "A" = full'),
    "the light says held, and why")
is_(light["other"]["light"], "stopped", "others are as they were")
ok('tape "A"' in viaduct("connector", "show", "branch")[1], "connector show tells the reason")
is_(viaduct("connector", "release", "branch")[0], 0, "release")
is_(order("outbound-gateway-branch", "hold"), None, "takes the order away")
is_(viaduct("connector", "release", "branch")[0], 1, "releasing what is not held exits 1")
viaduct("connector", "hold", "branch", "--reason", "both")
ok(order("inbound-gateway-branch", "hold") and order("outbound-gateway-branch", "hold"), "without a direction both are held")
viaduct("connector", "hold", "branch", "in", "--reason", "changed")
ok("changed" in order("inbound-gateway-branch", "hold"), "a second hold replaces the first")
is_(viaduct("connector", "hold", "branch", "up")[0], 2, "up is no direction")
is_(viaduct("connector", "hold", "nobody")[0], 2, "there must be such a connector")
is_(viaduct("connector", "hold", "../../x")[0], 2, "a name that is a path is refused")
is_(viaduct("connector", "hold", "branch", "--until", "2020-01-01T00:00:00Z")[0], 2, "an end in the past is refused")
is_(viaduct("connector", "run", "other")[0], 0, "run")
ok(order("outbound-gateway-other", "run") is not None, "is an order too")
is_(viaduct("connector", "hold", "other", "--dry-run")[0], 0, "--dry-run")
is_(order("outbound-gateway-other", "hold"), None, "orders nothing")
left = [f for _, _, files in os.walk(spool.folder("CONTROL")) for f in files if f.startswith(".")]
is_(left, [], "no half-written order stays")

# ---- diagnosis ----

is_(viaduct("log", "level", "routing", "maximum", "--for", "10m")[0], 0, "log level")
words = order("router", "level-routing").split()
ok(words[0] == "maximum" and int(words[1]) > time.time(), "is an order with an end")
is_(viaduct("log", "level", "cooking", "maximum")[0], 2, "an unknown category is refused")
code, _, err = viaduct("log", "level", "routing", "minimum", "--connector", "brunch")
is_((code, 'did you mean "branch"' in err), (2, True), "an unknown connector is refused, with a hint")
before = order("inbound-gateway-branch", "level-routing")
code, out, _ = viaduct("log", "level", "routing", "minimum", "--connector", "branch", "--dry-run")
is_((code, "would log minimum" in out), (0, True), "--dry-run says would")
is_(order("inbound-gateway-branch", "level-routing"), before, "and orders nothing")
is_(viaduct("log", "level", "routing", "loud")[0], 2, "an unknown level is refused")

# ---- the master, told by its lock ----

is_(viaduct("stop")[0], 4, "stop without a master exits 4")
is_(viaduct("reload")[0], 4, "reload without a master exits 4")
code, out, _ = viaduct("status")
is_((code, "(offline)" in out), (4, True), "status says offline, and exits 4")
state = os.path.join(spool.folder("STATE"), "master")
with open(state, "w") as f:
    f.write("pid=%d started=%d generation=1 config=%s config-error=\n" % (os.getpid(), time.time(), spool.conf))
is_(viaduct("stop")[0], 4, "a stale state file is no master")
# A stand-in that holds the lock: HUP counts the generation up, TERM ends it.
fake = r"""
import fcntl, os, signal, sys, time
f = open(sys.argv[1], "r+")
lock = os.open(os.path.dirname(os.path.dirname(sys.argv[1])), os.O_RDONLY)
fcntl.flock(lock, fcntl.LOCK_EX)
n = 1
def write(error=""):
    f.seek(0); f.truncate()
    f.write("pid=%d started=%d loaded=%d generation=%d reloads=%d config=x config-error=%s\n" % (os.getpid(), time.time(), time.time(), n, n, error))
    f.write('worker=router pid=1 state=waiting since=1 restarts=7 last=11\nend=1\n'); f.flush()
def hup(*_):
    global n
    n += 1
    write()
signal.signal(signal.SIGHUP, hup)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
write()
print("up", flush=True)
while True: signal.pause()
"""
master = subprocess.Popen([sys.executable, "-c", fake, state], stdout=subprocess.PIPE, text=True)
master.stdout.readline()
code, out, _ = viaduct("status")
is_((code, "(offline)" in out), (0, False), "with a master status exits 0 and is not offline")
ok("router: waiting" in out and "signal 11" in out and "restarted 7 times" in out, "a worker that is not well is named")
code, found = rows("status")
is_((found[0]["running"], found[0]["pid"]), (True, master.pid), "status --json tells the same")
is_(viaduct("start")[0], 6, "a second start is refused")
code, out, _ = viaduct("reload")
is_((code, "generation 2" in out), (0, True), "reload waits for the new generation")
with open(spool.conf, "a") as f:
    f.write("nonsense = yes\n")
code, _, err = viaduct("reload")
is_((code, "nonsense" in err), (3, True), "reload refuses a configuration that is not valid, with file and line")
with open(spool.conf) as f:
    text = f.read()
with open(spool.conf, "w") as f:
    f.write(text.replace("nonsense = yes\n", ""))
is_(viaduct("stop", "--drain=soon")[0], 2, "a drain without a time is refused")
is_(viaduct("stop", "--drain=2m")[0], 0, "stop waits for its end")
is_(order("master", "drain"), "120\n", "and leaves the order to drain, in seconds")
is_(master.wait(), 0, "which was asked for by a signal")

# ---- configuration and tree ----

is_(viaduct("check")[0], 0, "check")
code, out, _ = viaduct("config", "explain", "connector.retry.first")
ok(code == 0 and "attempt" in out, "config explain")
ok("node" in viaduct("config", "show")[1], "config show")
is_(viaduct("spool", "check")[0], 0, "the tree is as declared")
os.rmdir(spool.folder("MTS_OUT", "other"))
code, out, _ = viaduct("spool", "check")
is_((code, "missing" in out), (1, True), "a missing folder is found")
is_(viaduct("spool", "check", "--repair")[0], 0, "and made")
with open(os.path.join(spool.folder("MTS_OUT", "other"), "core"), "w") as f:
    f.write("x")
is_(viaduct("spool", "check", "--repair")[0], 1, "a file that is no message is named, and left")
os.unlink(os.path.join(spool.folder("MTS_OUT", "other"), "core"))
dot = viaduct("spool", "graph", "--dot")[1]
ok(dot.startswith("digraph") and '"MTS-IN" -> "Spooler-Queue"' in dot, "the picture is made from the map")

# ---- help (completion is t/completion.t's) ----

is_(viaduct("help")[0], 0, "help")
ok("--until" in viaduct("queue", "hold", "--help")[1], "a verb's help names its options")
is_(viaduct("version")[:2], viaduct("--version")[:2], "version, and --version")
is_(viaduct("--version")[0], 0, "exit 0")

# ---- no word is passed over ----

for line in ("stop branch", "start branch", "reload x", "status x", "check x", "config show x", "stats x", "top x", "spool check x", "spool create x", "spool graph x",
             "version x", "book dump x", "connector show branch x", "connector hold branch in x", "connector list x", "badmail show 06H13DPVGK0023NO413O2N78A3 x"):
    code, out, err = viaduct(*line.split())
    ok(code == 2 and 'what is "%s"?' % line.split()[-1] in err and not out, "`%s` is a usage error, and does nothing" % line)

# ---- counters and tracking of nothing ----

is_(viaduct("stats")[0], 1, "no counters yet: exit 1")
is_(viaduct("stats", "--prometheus")[0], 0, "stats --prometheus")
is_(viaduct("track", "all")[0], 1, "no records yet: exit 1")
is_(viaduct("track")[0], 2, "track wants to know of what")
with open(os.path.join(spool.folder("TRACK"), "router.0.20261125"), "w") as f:
    for event in ("RECEIVE", "TRANSFER", "TRANSFER"):
        f.write("time=2026-11-25T07:26:28.123Z event=%s id=06H13DPVGK0023NO413O2N78A3.1 by=router "
                "connector=branch rcpt=SMTP:bob@branch.example sender=SMTP:a@contoso.example\n" % event)
code, found = rows("track", "06H13DPVGK0023NO413O2N78A3")
is_((code, [r["event"] for r in found]), (0, ["RECEIVE", "TRANSFER"]), "an id finds its parts; repetitions are shown once")
is_(len(rows("track", "rcpt=bob@branch.example", "event=transfer")[1]), 1, "track takes the same filters")
is_(viaduct("track", "event=arrive")[0], 2, "an event that there is not is an error")
is_(viaduct("track", "<id@x.example>")[0], 1, "a Message-ID in brackets is a filter")
is_(rows("track", "all", "--since", "2026-11-26")[0], 1, "--since leaves out what is older")
is_(found[0]["time"], "2026-11-25T07:26:28.123Z", "times are told to the millisecond")
is_([r["event"] for r in rows("track", "all", "--sort", "time")[1]], ["RECEIVE", "TRANSFER"], "and equals keep their order")

spool.remove()
done()
