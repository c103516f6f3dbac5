#!/usr/bin/python3
"""What only a worker would find out when it starts is found by check, start and reload: nobody's worker ends for a configuration
with which the next one cannot start."""
import os
import re
import subprocess

from rig import (TOP, Authority, Session, Sink, Viaduct, done, is_, like, message, need, note, ok, private_folder,
                 send, smtp_pair, until)

need("openssl", "cc")
A, B = "anna@contoso.example", "bob@branch.example"
files = private_folder()


def put(name, content, mode=0o644):
    path = os.path.join(files, name)
    with open(path, "w") as f:
        f.write(content)
    os.chmod(path, mode)
    return path


def module(name, *flags):
    """A shared object that is a module where it includes the kit's header."""
    path = os.path.join(files, name + ".so")
    subprocess.run(["cc", "-shared", "-fPIC", "-I" + TOP, "-x", "c", "-", "-o", path] + list(flags), check=True,
                   input=b'#ifdef KIT\n#include "systems/viaduct/system.h"\n#endif\nint n;\n')
    return path


authority = Authority(private_folder())
certificate, key = authority.certificate("gw1.contoso.example")
other, other_key = authority.certificate("other.example")
words = put("words.pem", "-----BEGIN CERTIFICATE-----\nnot so\n-----END CERTIFICATE-----\n")
secret_words = put("words.key", "nothing of a key\n", 0o600)
table = put("table", "x1@x.example anna@contoso.example\nonly-one-word\nx2@x.example not an address\n")
binary = os.path.join(files, "texts")
os.mkdir(binary)
with open(os.path.join(binary, "failed.txt"), "wb") as f:
    f.write(b"\xff\xfe text")
module("plain")
module("fit", "-DKIT")
module("older", "-DKIT")
with open(os.path.join(files, "older.so"), "r+b") as f:
    data = f.read()
    at = data.index(b"\x08\0\0\0\x04\0\0\0\x01\0\0\0viaduct\0")
    f.seek(at + 20)
    f.write(b"\x07\0\0\0")
put("words.so", "no module\n")
with open(os.path.join(files, "fit.so"), "rb") as f:
    whole = f.read()
with open(os.path.join(files, "cut.so"), "wb") as f:
    f.write(whole[:64])

host, branch = Sink(), Sink()
port, from_branch, conf = smtp_pair(host, branch)
head = 'modules = "%s"\n' % files
viaduct = Viaduct(conf, head=head)
SPARE = 'connector "spare" { type = "smtp" peer { to = { "smtp://127.0.0.1:9" } }\n%s\n}\n'
TLS = 'tls { certificate = "%s"\nkey-file = "%s" }\n'


def spare(text):
    return conf + SPARE % text


def typed(name, more=""):
    return conf + 'connector "spare" { type = "%s"\naddress-space { type = "X" }\n%s }\n' % (name, more)


