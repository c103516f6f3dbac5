#!/usr/bin/python3
"""A server with Active Directory's and Exchange's schema: every operation on every kind is carried out once, on nobody else's entry."""
import directory
import dirside
from rig import done, is_, like, ok

host = directory.Slapd("ad")
STAFF, FOREIGN = "ou=Staff," + host.suffix, "ou=Foreign," + host.suffix
side = dirside.Side(dirside.conf(host.section("ad")), "dirsync", "gw", "host")
is_(side.opened, "open", "it is reached")
like(side.ask("traits"), "writable displayName .*proxies=2 hides members$", "it keeps all that Active Directory does")

# ---- what is read ----

dirside.bob(host, STAFF, "homeMDB: cn=store\nproxyAddresses: smtp:b.b@contoso.example\nproxyAddresses: X400:c=US;a= ;p=MS;s=bob;\n")
host.add("""dn: cn=Odd,%(s)s
objectClass: contact
targetAddress: nonsense
proxyAddresses: SMTP:not an address

dn: cn=Room,%(s)s
objectClass: user
homeMDB: cn=x
msExchRecipientDisplayType: 7
mail: room@contoso.example
userAccountControl: 514
msExchHideFromAddressLists: TRUE

dn: cn=Nobody,%(s)s
objectClass: user
cn: Nobody

dn: cn=Folder,%(s)s
objectClass: publicFolder
mail: folder@contoso.example

dn: cn=List,%(s)s
objectClass: group
groupType: 8
mail: list@contoso.example
member: cn=Bob,%(s)s
member: cn=Nobody,%(s)s
""" % {"s": STAFF})
is_(side.read(), "read 5 full", "five recipients; a user without address is none")
read = side.entries()
bob, odd, room = (read["cn=%s,%s" % (n, STAFF.lower())] for n in ("bob", "odd", "room"))
is_((bob["primary"], bob["secondary"]), (["SMTP:bob@contoso.example", "X400:c=US;a= ;p=MS;s=bob;"], ["SMTP:b.b@contoso.example"]), "addresses, primary and others")
is_((odd.kind, odd.flags), ("contact", "broken"), "an entry that cannot be used is there all the same")
like(odd.trouble, 'proxy address "SMTP:not an address".*targetAddress "nonsense"', "and says why")
like("\n".join(side.notes), "(?i)cn=odd.*nonsense", "so does the run")
is_((room.kind, room.flags), ("resource", "hidden disabled"), "a room")
is_([read["cn=%s,%s" % (n, STAFF.lower())].kind for n in ("folder", "list")], ["folder", "group"], "a folder and a list")

# ---- what is written ----

a, id = dirside.contacts(side, host, STAFF, FOREIGN)
dirside.changes(side, host, a, id)
dirside.marks(side, host, a, id)
dirside.names(side, host, a, id, STAFF)
dirside.hosts(side, host, STAFF)
dirside.every_kind(side, host, STAFF, FOREIGN)
g, id = dirside.groups(side, host, FOREIGN, 2500)
dirside.circles(side, host, FOREIGN, g, id)
dirside.users(side, host, FOREIGN, "zoe") # this server does not care
dirside.hostile(side, host, FOREIGN)

z = "cn=Zed," + FOREIGN
like(side.one("add", "mail user", z, source="Z", displayName="Zed", mailNickname="zed", targetAddress="GWISE:D.P.Z", proxyAddresses=["GWISE:D.P.Z"]), "^done", "a user")
zed = side.entry(z)
dirside.edit(host, z, "targetAddress", "SMTP:forward@elsewhere.example")
like(side.one("disable", "mail user", z, id=zed.id, source="Z", targetAddress=("GWISE:D.P.Z", []), proxyAddresses=(["GWISE:D.P.Z"], []), mailNickname=("zed", [])),
     "^stale.*forward@elsewhere", "whose mail somebody forwards elsewhere by now is not let go")
is_(dirside.some(host, z, "targetAddress", "mailNickname"), [["SMTP:forward@elsewhere.example"], ["zed"]], "and keeps all")
dirside.edit(host, z, "targetAddress", "GWISE:D.P.Z")
like(side.one("disable", "mail user", z, id=zed.id, source="Z", targetAddress=("GWISE:D.P.Z", []), proxyAddresses=(["GWISE:D.P.Z"], []), mailNickname=("zed", [])), "^done",
     "the others are")
host.delete(z)

# ---- what changes ----

