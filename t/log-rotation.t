#!/usr/bin/python3
"""A log file that is moved away is begun anew by a reload, another target is taken over, and a refused reload leaves no line out."""
import os
import re

from rig import Sink, Viaduct, done, is_, like, message, ok, send, smtp_pair, until

A, B = "anna@contoso.example", "bob@branch.example"
host, branch = Sink(), Sink()
port, from_branch, conf = smtp_pair(host, branch)
LOG = 'log { target = "{top}/%s" level = "%s" format = "%s" }\n'
viaduct = Viaduct(conf + LOG % ("log", "medium", "text"))


def path(name):
    return os.path.join(viaduct.top, name)


def lines(name, *words):
    """Those of a file that have all the words."""
    try:
        with open(path(name)) as f:
            return [line for line in f if all(re.search(w, line) for w in words)]
    except FileNotFoundError:
        return []


def post(subject):
    """A message, and the id that the log knows it by, once it has arrived."""
    while True:
        answer = send(port, A, B, message(A, B, subject))
        if not answer.startswith("421"):
            break
    branch.one(lambda m: m.header("Subject") == subject, what=subject)
    return re.search(r"[0-9A-V]{26}", answer).group(0)


def stands_in(name, ident):
    return until(lambda: lines(name, ident, "by=cleanup|\"cleanup\"") and lines(name, ident, "outbound-gateway/branch"), "%s in %s" % (ident, name))


viaduct.start()
first = post("first")
ok(stands_in("log", first), "the log is in its file: workers")
ok(lines("log", "by=master", "starts on"), "and master")

os.rename(path("log"), path("log.1"))
second = post("second")
ok(stands_in("log.1", second), "moved away, it is written to on: nothing is lost meanwhile")
is_(viaduct.command("reload")[0], 0, "a reload")
ok(lines("log", "by=master", "reloaded: generation 2"), "begins it anew: the master's lines")
until(lambda: lines("log", "by=cleanup", "say=\"?started"), "new workers")
third = post("third")
ok(stands_in("log", third), "and the workers'")
is_(lines("log.1", third), [], "none of them stands in the old one")
is_(lines("log", first) + lines("log", second), [], "nor the other way round")
is_(os.stat(path("log")).st_mode & 0o777, 0o640, "not everybody may read it")

# ---- another target, level and form ----

viaduct.write(conf + LOG % ("other", "medium", "json"))
is_(viaduct.command("reload")[0], 0, "a reload with another target")
like("".join(lines("other", "reloaded")), r'^\{.*"by": ?"master"', "is taken over by the master, form and all")
fourth = post("fourth")
ok(stands_in("other", fourth), "and by workers")
is_(lines("log", fourth), [], "nothing of it stands in the one before")

# ---- a refused reload ----

os.rename(path("other"), path("other.1"))
viaduct.write(conf.replace("cost = 1", "cost = x") + LOG % ("third", "medium", "text"))
is_(viaduct.command("reload")[0], 3, "a configuration with a mistake")
viaduct.process.send_signal(1)
until(lambda: lines("other", "reload refused.*cost"), "the master says so in the file of the old one, begun anew")
ok(not os.path.exists(path("third")), "and makes none of the new one")
fifth = post("fifth")
ok(stands_in("other.1", fifth), "workers, who stay, stay with their file")
is_(viaduct.stop(), 0, "it stops in order")
ok(lines("other", "viaduct has stopped"), "and the last line is where it belongs")

# ---- back to stderr ----

viaduct.write(conf + LOG % ("log", "medium", "text"))
viaduct.start()
viaduct.write(conf)
is_(viaduct.command("reload")[0], 0, "a reload without a target")
viaduct.wait_log("reloaded: generation 2", name="the log is on stderr again, as it was when the master was started")
viaduct.stop()
done()
