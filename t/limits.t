#!/usr/bin/python3
"""What a machine may be short of: notifications, descriptors, processes, memory, programs. Nothing is lost, the rest goes on, all recovers.

Descriptors, processes and notifications are taken away by limits of the kernel; where control groups cannot be had, that part is skipped.
"""
import ctypes
import os
import re
import shutil
import signal

from rig import (BUILD, NOBODY, ROOT, Sink, Viaduct, done, is_, like, message, note, ok, private_folder, send, smtp_pair,
                 until)
import rig

A, B = "anna@contoso.example", "bob@branch.example"
host, branch = Sink(), Sink()


def drop(viaduct, n, word):
    """That many files at once: written elsewhere, then renamed in."""
    beside = os.path.join(viaduct.spool, "drop", ".beside")
    os.makedirs(beside, exist_ok=True)
    for i in range(n):
        with open("%s/%d" % (beside, i), "w") as f:
            f.write("X-Sender: <%s>\nX-Receiver: <%s>\nSubject: %s %d\n\nx\n" % (A, B, word, i))
    for i in range(n):
        os.rename("%s/%d" % (beside, i), os.path.join(viaduct.spool, "drop", "%s%d" % (word, i)))
    os.rmdir(beside)


def each_once(word, n, name, seconds=None):
    def subjects():
        return [m.header("Subject") for m in list(branch.mails) if m.header("Subject").startswith(word + " ")]
    until(lambda: len(subjects()) >= n, "%d mails come" % n, seconds)
    got = subjects()
    is_((len(got), len(set(got))), (n, n), name)


# ---- more events than the kernel keeps ----

MANY = 20000
with open("/proc/sys/fs/inotify/max_queued_events") as f:
    queue = int(f.read())
away = Sink()
away.close()
port, _, conf = smtp_pair(host, away)
viaduct = Viaduct(conf).start()
pickup = int(viaduct.master()[1]["pickup"]["pid"])
viaduct.wait_log("by=pickup .*started")
os.kill(pickup, signal.SIGSTOP)
drop(viaduct, MANY, "many")
os.kill(pickup, signal.SIGCONT)
if MANY > queue:
    viaduct.wait_log("too many events at once", seconds=60, name="%d files while pickup stands still: more than the kernel keeps" % MANY)
until(lambda: sum(len(viaduct.names("mailbox/branch/" + f)) for f in ("MTS-OUT", "Deferred")) >= MANY, "they go their way", 120)
is_(viaduct.restarts(), 0, "no worker died")
viaduct.stop()
left = [m for m in viaduct.mail_left() if not m.startswith("mailbox/branch/")]
stems = {os.path.basename(m).split("@")[0] for m in viaduct.mail_left()}
is_((left, len(stems), len(viaduct.mail_left())), ([], MANY, MANY), "all %d are processed, each once" % MANY)

# ---- a worker that cannot be run ----

folder = private_folder()
for name in os.listdir(BUILD):
    path = os.path.join(BUILD, name)
    if name.startswith("viaduct-") and os.path.isfile(path) and os.access(path, os.X_OK):
        shutil.copy(path, folder)
port, _, conf = smtp_pair(host, branch)
viaduct = Viaduct(conf)
os.unlink(os.path.join(folder, "viaduct-bouncer"))
old, rig.BUILD = rig.BUILD, folder
viaduct.start()
rig.BUILD = old
viaduct.wait_log(r"bouncer could not be run .*starting it again in [48] seconds")
waits = [int(w) for w in re.findall(r"bouncer could not be run[^\n]*starting it again in (\d+) seconds", viaduct.log())]
ok(all(w >= 1 for w in waits) and "bouncer could not be run (see the line before); starting it again at once" not in viaduct.log(),
   "a program that is not there is started again after a second at the earliest: %s" % waits)
