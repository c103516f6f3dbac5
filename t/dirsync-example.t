#!/usr/bin/env python3
"""The example in viaduct-dirsync(7) is a valid configuration, once the file has what is no matter of directories: who is written to,
where mail of the host goes, and the connector."""
import os
import re
import subprocess

from rig import done, is_, note, ok, private_folder, program

SRC = os.environ.get("VIADUCT_SRC") or os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
top = private_folder()
with open(SRC + "/man/viaduct-dirsync.7") as f:
    found = re.search(r"(?ms)^\.Sh EXAMPLE\n\.Bd -literal[^\n]*\n(.*?)^\.Ed$", f.read())
ok(found, "the page has an example")
example = found.group(1).replace("\\(dq", '"').replace("\\e", "\\")
REST = """spool = "%s/spool"
admin-address = "postmaster@contoso.example"
connector "groupwise" { type = "gwise" peer { root = "/mnt/gateway" domain = "Exchange" } address-space { type = "GWISE" pattern = "*" } }
""" % top
DELIVER = 'domains = { "contoso.example" }', 'domains = { "contoso.example" }\n    deliver { to = { "smtp://mail.contoso.example" } }'


def check(text):
    path = top + "/viaduct.conf"
    with open(path, "w") as f:
        f.write(text)
    r = subprocess.run([program("viaduct"), "-c", path, "config", "check"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return r.returncode, r.stdout


for name, text, mode in (("ad.password", "secret\n", 0o600), ("contoso-ca.pem", "", 0o644)):
    with open(top + "/" + name, "w") as f:
        f.write(text)
    os.chmod(top + "/" + name, mode)
ok(DELIVER[0] in example, "the host stands in it")
status, said = check(REST + example.replace(*DELIVER))
if not ok(status == 0, "and it is valid"):
    note(said)
is_(check(REST + example.replace(*DELIVER).replace("container", "contaner"))[0], 3, "which one with a slip is not")
done()
