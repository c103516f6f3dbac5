#!/usr/bin/python3
"""The book that dirsync builds of files: a file that changes is published while all goes on, and running workers take it; one with
mistakes changes nothing, and is told of."""
import os
import time

from rig import Sink, Viaduct, done, is_, like, message, ok, rcpt, send, smtp_pair, until

A, B = "anna@contoso.example", "bob@branch.example"
host, branch = Sink(), Sink()
port, from_branch, conf = smtp_pair(host, branch, 'book { source = { "{top}/people.csv", "{top}/more.csv" } check = "1s" }\n', unknown="refuse")
viaduct = Viaduct(conf)
HEAD = "display,primary,proxies,side\n"


written = 0


def source(name, text):
    """Replaced at once, as an administrator's script should; None: there is none any more."""
    path = os.path.join(viaduct.top, name)
    if text is None:
        os.unlink(path)
        return
    with open(path + ".new", "w") as f:
        f.write(HEAD + text)
    global written
    written += 1
    os.utime(path + ".new", (written, written)) # not written a moment ago
    os.rename(path + ".new", path)


def people(*names, bob="bob@contoso.example"):
    return "".join("%s,SMTP:%s@contoso.example,,host\n" % (n, n) for n in names) + "Bob,SMTP:%s,SMTP:%s,branch\n" % (B, bob)


def known(*names):
    """Which of these a system may write to."""
    return [n for n in names if rcpt(from_branch, B, n + "@contoso.example").startswith("250")]


def published():
    return len([line for line in viaduct.lines if "a new generation of the book is published" in line])


ALL = ("anna", "carl", "dora", "eve")
source("people.csv", people("anna"))
source("more.csv", "")
viaduct.start()
ok(until(lambda: known(*ALL) == ["anna"], "anna is known"), "at the start the book is built of the files, and who is in it is known")
like(rcpt(from_branch, B, "carl@contoso.example"), r"^550 5\.1\.1", "who is not is refused")
ok(until(lambda: rcpt(port, A, "bob@contoso.example").startswith("250"), "bob"), "a person's other address leads to his system")
viaduct.wait_log("by=router .*using book generation 1")
pids = {name: w["pid"] for name, w in viaduct.master()[1].items()}

# ---- a file changes ----

source("people.csv", people("anna", "carl", bob="robert@contoso.example"))
ok(until(lambda: known(*ALL) == ["anna", "carl"], "carl is known"), "who was added is known, without a restart or a reload")
ok(until(lambda: rcpt(port, A, "bob@contoso.example").startswith("550 5."), "bob"), "an address that was taken away is no longer taken")
ok(until(lambda: send(port, A, "robert@contoso.example", message(A, subject="the new name"))[:3] == "250", "robert"), "a new one is")
is_(branch.one(lambda m: m.header("Subject") == "the new name").to(), [B], "and the router and the gateway know whose it is")
source("more.csv", "dora,SMTP:dora@contoso.example,,host\n")
ok(until(lambda: known(*ALL) == ["anna", "carl", "dora"], "dora is known"), "so does the second file count")
until(lambda: published() == 3, "three generations")

# ---- mistakes ----


def refused():
    return len([line for line in viaduct.lines if "by=dirsync" in line and "no new book: " in line])


def is_refused(what, name, text, said):
    n, generations = refused(), published()
    source(name, text)
    viaduct.wait_log("by=dirsync .*no new book: .*the book in use stays", n + 1, name=what + ": the book in use stays")
    viaduct.wait_log("by=dirsync .*" + said, name="which is told")
    is_((known(*ALL), published()), (["anna", "carl", "dora"], generations), "nobody has gone, and nobody has come")
    like(viaduct.command("status")[1], r"dirsync, .* ago: .*" + said, "status says it")


GOOD = people("anna", "carl", bob="robert@contoso.example")
is_refused("a line that is none", "people.csv", people("anna", "eve") + "only one word\n", r"people\.csv:5: ")
is_refused("an address that is none", "people.csv", people("anna", "eve") + "X,SMTP:not an address,,host\n", r"people\.csv:5: ")
is_refused("a file that is gone", "people.csv", None, r"people\.csv: No such file")
source("people.csv", GOOD)
until(lambda: published() == 4, "what is right again is published")
is_refused("an address that two have", "more.csv", "dora,SMTP:dora@contoso.example,,host\nE,SMTP:eve@contoso.example,SMTP:anna@contoso.example,host\n", r"anna@contoso\.example")

source("more.csv", "dora,SMTP:dora@contoso.example,,host\n")
until(lambda: published() == 5, "what is right again is published")
is_refused("a file that is cut within a line", "people.csv", GOOD[:-4], "last line has no line break")
source("people.csv", GOOD)
half, rest = people("anna", "carl", "zoe")[:60].rpartition("\n")[0] + "\n", people("anna", "carl", "zoe")
with open(os.path.join(viaduct.top, "people.csv"), "w") as f: # in place, and slowly
    for text in (HEAD + half, rest[len(half):]):
        f.write(text)
        f.flush()
        time.sleep(1.3)
        ok("carl" in known("carl"), "while a file is being written in place nobody is unknown")
until(lambda: "zoe" in known("zoe"), "it is taken when it is whole")
ok("carl" in known("carl"), "with all")
source("people.csv", GOOD)
until(lambda: "zoe" not in known("zoe"), "as before")

# ---- mended ----

source("more.csv", "eve,SMTP:eve@contoso.example,,host\n")
ok(until(lambda: known(*ALL) == ["anna", "carl", "eve"], "eve is known"), "when it is mended, the next book is published")
like(rcpt(from_branch, B, "dora@contoso.example"), r"^550 5\.1\.1", "and who was taken out is unknown")
source("more.csv", "")
until(lambda: known(*ALL) == ["anna", "carl"], "an empty file beside another is one")
source("people.csv", "")
viaduct.wait_log("by=dirsync .*no new book: .*empty.*the book in use stays", name="a book of nobody is not published: a file that is cut off makes nobody unknown")
is_(known(*ALL), ["anna", "carl"], "all are known as before")
like(send(from_branch, B, A, message(B, A, "at the end")), "^250", "mail goes on")
host.one(lambda m: m.header("Subject") == "at the end")
is_({name: w["pid"] for name, w in viaduct.master()[1].items()}, pids, "all that with the same workers")
is_(viaduct.stop(), 0, "and it stops in order")
done()
