#!/usr/bin/python3
"""Every verb that lists takes --json, --columns, --sort and --limit, and means the same by them."""
import json
import os
import re
import subprocess

from fakeldap import Fake
from rig import BUILD, Sink, Viaduct, done, is_, message, note, ok, program, run, send, smtp_pair, until

host, branch = Sink(), Sink()
ldap = Fake([("cn=%s,ou=S,dc=contoso,dc=example" % n, {"objectClass": ["user"], "cn": [n], "displayName": [n], "mailNickname": [n],
                                                  "objectGUID": [n.encode().ljust(16, b"x")], "homeMDB": ["x"],
                                                  "proxyAddresses": ["SMTP:%s@contoso.example" % n]}) for n in ("gus", "hal")])
SYNC = """
dirsync "%s" { connector = "branch" directory = "ad" schedule = "never" foreign { format = "csv" read = "{top}/in.csv" write = "{top}/%s.csv" }
    import { container = "ou=F,dc=contoso,dc=example" } export { containers = { "ou=S,dc=contoso,dc=example" } } }
"""
port, _, conf = smtp_pair(host, branch, unknown="refuse", more=SYNC % ("one", "one") + SYNC % ("two", "two"),
                          host='directory "ad" { url = { "%s" } auth = "none" start-tls = no base = "dc=contoso,dc=example" refresh = "1d"\n'
                               'id = "objectGUID" mark = "importedFrom" }' % ldap.url)
viaduct = Viaduct(conf)
with open(os.path.join(viaduct.top, "in.csv"), "w") as f:
    f.write("id,address,displayName\n1,SMTP:ivy@branch.example,Ivy\n2,SMTP:jan@branch.example,Jan\n")
os.utime(f.name, (1, 1))
people = os.path.join(viaduct.top, "people.csv")
with open(people, "w") as f:
    f.write("display,primary,proxies,side\nAnna,SMTP:anna@contoso.example,,host\nBob,SMTP:bob@branch.example,,branch\n"
            "Eve,SMTP:eve@branch.example,,gone\nFay,SMTP:fay@branch.example,,gone\n")
os.chmod(viaduct.top, 0o755)
eml = os.path.join(viaduct.top, "a.eml")
with open(eml, "wb") as f:
    f.write(message())
viaduct.start()
is_(viaduct.command("book", "build", people)[0], 0, "a book is built beside running workers")
until(lambda: viaduct.rows("route", "bob@branch.example")[0].get("reason") == "book entry, side branch", "the book is there")
viaduct.wait_log("by=router .*book generation 1", name="and running workers take it")
viaduct.command("connector", "hold", "branch", "out", "--yes")
viaduct.command("dirsync", "plan", "one")
is_(viaduct.command("book", "build", people)[0], 0, "the book of the file alone again")
until(lambda: len(viaduct.rows("book", "dump")) == 4, "the book is that of the file")
for name in ("one", "two"):
    until(lambda: send(port, "anna@contoso.example", "bob@branch.example", message("anna@contoso.example", "bob@branch.example", name)).startswith("250"),
          "a message is taken")
until(lambda: len(viaduct.rows("queue", "list", "folder=MTS-OUT")) == 2, "both wait for the connector")


def viad(*args):
    r = subprocess.run([program("viaduct"), "-c", viaduct.conf] + list(args), capture_output=True, text=True, timeout=60)
    return r.returncode, r.stdout, r.stderr


LISTS = [
    (("queue", "list"), "id", "age", 2),
    (("queue", "shape"), "name", "total", 1),
    (("connector", "list"), "name", "out", 2),
    (("route", "bob@branch.example", "x@nowhere.example"), "address", "reason", 2),
    (("address", "bob@branch.example", "--to", "branch"), "role", "becomes", 6),
    (("simulate", eml, "--sender", "anna@contoso.example", "--rcpt", "bob@branch.example", "--rcpt", "no@contoso.example"), "rcpt", "fate", 2),
    (("book", "dump"), "display", "primary", 4),
    (("book", "lookup", "anna@contoso.example", "bob@branch.example"), "display", "side", 2),
    (("book", "check"), "subject", "text", 3),
    (("address", "types"), "type", "generator", 6),
    (("dirsync", "show", "one"), "what", "name", 2),
    (("dirsync", "status"), "dirsync", "result", 2),
    (("track", "all"), "event", "time", 4),
    (("stats",), "worker", "viaduct_moves_total", 5),
    (("top", "--once"), "worker", "moves", 5),
    (("spool", "check"), "subject", "text", 1),
    (("config", "show"), "key", "value", 20),
    (("check",), "subject", "text", 2),
]

for verb, first, second, least in LISTS:
    name = " ".join(verb[:2])
    code, out, err = viad(*verb, "--json")
    try:
        rows = [json.loads(line) for line in out.splitlines()]
    except ValueError:
        rows = []
    if not ok(len(rows) >= least and all(isinstance(row, dict) for row in rows), "%s --json: an object a line" % name):
        note((code, out, err))
    code, out, err = viad(*verb, "--columns", first + "," + second)
    if not ok(out.split("\n")[1 if name.startswith("top") else 0].split()[:2] == [first, second], "%s --columns: a table of those" % name):
        note((code, out, err))
    code, out, err = viad(*verb, "--json", "--columns", first, "--sort", "-" + first)
    values = [json.loads(line).get(first, "") for line in out.splitlines()]
    ok(values == sorted(values, reverse=True) and len(values) >= least, "%s --sort: in order" % name)
    is_(len(viad(*verb, "--json", "--limit", "1")[1].splitlines()), 2 if name == "queue shape" else 1, "%s --limit: so many" % name)
    code, out, err = viad(*verb, "--columns", "zzz")
    ok(code == 2 and "there is no column" in err and first in err and not out, "%s: an unknown column is a usage error that names those there are" % name)

