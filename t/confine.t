#!/usr/bin/python3
"""Nobody has more rights than his row of flow.def: what the kernel says of each process, and every worker trying the rest.

t/confined.so is loaded into each real program and tries, when it is confined, some hundred bad acts: forty calls, and every way to
look into, change or fill each folder of the spool that its row does not name, as this test reads the row. None may succeed, as
root started and as a user started; then with kernels that have less to confine with, which `viaduct status` must tell. With
`sandbox = no` most do succeed, or this test could not fail.
"""
import os
import re
import shutil

from rig import (BUILD, NOBODY, ROOT, TOP, Sink, Viaduct, done, free_port, is_, like, message, note, ok, private_folder, send,
                 skip_all, until)
import rig

if not ROOT:
    skip_all("only root can start workers under users of their own")

# ---- the declaration, read by a second reader ----

with open(os.path.join(TOP, "spool-layout", "flow.def")) as f:
    text = f.read()
PROGRAMS = {m[0]: (m[1], m[2]) for m in re.findall(r'^WORKER\((\w+), "([^"]+)", (\w+),', text, re.M)}
FOLDERS = {m[0]: (m[1], m[2]) for m in re.findall(r'^FOLDER\((\w+), "([^"]+)", (\w+),', text, re.M)}
OTHERS = set(re.findall(r'^FOLDER\((\w+), "[^"]+", \w+, OTHER,', text, re.M)) # no messages
MOVES = re.findall(r"^MOVE\((\w+), (\w+), \w+, (\w+), (\w+)\)", text, re.M)
CONNECTORS = ("host", "branch", "groupwise", "tree")
TALKERS = ("inbound-gateway", "outbound-gateway")
TAKES = {"list", "read", "write", "cut", "unlink", "from"}
PUTS = {"read", "write", "cut", "create", "to"}
ALL = TAKES | PUTS


def split(instance):
    """Program, connector ("" for workers there is one of)."""
    for name, per in PROGRAMS.values():
        if per == "ONE" and instance == name:
            return name, ""
        if per != "ONE" and instance.startswith(name + "-"):
            return name, instance[len(name) + 1:]
    raise ValueError(instance)


def rights(instance, symbol, connector):
    """What a worker may do in a folder, by its row."""
    program, own = split(instance)
    worker = next(s for s, (name, _) in PROGRAMS.items() if name == program)
    may = {"CONTROL": {"list", "read"}, "BOOK": {"list", "read"}, "TRACK": {"read", "write", "cut", "create"}}.get(symbol, set())
    if program == "observer":
        may = may | {"list"} | ({"read"} if symbol in ("STATE", "COUNTERS") else {"unlink"} if symbol == "TRACK" else set())
    if program == "dirsync" and symbol in ("BOOK", "DIRSYNC"):
        may = may | ALL | {"mkdir"}
    if connector and own and connector != own:
        door = program == "inbound-gateway" and own == "host" and symbol == "MTS_IN" and connector == "branch"
        return may | (PUTS if door else set()) # the host's door lets in whoever a connector's `from` names
    if symbol == "CORRELATION" and program.endswith("-converter"): # what converters remember; one of them forgets
        may = may | {"list", "read", "write", "cut", "create"} | ({"unlink"} if program == "outbound-converter" else set())
    for name, taken, put, how in MOVES:
        if name == worker:
            may = may | (TAKES if taken == symbol else set()) | (PUTS if put == symbol else set())
            may = may | ({"create", "to"} if taken == symbol == "DROP" else set()) # puts back what took a file's place
    return may


# ---- a system with every kind of worker ----

host = Sink()
branch = Sink(keywords=("PIPELINING", "SIZE 60000000")) # no 8BITMIME: needs its converter
PEER = branch.port
gateway_root, boxes = private_folder(), private_folder()
os.chmod(boxes, 0o777)
for name in ("API_IN", "API_OUT", "ATT_IN", "ATT_OUT", "GWPROB", "GWHOLD"):
    os.mkdir(os.path.join(gateway_root, name))
    os.chmod(os.path.join(gateway_root, name), 0o777)
