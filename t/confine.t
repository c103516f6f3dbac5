#!/usr/bin/python3
"""Nobody has more rights than his row of flow.def: what the kernel says of each worker, and a worker that tries the rest.

t/confined stands in cleanup's place and tries more than fifty bad acts. As root started and as a user started none may succeed; with
`sandbox = no` many do, or this test could not fail.
"""
import os
import re
import shutil

from rig import (BUILD, NOBODY, ROOT, Sink, Viaduct, done, is_, message, note, ok, private_folder, program, send, skip_all,
                 smtp_pair, until)
import rig

if not ROOT:
    skip_all("only root can start workers under users of their own")

# ---- what the kernel says of each worker ----

host, branch = Sink(), Sink()
port, from_branch, conf = smtp_pair(host, branch)
viaduct = Viaduct(conf).start()
send(port, "anna@contoso.example", "bob@branch.example", message())
branch.one()


def kernel_says(pid):
    with open("/proc/%s/status" % pid) as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


_, workers = viaduct.master()
ok(len(workers) >= 10, "a running instance has its workers: %d" % len(workers))
wrong, uids = [], {}
for name, worker in sorted(workers.items()):
    said = kernel_says(worker["pid"])
    if set(said["Uid"].split()) & {"0"} or len(set(said["Uid"].split())) != 1 or set(said["Gid"].split()) & {"0"} or "0" in said["Groups"].split():
        wrong.append("%s: Uid %s, Gid %s, Groups %s" % (name, said["Uid"], said["Gid"], said["Groups"]))
    for field in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        if int(said[field], 16) != 0:
            wrong.append("%s: %s %s" % (name, field, said[field]))
    if said["NoNewPrivs"] != "1" or said["Seccomp"] != "2":
        wrong.append("%s: NoNewPrivs %s, Seccomp %s" % (name, said["NoNewPrivs"], said["Seccomp"]))
    uids.setdefault(said["Uid"].split()[0], []).append(name)
ok(not wrong, "no worker is root or in its group, none has a capability, all have no new privileges and a filter of calls")
note("\n".join(wrong))
ok(all(len(names) == 1 for names in uids.values()), "each has a user of its own")
allowed = re.compile(r"^(/dev/null|socket:|pipe:|anon_inode:|/memfd:|%s/|%s/log)" % (re.escape(viaduct.spool), re.escape(viaduct.top)))
open_files = []
for name, worker in workers.items():
    for fd in os.listdir("/proc/%s/fd" % worker["pid"]):
        try:
            target = os.readlink("/proc/%s/fd/%s" % (worker["pid"], fd))
        except FileNotFoundError:
            continue
        if not allowed.match(target) and target != viaduct.spool:
            open_files.append("%s: %s" % (name, target))
ok(not open_files, "none holds a file outside the spool")
note("\n".join(open_files))
shown = viaduct.command("connector", "show", "branch")[1]
ok("confined: uid" in shown and "seccomp" in shown, "connector show tells operators so")
is_(viaduct.restarts(), 0, "no worker died")
viaduct.stop()

# ---- a worker that was taken over ----

confined = program("t/confined")


def programs_with_traitor():
    """A folder of programs in which cleanup is the one that tries."""
    folder = private_folder()
    for name in os.listdir(BUILD):
        if name.startswith("viaduct-") and os.access(os.path.join(BUILD, name), os.X_OK) and os.path.isfile(os.path.join(BUILD, name)):
            shutil.copy(confined if name == "viaduct-cleanup" else os.path.join(BUILD, name), os.path.join(folder, name))
    return folder


def acts(user, sandbox):
    """Starts it, sends one message; what came of each act, and whether the message went its way."""
    port, _, conf = smtp_pair(host, branch, "privileges { sandbox = %s }\n" % ("yes" if sandbox else "no"))
    viaduct = Viaduct(conf, user=user)
    old, rig.BUILD = rig.BUILD, folder
    viaduct.start()
    rig.BUILD = old
    victim = os.path.join(viaduct.spool, "mailbox", "branch", "MTS-OUT", "victim")
    until(lambda: os.path.isdir(os.path.dirname(victim)), "the tree is made")
    viaduct.wait_log("by=outbound-gateway/branch .*started")
    with open(victim, "w") as f:
        f.write("secret")
    os.chmod(victim, 0o600)
    if user:
        os.chown(victim, NOBODY, NOBODY)
    subject = "set off %s %s" % (user, sandbox)
    send(port, "anna@contoso.example", "bob@branch.example", message(subject=subject))
    viaduct.wait_log("acts tried: ")
    passed = branch.wait(1, lambda m: m.header("Subject") == subject) if sandbox else []
    found = {}
    for line in viaduct.lines:
        act = re.search(r'say="act ([\w-]+): (.*?)"', line)
        if act:
            found[act.group(1)] = act.group(2)
    untouched = os.path.exists(victim) and os.path.getsize(victim) == 6
    viaduct.stop()
    return found, passed, untouched


folder = programs_with_traitor()
for user in (False, True):
    how = "started as a user" if user else "started as root"
    found, passed, untouched = acts(user, True)
    ok(len(found) >= 50, "%s: a worker that was taken over tries %d bad acts" % (how, len(found)))
    succeeded = sorted(name for name, what in found.items() if what == "SUCCEEDED")
    # what only a user of its own prevents: Landlock has no word for modes, and names in Temp may be listed (no more than names)
    own = {"chmod-anothers-folder", "list-anothers-temp"} if user else set()
    is_(sorted(set(succeeded) - own), [], "%s: none succeeds" % how)
    ok(untouched, "%s: another's mail is untouched" % how)
    ok(passed, "%s: and what its row allows still goes on" % how)
    odd = {name: what for name, what in found.items()
           if what not in ("SUCCEEDED", "Permission denied", "Operation not permitted", "Invalid cross-device link")}
    ok(not odd, "%s: each is refused for want of rights, not because it was tried badly" % how)
    note("\n".join("%s: %s" % pair for pair in sorted(odd.items())))
found, _, _ = acts(True, False)
succeeded = [name for name, what in found.items() if what == "SUCCEEDED"]
ok(len(succeeded) >= 15, "without the sandbox a user's worker could do %d of them: the test can fail" % len(succeeded))
for path in ("/tmp/viaduct-confined", "/dev/shm/viaduct-confined", "/tmp/viaduct-evil"):
    if os.path.exists(path):
        os.unlink(path)
done()
