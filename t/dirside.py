"""dirside.py - the LDAP side of dirsync by hand (t/dirside.c), and what it must show on every server that is like Active Directory

    side = Side(conf(host=dc.section("ad"), ...), "dirsync", "gw", "host"); side.read(); side.entries(); side.one("add", ...)
"""
import base64
import os
import re
import subprocess

from rig import is_, like, ok, private_folder, program, start_process

CONF = """node = "gw1"
spool = "%(top)s/spool"
admin-address = "p@contoso.example"
host { domains = { "contoso.example" } smtp { listen = { "127.0.0.1:2525" } allow = { "127.0.0.0/8" } }
%(host)s }
connector "gw" { type = "smtp" peer { to = { "smtp://127.0.0.1:9" } } address-space { type = "NOTES" pattern = "*@ACME" } }
recipient-policy "default" { filter = "(extensionAttribute1=yes)" priority = 1 proxy = { "SMTP:%%m@contoso.example" } }
schedule "nightly" { at = { "02:30" } }
dirsync "gw" { connector = "gw" directory = "ad"
  foreign { format = "ldap" %(foreign)s }
  import { container = "%(into)s" create-as = "%(create)s" }
  export { containers = { "%(staff)s" } into = "%(out)s" } }
"""


def conf(host, foreign=None, staff="OU=Staff,DC=contoso,DC=example", into="OU=Foreign,DC=contoso,DC=example", create="contact", out="O=Exchange"):
    top = private_folder()
    path = os.path.join(top, "viaduct.conf")
    with open(path, "w") as f:
        f.write(CONF % dict(top=top, host=host, foreign=foreign or re.sub(' "ad"', "", host), staff=staff, into=into, create=create, out=out))
    return path


def shield(value):
    """A value as one line of the tool's."""
    value = value.encode() if isinstance(value, str) else value
    return "".join(chr(b) if 32 <= b < 127 and b != 37 else "%%%02x" % b for b in value)


class Entry(dict):
    """Of a set: each name with its values; as an attribute, the first of them."""

    def __getattr__(self, name):
        return self.get(name, [""])[0]