side.read()
is_(side.read("changes").split()[2], "changes", "later only changes are read")
before = len(side.entries())
host.modify("dn: cn=Bob,%s\nchangetype: modify\nreplace: title\ntitle: Boss\n" % STAFF)
host.rename("cn=Room," + STAFF, "cn=Hall")
host.delete("cn=Folder," + STAFF)
host.modify("dn: cn=Odd,%s\nchangetype: modify\ndelete: targetAddress\n-\ndelete: proxyAddresses\n" % STAFF)
like(side.read("changes"), " changes$", "what others did is read as changes")
read = side.entries()
is_((read["cn=bob,%s" % STAFF.lower()].title, len(read)), ("Boss", before - 2), "one changed, one deleted, one no recipient any more")
ok("cn=hall,%s" % STAFF.lower() in read and "cn=room,%s" % STAFF.lower() not in read, "one renamed")
host.modify("dn: ou=Unit,%s\nchangetype: add\nobjectClass: organizationalUnit\n\ndn: cn=Low,ou=Unit,%s\nchangetype: add\nobjectClass: user\n"
            "mail: low@contoso.example\nhomeMDB: x\n" % (STAFF, STAFF))
like(side.read("changes"), " full$", "a new unit with somebody in it may be one that was moved: all is read")
host.modify("dn: ou=Unit,%s\nchangetype: modify\nreplace: description\ndescription: x\n" % STAFF)
like(side.read("changes"), " changes$", "one that changes and stays where it is is no reason")
host.rename("ou=Unit," + STAFF, "ou=Section")
side.read("changes")
read = side.entries()
ok("cn=low,ou=section,%s" % STAFF.lower() in read and "cn=low,ou=unit,%s" % STAFF.lower() not in read, "a unit that is renamed takes who lies in it along")
ok(any("ou=Section" in n and "renamed or moved" in n for n in side.notes), "and is told of")
is_(side.close(), 0, "it ends in order")

host.add("dn: cn=Tag,%s\nobjectClass: user\nmail: tag@contoso.example\nhomeMDB: x\ntitle;lang-de: Leiter\ntitle: Head\n\n" % STAFF)
side = dirside.Side(dirside.conf(host.section("ad")), "dirsync", "gw", "host")
is_(side.entry("cn=Tag," + STAFF).title, "Head", "a value in some language is not the one that has none")
side.close()

# ---- a base that the server writes in another way ----

host.add("dn: ou=Z\u00fcrich,%s\nobjectClass: organizationalUnit\n\ndn: cn=Uli,ou=Z\u00fcrich,%s\nobjectClass: user\nmail: uli@contoso.example\nhomeMDB: x\n\n" % (host.suffix, host.suffix))
side = dirside.Side(dirside.conf(host.section("ad").replace('base = "', 'base = "OU=Z\u00dcRICH,  '), staff="OU=Staff,OU=Z\u00dcRICH,  " + host.suffix,
                                 into="OU=Z\u00dcRICH,  " + host.suffix), "dirsync", "gw", "host")
side.read()
is_(len(side.entries()), 1, "umlauts, case and blanks of a base are the server's to compare")
host.modify("dn: cn=Uli,ou=Z\u00fcrich,%s\nchangetype: modify\nreplace: title\ntitle: Boss\n" % host.suffix)
like(side.read("changes"), " changes$", "also for what changed")
is_([e.title for e in side.entries().values()], ["Boss"], "who changed is still there")
is_(side.close(), 0, "it ends in order")

# ---- who may not be written ----

side = dirside.Side(dirside.conf(host.section("ad", "writable = no")), "dirsync", "gw", "host")
like(side.ask("traits"), "^traits displayName", "a directory that may not be written")
like(side.one("add", "contact", "cn=No," + FOREIGN, source="N", **dirside.ANN), "^refused.*writable = no", "is not")
side.close()
host.stop()
host.extra = "readonly on"
host.configure()
host.start()
side = dirside.Side(dirside.conf(host.section("ad")), "dirsync", "gw", "host")
for n in range(3):
    side.change("add", "contact", "cn=No%d,%s" % (n, FOREIGN), source="N%d" % n, displayName="N", targetAddress="GWISE:D.P.N")
is_([line.split()[0] for line in side.flush()], ["broken"] * 3, "a server that is only read ends the run at once")
like(side.one("add", "contact", "cn=No," + FOREIGN, source="N", **dirside.ANN), "^broken.*only read: name the server that is written in url", "and says what to do")
is_(side.close(), 0, "it ends in order")
done()
