#!/usr/bin/python3
"""Hostile mail costs what its length says: twice as much of it costs about twice as much, whatever it is made of.

Cost is counted in instructions, not in time: the drivers t/cost-*.c give every parser every hostile input they know at a
size and at twice the size, under valgrind's cachegrind; so do the workers of the road with messages for many recipients.

    S8    instructions(2n) / instructions(n) <= 2.3, resident memory <= 64 MiB
"""
import collections
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from rig import Sink  # noqa: E402
from spooltest import BUILD, Spool, done, is_, journal_entry, message, ok, program  # noqa: E402

RATIO = 2.3
RESIDENT_KIB = 64 << 10
FLOOR = 200000 # instructions: below that a run has read nothing, and start-up would hide how it grows
DRIVERS = sys.argv[1:] or ["cost-message", "cost-text", "cost-rich", "cost-session", "workers"]

if shutil.which("valgrind") is None:
    print("1..0 # SKIP valgrind is not installed")
    sys.exit(0)
with open(program("viaduct-router"), "rb") as f:
    if b"__asan_init" in f.read():
        print("1..0 # SKIP instructions are not counted in instrumented programs")
        sys.exit(0)

folder = Spool()


def counted(argv, **more):
    """Runs a command under cachegrind; a list of (pid, instructions) of its processes as they ended, and what it printed."""
    log = os.path.join(folder.top, "counts")
    open(log, "w").close()
    r = subprocess.run(["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", "--log-file=" + log] + argv,
                       timeout=500, **more)
    with open(log) as f:
        counts = re.findall(r"^==(\d+)== I +refs: +([\d,]+)", f.read(), re.M)
    return [(int(pid), int(n.replace(",", ""))) for pid, n in counts], r


# ---- parsers ----


def runs(text):
    for line in text.splitlines():
        pid, size, status, resident, name = line.split(" ", 4)
        yield int(pid), int(size), int(status), int(resident), name.split(": ", 1)


def try_driver(name):
    argv = [program("t/" + name)]
    resident, died = collections.Counter(), []
    for _, size, status, kib, (parser, shape) in runs(subprocess.run(argv, stdout=subprocess.PIPE, text=True, timeout=500).stdout):
        resident[parser] = max(resident[parser], kib)
        if status != 0:
            died.append((parser, shape, size, status))
    is_(died, [], name + ": nothing died, and nothing took more than a minute")
    for parser in resident:
        ok(resident[parser] <= RESIDENT_KIB, "%s: %d KiB at most" % (parser, resident[parser]))
    counts, r = counted(argv, stdout=subprocess.PIPE, text=True)
    costs, before = collections.defaultdict(list), 0
    told = list(runs(r.stdout))
    is_([pid for pid, _ in counts[:-1]], [run[0] for run in told], name + ": every run was counted")
    for (_, size, status, _, key), (_, n) in zip(told, counts):
        if key[0] == "nothing":
            before = n
        else:
            costs[tuple(key)].append((size, n - before if status == 0 else 0))
    check_costs(costs)


def check_costs(costs):
    """Sizes come in pairs. A parser must have read something of what it was given, or its row would prove nothing."""
    worst, read = {}, collections.Counter()
    for (parser, shape), sizes in costs.items():
        for (_, once), (size, twice) in zip(sizes[::2], sizes[1::2]):
            read[parser] += once > FLOOR
            ratio = twice / once if once > FLOOR else 0 if twice <= RATIO * FLOOR else RATIO + 1
            worst[parser] = max(worst.get(parser, (0,)), (ratio, shape, size))
    for parser, (ratio, shape, size) in worst.items():
        ok(ratio <= RATIO and read[parser] > 0, "%s: twice as much costs %.2f times as much at most (%s, %d bytes)" %
           (parser, ratio, shape, size))


# ---- workers: one message, many recipients ----

MANY = 16000


def recipients(n, domain="branch.example", more=()):
    return [("recipient-number-%06d-with-a-long-name@%s" % (i, domain), list(more)) for i in range(n)]


def spool_for(port):
    s = Spool("privileges { sandbox = no }\n", connectors=("branch", "other"), host="limits { recipients = 100000 }")
    with open(s.conf) as f:
        text = f.read().replace("127.0.0.1:9", "127.0.0.1:%d" % port)
    with open(s.conf, "w") as f:
        f.write(text)
    return s


