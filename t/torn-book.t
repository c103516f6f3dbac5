#!/usr/bin/python3
"""A torn address book costs time, not mail: senders are asked to come again, nothing is returned, and it is named until it is mended."""
import json
import os
import re
import shutil
import subprocess

from rig import Sink, Viaduct, done, is_, like, message, ok, program, rcpt, send, smtp_pair, until

A, B, BOB = "anna@contoso.example", "bob@branch.example", "bob@contoso.example"
host, branch = Sink(), Sink()
port, from_branch, conf = smtp_pair(host, branch, unknown="refuse")
viaduct = Viaduct(conf)
csv = os.path.join(viaduct.top, "book.csv")
with open(csv, "w") as f:
    f.write("display,primary,proxies,side\nAnna,SMTP:%s,,host\nBob,SMTP:%s,SMTP:%s,branch\n" % (A, B, BOB))
BOOK = os.path.join(viaduct.spool, "book")


def generation(n):
    return os.path.join(BOOK, "%08d" % n)


def tear(folder):
    """What a disk does to a file: some bytes of each shard are others, its length is the same."""
    for name in os.listdir(folder):
        if name != "manifest":
            with open(os.path.join(folder, name), "r+b") as f:
                f.seek(max(0, os.fstat(f.fileno()).st_size // 2 - 4))
                f.write(b"\xff\xee\xdd\xcc")


viaduct.start()
is_(viaduct.command("book", "build", csv)[0], 0, "a book is built")
viaduct.wait_log("by=router .*using book generation 1")
ok(until(lambda: rcpt(from_branch, B, "nobody@contoso.example").startswith("550 5.1.1"), "the gateway has the book"), "who is not in it is refused at the door")
ok(until(lambda: rcpt(port, A, BOB)[:3] == "250", "the host's gateway has it too"), "and who is is taken")

# ---- a newer generation is torn, the older is in use ----

shutil.copytree(generation(1), generation(2) + ".new", copy_function=shutil.copy)
tear(generation(2) + ".new")
for at, folders, names in os.walk(generation(2) + ".new"):
    for name in [at] + [os.path.join(at, n) for n in names]:
        st = os.stat(generation(1) if name == at else os.path.join(generation(1), os.path.basename(name)))
        os.chown(name, st.st_uid, st.st_gid)
        os.chmod(name, st.st_mode & 0o7777)
os.rename(generation(2) + ".new", generation(2))
viaduct.wait_log("by=router .*book/00000002: .*generation 1 stays in use", name="the log names a newer generation that is torn")
like(send(port, A, BOB, message(A, BOB, "by the older")), "^250", "mail goes on by the one before")
branch.one(lambda m: m.header("Subject") == "by the older")
code, said = viaduct.command("book", "check")
is_((code, bool(re.search("book/00000002: .*torn", said))), (1, True), "book check names it, and does not pass the older for all there is")
like(viaduct.command("status")[1], "router, .* ago: book/00000002: .*torn", "so does status")
like(viaduct.command("book", "lookup", BOB)[1], "book/00000002: .*torn.*Bob", "a look-up answers by the older, and says so")
like(viaduct.command("route", BOB)[1], "book/00000002: .*torn.*branch", "so does route")
is_(len(viaduct.wait_log("by=router .*book/00000002")), 1, "the log says it once")
is_(viaduct.stop(), 0, "it stops in order")

# ---- none is whole ----

shutil.rmtree(generation(1))
viaduct.start()
viaduct.wait_log("by=router .*book/00000002", 2, name="with nothing but a torn book viaduct starts, and says so")
is_(rcpt(port, A, BOB)[:3], "451", "who writes from the host is asked to come again")
is_(rcpt(from_branch, B, A)[:3], "451", "and who writes from a system")
r = subprocess.run([program("viaduct-sendmail"), "-C", viaduct.conf, "-f", A, BOB], input=message(A, BOB, "waits"))
is_(r.returncode, 0, "a local program leaves a message")
until(lambda: viaduct.names("Spooler-Queue"), "it waits in Spooler-Queue")
viaduct.wait_log("it waits in Spooler-Queue")
is_(viaduct.command("book", "check")[0], 1, "book check fails")
is_(viaduct.command("book", "build", csv)[0], 0, "a new one is built")
branch.one(lambda m: m.header("Subject") == "waits", what="what has waited goes")
ok(until(lambda: rcpt(port, A, BOB).startswith("250"), "the door opens"), "and the door is open")
is_(viaduct.command("book", "check")[0], 0, "book check is content")
viaduct.wait_empty()
is_([m for m in host.mails if m.sender == ""], [], "nothing was returned to anybody")
is_(viaduct.stop(), 0, "it stops in order")
done()
