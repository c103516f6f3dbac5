#!/usr/bin/env python3
"""The running system and a real domain controller (Samba): the confined worker reads it over LDAPS and by Kerberos, by itself, and keeps
it in step with a foreign file; what changes there is found by DirSync."""
import os
import time

import samba

samba.enter()

from rig import Viaduct, done, free_port, is_, like, note, ok, private_folder, until  # noqa: E402

dc = samba.Controller()
STAFF, FOREIGN = "OU=Staff," + samba.SUFFIX, "OU=Foreign," + samba.SUFFIX


def add(n):
    dc.add("dn: CN=%s,%s\nobjectClass: user\nsAMAccountName: %s\nmsExchHomeServerName: here\ndisplayName: %s\nmailNickname: %s\n"
           "mail: %s@contoso.example\nproxyAddresses: SMTP:%s@contoso.example\n" % (n, STAFF, n, n, n, n, n))


top = private_folder()
os.chmod(top, 0o777)
keytab = dc.keytab()
for n in ("ann", "bob"):
    add(n)
with open(top + "/in.csv", "w") as f:
    f.write("id,address,displayName,mailNickname\n1,SMTP:carl@branch.example,Carl Branch,carl\n")
os.utime(top + "/in.csv", (1, 1))
LDAPS = 'url = { "%s" } bind-dn = "%s" password-file = "%s"' % (dc.url, dc.root, dc.password_file)
KERBEROS = 'url = { "%s" } auth = "gssapi" keytab-file = "%s"' % (dc.plain_url, keytab)
CONF = """admin-address = "postmaster@contoso.example"
host { domains = { "contoso.example" } smtp { listen = { "127.0.0.1:%d" } } deliver { to = { "smtp://127.0.0.1:9" } }
    directory "ad" { base = "%s" tls { ca-file = "%s" } %s } }
connector "branch" { type = "smtp" peer { to = { "smtp://127.0.0.1:9" } } address-space { type = "SMTP" pattern = "*@branch.example" cost = 1 } }
recipient-policy "default" { filter = "(mailNickname=*)" proxy = { "SMTP:%%m@contoso.example" } }
dirsync "people" { connector = "branch" directory = "ad" schedule = "often" foreign { format = "csv" read = "%s/in.csv" write = "%s/out.csv" }
    import { container = "%s" } export { containers = { "%s" } } limits { change = { "100" } delete = { "100" } } }
schedule "often" { every = "2s" }
"""
for what, door in (("over LDAPS", LDAPS), ("by Kerberos", KERBEROS)):
    viaduct = Viaduct(CONF % (free_port(), samba.SUFFIX, dc.ca, door, top, top, FOREIGN, STAFF))
    viaduct.start(env={"KRB5_CONFIG": dc.top + "/krb5.conf"})
    viaduct.wait_log("by=dirsync .*a new generation of the book is published", name="the confined worker reads the directory " + what)
    viaduct.wait_log("by=dirsync .*dirsync people: .* done", name="and keeps it in step by its schedule")
    is_(len(dc.search("(&(objectClass=contact)(importedFrom=viaduct:people:1))", FOREIGN)), 1, "the foreign recipient is a contact there, once")
    like(viaduct.command("book", "lookup", "carl@branch.example")[1], "Carl Branch", "and in the book")
    name = "new%d" % (time.monotonic_ns() % 1000000)
    add(name)
    until(lambda: name in viaduct.command("book", "dump")[1], "who is new there is in the book")
    ok(until(lambda: os.path.exists(top + "/out.csv") and name in open(top + "/out.csv").read(), "and in the foreign file"), "and in the foreign file")
    dc.delete("CN=%s,%s" % (name, STAFF))
    until(lambda: name not in viaduct.command("book", "dump")[1], "who is deleted there is in the book no longer")
    like(viaduct.command("check", "--live")[1], r"directory ldaps?://dc1\S* answers \(Active Directory; changes are found by DirSync\)",
         "check --live logs on as the worker does") if what == "over LDAPS" else None
    is_(viaduct.restarts(), 0, "no worker died")
    viaduct.stop()
done()