HEADER = """WPC-API= 1.2;\r\nHeader-Char= T50;\r\nMsg-Type= Mail;\r\nFrom=\r\n    WPD= Harbour;\r\n    WPPO= Quay;\r\n    WPU= lnowak; ;\r
To=\r\n    WPD= Exchange;\r\n    WPPO= HQ;\r\n    WPU= anna; ;\r\nSubject= hello;\r\nMsg-Id= 1.2.3;\r\n-END-\r\n"""


def configuration(more):
    port, metrics, door = free_port(), free_port(), free_port()
    return port, """admin-address = "postmaster@contoso.example"
metrics { listen = "127.0.0.1:%d" }
host { domains = { "contoso.example" } unknown = "pass" smtp { listen = { "127.0.0.1:%d" } } deliver { to = { "smtp://127.0.0.1:%d" } } }
connector "branch" {
    type = "smtp" listen = { "127.0.0.1:%d" } from = { "127.9.9.9" } peer { to = { "smtp://127.0.0.1:%d" } }
    address-space { type = "SMTP" pattern = "*@branch.example" }
}
connector "groupwise" {
    type = "gwise" peer { root = "%s" poll = "1s" }
    address-space { type = "SMTP" pattern = "*@gw.contoso.example" }
}
connector "tree" {
    type = "maildir" peer { to = { "maildir://%s" } }
    address-space { type = "SMTP" pattern = "*@tree.example" }
}
%s""" % (metrics, port, host.port, door, PEER, gateway_root, boxes, more)


def kernel_says(pid):
    with open("/proc/%s/status" % pid) as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


# ---- what the kernel says of each worker ----

port, conf = configuration("")
viaduct = Viaduct(conf).start()
send(port, "anna@contoso.example", "bob@branch.example", message())
branch.one()
_, workers = viaduct.master()
INSTANCES = sorted(workers)
is_(sorted({split(i)[0] for i in INSTANCES}), sorted(name for name, _ in PROGRAMS.values() if name != "command"),
    "a running instance has every kind of worker: %d processes" % len(INSTANCES))
for instance in INSTANCES:
    viaduct.wait_log("by=%s .*say=\"?started" % instance.replace("-", "[-/]"))


def groups_of(instance):
    """The groups that its row gives it: those of folders it puts into; of drop's files; of all it counts names in."""
    found = set()
    for symbol, (path, per) in FOLDERS.items():
        for connector in CONNECTORS if "%s" in path else ("",):
            at = os.path.join(viaduct.spool, path % connector if connector else path)
            puts = "create" in rights(instance, symbol, connector) or instance == "observer" or (symbol == "DROP" and instance == "pickup")
            if puts and os.path.isdir(at):
                found.add(os.stat(at).st_gid)
    return found


