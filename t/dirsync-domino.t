#!/usr/bin/env python3
"""A host's directory and one like Domino's in step, both behind LDAP: a group with 5,000 members, Notes addresses both ways, and echoes
that do not come back."""
from directory import Slapd
from rig import Viaduct, done, free_port, is_, like, note, ok

MANY = 5000
ad, domino = Slapd("ad"), Slapd("domino")
STAFF, FOREIGN = "ou=Staff," + ad.suffix, "ou=Foreign," + ad.suffix
domino.add("dn: ou=Exchange,o=Org\nobjectClass: organizationalUnit\nou: Exchange\n")
viaduct = Viaduct("""admin-address = "postmaster@contoso.example"
host { domains = { "contoso.example" } smtp { listen = { "127.0.0.1:%d" } } deliver { to = { "smtp://127.0.0.1:9" } }
    %s }
connector "notes" { type = "smtp" peer { to = { "smtp://127.0.0.1:9" } } address-space { type = "SMTP" pattern = "*@acme.example" cost = 1 } }
recipient-policy "default" { filter = "(mailNickname=*)" proxy = { "SMTP:%%m@contoso.example", "NOTES:&d/Contoso@Exchange" } }
dirsync "notes" { connector = "notes" directory = "ad" schedule = "never"
    foreign { format = "ldap" %s }
    import { container = "%s" delete-after = 0 }
    export { containers = { "%s" } groups = "group" into = "ou=Exchange,o=Org" }
    limits { delete = { "100" } change = { "100000" } shrink = "90%%" } }
""" % (free_port(), ad.section("ad"), domino.section(None, 'kind = "domino" mark = "comment" id = "entryUUID"'), FOREIGN, STAFF))


def run(*args, expect=0):
    status, said = viaduct.command("dirsync", *(args or ("run",)))
    if not is_(status, expect, "dirsync %s" % " ".join(args or ("run",))):
        note(said)
    return said


def settled():
    said = run()
    if not ok("0 of 0 changes" in said, "and then both agree"):
        note(said + viaduct.command("dirsync", "show")[1][:3000])


for first in range(0, MANY, 1000):
    ad.add("".join("dn: cn=User %d,%s\nobjectClass: user\ncn: User %d\ndisplayName: User %d\nsn: U\nmailNickname: u%d\nhomeMDB: x\nmail: u%d@contoso.example\n"
                   "proxyAddresses: SMTP:u%d@contoso.example\n\n" % (n, STAFF, n, n, n, n, n) for n in range(first, first + 1000)))
ad.add("dn: cn=everybody,%s\nobjectClass: group\ncn: everybody\ndisplayName: everybody\nmailNickname: everybody\nmail: everybody@contoso.example\n"
       "proxyAddresses: SMTP:everybody@contoso.example\n" % STAFF + "".join("member: cn=User %d,%s\n" % (n, STAFF) for n in range(MANY)))
domino.add("".join("dn: cn=%s,o=Org\nobjectClass: dominoPerson\ncn: %s\nsn: %s\ndisplayName: %s\nfullName: CN=%s/O=Org\nuid: %s\nmailDomain: Acme\n"
                   "internetAddress: %s@acme.example\nmail: %s@acme.example\navailableForDirSync: 1\ndominoUNID: %032d\n\n"
                   % (n, n, n.split()[-1], n, n, n.split()[0].lower(), n.split()[0].lower(), n.split()[0].lower(), i)
                   for i, n in enumerate(("Ann Beebe", "Ted Bremer"))))
domino.add("dn: cn=Shy Person,o=Org\nobjectClass: dominoPerson\ncn: Shy Person\nsn: Person\nfullName: CN=Shy Person/O=Org\nmailDomain: Acme\n"
           "internetAddress: shy@acme.example\nmail: shy@acme.example\navailableForDirSync: 0\n")

viaduct.command("spool", "create")
said = run()
like(said, r"of 10\d\d\d changes carried out, 0 failed", "thousands of changes are carried out, none fails")
people = [dn for dn, _ in domino.search("(objectClass=dominoPerson)", "ou=Exchange,o=Org", ("cn",))]
is_(len(people), MANY, "every user of the host is there")
groups = domino.search("(&(objectClass=dominoGroup)(cn=everybody))", "ou=Exchange,o=Org") or domino.search("(cn=everybody)", "")
is_(len(groups), 1, "and the group")
is_(len(groups[0][1].get("member", [])) if groups else 0, MANY, "with its 5,000 members")
found = {e["displayName"][0]: e for dn, e in ad.search("(objectClass=contact)", FOREIGN)}
is_(sorted(found), ["Ann Beebe", "Ted Bremer"], "Domino's people are here, but who does not want to be")
ok(any(p.upper().startswith("NOTES:") for p in found["Ann Beebe"]["proxyAddresses"]), "under their Notes addresses")
like(" ".join(found["Ann Beebe"]["targetAddress"]), "(?i)ann", "to which their mail goes")
one = ad.search("(mailNickname=u7)")[0][1]
ok("NOTES:User 7/Contoso@Exchange" in one["proxyAddresses"], "the host's people have Notes addresses by the policy")
settled()

# one of many
ad.modify("dn: cn=everybody,%s\nchangetype: modify\ndelete: member\nmember: cn=User 17,%s\n" % (STAFF, STAFF))
ad.delete("cn=User 18,%s" % STAFF)
ad.modify("dn: cn=everybody,%s\nchangetype: modify\ndelete: member\nmember: cn=User 18,%s\n" % (STAFF, STAFF))
ad.rename("cn=User 19,%s" % STAFF, "cn=Zoe")
ad.modify("dn: cn=Zoe,%s\nchangetype: modify\nreplace: displayName\ndisplayName: Zoe\n" % STAFF)
ad.modify("dn: cn=everybody,%s\nchangetype: modify\ndelete: member\nmember: cn=User 19,%s\n-\nadd: member\nmember: cn=Zoe,%s\n" % (STAFF, STAFF, STAFF))
run()
run() # a server that does not keep members in step by itself has names of before: the next run sees them
members = [m.lower() for m in domino.search("(cn=everybody)", "")[0][1]["member"]]
is_(len(members), MANY - 2, "two members of 5,000 have left")
ok(any(m.startswith("cn=zoe,") for m in members), "and one has another name")
ok(not domino.search("(cn=User 18)", ""), "who is deleted is deleted there")
settled()
domino.rename("cn=Ann Beebe,o=Org", "cn=Ann Smith")
domino.modify("dn: cn=Ann Smith,o=Org\nchangetype: modify\nreplace: displayName\ndisplayName: Ann Smith\n-\nreplace: fullName\nfullName: CN=Ann Smith/O=Org\n"
              "-\nreplace: internetAddress\ninternetAddress: smith@acme.example\n-\nreplace: mail\nmail: smith@acme.example\n")
domino.delete("cn=Ted Bremer,o=Org")
run()
found = {e["displayName"][0]: (dn, e) for dn, e in ad.search("(objectClass=contact)", FOREIGN)}
is_(sorted(found), ["Ann Smith"], "renamed there is renamed here, deleted is deleted")
ok("smtp:smith@acme.example" in " ".join(found["Ann Smith"][1]["proxyAddresses"]).lower(), "and has the new address")
settled()
done()
