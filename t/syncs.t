#!/usr/bin/python3
"""What durability costs: one fsync for a message that is taken, handed on and gone, small or large; none of them is made twice.

The whole system runs under t/crash/crashpoint, which writes down every fsync and fdatasync of any process on the spool.
"""
import os
import platform
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "crash"))
from crashrig import Client, CrashSpool, Fault, Run, Sink, free_port, master  # noqa: E402
from spooltest import done, is_, ok  # noqa: E402

if platform.machine() != "x86_64":
    print("1..0 # SKIP crashpoint is made for x86_64")
    sys.exit(0)
MESSAGES, WAIT_S = 25, 60
listen, sinks = free_port(), {"host": Sink(), "branch": Sink()}
spool = CrashSpool(sinks, listen=listen)
path = os.path.join(spool.top, "syncs")
run = Run(spool, master(spool, "--foreground"), Fault(), seconds=3 * WAIT_S, syncs=path)
client, sent = Client(listen), []
ok(client.connect(WAIT_S, run.running), "the system runs")
for size in (300, 100000):
    for n in range(MESSAGES):
        token = "%d.%d" % (size, n)
        client.send(token, "anna@contoso.example", ["bob@branch.example"], size)
        sent.append(token)
client.close()
is_(client.acked, sent, "%d messages are answered with 250" % len(sent))
end = time.monotonic() + WAIT_S
while (sum(spool.received().values()) < len(sent) or spool.places()) and time.monotonic() < end:
    time.sleep(0.05)
run.term()
run.wait(WAIT_S)
received = spool.received()
is_({t: received[(t, "bob@branch.example")] for t in sent}, {t: 1 for t in sent}, "each arrives once")
with open(path) as f:
    syncs = re.findall(r"^s (-?\d+) (\S+) (.*)$", f.read(), re.M)
is_([s for s in syncs if s[0] != "0"], [], "every sync succeeds")
is_(len({inode for _, inode, _ in syncs}), len(sent), "each of %d messages is made durable" % len(sent))
is_(len(syncs), len(sent), "by one sync: nothing else is synced on its road")
is_([p for _, _, p in syncs if not p.startswith(spool.folder("TEMP"))], [], "before its file is moved into a folder: accepted means durable")
for sink in sinks.values():
    sink.close()
spool.remove()
done()