wrong, uids, n_threads = [], {}, 0
allowed = re.compile(r"^(/dev/null|socket:|pipe:|anon_inode:|/memfd:viaduct.conf|%s(/|$))" % re.escape(viaduct.spool))
for name, worker in sorted(workers.items()):
    for thread in os.listdir("/proc/%s/task" % worker["pid"]):
        said = kernel_says("%s/task/%s" % (worker["pid"], thread))
        n_threads += 1
        if len(set(said["Uid"].split())) != 1 or len(set(said["Gid"].split())) != 1 or {"0"} & set((said["Uid"] + "\t" + said["Gid"]).split()):
            wrong.append("%s: Uid %s, Gid %s" % (name, said["Uid"], said["Gid"]))
        for field in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            if int(said[field], 16) != 0:
                wrong.append("%s: %s %s" % (name, field, said[field]))
        if said["NoNewPrivs"] != "1" or said["Seccomp"] != "2":
            wrong.append("%s: NoNewPrivs %s, Seccomp %s" % (name, said["NoNewPrivs"], said["Seccomp"]))
        extra = {int(g) for g in said["Groups"].split()} - groups_of(name) - {int(said["Gid"].split()[0])}
        if extra:
            wrong.append("%s: groups %s that its row does not need" % (name, extra))
    if os.stat("/proc/%s/status" % worker["pid"]).st_uid != 0:
        wrong.append("%s: others of its user can look into it, and it leaves a core file" % name)
    uids.setdefault(said["Uid"].split()[0], []).append(name)
    sockets = 0
    for fd in os.listdir("/proc/%s/fd" % worker["pid"]):
        try:
            target = os.readlink("/proc/%s/fd/%s" % (worker["pid"], fd))
        except FileNotFoundError:
            continue
        if not allowed.match(target) and not target.startswith(gateway_root if "groupwise" in name else boxes if "tree" in name else "\0"):
            wrong.append("%s: descriptor of %s" % (name, target))
        if target.startswith(viaduct.spool + "/"):
            inside = target[len(viaduct.spool) + 1:]
            symbol, connector = next(((s, c) for s, (p, _) in FOLDERS.items() for c in CONNECTORS
                                      if (inside + "/").startswith((p % c if "%s" in p else p) + "/")), ("?", ""))
            own = any(inside.startswith("%s/%s.0" % (f, name)) for f in ("Temp", "state", "counters", "track"))
            folder = symbol in ("COUNTERS", "TRACK", "STATE") and inside == FOLDERS[symbol][0]
            if not (own or folder or rights(name, symbol, connector if "%s" in FOLDERS[symbol][0] else "")):
                wrong.append("%s: descriptor of %s" % (name, inside))
        sockets += target.startswith("socket:")
    if sockets and split(name)[0] not in TALKERS + ("observer",):
        wrong.append("%s: a socket" % name)
is_(wrong, [], "none of %d processes (%d threads) is root, in a group beyond its row, or has a capability; all have no new privileges "
    "and a filter of calls, leave no core files, and hold no descriptor beyond their rows" % (len(workers), n_threads))
ok(all(len(names) == 1 for names in uids.values()), "each has a user of its own")
like(viaduct.command("connector", "show", "branch")[1], "confined: uid.*seccomp", "connector show tells operators so")
ok("confined in part" not in viaduct.command("status")[1], "and status has nothing to tell")
is_(viaduct.restarts(), 0, "no worker died")
viaduct.stop()

# ---- workers that were taken over ----

so = os.path.join(BUILD, "t", "confined.so")
SCRIPT = """#!/bin/sh
export ASAN_OPTIONS="$ASAN_OPTIONS:verify_asan_link_order=0"
VIADUCT_ACTS=%s/acts LD_PRELOAD=%s/confined.so exec %s/real/$(basename "$0") "$@"
"""


def traitors():
    """A folder of programs in which each worker tries; the master takes its workers from there."""
    folder = private_folder()
    os.mkdir(os.path.join(folder, "real"))
    shutil.copy(so, folder)
    for name in os.listdir(BUILD):
        path = os.path.join(BUILD, name)
        if not name.startswith("viaduct-") or not os.access(path, os.X_OK) or not os.path.isfile(path):
            continue
        shutil.copy(path, os.path.join(folder, "real", name))
        if name == "viaduct-master":
            shutil.copy(path, folder)
        else:
            with open(os.path.join(folder, name), "w") as f:
                f.write(SCRIPT % (folder, folder, folder))
            os.chmod(os.path.join(folder, name), 0o755)
    return folder


def places(spool):
    """Every folder of the spool: symbol, connector, path; Temp and control by their sub-folders."""
    for symbol, (path, per) in FOLDERS.items():
        for connector in CONNECTORS if "%s" in path else ("",):
            at = os.path.join(spool, path % connector if connector else path)
            yield symbol, connector, at
            if symbol in ("TEMP", "CONTROL"):
                for name in sorted(os.listdir(at)):
                    if name[0] != "." and (symbol == "CONTROL" or name.endswith(".0")):
                        yield symbol, "", os.path.join(at, name)


