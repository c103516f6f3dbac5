#!/usr/bin/python3
"""Servers without Exchange's schema: Active Directory keeps marks in adminDescription and targets among its proxies; any other LDAP
server keeps people as inetOrgPerson."""
import os
import re

import directory
import dirside
from rig import done, is_, like, ok


class Bare(directory.Slapd):
    """Active Directory's schema before Exchange extends it."""

    def configure(self):
        super().configure()
        with open(os.path.join(directory.SRC, "t/directory/adlike.schema")) as f:
            text = f.read()
        for name in re.findall(r"NAME '(mailNickname|targetAddress|importedFrom|msExch\w+|homeMDB|extensionAttribute\d+)'", text):
            text = re.sub(r"(?m)^attributetype [^\n]*NAME '%s'[^\n]*\n(\s+[^\n]*\n)*" % name, "", text)
            text = re.sub(r"\$ %s\b|\b%s \$ " % (name, name), "", text)
        with open(os.path.join(self.top, "bare.schema"), "w") as f:
            f.write(text)
        path = os.path.join(self.top, "slapd.conf")
        with open(path) as f:
            text = f.read()
        text = text.replace("%s/t/directory/adlike.schema" % directory.SRC, self.top + "/bare.schema")
        with open(path, "w") as f:
            f.write(text.replace("index proxyAddresses,mailNickname,targetAddress,importedFrom eq", "index proxyAddresses eq"))


def test_bare():
    host = Bare("ad")
    a, F = "cn=Ann,ou=Foreign," + host.suffix, "ou=Foreign," + host.suffix
    side = dirside.Side(dirside.conf(host.section("ad")), "dirsync", "gw", "host")
    traits = side.ask("traits")
    like(traits, "writable displayName .*proxies=2 members no-target$", "without Exchange nobody is hidden, and a target is a proxy address")
    ok("mailNickname" not in traits, "there are no aliases")
    host.add("dn: cn=Bob,ou=Staff,%s\nobjectClass: user\nsAMAccountName: bob\nmail: bob@contoso.example\n\n" % host.suffix)
    bob = side.entry("cn=Bob,ou=Staff," + host.suffix)
    is_((bob.kind, bob["primary"], bob.mailNickname), ("mailbox", ["SMTP:bob@contoso.example"], "bob"), "a user with mail is a mailbox; his account's name is his alias")
    like(side.one("add", "contact", a, source="X", hidden="TRUE", **dirside.ANN), "^done", "a contact is added")
    is_(dirside.some(host, a, "adminDescription", "mail", "proxyAddresses"),
        [["viaduct:gw:X"], ["abeebe@contoso.example"], ["GWISE:DOM.PO.ABEEBE", "SMTP:abeebe@contoso.example"]], "with what there is room for")
    ann = side.entry(a)
    is_((ann.kind, ann.target, ann.mark), ("contact", "GWISE:DOM.PO.ABEEBE", "viaduct:gw:X"), "it reads with its target")
    like(side.one("change", "contact", a, id=ann.id, source="X", proxyAddresses=(["GWISE:DOM.PO.ABEEBE"], ["GWISE:DOM.PO2.ABEEBE"])), "^done", "which is changed among the proxies")
    is_(side.entry(a).target, "GWISE:DOM.PO2.ABEEBE", "so it is")
    like(side.one("hide", "contact", a, id=ann.id, source="X"), "^before", "what cannot be hidden is left")
    like(side.one("change", "contact", a, id=ann.id, source="X", targetAddress=("GWISE:a", "GWISE:b"), mailNickname=("a", "b")), "^before", "what it does not keep is no change")
    like(side.one("add", "mail user", "cn=Usr," + F, source="U", displayName="U", targetAddress="GWISE:D.P.U", proxyAddresses=["GWISE:D.P.U"]), "^done", "a user")
    is_((side.entry("cn=Usr," + F).kind, side.entry("cn=Usr," + F).target), ("mail user", "GWISE:D.P.U"), "is known by its mark")
    like(side.one("delete", "contact", a, id=ann.id, source="X"), "^done", "deleted")
    is_(side.close(), 0, "it ends in order")


