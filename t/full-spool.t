#!/usr/bin/python3
"""A full spool costs time, not mail: 452 4.3.1 while there is no room, and the flow goes on by itself when there is.

A tmpfs with few bytes, then one with few inodes, holds the spool of a running viaduct; the test fills it up while mail
comes in, and makes room again. Needs root, for the mount.
"""
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

if os.geteuid() != 0:
    print("1..0 # SKIP needs root, for a small tmpfs")
    sys.exit(0)
if os.environ.get("VIADUCT_FULL_SPOOL") != "alone": # mounts that end with this process
    os.environ["VIADUCT_FULL_SPOOL"] = "alone"
    os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable] + sys.argv)

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "crash"))
from crashrig import Client, CrashSpool, Item, Oracle, Sink, end_group, free_port, master  # noqa: E402
from spooltest import done, is_, ok  # noqa: E402

ANNA, BOB = "anna@contoso.example", "bob@branch.example"
WAIT_S = 60


class Sender:
    """Sends one message after the other until it is told to stop; whatever the server says, it goes on."""

    def __init__(self, port, prefix):
        self.port, self.prefix, self.stopped = port, prefix, False
        self.acked, self.refused = [], []
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        client, n = None, 0
        while not self.stopped:
            n += 1
            try:
                if client is None:
                    client = Client(self.port)
                    client.connect()
                before = len(client.refused)
                token = "%s%d" % (self.prefix, n)
                if client.send(token, ANNA, [BOB], 3000):
                    self.acked.append(token)
                self.refused += [reply for _, reply in client.refused[before:]]
            except OSError:
                client.close()
                client = None
            time.sleep(0.005)
        if client is not None:
            client.close()

    def stop(self):
        self.stopped = True
        self.thread.join(60)


def wait_for(condition, seconds=WAIT_S):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def fill_bytes(folder):
    with open(os.path.join(folder, "ballast"), "wb") as f:
        try:
            while True:
                f.write(b"x" * 65536)
                f.flush()
        except OSError:
            pass


def fill_inodes(folder):
    os.mkdir(os.path.join(folder, "ballast"))
    n = 0
    try:
        while True:
            n += 1
            open(os.path.join(folder, "ballast", str(n)), "w").close()
    except OSError:
        pass


def empty(folder):
    path = os.path.join(folder, "ballast")
    shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)


def try_one(name, options, settings, fill):
    folder = tempfile.mkdtemp(prefix="viaduct-full-")
    os.chmod(folder, 0o755)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
    os.chmod(folder, 0o755)
    listen, sinks = free_port(), {"host": Sink(), "branch": Sink()}
    spool = CrashSpool(sinks, os.path.join(folder, "spool"), listen=listen)
    with open(spool.conf) as f:
        text = f.read().replace('space = "1K"\ninodes = 0\n', settings)
    with open(spool.conf, "w") as f:
        f.write(text)
    log = open(spool.log_path, "ab")
    process = subprocess.Popen(master(spool, "--foreground"), stdout=log, stderr=log, start_new_session=True)
    sender = Sender(listen, name)
    try:
        ok(wait_for(lambda: len(sender.acked) >= 20), "%s: mail flows while there is room" % name)
        fill(folder)
        ok(wait_for(lambda: any(r.startswith("452 4.3.1") for r in sender.refused)), "%s: 452 4.3.1 when there is none" % name)
        time.sleep(1)
        others = {r for r in sender.refused if not r.startswith("452 4.3.1")}
        is_(others, set(), "%s: and nothing else is said to senders" % name)
        empty(folder)
        had = len(sender.acked)
        ok(wait_for(lambda: len(sender.acked) >= had + 20), "%s: when there is room again mail is taken, without a restart" % name)
        sender.stop()
        ok(wait_for(lambda: not missing(spool, sender)), "%s: 0 lost: all that was answered with 250 arrives" % name)
        process.send_signal(signal.SIGTERM)
        is_(process.wait(60), 0, "%s: it ends in order" % name)
        items = [Item(token, [BOB]) for token in sender.acked]
        is_(Oracle(spool).check(items, set(sender.acked), None)[:3], [], "%s: each once, nothing left over, the books balance" % name)
        print("# %s: %d taken, %d refused" % (name, len(sender.acked), len(sender.refused)))
    finally:
        sender.stopped = True
        if process.poll() is None:
            end_group(process)
        if os.environ.get("VIADUCT_SAY"):
            print("".join("# " + line for line in spool.say_log(60).splitlines(True)))
        for sink in sinks.values():
            sink.close()
        subprocess.run(["umount", folder])
        os.rmdir(folder)
        shutil.rmtree(spool.top, ignore_errors=True)


def missing(spool, sender):
    received = spool.received()
    return [t for t in sender.acked if received[(t, BOB)] < 1]


try_one("bytes", "size=8m", 'space = "1M"\ninodes = 0\n', fill_bytes)
try_one("inodes", "size=64m,nr_inodes=500", 'space = "1K"\ninodes = 100\n', fill_inodes)
done()
