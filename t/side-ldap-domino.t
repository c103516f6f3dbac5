#!/usr/bin/python3
"""A server with Domino's schema: who is read of it and under which address, and the host's recipients in it."""
import directory
import dirside
from rig import done, is_, like, ok

domino = directory.Slapd("domino")
domino.add("dn: o=Exchange\nobjectClass: organization\no: Exchange\n")
ad = 'directory "ad" { url = { "ldaps://127.0.0.1:1/" } base = "DC=x" }'
side = dirside.Side(dirside.conf(ad, domino.section(more='mark = "description"')), "dirsync", "gw", "foreign")
is_(side.opened, "open", "it is reached")
like(side.ask("traits"), "writable displayName .*proxies=1 members needs-surname$", "it keeps one SMTP address, members, and hides nobody")

# ---- what is read ----

domino.add("""dn: cn=Ann Beebe,o=Org
objectClass: dominoPerson
sn: Beebe
givenName: Ann
fullName: CN=Ann Beebe/OU=Sales/O=Org
fullName: Annie
uid: abeebe
mailDomain: ACME
mailSystem: 1
internetAddress: ann@acme.example
mail: ignored@acme.example
availableForDirSync: 1
companyName: Org
location: 5/12

dn: cn=Bo,o=Org
objectClass: dominoPerson
sn: Bo
mailDomain: ACME
mail: Bo/Org%ACME@host.example
availableForDirSync: 0

dn: cn=None,o=Org
objectClass: dominoPerson
sn: None
mailDomain: ACME
mailSystem: 100

dn: cn=Inet,o=Org
objectClass: dominoPerson
sn: Inet
mail: inet@acme.example
mailSystem: 5

dn: cn=No Address,o=Org
objectClass: dominoPerson
sn: x

dn: cn=All Sales
objectClass: dominoGroup
groupType: 1
member: cn=Ann Beebe,o=Org

dn: cn=Deny
objectClass: dominoGroup
groupType: 3
mail: deny@acme.example

dn: cn=Orders
objectClass: dominoServerMailInDatabase
mailDomain: ACME
fullName: Orders
mailFile: mail/orders
""")
is_(side.read(), "read 5 full", "three people, a list, a mail-in database; not who has no mail, no address, nor a list that denies access")
read = side.entries()
ann, bo, inet, sales, orders = (read[n] for n in ("cn=ann beebe,o=org", "cn=bo,o=org", "cn=inet,o=org", "cn=all sales", "cn=orders"))
is_((ann.kind, ann.target, ann["primary"], ann.mailNickname, ann.company, ann.physicalDeliveryOfficeName, ann.flags),
    ("mailbox", "NOTES:Ann Beebe/Sales/Org@ACME", ["SMTP:ann@acme.example"], "abeebe", "Org", "5/12", ""), "a person")
is_((bo.target, bo.flags, bo.get("primary")), ("NOTES:Bo/Org@ACME", "out", None), "one who opts out; what Domino made up is no SMTP address")
is_(inet.target, "SMTP:inet@acme.example", "one who has SMTP alone")
is_((sales.kind, sales.target, sales["member"]), ("group", "NOTES:All Sales@ACME", ["cn=Ann Beebe,o=Org"]), "a list at the root, in the connector's domain")
is_((orders.kind, orders.target), ("folder", "NOTES:Orders@ACME"), "a mail-in database")

# ---- what is written ----

H, S = "cn=Hans Host,o=Exchange", "9863302e-e0c3-4248-880f-36d7e97f7ed1"
HANS = dict(displayName="Hans Host", givenName="Hans", sn="Host", mailNickname="hans", targetAddress="NOTES:Hans Host/Contoso@Exchange",
            mail="hans@contoso.example", co="DE")
like(side.one("add", "contact", H, source=S, **HANS), "^done", "a host's recipient is added")
is_(dirside.some(domino, H, "fullName", "mailDomain", "mailSystem", "availableForDirSync", "description", "uid", "internetAddress", "mail", "sn"),
    [["Hans Host/Contoso"], ["Exchange"], ["1"], ["0"], ["viaduct:gw:" + S], ["hans"], ["hans@contoso.example"], [], ["Host"]],
    "as Domino's router wants it, not available to be exported again")
hans = side.entry(H)
is_((hans.kind, hans.target, hans["primary"], hans.mark, hans.co), ("contact", HANS["targetAddress"], ["SMTP:hans@contoso.example"], "viaduct:gw:" + S, ""), "it reads as it was written")