class Plain(directory.Slapd):
    """inetOrgPerson and nothing else."""

    def configure(self):
        super().configure()
        path = os.path.join(self.top, "slapd.conf")
        with open(path) as f:
            text = f.read()
        text = re.sub(r"(?m)^(include \S*adlike.schema|index proxyAddresses.*)\n", "", text)
        with open(path, "w") as f:
            f.write(text)


def test_plain():
    server = Plain("ad")
    F, a = "ou=Foreign," + server.suffix, "cn=Ann,ou=Foreign," + server.suffix
    ad = 'directory "ad" { url = { "ldaps://127.0.0.1:1/" } base = "DC=x" }'
    side = dirside.Side(dirside.conf(ad, server.section(more='mark = "businessCategory"'), out=F), "dirsync", "gw", "foreign")
    like(side.ask("traits"), "writable displayName .*proxies=0 members needs-surname$", "a foreign server of any kind keeps one address, as target")
    server.add("dn: uid=xaver,ou=Staff,%s\nobjectClass: inetOrgPerson\ncn: Xaver\nsn: X\nmail: x@org.example\nmail: xx@org.example\no: Org\n\n"
               "dn: cn=all,ou=Staff,%s\nobjectClass: groupOfNames\nobjectClass: extensibleObject\nmail: all@org.example\nmember: uid=xaver,ou=Staff,%s\n\n" % ((server.suffix,) * 3))
    x, everybody = side.entry("uid=xaver,ou=Staff," + server.suffix), side.entry("cn=all,ou=Staff," + server.suffix)
    is_((x.kind, x.target, x["secondary"], x.displayName, x.company, x.mailNickname), ("mailbox", "SMTP:x@org.example", ["SMTP:xx@org.example"], "Xaver", "Org", "xaver"), "a person")
    is_((everybody.kind, everybody.target, len(everybody["member"])), ("group", "SMTP:all@org.example", 1), "a list")
    like(side.one("add", "contact", a, source="1", displayName="Ann", targetAddress="SMTP:ann@contoso.example", mailNickname="ann"), "^done", "a host's recipient is added")
    is_(dirside.some(server, a, "mail", "businessCategory", "sn", "uid"), [["ann@contoso.example"], ["viaduct:gw:1"], ["Ann"], ["ann"]], "under one address, with the surname that it must have")
    ann = side.entry(a)
    is_((ann.kind, ann.target, ann.mark), ("contact", "SMTP:ann@contoso.example", "viaduct:gw:1"), "it reads as it was written")
    like(side.one("change", "contact", a, id=ann.id, source="1", targetAddress=("SMTP:ann@contoso.example", "SMTP:anna@contoso.example")), "^done", "its address changes")
    is_(dirside.some(server, a, "mail"), [["anna@contoso.example"]], "so it is")
    like(side.one("add", "group", "cn=g," + F, source="2", displayName="G", targetAddress="SMTP:g@contoso.example", member=[a]), "^done", "a group")
    is_(side.entry("cn=g," + F)["member"], [a], "with its member")
    like(side.one("add", "group", "cn=h," + F, source="3", displayName="H", targetAddress="SMTP:h@contoso.example"), r"^refused.*\(65\)", "one without members cannot be")
    like(side.one("add", "contact", "cn=Ben," + F, source="5", displayName="Ben", targetAddress="SMTP:ben@contoso.example"), "^done", "another recipient")
    g = side.entry("cn=g," + F)
    like(side.one("change", "group", g.name, id=g.id, source="2", member=([a], ["cn=Ben," + F])), "^done", "takes the only member's place: who comes is added first")
    is_(side.entry("cn=g," + F)["member"], ["cn=Ben," + F], "so it is")
    like(side.one("change", "group", g.name, id=g.id, source="2", member=(["cn=Ben," + F], [])), r"^refused.*\(65\).*wants one member at least", "the last one cannot leave, and why is said")
    like(side.one("add", "group", "cn=i,ou=Nowhere," + server.suffix, source="4", displayName="I", targetAddress="SMTP:i@contoso.example", member=[a]),
         r"^refused.*\(32\).*container", "a container that is not there is named, for a group too")
    like(side.one("delete", "contact", a, id=ann.id), "^refused.*whose copy", "nothing is deleted for a plan that does not say whose copy it is")
    like(side.one("delete", "contact", a, id=ann.id, source="1"), "^done", "deleted")
    is_(side.close(), 0, "it ends in order")
    side = dirside.Side(dirside.conf(ad, server.section(more='mark = "proxyAddresses"'), out=F), "dirsync", "gw", "foreign")
    like(side.one("add", "contact", a, source="1", displayName="Ann"), "^refused.*mark", "a mark in an attribute that the schema lacks")
    side.close()
    side = dirside.Side(dirside.conf(ad, server.section(more='id = "objectGUID"'), out=F), "dirsync", "gw", "foreign")
    side.process.wait(20)
    like(side.opened, 'failed 22 id: the server\'s schema has no attribute "objectGUID"', "nor an id")
    side = dirside.Side(dirside.conf(ad, server.section(more='mark = "businessCategory"')), "dirsync", "gw", "foreign")
    like(side.opened, 'failed 22 export.into "O=Exchange" does not lie below base', "a container that is not read is not written")


