#!/usr/bin/python3
"""What only a worker would find out when it starts is found by check, start and reload: nobody's worker ends for a configuration
with which the next one cannot start."""
import os
import re
import shutil
import subprocess

from rig import (ROOT, TOP, Authority, Session, Sink, Viaduct, done, is_, like, message, need, note, ok, private_folder,
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
    "a time zone": typed("gwise", 'peer { root = "/nonexistent" } convert { timezone = "Etc/UTC" }'),
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
    ("a time zone", typed("gwise", 'peer { root = "/nonexistent" } convert {\ntimezone = "Etc/Atlantis" }'), "timezone", "\"Etc/Atlantis\" is no time zone known here"),
    ("a path for a time zone", typed("gwise", 'peer { root = "/nonexistent" } convert {\ntimezone = "../../../etc/passwd" }'), "timezone", "no time zone"),
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

# ---- what root may read and a worker may not ----


def closed(name, content, mode=0o600):
    """A file of root's that was copied in a hurry: in form, and for root alone."""
    return put(name, content, mode)


if ROOT:
    with open(certificate) as f:
        pem = f.read()
    with open(authority.file) as f:
        authorities = f.read()
    secret_pem, secret_ca = closed("secret.pem", pem), closed("secret-ca.pem", authorities)
    os.mkdir(os.path.join(files, "private"), 0o700)
    hidden = put("private/book.csv", "display,primary,proxies,side\nA,SMTP:a@contoso.example,,host\n")
    secret_table = closed("secret.table", "x1@x.example anna@contoso.example\n")
    os.mkdir(os.path.join(files, "own-texts"))
    closed("own-texts/failed.txt", "a text\n")
    shutil.copy(os.path.join(files, "fit.so"), os.path.join(files, "mine.so"))
    os.chmod(os.path.join(files, "mine.so"), 0o600)
    WRONG += [
        ("a certificate for root alone", conf.replace("smtp { listen", "smtp { %s listen" % (TLS % (secret_pem, key))), "smtp { tls",
         "certificate: .*secret.pem can be read by root, and not by the worker inbound-gateway-host"),
        ("a connector's", spare("smtp { %s }" % (TLS % (secret_pem, key))), "smtp { tls", "not by the worker inbound-gateway-spare, .*readable by all, or by the group"),
        ("authorities for root alone", spare('peer { tls { mode = verify\nca-file = "%s" } }' % secret_ca).replace('peer { to = { "smtp://127.0.0.1:9" } }', ""),
         "ca-file = ", "ca-file: .* not by the worker outbound-gateway-spare"),
        ("the host's", conf.replace("deliver { to", 'deliver { tls { mode = verify ca-file = "%s" } to' % secret_ca), "deliver { tls", "outbound-gateway-host"),
        ("a table for root alone", spare('mapping { rule "t" {\nfile = "%s" } }' % secret_table), "file = ", "file: .* not by the worker outbound-converter-spare, .*readable by all$"),
        ("a book in a folder for root alone", conf + 'book {\nsource = { "%s" } }\n' % hidden, "source = ", "source: .* not by the worker dirsync, "),
        ("a text for root alone", conf + 'reports {\ntemplates = "%s/own-texts" }\n' % files, "templates = ", "failed.txt can be read by root, and not by the worker bouncer"),
        ("a module for root alone", typed("mine"), 'connector "spare"', "mine.so can be read by root, and not by the worker inbound-converter-spare"),
    ]
    for what, text, line, words in WRONG[-8:]:
        viaduct.write(text)
        status, said = viaduct.command("check")
        if not ok(status == 3 and blamed(said).startswith(line) and re.search(words, said.splitlines()[0]), "check, run by root, finds it: " + what):
            note("status %d, blames %r\n%s" % (status, blamed(said), said))
        is_(said.count(" can be read by root"), 1, "and says it once")
    shared = closed("shared.pem", pem, 0o640)
    shutil.chown(shared, group="daemon")
    viaduct.write(spare('group = "daemon" smtp { %s }' % (TLS % (shared, key))))
    ok(viaduct.command("check")[0] == 0, "what the group that the connector names may read is right")
    viaduct.write(spare('group = "daemon" smtp { %s } mapping { rule "t" { file = "%s" } }' % (TLS % (shared, key), put("open.table", "a@x.example a@contoso.example\n", 0o644))))
    ok(viaduct.command("check")[0] == 0 and not os.path.exists(viaduct.spool), "so is what all may read; and no number was dealt out for asking")

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
if ROOT:
    os.chown(secret_pem, int(re.search(r"^(\d+) worker inbound-gateway-host$", open(viaduct.spool + "/state/owners").read(), re.M).group(1)), 0)
    viaduct.write(conf.replace("smtp { listen", "smtp { %s listen" % (TLS % (secret_pem, key))))
    is_(viaduct.command("check")[0], 0, "a certificate that was given to the one worker that needs it is right")
viaduct.write(FINE["certificates that belong to their keys"])
is_(viaduct.command("reload")[0], 0, "what is right is loaded")
until(lambda: "STARTTLS" in Session(port).features, "the listener has its certificate")
done()