FINE = {
    "nothing wrong": conf,
    "certificates that belong to their keys": conf.replace("smtp { listen", "smtp { %s listen" % (TLS % (certificate, key))) +
        SPARE % ("smtp { %s }" % (TLS % (other, other_key))),
    "authorities": conf.replace("peer { to", 'peer { tls { mode = verify ca-file = "%s" } to' % authority.file),
    "a module built with the kit": typed("fit"),
    "a code page": typed("gwise", 'peer { root = "/nonexistent" } convert { codepage = "850" }'),
    "a log in a file that is not there yet": conf + 'log { target = "%s/new.log" }\n' % viaduct.top,
}
# What it is, the configuration, the line that is blamed (its first words), what is said.
WRONG = [
    ("a certificate and the key of another", spare("smtp { %s }" % (TLS % (certificate, other_key))), "smtp { tls { certificate", "tls of a listener: .*(belong|mismatch)"),
    ("a certificate that is no PEM", spare("smtp { %s }" % (TLS % (words, key))), "smtp { tls { certificate", "cannot use the certificate .*words.pem"),
    ("a key that is none", spare("smtp { %s }" % (TLS % (certificate, secret_words))), "smtp { tls { certificate", "cannot use the key .*words.key"),
    ("the host's listener", conf.replace("smtp { listen", "smtp { %s listen" % (TLS % (certificate, other_key))), "smtp { tls", "tls of a listener"),
    ("authorities that are no PEM", spare('peer { tls { mode = verify\nca-file = "%s" } }' % words).replace('peer { to = { "smtp://127.0.0.1:9" } }', ""),
     "ca-file = ", "trusted authorities .*words.pem"),
    ("a client's certificate", conf.replace("deliver { to", "deliver { %s to" % (TLS % (certificate, other_key))), "deliver { tls", "tls of a peer: "),
    ("a group that is not there", spare('group = "nosuchgroup"'), 'group = "nosuchgroup"', "group: \"nosuchgroup\" does not exist .*groupadd"),
    ("root's group", spare('group = "root"'), 'group = "root"', "group: \"root\" is root's"),
    ("the host's group", conf.replace("host {", 'host {\ngroup = "nosuchgroup"'), 'group = "nosuchgroup"', "does not exist"),
    ("texts in no folder", conf + 'reports {\ntemplates = "/nonexistent/texts" }\n', "templates = ", "/nonexistent/texts: No such file"),
    ("texts that are none", conf + 'reports {\ntemplates = "%s" }\n' % binary, "templates = ", "failed.txt: not a text in UTF-8"),
    ("a log in no folder", conf + 'log {\ntarget = "/nonexistent/log" }\n', "target = ", "cannot be written to /nonexistent/log: No such file"),
    ("a log that is a folder", conf + 'log {\ntarget = "%s" }\n' % files, "target = ", "Is a directory"),
    ("a type that is not there", typed("nosuch"), 'connector "spare"', "no module for the system \"nosuch\" .*nosuch.so: No such file.*smtp, maildir and gwise"),
    ("notes", typed("notes", 'peer { pickup = "/x" drop = "/y" }'), 'connector "spare"', "\"notes\" comes with a later version"),
    ("a module of another ABI", typed("older"), 'connector "spare"', "older.so was built for ABI 7, and this is ABI 1"),
    ("a library that is no module", typed("plain"), 'connector "spare"', "plain.so is no module for this machine"),
    ("a file that is no library", typed("words"), 'connector "spare"', "words.so is no module for this machine"),
    ("a module that is cut off", typed("cut"), 'connector "spare"', "cut.so is no module for this machine"),
    ("a code page", typed("gwise", 'peer { root = "/nonexistent" } convert {\ncodepage = "12" }'), "codepage", "\"12\" is no code page known here"),
]


def blamed(said):
    """The first words of the line that the first message names."""
    found = re.match(r"(\S+?):(\d+): ", said)
    if not found:
        return ""
    with open(found.group(1)) as f:
        return f.read().splitlines()[int(found.group(2)) - 1].strip()


for what, text in FINE.items():
    viaduct.write(text)
    status, said = viaduct.command("check")
    ok("is valid" in said and status == 0, "check is content: " + what) or note(said)
for what, text, line, words in WRONG:
    viaduct.write(text)
    status, said = viaduct.command("check")
    if not ok(status == 3 and blamed(said).startswith(line) and re.search(words, said.splitlines()[0]), "check finds it: " + what):
        note("status %d, blames %r\n%s" % (status, blamed(said), said))
    status, said = viaduct.command("start")
    ok(status == 3 and re.search(words, said) and not os.path.exists(viaduct.spool), "and start makes nothing") or note(said)

# A table has lines of its own.
MAPPED = spare('mapping { rule "t" { file = "%s" } }' % table)
viaduct.write(MAPPED)
status, said = viaduct.command("check")
is_(status, 3, "check finds a table with mistakes")
ok(all(re.search(r"^%s:%d: " % (re.escape(table), n), said, re.M) for n in (2, 3)), "and names each of its lines") or note(said)

# ---- a reload ----

viaduct.write(conf)
viaduct.start()
like(send(port, A, B, message(A, B, "before")), "^250", "mail is taken")
pids = {name: w["pid"] for name, w in viaduct.master()[1].items()}
session = Session(port)
session.say("MAIL FROM:<%s>" % A)
session.say("RCPT TO:<%s>" % B)
for what, text, line, words in WRONG + [("a table", MAPPED, "", "table:2: ")]:
    viaduct.write(text)
    status, said = viaduct.command("reload")
    ok(status == 3 and "the old configuration stays" in said and re.search(words, said), "a reload is refused: " + what) or note(said)
is_({name: w["pid"] for name, w in viaduct.master()[1].items()}, pids, "no worker has ended or begun")
like(viaduct.command("status")[1], "not in force|going on without it", "status tells")
like(session.body(message(A, B, "all through")), "^250", "a session that was open goes on")
session.close()
branch.one(lambda m: m.header("Subject") == "all through")
viaduct.write(FINE["certificates that belong to their keys"])
is_(viaduct.command("reload")[0], 0, "what is right is loaded")
until(lambda: "STARTTLS" in Session(port).features, "the listener has its certificate")
done()