# ---- none was forgotten ----

with open(os.path.join(os.environ.get("VIADUCT_SRC", "."), "commands", "commands.def")) as f:
    verbs = re.findall(r'^VERB\("([a-z]+)", "([a-z]*)", \w+, \w+, ([^"]*), "', f.read(), re.M)
has = {(noun, verb) for noun, verb, options in verbs if re.search(r"\bLISTS\b", options)}
json_only = {(noun, verb) for noun, verb, options in verbs if "O(JSON)" in options and (noun, verb) not in has}
is_(json_only, {("status", ""), ("convert", ""), ("queue", "show"), ("badmail", "show"), ("connector", "show")}, "whoever speaks JSON lists, but for those that show one thing")
tried = {tuple((verb + ("", ""))[:2]) if (tuple((verb + ("", ""))[:2])) in has else (verb[0], "") for verb, *_ in LISTS}
is_(has - tried, {("badmail", "list"), ("shape", ""), ("config", "check")}, "all were tried but those that are one with another")

code, _, err = viad("stats", "--json", "--prometheus")
ok(code == 2 and "--prometheus" in err, "stats has two formats, one at a time")
code, out, _ = viad("config", "show", "--json", "--changed")
found = {row["key"]: row for row in map(json.loads, out.splitlines())}
is_((found["connector.branch.retry.first"]["value"], found["connector.branch.retry.first"]["default"]), ("1s", "no"), "config show names the connector in the key")
ok(found["node"]["place"].startswith(viaduct.conf + ":"), "and the line that set it")

# ---- check: directories, policies and dirsyncs ----

directory = 'directory "other" { url = { "ldap://127.0.0.1:9/" } base = "DC=contoso,DC=example" }'
more = """
recipient-policy "default" { filter = "(mailNickname=*)" priority = 1 proxy = { "SMTP:%m@contoso.example" } }
schedule "nightly" { at = { "02:30" } }
dirsync "people" {
    connector = "branch" directory = "other" foreign { format = "csv" read = "/p.csv" }
    import { container = "OU=F,DC=contoso,DC=example" }
}
"""
other = os.path.join(viaduct.top, "other.conf")
with open(viaduct.conf) as f:
    whole = f.read().replace("host {", "host { " + directory, 1)


def check(text):
    with open(other, "w") as g:
        g.write(text)
    r = subprocess.run([program("viaduct"), "-c", other, "check", "--json"], capture_output=True, text=True, timeout=60)
    return r.returncode, [json.loads(line) for line in r.stdout.splitlines()]


code, said = check(whole + more)
ok(code == 0 and not [row for row in said if row["level"] == "error" or row["subject"].startswith(other + ":")],
   "check has nothing to say of a directory, a policy and a dirsync that are right: %r" % said)
line = whole.count("\n") + 2
code, said = check(whole + more.replace("%m@", "%q@"))
ok(code == 3 and [row for row in said if row["level"] == "error" and row["subject"] == "%s:%d" % (other, line) and "character 6" in row["text"]],
   "a template that cannot be is an error at its line, and the character is named: %r" % said)
code, said = check(whole + more.replace("(mailNickname=*)", "(&(mailNickname=*)"))
ok(code == 3 and [row for row in said if row["level"] == "error" and row["subject"] == "%s:%d" % (other, line) and "a ) is missing" in row["text"]],
   "so is a filter that cannot be: %r" % said)
with open(other, "a") as f:
    f.write("nodde = 1\n")
r = subprocess.run([program("viaduct"), "-c", other, "check", "--json"], capture_output=True, text=True, timeout=60)
ok(r.returncode == 3 and json.loads(r.stdout.splitlines()[0])["level"] == "error", "an error of the configuration is a row too")

# ---- the book, beside running workers ----

code, out, _ = viad("book", "build", people)
ok(code == 0 and "published whole" in out and "running workers" in out, "book build says what becomes of it: taken by those who run")
until(lambda: send(port, "anna@contoso.example", "zoe@contoso.example", message()).startswith("55"), "who is in no book is refused")
with open(people, "a") as f:
    f.write("Zoe,SMTP:zoe@branch.example,SMTP:zoe@contoso.example,branch\n")
viad("book", "build", people)
until(lambda: send(port, "anna@contoso.example", "zoe@contoso.example", message()).startswith("250"), "and once a book with it is built, taken, by workers that ran all the time")
is_(viaduct.restarts(), 0, "none was started again")
viaduct.write(conf + 'book { source = { "%s" } }\n' % people)
r = run([program("viaduct"), "-c", viaduct.conf, "book", "build", people])
ok("book.source" in r[1], "where the configuration has a source, it says that this is what counts in the end")
viaduct.command("connector", "release", "branch", "out", "--yes")
until(lambda: viaduct.mail_left() == [], "everything is delivered")
is_(viaduct.stop(), 0, "it stops in order")
done()
