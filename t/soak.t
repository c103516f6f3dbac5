#!/usr/bin/python3
"""Promise 1 under fire: thousands of messages on the whole road, while workers and the master are killed at random.

    t/soak.t                          5,000 messages, 125 kills
    VIADUCT_SOAK=50000 t/soak.t       more of both

Eight clients send by SMTP, in bursts; into each burst falls a kill. What the server answered with 250 must arrive exactly once. A client whose connection broke
before the answer does not know, and sends something new: such a message may arrive or not. What arrives twice is counted:
SMTP has no way to take back a message whose 250 the killed gateway did not live to note.
"""
import collections
import os
import random
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "crash"))
from crashrig import Client, CrashSpool, Item, Sink, end_group, free_port, master  # noqa: E402
from spooltest import done, is_, ok, start_process  # noqa: E402

MESSAGES = int(os.environ.get("VIADUCT_SOAK", "5000"))
BURST, MASTER_EVERY = 40, 9
CLIENTS, CONCURRENCY = 8, 20
PATIENCE_S = 75 # longer than the longest wait of the master before it starts a worker again
SEED = int(os.environ.get("VIADUCT_SEED", time.time_ns() % 1000000))


def judge(verb, rcpt, token):
    return "550 5.1.1 no such user" if verb == "RCPT" and rcpt.startswith("nobody") else None


LISTEN = free_port()
sinks = {name: Sink(judge) for name in ("host", "branch", "north")}
spool = CrashSpool(sinks, listen=LISTEN)
random.seed(SEED)
print("# seed %d" % SEED)


class Supply:
    """The messages still to be sent; every ninth goes to two systems, every fortieth fails at the far end."""

    def __init__(self):
        self.lock = threading.Lock()
        self.more = threading.Condition(self.lock)
        self.items, self.acked, self.next, self.allowed = {}, set(), 0, 0
        self.ended = False

    def allow(self, n):
        with self.lock:
            self.allowed += n
            self.more.notify_all()

    def take(self):
        with self.lock:
            while self.next >= self.allowed and not self.ended:
                self.more.wait(1)
            if len(self.acked) >= MESSAGES or self.ended:
                return None
            n = self.next = self.next + 1
            token = "m%d" % n
            good, reports, rcpts = ["bob@branch.example"], 0, None
            if n % 9 == 0:
                good = ["bob@branch.example", "carl@north.example"]
            if n % 40 == 0:
                good, reports, rcpts = [], 1, ["nobody@branch.example"]
            self.items[token] = Item(token, good, reports)
            return token, rcpts or good, 60000 if n % 50 == 0 else 300

    def ack(self, token):
        with self.lock:
            self.acked.add(token)


def send(supply):
    client = None
    while (taken := supply.take()) is not None:
        token, rcpts, size = taken
        try:
            if client is None:
                client = Client(LISTEN, supply.ack)
                if not client.connect(60):
                    raise ConnectionError
            client.send(token, "anna@contoso.example", rcpts, size)
        except OSError:
            if client is not None:
                client.close()
            client = None


class Society:
    """The master, started again when it is gone, and those who kill."""

    def __init__(self):
        self.log = open(spool.log_path, "ab")
        self.kills, self.starts = collections.Counter(), 0
        self.start()

    def start(self):
        self.process = start_process(master(spool, "--foreground"), stdout=self.log, stderr=self.log,
                                        stdin=subprocess.DEVNULL, start_new_session=True)
        self.starts += 1

    def keep(self):
        """As an init would: starts it again where it ended (its port may still be in old workers' hands)."""
        if self.process.poll() is not None:
            self.start()

    def workers(self):
        found = []
        for task in os.listdir("/proc/%d/task" % self.process.pid):
            with open("/proc/%d/task/%s/children" % (self.process.pid, task)) as f:
                found += [int(pid) for pid in f.read().split()]
        return found

    def kill_worker(self):
        try:
            pid = random.choice(self.workers())
            with open("/proc/%d/cmdline" % pid) as f:
                name = os.path.basename(f.read().split("\0")[0])
            os.kill(pid, signal.SIGKILL)
        except (OSError, IndexError):
            return
        self.kills[name] += 1

    def kill_master(self):
        self.process.kill()
        self.process.wait()
        self.kills["viaduct-master"] += 1

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            end_group(self.process)
            return None