def change(operation="change", **kw):
    return side.one(operation, "contact", H, id=hans.id, source=S, **kw)


domino.modify("dn: %s\nchangetype: modify\nadd: fullName\nfullName: Hansi\n-\nadd: description\ndescription: what somebody else says of him\n" % H)
what = dict(targetAddress=("NOTES:Hans Host/Contoso@Exchange", "NOTES:Hans Hoster/Contoso@Exch"), displayName=("Hans Host", "Hans Hoster"), sn=("Host", []))
like(change(**what), "^done", "he gets another address, and loses his surname")
is_(dirside.some(domino, H, "fullName", "mailDomain", "displayName", "description"),
    [["Hans Hoster/Contoso", "Hansi"], ["Exch"], ["Hans Hoster"], sorted(["viaduct:gw:" + S, "what somebody else says of him"])],
    "other names, and what else stands beside the mark, are left alone")
like(change(**what), "^before", "once")
dirside.edit(domino, H, "fullName", "CN=Hans Hoster/O=Contoso", "Hansi")
is_(side.entry(H).target, "NOTES:Hans Hoster/Contoso@Exch", "a name that was written out is the same")
like(change(targetAddress=("NOTES:Hans Hoster/Contoso@Exch", "NOTES:Hans/Contoso@Exch")), "^done", "and can be changed")
is_(dirside.some(domino, H, "fullName"), [["Hans/Contoso", "Hansi"]], "so it is")
is_(side.entry(H).target, "NOTES:Hans/Contoso@Exch", "though another name stands before it now")
like(change(targetAddress=("NOTES:Hans/Contoso@Exch", "SMTP:hans@x.example"), mail=("hans@contoso.example", "hans@x.example")), "^done", "he is reached by SMTP now")
is_(dirside.some(domino, H, "fullName", "mailDomain", "mailSystem", "internetAddress"), [["Hansi"], [], ["5"], ["hans@x.example"]], "by Internet mail")
like(change("hide"), "^(done|before)", "to hide him is nothing")
like(change("rename", new="cn=Hans X,o=Exchange"), "^done", "he is renamed")
H = "cn=Hans X,o=Exchange"
is_(dirside.some(domino, H, "cn"), [["Hans X"]], "so he is")
like(side.one("add", "group", "cn=Grp,o=Exchange", source="G", displayName="Grp", mailNickname="grp", targetAddress="NOTES:Grp/Contoso@Exchange", member=[H]), "^done", "a group")
is_(dirside.some(domino, "cn=Grp,o=Exchange", "groupType", "member", "mailDomain", "availableForDirSync", "fullName"),
    [["1"], [H], ["Exchange"], ["0"], ["Grp/Contoso"]], "for mail alone, with members")
domino.modify("dn: %s\nchangetype: modify\ndelete: description\ndescription: viaduct:gw:%s\n" % (H, S))
like(change("delete"), "^stale.*what somebody else says", "without its mark it is not ours")
like(side.one("change", "contact", H, id=hans.id, source=S, title=([], "X")), "^stale", "and not written")
domino.modify("dn: %s\nchangetype: modify\nadd: description\ndescription: viaduct:gw:%s\n" % (H, S))
like(change("delete"), "^done", "with it, it is deleted")
ok(dirside.held(domino, H) is None, "and gone")
is_(side.close(), 0, "it ends in order")

# ---- without a mark ----

side = dirside.Side(dirside.conf(ad, domino.section()), "dirsync", "gw", "foreign")
like("\n".join(side.notes), "cannot be written.*option mark", "without an attribute for marks it says that it cannot be written")
like(side.one("add", "contact", H, source=S, **HANS), "^refused.*mark", "and is not")
is_(side.read(), "read 6 full", "it is read")
side.close()
path = dirside.conf(ad, domino.section(more='mark = "description"'))
with open(path) as f:
    text = f.read()
with open(path, "w") as f:
    f.write(text.replace('type = "NOTES" pattern = "*@ACME"', 'type = "NOTES" pattern = "*"'))
side = dirside.Side(path, "dirsync", "gw", "foreign")
is_(side.read(), "read 5 full", "where no mail domain is to be found for a list, it is left out")
like("\n".join(side.notes), "1 lists name no mail domain.*NOTES, pattern", "and that is said, with what to do")
is_(side.close(), 0, "it ends in order")
done()