ok(waits == sorted(waits) and waits[-1] >= 4, "and then more and more rarely")
like(viaduct.log(), "cannot run .*viaduct-bouncer: No such file", "the log says what is missing")
ok(send(port, A, B, message(subject="others 0")).startswith("250"), "mail is taken meanwhile")
each_once("others", 1, "and delivered: the others are not affected")
others = sum(int(w["restarts"]) for name, w in viaduct.master()[1].items() if name != "bouncer")
is_(others, 0, "none of them was restarted")
shutil.copy(os.path.join(BUILD, "viaduct-bouncer"), folder)
viaduct.wait_log("by=bouncer .*started", name="when the program is there it is started")
viaduct.stop()

# ---- no notifications at all ----


def hold_instances():
    """As NOBODY: takes all instances there are for that user; the descriptors are its own."""
    libc = ctypes.CDLL(None)
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read_end)
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        n = 0
        while libc.inotify_init() >= 0:
            n += 1
        os.write(write_end, b"%d" % n)
        os.close(write_end)
        signal.pause()
    os.close(write_end)
    n = int(os.read(read_end, 20))
    os.close(read_end)
    return pid, n


if ROOT:
    port, _, conf = smtp_pair(host, branch)
    blind = Viaduct(conf, user=True)
    holder, n = hold_instances()
    try:
        blind.start()
        lines = blind.wait_log(r"no inotify \(Too many open files\)", 5)
        ok(len(lines) >= 5, "with all %d instances taken, workers say that they have none" % n)
        for i in range(200):
            send(port, A, B, message(subject="blind %d" % i))
        drop(blind, 100, "dropped")
        for name in os.listdir(os.path.join(blind.spool, "drop")):
            os.chown(os.path.join(blind.spool, "drop", name), NOBODY, NOBODY)
        each_once("blind", 200, "mail flows all the same: folders are looked at", 60)
        each_once("dropped", 100, "dropped files too", 60)
        blind.wait_empty("nothing is left on the road")
        is_(blind.restarts(), 0, "no worker died")
        blind.stop()
    finally:
        os.kill(holder, signal.SIGKILL)
        os.waitpid(holder, 0)

# ---- few descriptors, few processes ----


def offered(word, n):
    """Offers mail again and again; the numbers of those that were taken."""
    taken = []
    for i in range(n):
        try:
            if send(port, A, B, message(subject="%s %d" % (word, i))).startswith("250"):
                taken.append(i)
        except (OSError, AssertionError, EOFError):
            pass
    return taken


for limit, some in ((64, True), (32, False)):
    port, _, conf = smtp_pair(host, branch)
    few = Viaduct(conf).start(under=("prlimit", "--nofile=%d:%d" % (limit, limit)), ready=some)
    taken = offered("few%d" % limit, 20)
    ok(taken or not some, "%d descriptors for each: %d of 20 mails are taken" % (limit, len(taken)))
    few.stop()
    few.start()
    each_once("few%d" % limit, len(taken), "and delivered, at the latest when there are more descriptors")
    ok(len(offered("enough%d" % limit, 1)) == 1, "then all goes on")
    each_once("enough%d" % limit, 1, "as before")
    few.stop()

group = "/sys/fs/cgroup/pids/viaduct-t-%d" % os.getpid()
try:
    os.mkdir(group)
except OSError as e:
    ok(True, "few processes # SKIP no control group can be made: %s" % e)
else:
    def allow(n):
        with open(group + "/pids.max", "w") as f:
            f.write(str(n))
    allow(24)
    port, _, conf = smtp_pair(host, branch)
    few = Viaduct(conf).start(under=("sh", "-c", "echo $$ >%s/cgroup.procs; exec \"$@\"" % group, "sh"))
    taken = offered("tasks", 5)
    note("%d of 5 taken" % len(taken))
    drop(few, 10, "waits")
    until(lambda: few.restarts() > 3 or "cannot start" in few.log(), "what there are too few processes for is started again")
    allow("max")
    until(lambda: offered("free", 1), "when there are enough, mail is taken", 90)
    each_once("waits", 10, "what was dropped meanwhile comes", 90)
    each_once("tasks", len(taken), "24 processes and threads: all that was taken before comes, each once", 90)
    until(lambda: all(w["state"] == "running" for w in few.master()[1].values()), "all workers run again", 90)
    few.stop()
    os.rmdir(group)
done()
