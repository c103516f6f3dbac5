#!/usr/bin/python3
"""GroupWise both ways while everybody is killed: viaduct's workers, its master, and the gateway itself.

    t/gwise-soak.t                          200 messages each way, 20 kills
    VIADUCT_SOAK=5000 t/gwise-soak.t        that many each way, and kills to match

What viaduct answered with 250 must come to the gateway once; what the gateway wrote whole must come to the host once. What
comes twice is counted and told apart: twice taken by a gateway that was killed between taking and removing is its own; a
second file of ours for the same message would be viaduct's.
"""
import collections
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time

from gateway import FOLDERS
from rig import Session, Sink, Viaduct, done, free_port, is_, message, note, ok, private_folder, send, start_process, until

N = int(os.environ.get("VIADUCT_SOAK", "200"))
KILLS = max(20, N // 25)
SEED = int(os.environ.get("VIADUCT_SEED", time.time_ns() % 1000000))
random.seed(SEED)
note("seed %d" % SEED)

root, ledger, host, port = private_folder(), private_folder(), Sink(), free_port()
for name in FOLDERS:
    os.mkdir(os.path.join(root, name))
    os.chmod(os.path.join(root, name), 0o777)
book = private_folder() + "/people.csv"
with open(book, "w") as f:
    f.write("""display,primary,proxies,side
Anna Berg,SMTP:anna@contoso.example,GWISE:Exchange.HQ.anna,host
Lena Nowak,GWISE:Harbour.Quay.lnowak,SMTP:lnowak@gw.contoso.example,groupwise
""")
viaduct = Viaduct("""host {
    domains = { "contoso.example" }
    unknown = "pass"
    smtp { listen = { "127.0.0.1:%d" } }
    deliver { to = { "smtp://127.0.0.1:%d" } }
    retry { first = "1s" max = "2s" }
}
connector "groupwise" {
    type = "gwise"
    peer { root = "%s" poll = "1s" domain = "Exchange" settle = "2s" }
    address-space { type = "GWISE" pattern = "*" }
    address-space { type = "SMTP" pattern = "*@gw.contoso.example" }
    retry { first = "1s" max = "2s" }
}
book { source = { "%s" } }
admin-address = "postmaster@contoso.example"
""" % (port, host.port, root, book)).start()
ANNA, LENA = "anna@contoso.example", "lnowak@gw.contoso.example"
standin, kills = None, collections.Counter()


def lines(name):
    try:
        with open(os.path.join(ledger, name)) as f:
            return [line.split() for line in f if line.endswith("\n")]
    except FileNotFoundError:
        return []


def start_standin():
    global standin
    standin = start_process([sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "gateway_standin.py"), root, ledger])


def took():
    return collections.Counter(t for t, _, _ in {tuple(line) for line in lines("took")})


def came():
    return collections.Counter(t for m in list(host.mails) for t in re.findall(r"tok-\w+", m.header("Subject") or ""))


start_standin()
until(lambda: send(port, ANNA, LENA, message(ANNA, LENA, "probe", body="tok-probe\n")) and took(), "the book is in use")
until(lambda: viaduct.mail_left() == [], "the probes are gone")
host.mails.clear()

# ---- senders, and who kills ----

acked, sent, ended = set(), 0, False


def client():
    global sent
    session = None
    while len(acked) < N and not ended:
        sent += 1
        token = "tok-h%d" % sent
        try:
            session = session or Session(port, seconds=20)
            if session.mail(ANNA, [LENA], message(ANNA, LENA, "to there", body=token + "\n"))[-1].startswith("250"):
                acked.add(token)
        except (OSError, ValueError, IndexError):
            session = None
            time.sleep(0.1)
        time.sleep(0.005)


def workers():
    found = []
    for task in os.listdir("/proc/%d/task" % viaduct.process.pid):
        with open("/proc/%d/task/%s/children" % (viaduct.process.pid, task)) as f:
            found += [int(pid) for pid in f.read().split()]
    return found


