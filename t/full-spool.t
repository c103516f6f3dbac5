#!/usr/bin/python3
"""A spool that cannot be written to costs time, not mail: 452 4.3.1 as long as it lasts, and nothing taken before is lost.

A tmpfs with few bytes, then one with few inodes, holds the spool of a running viaduct; the test fills it up while mail
comes in, and makes room again. Then an ext4 that turns read-only at its first error, as file systems do when the disk
under them fails: the test has it meet one, and repairs it as an administrator would. Needs root, for the mounts.
"""
import errno
import os
import re
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
from spooltest import done, is_, ok, start_process  # noqa: E402

ANNA, BOB = "anna@contoso.example", "bob@branch.example"
WAIT_S = 60
IN_HAND = 2  # messages the gateway may have had in transfer, by one sender that waits for each answer
# to the one that was being written when the disk failed
IN_HAND_REPLY = re.compile("451 4.3.0 .* could not be stored: (Input/output error|Read-only file system)")


class Sender:
    """Sends one message after the other until it is told to stop; whatever the server says, it goes on."""

    def __init__(self, port, prefix):
        self.port, self.prefix, self.stopped = port, prefix, False
        self.acked, self.refused, self.in_hand = [], [], set()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        client, n = None, 0
        while not self.stopped:
            n += 1
            try:
                if client is None:
                    client = Client(self.port)
                    if not client.connect():
                        raise ConnectionError("nobody answers yet")
                before = len(client.refused)
                token = "%s%d" % (self.prefix, n)
                if client.send(token, ANNA, [BOB], 3000):
                    self.acked.append(token)
                for refused, reply in client.refused[before:]:
                    if IN_HAND_REPLY.match(reply):
                        self.in_hand.add(refused)
                    else:
                        self.refused.append(reply)
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


class Case:
    """A viaduct under load whose spool lies in a file system of its own, mounted by mount(1) with `arguments`."""

    def __init__(self, name, arguments, settings, prepare=None, in_hand=0):
        self.name, self.arguments, self.in_hand = name, arguments, in_hand
        self.folder = tempfile.mkdtemp(prefix="viaduct-full-")
        self.mount()
        self.listen, self.sinks = free_port(), {"host": Sink(), "branch": Sink()}
        self.spool = CrashSpool(self.sinks, os.path.join(self.folder, "spool"), listen=self.listen)
        with open(self.spool.conf) as f:
            text = f.read().replace('space = "1K"\ninodes = 0\n', settings)
        with open(self.spool.conf, "w") as f:
            f.write(text)
        if prepare is not None:
            prepare(self)
        self.start()
        self.sender = Sender(self.listen, name)

    def mount(self):
        subprocess.run(["mount", *self.arguments, self.folder], check=True)
        os.chmod(self.folder, 0o755)

    def start(self):
        log = open(self.spool.log_path, "ab")
        self.process = start_process(master(self.spool, "--foreground"), stdout=log, stderr=log, start_new_session=True)

    def flows(self, what):
        had = len(self.sender.acked)
        ok(wait_for(lambda: len(self.sender.acked) >= had + 20), "%s: %s" % (self.name, what))

    def refuses(self, what):
        ok(wait_for(lambda: any(r.startswith("452 4.3.1") for r in self.sender.refused)), "%s: 452 4.3.1 %s" % (self.name, what))
        time.sleep(1)
        others = {r for r in self.sender.refused if not r.startswith("452 4.3.1")}
        is_(others, set(), "%s: and nothing else is said to senders" % self.name)
        ok(len(self.sender.in_hand) <= self.in_hand, "%s: but to %d that were being written, no more than %d" % (
            self.name, len(self.sender.in_hand), self.in_hand))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        is_(self.process.wait(60), 0, "%s: it ends in order" % self.name)

    def settle(self, twice=0):
        """`twice`: so many may have come a second time, as that they had gone could not be written down."""
        self.sender.stop()
        ok(wait_for(lambda: not missing(self.spool, self.sender)), "%s: 0 lost: all that was answered with 250 arrives" % self.name)
        self.stop()
        items = [Item(token, [BOB]) for token in self.sender.acked]
        wrong = Oracle(self.spool).check(items, set(self.sender.acked), None)
        # What was refused while it was synced may lie there whole, where nothing could be removed any more.
        again = [line for line in wrong if line.startswith("came 2 times") or any(
            line == "unknown at the sink: %s to %s" % (token, BOB) for token in self.sender.in_hand)]
        ok(len(again) <= twice, "%s: %d came again, no more than %d" % (self.name, len(again), twice))
        is_([line for line in wrong if line not in again][:3], [], "%s: nothing left over, the books balance" % self.name)
        print("# %s: %d taken, %d refused" % (self.name, len(self.sender.acked), len(self.sender.refused)))

    def close(self):
        self.sender.stopped = True
        if self.process.poll() is None:
            end_group(self.process)
        if os.environ.get("VIADUCT_SAY"):
            print("".join("# " + line for line in self.spool.say_log(60).splitlines(True)))
        for sink in self.sinks.values():
            sink.close()
        subprocess.run(["umount", self.folder])
        os.rmdir(self.folder)
        shutil.rmtree(self.spool.top, ignore_errors=True)