class Side:
    def __init__(self, *words):
        self.process = start_process([program("t/dirside"), *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     env=dict(os.environ, LDAPNOINIT="1"))
        self.notes = []
        self.opened = self.line()

    def line(self):
        while True:
            line = self.process.stdout.readline().decode("utf-8", "surrogateescape").rstrip("\n")
            if not line.startswith("note "):
                return line
            self.notes.append(line[5:])

    def say(self, text):
        self.process.stdin.write((text + "\n").encode("utf-8", "surrogateescape"))
        self.process.stdin.flush()

    def ask(self, text):
        self.say(text)
        return self.line()

    def read(self, how="full"):
        return self.ask(how)

    def entries(self):
        """Of the last reading, by name in lower case."""
        self.say("list")
        found, entry = {}, Entry()
        while True:
            line = self.line()
            if line == "end":
                return found
            if line == "":
                found[entry.name.lower()] = entry
                entry = Entry()
                continue
            name, _, value = line.partition(":")
            value = re.sub(rb"%([0-9a-f]{2})", lambda m: bytes([int(m[1], 16)]), value.encode("utf-8", "surrogateescape"))
            entry.setdefault(name, []).append(value.decode("utf-8", "surrogateescape").strip())

    def entry(self, dn):
        self.read()
        return self.entries().get(dn.lower(), Entry())

    def change(self, operation, kind, name, id="", source="", new="", **deltas):
        """Of each attribute a value or list that is added, or a pair of what goes and what comes."""
        self.say("change %s %s\nname %s" % (operation, kind, shield(name)))
        for word, value in (("id", id), ("source", source), ("new", new)):
            if value:
                self.say("%s %s" % (word, shield(value)))
        for attribute, values in deltas.items():
            for sign, some in zip("-+", values if isinstance(values, tuple) else ([], values)):
                for value in [some] if isinstance(some, (str, bytes)) else some:
                    self.say("%s %s %s" % (sign, attribute, shield(value)))

    def flush(self):
        self.say("flush")
        results = []
        while True:
            line = self.line()
            if line.startswith("flushed") or line == "":
                return results
            results.append(line)

    def one(self, *args, **kw):
        self.change(*args, **kw)
        return (self.flush() + [""])[0]

    def close(self):
        self.process.stdin.close()
        return self.process.wait(60)


def held(server, dn):
    """What a server has under a name: {attribute: sorted values}, or None."""
    for found, values in server.search(base=dn):
        if found.lower() == dn.lower():
            return {name: sorted(some) for name, some in values.items()}
    return None


def some(server, dn, *names):
    values = held(server, dn)
    return None if values is None else [values.get(name, []) for name in names]


def edit(server, dn, attribute, *values):
    """By hand: an attribute has these values now."""
    text = "dn:: %s\nchangetype: modify\nreplace: %s\n" % (base64.b64encode(dn.encode()).decode(), attribute)
    for value in values:
        value = value.encode() if isinstance(value, str) else value
        text += "%s:: %s\n" % (attribute, base64.b64encode(value).decode())
    server.modify(text + "-\n\n")


# ---- what must be so on every server that is like Active Directory ----

ANN = dict(displayName="Ann Beebe", sn="Beebe", givenName="Ann", mailNickname="abeebe", targetAddress="GWISE:DOM.PO.ABEEBE",
           proxyAddresses=["GWISE:DOM.PO.ABEEBE", "SMTP:abeebe@contoso.example"], mail="abeebe@contoso.example")
S = "DOM.PO.ABEEBE"


def contacts(side, server, staff, foreign):
    a = "CN=Ann Beebe," + foreign
    like(side.one("add", "contact", a, source=S, **ANN), "^done add", "a contact is added")
    is_(some(server, a, "importedFrom", "mail", "proxyAddresses"),
        [["viaduct:gw:" + S], ["abeebe@contoso.example"], ["GWISE:DOM.PO.ABEEBE", "SMTP:abeebe@contoso.example"]], "with its mark and addresses")
    like(side.one("add", "contact", a, source=S, **ANN), "^before add", "the same once more was done before")
    like(side.one("add", "contact", a, source="OTHER", **ANN), "^refused.*has this name, and is marked as viaduct:gw:" + S, "its name is given to nobody else")
    like(side.one("add", "contact", "CN=Bob," + staff, source="B", **ANN), "^refused.*nobody's", "nor is one of the host's")
    like(side.one("add", "contact", "CN=X,OU=Nowhere," + server.suffix, source="x", **ANN), r"^refused.*\(32\).*container", "a container that is not there is named")
    read = side.entry(a)
    is_((read.kind, read.target, read.mark, read["primary"]),
        ("contact", "GWISE:" + S, "viaduct:gw:" + S, ["GWISE:DOM.PO.ABEEBE", "SMTP:abeebe@contoso.example"]), "it reads as it was written")
    return a, read.id


def changes(side, server, a, id):
    def change(operation="change", **kw):
        return side.one(operation, "contact", a, id=id, source=S, **kw)
    what = dict(displayName=("Ann Beebe", "Ann B. Beebe"), title=([], "Boss"), mail=("abeebe@contoso.example", "ann@contoso.example"),
                proxyAddresses=(["SMTP:abeebe@contoso.example"], ["smtp:abeebe@contoso.example", "SMTP:ann@contoso.example"]))
    like(change(**what), "^done", "it is changed")
    is_(some(server, a, "displayName", "title", "mail", "proxyAddresses"),
        [["Ann B. Beebe"], ["Boss"], ["ann@contoso.example"], ["GWISE:DOM.PO.ABEEBE", "SMTP:ann@contoso.example", "smtp:abeebe@contoso.example"]],
        "in all that was asked for, the case of types kept")
    like(change(**what), "^before", "the same once more was done before")
    edit(server, a, "displayName", "Anna")
    like(change(displayName=("Ann B. Beebe", "Ann Q")), '^stale.*displayName has changed.*"Anna"', "what somebody changed is stale")
    is_(some(server, a, "displayName"), [["Anna"]], "and left as it is")
    edit(server, a, "displayName", " Ann  B\t")
    is_(side.entry(a).displayName, "Ann  B", "blanks and control characters around a value are not read")
    like(change(displayName=("Ann  B", "Ann C")), "^done", "and do not keep it from being changed")
    like(change(title=("Boss", [])), "^done", "a value is cleared")
    is_(some(server, a, "displayName", "title"), [["Ann C"], []], "so it is")
    like(change("hide"), "^done", "it is hidden")
    is_((side.entry(a).flags, some(server, a, "msExchHideFromAddressLists")), ("hidden", [["TRUE"]]), "from address lists")
    like(change("show"), "^done", "and shown")
    is_((side.entry(a).flags, some(server, a, "msExchHideFromAddressLists")), ("", [[]]), "again")


def marks(side, server, a, id):
    def change(operation="change", **kw):
        return side.one(operation, "contact", a, id=id, source=S, **kw)
    edit(server, a, "importedFrom", "somebody else")
    for operation in ("change", "hide", "delete", "adopt", "disable"):
        like(change(operation, title=([], "X")), "^stale.*somebody else", "%s: an entry that is another's by now is not touched" % operation)
    edit(server, a, "importedFrom")
    like(change(title=([], "X")), "^stale.*lost its mark", "one that has lost its mark is not touched either")
    is_(some(server, a, "title"), [[]], "nothing was written")
    like(change("adopt", title=([], "Y")), "^done", "nobody's entry is adopted")
    is_(some(server, a, "importedFrom", "title"), [["viaduct-adopted:gw:" + S], ["Y"]], "with a mark that says so")
    like(change("adopt", title=([], "Y")), "^before", "once")
    like(side.one("adopt", "contact", a, id=id, source="OTHER"), "^stale", "and by nobody else")
    like(change(title=("Y", "Z")), "^done", "it is kept in step")
    like(change("delete"), "^stale", "and not deleted")
    like(change("disable", mark=("viaduct-adopted:gw:" + S, [])), "^done", "it is let go")
    is_(some(server, a, "importedFrom", "title"), [[], ["Z"]], "with all it has but the mark")
    edit(server, a, "importedFrom", "viaduct:gw:" + S)


def names(side, server, a, id, staff):
    new = 'CN=Ann \\+ \\"Q\\"\\, \\<x\\>\\; \\\\ \\#,' + staff
    what = dict(id=id, source=S, new=new, displayName=("Ann C", "Ann D"))
    like(side.one("rename", "contact", a, **what), "^done", "it is renamed and moved, to a name of all that must be escaped")
    like(side.one("rename", "contact", a, **what), "^before", "once")
    like(side.one("change", "contact", a, id=id, source=S, title=("Z", "W")), "^stale.*its name", "under its old name it is stale")
    side.read()
    found = [e for e in side.entries().values() if e.id == id][0]
    is_((found.displayName, found.name.startswith("CN=Ann \\+ ") or found.name.startswith("cn=Ann ")), ("Ann D", True), "it kept its id")
    like(side.one("rename", "contact", found.name, id=id, source=S, new="CN=Bob," + staff), "^refused", "a name that is taken")
    like(side.one("rename", "contact", found.name, id=id, source=S, new="CN=X,OU=Nowhere," + server.suffix), "^(refused|stale)", "a container that is not there")
    is_([e.name for e in side.entries().values() if e.id == id], [found.name], "it stays where it is")
    like(side.one("delete", "contact", found.name, id=id, source=S), "^done", "it is deleted")
    like(side.one("delete", "contact", found.name, id=id, source=S), "^before", "once")


def hosts(side, server, staff):
    bob = side.entry("CN=Bob," + staff)
    is_((bob.kind, bob["primary"][0], bob.policy), ("mailbox", "SMTP:bob@contoso.example", "1"), "a host's mailbox, with the policy that applies")
    what = dict(proxyAddresses=([], ["GWISE:Exchange.HQ.bob"]))
    like(side.one("change", "mailbox", "CN=Bob," + staff, id=bob.id, **what), "^done", "gets an address by policy")
    like(side.one("change", "mailbox", "CN=Bob," + staff, id=bob.id, **what), "^before", "once")
    like(side.one("change", "mailbox", "CN=Bub," + staff, id=bob.id, **what), "^stale.*its name", "not under another name")
    like(side.one("change", "mailbox", "CN=Bob," + staff, id="8f0cb7a8-0000-103f-9f4f-bb1e0a0e0a0e", **what), "^stale.*not there", "nor under another id")
    edit(server, "CN=Bob," + staff, "importedFrom", "viaduct:other:1")
    like(side.one("change", "mailbox", "CN=Bob," + staff, id=bob.id, proxyAddresses=([], ["MS:A/B/BOB"])), "^stale.*its mark", "nor where it has become somebody's copy")
    edit(server, "CN=Bob," + staff, "importedFrom")


def members(foreign, letter, numbers):
    return [("CN=%s%d,%s" if letter.isupper() else "cn=%s%d,%s") % (letter, n, foreign if letter.isupper() else foreign.lower()) for n in numbers]


def add_members(side, foreign, numbers):
    for n in numbers:
        side.change("add", "contact", "CN=M%d,%s" % (n, foreign), source="M%d" % n, displayName="M%d" % n, mail="m%d@contoso.example" % n,
                    targetAddress="GWISE:D.P.M%d" % n, proxyAddresses=["GWISE:D.P.M%d" % n, "SMTP:m%d@contoso.example" % n])
    is_({line.split()[0] for line in side.flush()}, {"done"}, "%d contacts, several on their way" % len(numbers))


def listed(server, dn):
    """Members, in lower case: servers write names as they like."""
    return sorted(name.lower() for name in (held(server, dn) or {}).get("member", []))


def groups(side, server, foreign, many):
    g = "CN=Grp," + foreign
    add_members(side, foreign, range(many))
    like(side.one("add", "group", g, source="G", displayName="G", targetAddress="GWISE:D.P.G", proxyAddresses=["GWISE:D.P.G"], member=members(foreign, "M", (0, 1))),
         "^done", "a group is added")
    is_((some(server, g, "groupType"), listed(server, g)), ([["8"]], members(foreign, "m", (0, 1))), "for distribution, with members")
    id = side.entry(g).id

    def change(**kw):
        return side.one("change", "group", g, id=id, source="G", **kw)
    like(change(member=(members(foreign, "M", (0,)), members(foreign, "M", (1, 2)))), "^done", "members come and go; one is there already")
    is_(listed(server, g), members(foreign, "m", (1, 2)), "so they are")
    like(change(member=(members(foreign, "M", (0,)), members(foreign, "M", (2,)))), "^(done|before)", "one who is gone, one who is there")
    like(change(member=([], members(foreign, "M", range(many)))), "^done", "many at once")
    is_((len(side.entry(g)["member"]), side.entry(g).kind), (many, "group"), "all of them")
    like(change(member=(members(foreign, "M", range(3, many)), [])), "^done", "and out again")
    is_(listed(server, g), members(foreign, "m", range(3)), "so they are")
    return g, id


def circles(side, server, foreign, g, id):
    like(side.one("add", "group", "CN=Grp2," + foreign, source="G2", displayName="G2", targetAddress="GWISE:D.P.G2", proxyAddresses=["GWISE:D.P.G2"],
                  member=[g]), "^done", "a group in a group")
    like(side.one("change", "group", g, source="G", member=([], ["CN=Grp2," + foreign])), "^done", "and that one in the first, known by its name alone")
    side.read()
    both = side.entries()
    ok("cn=grp2," + foreign.lower() in [m.lower() for m in both[g.lower()]["member"]] and g.lower() in [m.lower() for m in both["cn=grp2," + foreign.lower()]["member"]],
       "a circle is read as it is")
    like(side.one("delete", "group", g, id=id, source="G"), "^done", "and taken apart")


def users(side, server, foreign, fourth):
    for n, nickname, account in ((0, "zoe", "zoe"), (1, "a b/c[d]:e;f|g=h,i+j*k?l<m>n@very-long-name.", "abcdefghijklmnvery-l"),
                                 (2, "\xfc.", None), (3, "zoe", fourth)):
        dn = "CN=User%d,%s" % (n, foreign)
        what = dict(source="U%d" % n, displayName="U", mailNickname=nickname, targetAddress="GWISE:D.P.U%d" % n, proxyAddresses=["GWISE:D.P.U%d" % n])
        like(side.one("add", "mail user", dn, **what), "^done", "a user is added: %r" % nickname)
        (control,), (name,), (principal,) = some(server, dn, "userAccountControl", "sAMAccountName", "userPrincipalName")
        is_((control, name, principal), ("514", account or name, (account or name) + "@contoso.example"), "its account is disabled, its name %s" % name)
        ok(re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,18}[A-Za-z0-9_-]", name), "and legal")
        like(side.one("add", "mail user", dn, **what), "^before", "once")
    dn = "CN=User0," + foreign
    read = side.entry(dn)
    is_((read.kind, read.flags, read.target), ("mail user", "disabled", "GWISE:D.P.U0"), "it reads as a mail user")
    like(side.one("disable", "mail user", dn, id=read.id, source="U0", targetAddress=("GWISE:D.P.U0", []), proxyAddresses=(["GWISE:D.P.U0"], []),
                  mark=("viaduct:gw:U0", [])), "^done", "who is gone loses what makes a recipient")
    values = held(server, dn)
    is_([n for n in ("proxyAddresses", "targetAddress", "mail", "mailNickname", "importedFrom") if n in values], [], "addresses and mark")
    ok("sAMAccountName" in values and dn.lower() not in side.entries() or side.read() and dn.lower() not in side.entries(), "the account stays, and is no recipient")


def every_kind(side, server, staff, foreign):
    """The life of a copy of each kind: each operation once, and once more, when it was done before."""
    for kind in ("contact", "mail user", "group"):
        old, new = ("CN=Life of %s,%s" % (kind, where) for where in (foreign, staff))
        new, source = new.replace("Life", "Other life"), "L-" + kind
        address = "GWISE:D.P." + kind.upper().replace(" ", "")
        extra = {"member": ["CN=Bob," + staff]} if kind == "group" else {}
        mark = "viaduct:gw:" + source
        like(side.one("add", kind, old, source=source, displayName="Life", mailNickname="life." + kind.replace(" ", ""), targetAddress=address,
                      proxyAddresses=[address], **extra), "^done", kind + ": added")
        read = side.entry(old)
        is_((read.kind, read.mark, read.target, read.displayName), (kind, mark, address, "Life"), kind + ": reads as it was written")

        def twice(operation, name, what, **kw):
            first, second = (side.one(operation, kind, name, id=read.id, source=source, **kw) for _ in range(2))
            like(first, "^done", "%s: %s" % (kind, what))
            like(second, "^(before|done)", "%s: %s, once more" % (kind, what))
        twice("change", old, "changed", displayName=("Life", "Death"), targetAddress=(address, address + "2"), proxyAddresses=([address], [address + "2"]))
        is_(some(server, old, "displayName", "targetAddress", "proxyAddresses"), [["Death"], [address + "2"], [address + "2"]], kind + ": so it is")
        twice("hide", old, "hidden")
        is_(side.entry(old)["flags"][0].split()[:1], ["hidden"], kind + ": so it is")
        twice("show", old, "shown")
        twice("rename", old, "renamed and moved", new=new, displayName=("Death", "Birth"))
        is_((some(server, new, "displayName"), held(server, old)), ([["Birth"]], None), kind + ": so it is")
        edit(server, new, "importedFrom")
        twice("adopt", new, "adopted")
        twice("disable", new, "let go", mark=("viaduct-adopted:gw:" + source, []), targetAddress=(address + "2", []))
        is_(some(server, new, "importedFrom", "targetAddress", "proxyAddresses"), [[], [], [address + "2"]], kind + ": with what it had besides")
        edit(server, new, "importedFrom", mark)
        twice("delete", new, "deleted")
        ok(held(server, new) is None, kind + ": so it is")


def hostile(side, server, foreign):
    c = dict(targetAddress="GWISE:D.P.H", proxyAddresses=["GWISE:D.P.H", "SMTP:h@contoso.example"])
    like(side.one("add", "contact", "CN=Octets," + foreign, source="H1", displayName=bytes(range(1, 256)), **c), "^(refused|done)", "a value of all octets is the server's to judge")
    like(side.one("add", "contact", "CN=Big," + foreign, source="H2", displayName="x" * (1 << 20), **c), "^(refused|done)", "so is one of 1 MiB")
    like(side.one("add", "contact", b"CN=a\0b," + foreign.encode(), source="H3", displayName="x", **c), "^refused.*no name", "a name with NUL is not sent")
    like(side.one("add", "contact", "CN=a,,b=\\," + foreign, source="H4", displayName="x", **c), "^refused", "what is no name is refused")
    like(side.one("add", "contact", "CN=Empty," + foreign, source="H5", displayName="x", title="", **c), "^(refused|done)", "an empty value")
    like(side.one("add", "contact", "CN=After," + foreign, source="H6", displayName="After", **c), "^done", "the connection has lived through it")
    side.read()
    ok("cn=after," + foreign.lower() in side.entries(), "and reads")


def bob(server, staff, more=""):
    server.add("dn: CN=Bob,%s\nobjectClass: user\ndisplayName: Bob B\nmailNickname: bob\nproxyAddresses: SMTP:bob@contoso.example\n"
               "mail: bob@contoso.example\nextensionAttribute1: yes\n%s\n" % (staff, more))