def keep():
    """As an init would: starts the master again where it ended (its port may still be in old workers' hands)."""
    if viaduct.process.poll() is not None:
        viaduct.start(ready=False)
        time.sleep(0.3)


def kill_worker():
    for _ in range(20): # the master may be about to start, and have none
        try:
            pid = random.choice(workers())
            with open("/proc/%d/cmdline" % pid) as f:
                name = os.path.basename(f.read().split("\0")[0])
            os.kill(pid, signal.SIGKILL)
            kills[name] += 1
            return
        except (OSError, IndexError):
            keep()
            time.sleep(0.1)


def kill_one(n):
    if n % 10 == 9:
        viaduct.process.kill()
        viaduct.process.wait()
        kills["master"] += 1
    elif n % 5 == 2:
        standin.kill()
        standin.wait()
        kills["gateway"] += 1
        time.sleep(random.uniform(0, 0.3))
        start_standin()
    else:
        kill_worker()


thread = threading.Thread(target=client, daemon=True)
thread.start()
for n in range(KILLS):
    with open(os.path.join(ledger, "supply"), "a") as f:
        f.write("".join("tok-g%d\n" % k for k in range(n * N // KILLS, (n + 1) * N // KILLS)))
    keep()
    time.sleep(random.uniform(0.05, 0.8))
    kill_one(n)
PATIENCE_S = 90 # longer than the longest wait of the master before it starts a worker again


def wait_for(count, what):
    """As long as something moves."""
    last, moved = None, time.monotonic()
    while (missing := count()) and time.monotonic() - moved < PATIENCE_S:
        if missing != last:
            last, moved = missing, time.monotonic()
        keep()
        time.sleep(0.2)
    is_(sorted(missing)[:5], [], what)


wait_for(lambda: {"to be sent"} if len(acked) < N else set(), "%d messages are taken while processes die" % N)
ended = True
thread.join(30)
wait_for(lambda: acked - set(took()), "0 lost to GroupWise: all that was answered with 250 is there")
whole = lambda: {t for what, t, _ in lines("sent") if what == "whole"} # noqa: E731
wait_for(lambda: {"tok-g%d" % k for k in range(N)} - {t for _, t, _ in lines("sent")}, "the gateway has written all of its own")
wait_for(lambda: whole() - set(came()), "0 lost to the host: all that the gateway wrote whole is there")
viaduct.wait_empty("the road is empty", 60)
time.sleep(1)

ours = {t: n for t, n in took().items() if n > 1 and t != "tok-probe"}
again = {t: n for t, n in came().items() if n > 1}
twice_taken = len(lines("took")) - len({tuple(line) for line in lines("took")})
is_(ours, {}, "no message was written to the gateway twice")
ok(all(t in whole() or ["lost", t] in [line[:2] for line in lines("sent")] for t in came()), "nothing came to the host that was not written")
note("%d kills: %s" % (sum(kills.values()), dict(kills)))
note("%d to GroupWise (%d answered with 250), %d to the host; taken twice by a killed gateway: %d; twice to the host: %s; not known to it: %d"
     % (sum(took().values()), len(acked), len(came()), twice_taken, again, len([1 for w, _, _ in lines("sent") if w == "lost"])))
is_(again, {}, "no message came to the host twice")
ok(sum(kills.values()) >= KILLS * 3 // 4 and kills["master"] > 0 and kills["gateway"] > 0, "there were kills enough, the master and the gateway among the killed")
is_([n for n in os.listdir(os.path.join(root, "API_IN")) + os.listdir(os.path.join(root, "API_OUT")) if n.lower().endswith(".api")], [], "no header is left lying")
orphans, ends = os.listdir(os.path.join(root, "ATT_OUT")), kills["viaduct-inbound-gateway"] + kills["master"]
ok(len(orphans) <= ends, "%d bodies are left over, no more than the %d ends of who was to remove them" % (len(orphans), ends))
standin.kill()
standin.wait()
is_(viaduct.stop(), 0, "and it stops in order")
done()