def place_acts(spool, instance):
    """Lines of acts, those that its row forbids; those that destroy come last."""
    first, last = [], []
    own = os.path.join(spool, "Temp", instance + ".0")
    for symbol, connector, at in places(spool):
        if at == own:
            continue
        may = rights(instance, symbol, connector) if symbol != "TEMP" else {"list"} if instance == "observer" else set()
        victim, mine = at + "/.victim", own + "/.mine"
        wanted = [("list", "list", at), ("read", "read", victim), ("write", "write", victim), ("create", "create", at + "/.evil"),
                  ("mkdir", "mkdir", at + "/.evil-dir"), ("-", "symlink", "/etc/passwd", at + "/.evil-link"),
                  ("-", "fifo", at + "/.evil-fifo"), ("-", "chmod", victim), ("-", "chown", victim),
                  ("to", "rename", mine, at + "/.evil-put")]
        if split(instance)[0] not in TALKERS or "to" not in may: # carriers may link where they may put
            wanted.append(("-", "link", mine, at + "/.evil-second"))
        first += ["\t".join(w[1:]) for w in wanted if w[0] not in may]
        destroy = [("from", "rename", victim, own + "/.stolen"), ("-", "truncate", victim), ("cut", "cut", victim),
                   ("unlink", "unlink", victim)]
        last += ["\t".join(w[1:]) for w in destroy if w[0] not in may]
    for path in (spool, "/", "/etc", "/root", "/tmp", spool + "/..") + tuple(
            p for p, who in ((gateway_root + "/API_IN", "groupwise"), (boxes, "tree")) if not instance.endswith("gateway-" + who)):
        first += ["list\t" + path] * (path != spool or instance != "observer") + ["create\t%s/.viaduct-evil" % path, "mkdir\t%s/.viaduct-evil-dir" % path]
    first += ["read\t/etc/shadow", "read\t/etc/passwd", "read\t/proc/1/environ", "read\t%s/../viaduct.conf" % spool,
              "create\t/dev/shm/.viaduct-evil", "exec\t/bin/true", "exec\t/bin/sh", "device\t%s/.evil-device" % own,
              "symlink\t/etc/passwd\t%s/.evil-link" % own, "fifo\t%s/.evil-fifo" % own, "mkdir\t%s/.evil-dir" % own,
              "rename\t%s/.mine\t/tmp/.viaduct-evil-put" % own, "link\t/etc/passwd\t%s/.evil-second" % own]
    if instance == "dirsync":
        first.remove("mkdir\t%s/.evil-dir" % own)
    return first + last


def put_victims(spool, user):
    for symbol, _, at in places(spool):
        for name in (".victim",) + ((".mine",) if symbol == "TEMP" and at.endswith(".0") else ()):
            path, st = os.path.join(at, name), os.stat(at)
            with open(path, "w") as f:
                f.write("secret")
            os.chown(path, st.st_uid, NOBODY if user else os.stat(os.path.join(spool, "counters")).st_gid)
            os.chmod(path, 0o640 if symbol in OTHERS else 0o660)


def harmed(spool):
    return [at for _, _, at in places(spool) if not os.path.exists(at + "/.victim") or os.path.getsize(at + "/.victim") != 6]


folder = traitors()


