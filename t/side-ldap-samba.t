#!/usr/bin/python3
"""A domain controller (Samba): what a server that is only like one does not do: accounts that are unique, members that must be there."""
import samba

samba.enter()

import dirside
from rig import done, is_, like, ok

dc = samba.Controller()
STAFF, FOREIGN = "OU=Staff," + dc.suffix, "OU=Foreign," + dc.suffix
side = dirside.Side(dirside.conf(dc.section("ad")), "dirsync", "gw", "host")
is_(side.opened, "open", "it is reached")
like(side.ask("traits"), "writable displayName .*proxies=2 hides members$", "it keeps all")
dirside.bob(dc, STAFF, "sAMAccountName: bob\nhomeMDB: CN=Bob,%s\n" % STAFF)
dc.add("dn: CN=zoe,%(s)s\nobjectClass: user\nsAMAccountName: zoe1\nuserPrincipalName: zoe2@contoso.example\n\n"
       "dn: CN=Own,%(s)s\nobjectClass: group\ngroupType: 8\nmail: own@contoso.example\n\n" % {"s": STAFF})
is_(side.read(), "read 2 full", "a mailbox and a list; the domain's own accounts are no recipients")

a, id = dirside.contacts(side, dc, STAFF, FOREIGN)
dirside.changes(side, dc, a, id)
dirside.marks(side, dc, a, id)
dirside.names(side, dc, a, id, STAFF)
dirside.hosts(side, dc, STAFF)
dirside.every_kind(side, dc, STAFF, FOREIGN)
g, id = dirside.groups(side, dc, FOREIGN, 60)

# ---- members that are not there ----

like(side.one("change", "group", g, id=id, source="G", member=([], ["CN=Gone%d,%s" % (n, FOREIGN) for n in range(5)] + ["CN=M9," + FOREIGN])),
     "^refused.*left out, 5: CN=Gone0", "members that are not there are named")
ok(("cn=m9," + FOREIGN).lower() in dirside.listed(dc, g), "and the one that is there is a member")
n = "CN=New," + FOREIGN
like(side.one("add", "group", n, source="N", displayName="N", targetAddress="GWISE:D.P.N", proxyAddresses=["GWISE:D.P.N"],
              mailNickname="new", info="what it is for", telephoneNumber="1", sn="New", co="Germany",
              member=["CN=M0," + FOREIGN, "CN=Gone," + FOREIGN, "CN=M1," + FOREIGN]), "^refused.*left out, 1: CN=Gone", "nor do they keep a new group from being made")
is_(dirside.some(dc, n, "mailNickname", "info", "telephoneNumber", "sn"), [["new"], ["what it is for"], ["1"], []], "which has what groups can have")
is_(dirside.listed(dc, n), dirside.members(FOREIGN, "m", (0, 1)), "with the others")
dirside.circles(side, dc, FOREIGN, g, id)

# ---- a member that goes, or gets another name ----

side.read()
like(side.read("changes"), " changes$", "later only changes are read")
dc.add("dn: CN=Watch,%(s)s\nobjectClass: group\ngroupType: 8\nmail: watch@contoso.example\nmember: CN=M3,%(f)s\nmember: CN=M4,%(f)s\nmember: CN=M5,%(f)s\n\n" % {"s": STAFF, "f": FOREIGN})
side.read("changes")
watch = ("CN=Watch," + STAFF).lower()
is_(len(side.entries()[watch]["member"]), 3, "a list of three")
dc.delete("CN=M3," + FOREIGN)
dc.rename("CN=M4," + FOREIGN, "CN=Renamed")
dc.rename("CN=M5," + FOREIGN, "CN=M5", "OU=Other," + dc.suffix)
like(side.read("changes"), " changes$", "one is deleted, one renamed, one moved")
read = side.entries()
is_(sorted(m.lower() for m in read[watch]["member"]), sorted(x.lower() for x in ("CN=Renamed," + FOREIGN, "CN=M5,OU=Other," + dc.suffix)),
    "the list has who is there, under their names")
ok(("CN=M3," + FOREIGN).lower() not in read and ("CN=Renamed," + FOREIGN).lower() in read, "so has the set")

# ---- a filter: who comes to be of those it takes, and who no longer is ----

some = dirside.Side(dirside.conf(dc.section("ad", 'filter = "(adminDisplayName=staff)"')), "dirsync", "gw", "host")
some.read()
ok(watch not in some.entries(), "a filter does not take a list")
dc.modify("dn: CN=Watch,%s\nchangetype: modify\nreplace: adminDisplayName\nadminDisplayName: staff\n" % STAFF)
like(some.read("changes"), " changes$", "it changes in nothing but what the filter looks at")
ok(watch in some.entries(), "and is there")
dc.modify("dn: CN=Watch,%s\nchangetype: modify\nreplace: adminDisplayName\nadminDisplayName: guest\n" % STAFF)
some.read("changes")
ok(watch not in some.entries(), "and no longer")
some.close()

# ---- accounts ----

dirside.users(side, dc, FOREIGN, "zoe3") # zoe is taken by then, and zoe2 is somebody's userPrincipalName
side.close()
enabled = dirside.Side(dirside.conf(dc.section("ad"), create="enabled-user"), "dirsync", "gw", "host")
like(enabled.one("add", "mail user", "CN=Enabled," + FOREIGN, source="E", displayName="E", mailNickname="enabled", targetAddress="GWISE:D.P.E",
                 proxyAddresses=["GWISE:D.P.E"]), "^done", "an enabled user")
(control,), (since,) = dirside.some(dc, "CN=Enabled," + FOREIGN, "userAccountControl", "pwdLastSet")
ok(control == "512" and since != "0", "has a password, which nobody knows")
dirside.hostile(enabled, dc, FOREIGN)
is_(enabled.close(), 0, "it ends in order")
done()