def try_full(name, options, settings, fill):
    case = Case(name, ["-t", "tmpfs", "-o", options, "tmpfs"], settings)
    try:
        case.flows("mail flows while there is room")
        fill(case.folder)
        case.refuses("when there is none")
        empty(case.folder)
        case.flows("when there is room again mail is taken, without a restart")
        case.settle()
    finally:
        case.close()


def try_full_track():
    """Records go before moves: where only the tracking log cannot be written, who waits for an answer gets one."""
    def mount_track(case):
        track = case.spool.folder("TRACK")
        st = os.stat(track)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,uid=%d,gid=%d,mode=%o" % (st.st_uid, st.st_gid, st.st_mode & 0o7777),
                        "tmpfs", track], check=True)

    case = Case("track", ["-t", "tmpfs", "-o", "size=64m", "tmpfs"], 'space = "1K"\ninodes = 0\n', mount_track)
    try:
        case.flows("mail flows while records can be written")
        fill_bytes(case.spool.folder("TRACK"))
        case.refuses("when they cannot, though the spool has room")
        empty(case.spool.folder("TRACK"))
        case.flows("when they can be again mail is taken, without a restart")
        case.settle()
    finally:
        track = case.spool.folder("TRACK")
        case.sender.stopped = True
        if case.process.poll() is None:
            end_group(case.process)
        subprocess.run(["umount", track])
        case.close()


def is_read_only(folder):
    try:
        open(os.path.join(folder, "trial"), "w").close()
    except OSError as e:
        return e.errno == errno.EROFS
    return False


def try_read_only():
    image = tempfile.NamedTemporaryFile(prefix="viaduct-image-")
    image.truncate(64 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-O", "has_journal", image.name], check=True)
    loop = subprocess.run(["losetup", "-f", "--show", image.name], capture_output=True, text=True)
    trigger = "/sys/fs/ext4/%s/trigger_fs_error" % os.path.basename(loop.stdout.strip())
    if loop.returncode != 0:
        print("# read-only: not tried, there is no loop device")
        return
    case = None
    try:
        case = Case("read-only", ["-o", "errors=remount-ro", loop.stdout.strip()], 'space = "1K"\ninodes = 0\n', in_hand=1)
        case.flows("mail flows while the spool can be written to")
        with open(trigger, "w") as f:
            f.write("1")
        ok(is_read_only(case.folder), "read-only: nothing can be written any more")
        case.refuses("from then on")
        ok(re.search("read-only", case.spool.say_log(400)), "read-only: the log says what ails the spool")
        case.stop()
        subprocess.run(["umount", case.folder], check=True)
        ok(subprocess.run(["e2fsck", "-f", "-y", loop.stdout.strip()], capture_output=True).returncode < 4, "read-only: repaired")
        case.mount()
        case.start()
        case.flows("started again, mail is taken")
        case.settle(IN_HAND)
    finally:
        if case is not None:
            case.close()
        subprocess.run(["losetup", "-d", loop.stdout.strip()])


def missing(spool, sender):
    received = spool.received()
    return [t for t in sender.acked if received[(t, BOB)] < 1]


try_full("bytes", "size=8m", 'space = "1M"\ninodes = 0\n', fill_bytes)
try_full("inodes", "size=64m,nr_inodes=500", 'space = "1K"\ninodes = 100\n', fill_inodes)
try_full_track()
try_read_only()
done()