def kill_around(society, supply):
    """A burst, a kill somewhere in it, a pause that lets some of it through."""
    for n in range(MESSAGES // BURST):
        society.keep()
        supply.allow(BURST)
        time.sleep(random.uniform(0, 0.12))
        if n % MASTER_EVERY == MASTER_EVERY - 1:
            society.kill_master()
        else:
            society.kill_worker()
        time.sleep(random.uniform(0.02, 0.35))


def missing(supply):
    received = spool.received()
    return [key for token in supply.acked for key, n in supply.items[token].wanted().items() if received[key] < n]


def wait_for_all(society, supply, seconds):
    """Until all has come, or nothing has moved for so long."""
    last, moved = None, time.monotonic()
    while (now := len(missing(supply))) > 0 and time.monotonic() - moved < seconds:
        society.keep()
        if now != last:
            last, moved = now, time.monotonic()
        time.sleep(0.3)


supply, society = Supply(), Society()
clients = [threading.Thread(target=send, args=(supply,), daemon=True) for _ in range(CLIENTS)]
begun = time.monotonic()
for c in clients:
    c.start()
kill_around(society, supply)
kill_end = time.monotonic()
supply.allow(10 * MESSAGES) # what was not taken meanwhile, and whatever is sent in its place
while any(c.is_alive() for c in clients) and time.monotonic() < kill_end + 2 * PATIENCE_S:
    society.keep()
    time.sleep(0.2)
sent_all = len(supply.acked) >= MESSAGES
supply.ended = True
wait_for_all(society, supply, PATIENCE_S)
status = society.end()

ok(sent_all, "%d messages are taken while processes die" % MESSAGES)
is_(status, 0, "the last master ends in order")
kills = sum(society.kills.values())
print("# %d kills in %.0f s: %s" % (kills, kill_end - begun, dict(society.kills)))
print("# %d sent, %d answered with 250, %.0f s in all, master started %d times" % (
    supply.next, len(supply.acked), time.monotonic() - begun, society.starts))
ok(kills >= MESSAGES // BURST // 2 and society.kills["viaduct-master"] > MESSAGES // BURST // MASTER_EVERY // 2,
   "there were kills enough, and the master was among the killed")

end = subprocess.run(master(spool, "--once"), stdout=society.log, stderr=society.log, timeout=120)
is_(end.returncode, 0, "what is left on the road is finished by the next run")
lost = missing(supply)
is_(lost[:5], [], "0 lost: every message answered with 250 has arrived, and every failure was reported")

received, duplicates, unknown = spool.received(), {}, []
wanted = {key: n for item in supply.items.values() for key, n in item.wanted().items()}
for key, n in received.items():
    if key not in wanted:
        unknown.append(key)
    elif n > wanted[key]:
        duplicates[key] = n - wanted[key]
is_(unknown[:5], [], "nothing arrived that was never sent")
gateways = society.kills["viaduct-outbound-gateway"]
print("# %d duplicates by %d kills of outbound gateways" % (sum(duplicates.values()), gateways))
ok(sum(duplicates.values()) <= gateways * CONCURRENCY,
   "what arrived twice is no more than what killed gateways had in transfer")
places = {t: w for t, w in spool.places().items()}
is_(list(places.items())[:5], [], "the spool is empty, Temp too")
books = spool.balance()
is_(books.get("in_spool"), 0, "the books balance: %s" % books)

if lost or unknown or places:
    for token in sorted({k[0] for k in lost})[:3]:
        found = [line for line in spool.track() if token in line]
        print("# %s: %s" % (token, found))
    print("".join("# " + line for line in spool.say_log(40).splitlines(True)))
for sink in sinks.values():
    sink.close()
spool.remove()
done()