class NoRules(directory.Slapd):
    """Attributes that know no equality: no single value can be taken away (OpenLDAP's own msuser.schema is so)."""

    def configure(self):
        super().configure()
        with open(os.path.join(directory.SRC, "t/directory/adlike.schema")) as f:
            text = f.read()
        for name in ("proxyAddresses", "importedFrom", "targetAddress", "title"):
            text = re.sub(r"(NAME '%s'[^)]*?)EQUALITY caseIgnoreMatch( SUBSTR caseIgnoreSubstringsMatch)?" % name, r"\1", text)
        with open(os.path.join(self.top, "norules.schema"), "w") as f:
            f.write(text)
        path = os.path.join(self.top, "slapd.conf")
        with open(path) as f:
            text = f.read()
        text = text.replace("%s/t/directory/adlike.schema" % directory.SRC, self.top + "/norules.schema")
        with open(path, "w") as f:
            f.write(re.sub(r"(?m)^index proxyAddresses.*\n", "", text))


def test_no_rules():
    host = NoRules("ad")
    a = "cn=Ann,ou=Foreign," + host.suffix
    side = dirside.Side(dirside.conf(host.section("ad")), "dirsync", "gw", "host")
    like(side.one("add", "contact", a, source="X", **dirside.ANN), "^done", "attributes without equality: a contact is added")
    ann = side.entry(a)
    what = dict(displayName=("Ann Beebe", "Ann"), targetAddress=("GWISE:DOM.PO.ABEEBE", "GWISE:DOM.PO2.ABEEBE"),
                proxyAddresses=(["GWISE:DOM.PO.ABEEBE"], ["GWISE:DOM.PO2.ABEEBE"]))
    like(side.one("change", "contact", a, id=ann.id, source="X", **what), "^done", "and changed")
    is_(dirside.some(host, a, "displayName", "targetAddress", "proxyAddresses", "importedFrom"),
        [["Ann"], ["GWISE:DOM.PO2.ABEEBE"], ["GWISE:DOM.PO2.ABEEBE", "SMTP:abeebe@contoso.example"], ["viaduct:gw:X"]], "all values are written anew")
    like(side.one("change", "contact", a, id=ann.id, source="X", **what), "^before", "once")
    like(side.one("change", "contact", a, id=ann.id, source="Y", title=([], "x")), "^stale.*another's", "another's is seen by reading it")
    like(side.one("change", "contact", a, id=ann.id, source="X", targetAddress=("GWISE:a", "GWISE:b")), "^stale", "so is what has changed")
    like(side.one("delete", "contact", a, id=ann.id, source="X"), "^done", "it is deleted")
    is_(dirside.held(host, a), None, "so it is")
    side.close()


test_bare()
test_no_rules()
test_plain()
done()