def worker(s, name, *args):
    """Instructions of a worker that runs until it is idle, its children's included."""
    counts, r = counted([program("viaduct-" + name), "-c", s.conf, "--once"] + list(args), stderr=subprocess.PIPE)
    if r.returncode != 0:
        print("# %s ended with %d\n# %s" % (name, r.returncode, r.stderr.decode("utf-8", "replace")[-2000:]))
    return sum(n for _, n in counts)


BODY = b"From: anna@contoso.example\nMessage-ID: <m@contoso.example>\nSubject: Offer\n\nThe body.\n"


def put(s, symbol, connector, who, journal=b""):
    m = message("anna@contoso.example", who, BODY, journal=journal)
    m.write(os.path.join(s.folder(symbol, connector), m.get("id")))


def by_cleanup(s, n):
    put(s, "MTS_IN", "host", recipients(n))
    cost = worker(s, "cleanup")
    return cost, len(s.names("SPOOLER_QUEUE"))


def by_router(s, n):
    put(s, "SPOOLER_QUEUE", "", recipients(n // 2) + recipients(n - n // 2, "other.example"))
    cost = worker(s, "router")
    return cost, len(s.names("MTS_OUT", "branch")) + len(s.names("MTS_OUT", "other")) - 1


def by_transfer(s, n):
    had = len(sink.mails)
    put(s, "MTS_OUT", "branch", recipients(n))
    cost = worker(s, "outbound-gateway", "--connector", "branch")
    return cost, sum(len(m.recipients) for m in sink.mails[had:]) // n


def by_deferral(s, n):
    """Every other one is asked to come again: marks for all, and an attempt."""
    sink.answer = lambda verb, address, mail: "450 4.2.1 busy" if verb == "RCPT" and re.search("[13579]-with", address) else None
    put(s, "MTS_OUT", "branch", recipients(n))
    cost = worker(s, "outbound-gateway", "--connector", "branch")
    sink.answer = None
    return cost, len(s.names("DEFERRED", "branch"))


def by_bouncer(s, n):
    marks = []
    for i in range(n):
        marks += [("mark", "%d failed" % i), ("mark-status", "5.1.1"), ("mark-text", "no such user")]
    put(s, "BOUNCE", "", recipients(n), journal_entry("mark", ("time", 1), ("by", "w"), *marks))
    cost = worker(s, "bouncer")
    return cost, len(s.names("SPOOLER_QUEUE"))


def by_pickup(s, n):
    path = os.path.join(s.folder("DROP"), "many")
    with open(path + ".new", "wb") as f:
        f.write(b"X-Sender: <anna@contoso.example>\n" + b"".join(b"X-Receiver: <%s>\n" % r.encode() for r, _ in recipients(n)) + BODY)
    os.rename(path + ".new", path)
    cost = worker(s, "pickup")
    return cost, len(s.names("MTS_IN", "host"))


def by_sendmail(s, n):
    """-t: the recipients that the header names."""
    text = b"From: anna@contoso.example\nTo: " + b",\n ".join(r.encode() for r, _ in recipients(n)) + b"\nSubject: x\n\nx\n"
    counts, _ = counted([program("viaduct-sendmail"), "-t", "-C", s.conf], input=text)
    return sum(n for _, n in counts), len(s.names("DROP"))


def try_worker(name, step, n):
    costs = []
    for size in (n, 2 * n):
        s = spool_for(sink.port)
        cost, came = step(s, size)
        s.remove()
        is_(came, 1, "%s: %d recipients go on" % (name, size))
        costs.append(cost)
    ok(FLOOR < costs[0] and costs[1] <= RATIO * costs[0], "%s: twice the recipients cost %.2f times as much" % (name, costs[1] / costs[0]))


for driver in DRIVERS:
    if driver != "workers":
        try_driver(driver)
if "workers" in DRIVERS:
    sink = Sink()
    for name, step, n in (("cleanup", by_cleanup, MANY), ("router", by_router, MANY), ("outbound gateway", by_transfer, MANY),
                          ("outbound gateway, deferring half", by_deferral, MANY), ("bouncer", by_bouncer, MANY),
                          ("pickup", by_pickup, MANY), ("sendmail -t", by_sendmail, MANY // 2)):
        try_worker(name, step, n)
folder.remove()
done()
