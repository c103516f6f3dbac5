#!/usr/bin/python3
"""Before the first book is there, which is to be built of a directory that cannot be read, nobody is unknown: mail waits for it."""
import os
import subprocess

from rig import Sink, Viaduct, done, free_port, is_, like, message, ok, program, rcpt, send, smtp_pair, until

A, B, BOB = "anna@contoso.example", "bob@branch.example", "bob@contoso.example"
host, branch = Sink(), Sink()
DIRECTORY = 'directory "ad" { url = { "ldap://127.0.0.1:%d/" } base = "DC=contoso,DC=example"  start-tls = no auth = none }' % free_port()


port, from_branch, conf = smtp_pair(host, branch, host=DIRECTORY, unknown="refuse")
viaduct = Viaduct(conf)
viaduct.start()
viaduct.wait_log('by=dirsync .*directory ad: ', name="the directory cannot be read, and is named")
is_(os.listdir(os.path.join(viaduct.spool, "book")), [], "there is no book")
is_(rcpt(port, A, BOB)[:3], "451", "who writes from the host to somebody of a system is asked to come again")
is_(rcpt(from_branch, B, A)[:3], "451", "so is who writes from the system")
r = subprocess.run([program("viaduct-sendmail"), "-C", viaduct.conf, "-f", A, BOB], input=message(A, BOB, "waits"))
is_(r.returncode, 0, "a local program leaves a message")
viaduct.wait_log("it waits in Spooler-Queue", name="which waits")

csv = os.path.join(viaduct.top, "book.csv")
with open(csv, "w") as f:
    f.write("display,primary,proxies,side\nAnna,SMTP:%s,,host\nBob,SMTP:%s,SMTP:%s,branch\n" % (A, B, BOB))
code, said = viaduct.command("book", "build", csv)
is_(code, 0, "an operator builds a book by hand")
like(said, r"the configuration has directories: the next reading of one builds the book of what they hold", "and is told that it is not for long")
branch.one(lambda m: m.header("Subject") == "waits", what="what has waited goes")
ok(until(lambda: rcpt(port, A, BOB).startswith("250"), "the door opens"), "and the door is open")
like(send(port, A, BOB, message(A, BOB, "by the book")), "^250", "to all who are in it")
viaduct.wait_empty()
is_([m for m in host.mails + branch.mails if m.sender == ""], [], "nothing was returned to anybody")
is_(viaduct.stop(), 0, "it stops in order")
done()
