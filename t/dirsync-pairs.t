#!/usr/bin/python3
"""Whatever kind of server is kept in step with Active Directory: what one run has written, the next one finds as it should be. What a
server cannot keep is not planned for it, again and again."""
import os
import re

import directory
from rig import Sink, Viaduct, done, is_, like, note, ok, smtp_pair


class Plain(directory.Slapd):
    """Any LDAP server: inetOrgPerson and nothing else."""

    def configure(self):
        super().configure()
        path = os.path.join(self.top, "slapd.conf")
        with open(path) as f:
            text = f.read()
        with open(path, "w") as f:
            f.write(re.sub(r"(?m)^(include \S*adlike.schema|index proxyAddresses.*)\n", "", text))


MORE = """
recipient-policy "default" { filter = "(mailNickname=*)" proxy = { "SMTP:%%m@contoso.example", "NOTES:%%d/Contoso@Exchange" } }
dirsync "branch" { connector = "branch" directory = "ad" schedule = "never"
    foreign { format = "ldap" %s }
    import { container = "ou=Foreign,dc=contoso,dc=example" groups = "group" create-as = "%s" delete-after = 0 }
    export { containers = { "ou=Staff,dc=contoso,dc=example" } into = "%s" groups = "group" }
    limits { change = { "1000" } delete = { "1000" } shrink = "100%%" } }
"""
PEOPLE = "".join("""dn: cn=User %(n)d,ou=Staff,dc=contoso,dc=example
objectClass: user
displayName: User %(n)d
givenName: U
sn: %(n)d
title: Boss
company: Contoso
telephoneNumber: 1 %(n)d
info: of all
co: Germany
mailNickname: user%(n)d
homeMDB: cn=x
proxyAddresses: SMTP:user%(n)d@contoso.example
proxyAddresses: smtp:other%(n)d@contoso.example
mail: user%(n)d@contoso.example

""" % {"n": n} for n in range(4)) + """dn: cn=List,ou=Staff,dc=contoso,dc=example
objectClass: group
groupType: 8
mailNickname: list
displayName: List
info: of a list
mail: list@contoso.example
member: cn=User 1,ou=Staff,dc=contoso,dc=example
member: cn=User 2,ou=Staff,dc=contoso,dc=example

"""
DOMINO = "".join("""dn: cn=Dom %(n)d,o=Org
objectClass: dominoPerson
sn: Dom
displayName: Dom %(n)d
fullName: CN=Dom %(n)d/O=Org
uid: dom%(n)d
companyName: Org
location: 5
internetAddress: dom%(n)d@branch.example

""" % {"n": n} for n in range(4)) + """dn: cn=All
objectClass: dominoGroup
groupType: 1
displayName: All
internetAddress: all@branch.example
member: cn=Dom 1,o=Org

"""
OTHERS = "".join("""dn: uid=dom%(n)d,ou=Staff,dc=contoso,dc=example
objectClass: inetOrgPerson
cn: Dom %(n)d
sn: Dom
o: Org
mail: dom%(n)d@branch.example
mail: second%(n)d@branch.example

""" % {"n": n} for n in range(4)) + """dn: cn=All,ou=Staff,dc=contoso,dc=example
objectClass: groupOfNames
objectClass: extensibleObject
mail: all@branch.example
member: uid=dom1,ou=Staff,dc=contoso,dc=example

"""


def settles(viaduct, what, runs):
    """Within so many runs there is nothing left to do."""
    for n in range(runs + 1):
        code, said = viaduct.command("dirsync", "plan", "branch")
        if re.search(r"\b0 changes", said):
            return ok(True, "%s: agreed after %d runs" % (what, n))
        code, said = viaduct.command("dirsync", "apply", "branch")
    ok(False, "%s: agreed" % what)
    note(viaduct.command("dirsync", "show", "branch")[1])
    return False


def pair(kind, foreign, mark, entries, into, create, member, renamed):
    host = directory.Slapd("ad")
    host.add(PEOPLE)
    foreign.add(entries)
    text = smtp_pair(Sink(), Sink(), host=host.section("ad"), more=MORE % (foreign.section(more=mark), create, into))[2]
    viaduct = Viaduct(text)
    viaduct.start()
    like(viaduct.command("dirsync", "run", "branch")[1], r"(\d+) of \1 changes carried out, 0 failed", kind + ": the first run carries all out")
    settles(viaduct, kind, 0)
    foreign.rename(member, renamed)
    host.modify("dn: cn=User 1,ou=Staff,dc=contoso,dc=example\nchangetype: modify\nreplace: displayName\ndisplayName: Anna\n-\n"
                "replace: title\n-\nreplace: company\ncompany: Fabrikam\n-\nreplace: sn\n-\n\n")
    host.delete("cn=User 3,ou=Staff,dc=contoso,dc=example")
    like(viaduct.command("dirsync", "run", "branch")[1], r"(\d+) of \1 changes carried out, 0 failed", kind + ": so does one after changes on both sides")
    settles(viaduct, kind + ", after changes", 2) # members of groups follow names that a run has given
    copies = foreign.search("(objectClass=*)", into)
    is_(len(copies), 1 + 3 + 1, kind + ": three people and a list are copied")
    ok(any("Anna" in e.get("displayName", e.get("cn", [])) for _, e in copies), kind + ": one under his new name")
    is_(len(host.search("(importedFrom=*)", "ou=Foreign,dc=contoso,dc=example")), 5, kind + ": four people and a list the other way")
    is_(viaduct.stop(), 0, kind + ": it ends in order")


domino = directory.Slapd("domino")
domino.add("dn: o=Exchange\nobjectClass: organization\no: Exchange\n")
pair("Domino", domino, 'mark = "description"', DOMINO, "o=Exchange", "contact", "cn=Dom 2,o=Org", "cn=Dom Two")
pair("another Active Directory", directory.Slapd("ad"), "", PEOPLE.replace("User", "Dom").replace("user", "dom").replace("other", "second")
     .replace("contoso.example", "branch.example").replace("objectClass: dom", "objectClass: user").replace("List", "All").replace("list", "all"),
     "ou=Foreign,dc=contoso,dc=example", "disabled-user", "cn=Dom 2,ou=Staff,dc=contoso,dc=example", "cn=Dom Two")
pair("any server", Plain("ad"), 'mark = "businessCategory"', OTHERS, "ou=Foreign,dc=contoso,dc=example", "contact",
     "uid=dom2,ou=Staff,dc=contoso,dc=example", "uid=two")
done()