def try_all(user, kernel="", sandbox=True):
    """Starts it with all workers taken over; a message and an item set off the converters' children.

    Returns what came of each act by instance, the victims that were touched although nobody had a right, and what status says."""
    global branch
    port, conf = configuration("privileges { sandbox = %s }\n" % ("yes" if sandbox else "no"))
    v = Viaduct(conf, user=user)
    v.start()
    for instance in INSTANCES:
        v.wait_log("by=%s .*say=\"?started" % instance.replace("-", "[-/]"))
    v.stop()
    put_victims(v.spool, user)
    for instance in INSTANCES:
        with open(os.path.join(folder, "acts." + instance), "w") as f:
            f.write(kernel + "\n".join(place_acts(v.spool, instance)) + "\n")
    old, rig.BUILD = rig.BUILD, folder
    v.start()
    rig.BUILD = old
    for instance in INSTANCES:
        v.wait_log(r"^tried %s\t" % instance)
    subject = "act %d" % len(branch.mails)
    item = os.path.join(gateway_root, "API_OUT", "A.API")
    with open(item + "x", "w") as f:
        f.write(HEADER)
    os.chmod(item + "x", 0o666)
    os.rename(item + "x", item)
    send(port, "anna@contoso.example", "bob@branch.example",
         message(subject=subject) + "Grüße\r\n".encode() if isinstance(message(), bytes) else message(subject=subject) + "Gr\u00fc\u00dfe\r\n")
    passed = branch.wait(1, lambda m: m.header("Subject") == subject)
    v.wait_log(r"^tried outbound-converter-branch\+child\t")
    v.wait_log(r"^tried inbound-converter-groupwise\+child\t")
    found = {}
    for line in list(v.lines):
        act = re.match(r"act (\S+)\t(.*)\t(.*)$", line)
        if act:
            found.setdefault(act.group(1), {})[act.group(2)] = act.group(3)
    status = v.command("status")[1]
    left = harmed(v.spool)
    is_(v.restarts(), 0, "no worker died of it")
    v.stop()
    for at in (gateway_root + "/API_IN", gateway_root + "/API_OUT"):
        for name in os.listdir(at):
            os.unlink(os.path.join(at, name))
    return found, passed, status, v.spool, left


def succeeded(found, spool):
    """`instance: act` of all that succeeded beyond what carriers are for, without the spool's path."""
    carriers = {"socket", "udp-socket", "unix-socket", "connect"}
    return sorted("%s: %s" % (i, what.replace(spool, "")) for i, acts in found.items() for what, r in acts.items()
                  if r == "SUCCEEDED" and not (what in carriers and split(i.replace("+child", ""))[0] in TALKERS))


REFUSALS = ("SUCCEEDED", "Permission denied", "Operation not permitted", "Invalid cross-device link")
for user in (False, True):
    how = "started as a user" if user else "started as root"
    found, passed, status, spool, left = try_all(user)
    n = sum(len(a) for a in found.values())
    least = min(len(a) for a in found.values())
    ok(len(found) == len(INSTANCES) + 2 and least >= 150, "%s: %d workers and converters' children try %d bad acts, %d at least" %
       (how, len(found), n, least))
    is_(succeeded(found, spool), [], "%s: none succeeds" % how)
    ok(passed, "%s: and what their rows allow still goes on" % how)
    odd = sorted({"%s: %s: %s" % (i, what.replace(spool, ""), r) for i, acts in found.items() for what, r in acts.items()
                  if r not in REFUSALS})
    is_(odd, [], "%s: each is refused for want of rights, not because it was tried badly" % how)
    is_(left, [], "%s: no file that was not theirs was touched" % how)
    ok("confined in part" not in status, "%s: status has nothing to tell" % how)

# ---- kernels that have less ----

for version, words in ((4, "devices, signals"), (2, "truncation, TCP, devices, signals")):
    found, passed, status, spool, left = try_all(True, "landlock %d\n" % version)
    is_(succeeded(found, spool), [], "Landlock of version %d: none succeeds, seccomp stands in" % version)
    like(status, r"confined in part\n  pickup and %d more: without Landlock's rules on %s$" % (len(INSTANCES) - 1, words),
         "and status says what it lacks")
calls_of = set(re.findall(r'^    \{"([a-z-]+)", \w+\},$', open(os.path.join(TOP, "t", "confined-so.c")).read(), re.M))
found, passed, status, spool, left = try_all(True, "landlock 0\n")
own = [s for s in succeeded(found, spool) if s.split(": ")[1] in calls_of - {"read-own-program"}]
is_(own, [], "without Landlock, as a user: none of %d calls succeeds, though files are open to all" % len(calls_of))
ok(passed, "and mail flows")
like(status, r"confined in part\n  pickup and %d more: without Landlock \(Function not implemented\)$" % (len(INSTANCES) - 1),
     "and status says so")
found, passed, status, spool, left = try_all(False, "landlock 0\n")
like(status, r"confined in part\n  pickup and %d more: without Landlock" % (len(INSTANCES) - 1), "started as root: status says so")


def in_a_strangers_folder(act):
    """Whether it is about a message folder or a lane that the worker's row does not name. drop is anybody's."""
    instance, what = act.split(": ", 1)
    for symbol, connector, at in places(spool):
        foreign = symbol == "TEMP" and at.endswith(".0") and not at.endswith("/%s.0" % instance.replace("+child", ""))
        if symbol not in OTHERS and symbol != "DROP":
            foreign = not rights(instance.replace("+child", ""), symbol, connector)
        if foreign and re.search(re.escape(at[len(spool):]) + "(/|$)", what):
            return True
    return False


# the observer is in the group of every folder, since it counts names: only Landlock keeps it to that
own = [s for s in succeeded(found, spool) if not s.startswith("observer: ")]
is_([s for s in own if in_a_strangers_folder(s)], [], "without Landlock, as root: users and groups keep workers out of folders not theirs")
is_([s for s in own if s.split(": ")[1] in calls_of - {"read-own-program"}], [], "and none of the calls succeeds")
found, passed, status, spool, left = try_all(True, "seccomp none\n")
FILES = ("list", "read", "write", "cut", "create", "mkdir", "unlink", "rename", "symlink", "fifo", "exec")
is_([s for s in succeeded(found, spool) if s.split(": ")[1].split(" ")[0] in FILES], [],
    "without seccomp, as a user: no file is read, written, made, moved, removed or run")
like(status, r"confined in part\n  pickup and %d more: without seccomp \(Invalid argument\)$" % (len(INSTANCES) - 1), "and status says so")

# ---- none of this would be refused anyway ----

found, passed, status, spool, left = try_all(True, sandbox=False)
like(status, r"confined in part\n  pickup and %d more: without Landlock, seccomp \(sandbox = no\)$" % (len(INSTANCES) - 1),
     "a sandbox that the configuration takes away is told of too")


def kind(what):
    """An act without the names of lanes and connectors."""
    what = what.replace(spool, "").replace(gateway_root, "GATEWAY").replace(boxes, "BOXES")
    return re.sub(r"/Temp/[\w-]+\.0|/(mailbox|control)/[\w-]+", lambda m: "/LANE" if "Temp" in m.group(0) else "/" + m.group(1) + "/*", what)


kinds, done_kinds = set(), set()
for acts in found.values():
    for what, r in acts.items():
        kinds.add(kind(what))
        done_kinds |= {kind(what)} if r == "SUCCEEDED" else set()
# what takes root, whoever tries; root's workers are other users, so nobody here can show it succeed
ROOTS = {"mount", "chroot", "setgroups", "bpf", "set-the-clock", "read /etc/shadow", "read /proc/1/environ", "list /root",
         "link /etc/passwd /LANE/.evil-second", "device /LANE/.evil-device"} | {
    "%s%s/.viaduct-evil%s" % (op, at, end) for op, end in (("create ", ""), ("mkdir ", "-dir")) for at in ("/", "/etc", "/root")}
is_(sorted(kinds - done_kinds - ROOTS), [], "without a sandbox all but root's of the %d kinds of acts succeed: the tests can fail" % len(kinds))
for path in ("/tmp/.viaduct-evil", "/dev/shm/.viaduct-evil", "/tmp/.viaduct-evil-put"):
    if os.path.exists(path):
        os.unlink(path)
done()
