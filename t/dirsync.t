#!/usr/bin/env python3
"""Two directories in step, end to end: a host's LDAP directory and a foreign system that leaves and takes files. Somebody comes, is
renamed, moved, gets another address, hides, goes and comes back, on either side: the other side follows, and mail goes to the new
address and no longer to the old one. What would do harm is refused and said."""
import csv
import os

from directory import Slapd
from rig import Sink, Viaduct, done, is_, like, message, note, ok, private_folder, send, smtp_pair, until

ad = Slapd("ad")
STAFF, FOREIGN = "ou=Staff," + ad.suffix, "ou=Foreign," + ad.suffix
top = private_folder()
os.chmod(top, 0o777)
IN, OUT = top + "/in.csv", top + "/out.csv"
host, branch = Sink(), Sink()
MORE = """
recipient-policy "default" { filter = "(mailNickname=*)" proxy = { "SMTP:%%m@contoso.example" } }
dirsync "people" { connector = "branch" directory = "ad" schedule = "never"
    foreign { format = "csv" read = "%s" write = "%s" }
    import { container = "%s" initial = { "telephoneNumber" } %s }
    export { containers = { "%s" } groups = "group" }
    limits { delete = { "%s" } change = { "500" } shrink = "90%%" } }
"""


def conf(delete="5", more="delete-after = 0"):
    return smtp_pair(host, branch, MORE % (IN, OUT, FOREIGN, more, STAFF, delete), host=ad.section("ad", 'refresh = "1h"'), unknown="refuse")


host_port, branch_port, text = conf()
viaduct = Viaduct(text)
people = {"1": ["carl@branch.example", "Carl Branch", "carl", ""], "2": ["dora@branch.example", "Dora Branch", "dora", ""],
          "3": ["eve@branch.example", "Eve Branch", "eve", ""]}
hidden = set()


def leave(rows=None):
    """The foreign system's file, put into its place by renaming."""
    with open(IN + ".new", "w") as f:
        f.write("id,address,displayName,mailNickname,telephoneNumber,hidden\n")
        for key, (address, *values) in (people if rows is None else rows).items():
            f.write(",".join([key, "SMTP:" + address] + values + ["yes" if key in hidden else "no"]) + "\n")
    os.utime(IN + ".new", (1, 1)) # not written a moment ago
    os.rename(IN + ".new", IN)


def user(name, more=""):
    ad.add("dn: cn=%s,%s\nobjectClass: user\ncn: %s\ndisplayName: %s\nmailNickname: %s\nsAMAccountName: %s\nhomeMDB: here\n"
           "mail: %s@contoso.example\nproxyAddresses: SMTP:%s@contoso.example\n%s" % (name, STAFF, name, name, name, name, name, name, more))


def run(*args, expect=0, name=None):
    status, said = viaduct.command("dirsync", *(args or ("run",)))
    if not is_(status, expect, name or "dirsync %s ends with %d" % (" ".join(args or ("run",)), expect)) and status != expect:
        note(said)
    return said


def contacts():
    return {e["importedFrom"][0].split(":")[2]: (dn, e) for dn, e in ad.search("(importedFrom=viaduct*)")}


def written():
    with open(OUT) as f:
        return {row["address"]: row for row in csv.DictReader(f)}


def arrives(port, sender, to, sink):
    subject = "to %s %d" % (to, len(sink.mails))
    answer = send(port, sender, to, message(sender, to, subject))
    return answer.startswith("250") and sink.wait(1, lambda m: m.header("Subject") == subject)


def refused(port, sender, to):
    return send(port, sender, to, message(sender, to)).startswith("55")


# ---- the beginning ----

leave()
for name in ("ann", "bob", "cid"):
    user(name)
viaduct.start()
viaduct.wait_log("by=dirsync .*a new generation of the book is published", name="the worker reads the host's directory by itself")
until(lambda: arrives(branch_port, "x@branch.example", "ann@contoso.example", host), "mail for ann flows")
ok(refused(branch_port, "x@branch.example", "nobody@contoso.example"), "and who is in no directory is refused at once")
said = run("plan")
like(said, "6 changes", "a plan: three foreign people, three of the host's")
is_(len(contacts()), 0, "which nothing is done of")
like(run("show"), r"(?s)host add contact.*\+ targetAddress: SMTP:carl@branch.example.*hash: [0-9a-f]{64}", "it can be read")
rows = viaduct.rows("dirsync", "show")
is_(sorted({r["what"] for r in rows}), ["add"], "and listed")
run("apply", "people", "--plan", "00000000", expect=6, name="another plan than the one that lies there is not carried out")
is_(viaduct.rows("dirsync", "status")[0]["result"], "planned", "which says nothing of the state of things")
like(run("apply"), "6 of 6 changes carried out", "it is carried out")
is_(sorted(dn.lower() for dn, e in contacts().values()),
    [("cn=%s,%s" % (n, FOREIGN)).lower() for n in ("Carl Branch", "Dora Branch", "Eve Branch")], "contacts are there, under our mark")
is_(sorted(written()), ["SMTP:%s@contoso.example" % n for n in ("ann", "bob", "cid")], "and the host's people in the foreign file")
is_(run("run", "people").count("0 of 0 changes"), 1, "a second run has nothing to do")
ok(arrives(host_port, "ann@contoso.example", "carl@branch.example", branch), "mail for a foreign recipient arrives there")

# ---- on the foreign side ----

people["1"][1] = "Carl B. Branch"
people["2"][0] = "dora.new@branch.example"
people["4"] = ["fay@branch.example", "Fay Branch", "fay", "12"]
leave()
run()
now = contacts()
is_(now["1"][0].lower(), ("cn=Carl B. Branch," + FOREIGN).lower(), "renamed there is renamed here")
is_(now["2"][1]["targetAddress"], ["SMTP:dora.new@branch.example"], "a new address there is the target here")
ok("SMTP:dora.new@branch.example" in now["2"][1]["proxyAddresses"], "and the primary address")
ok(arrives(host_port, "ann@contoso.example", "dora.new@branch.example", branch), "mail goes there")
like(viaduct.command("book", "lookup", "dora@branch.example")[1], "nobody has this address", "the old address is nobody's")
is_(now["4"][1].get("telephoneNumber"), ["12"], "somebody new comes with all that is known of him")

# who owns what: the source wins, save what is set once
ad.modify("dn: %s\nchangetype: modify\nreplace: displayName\ndisplayName: Somebody Else\n-\nreplace: telephoneNumber\ntelephoneNumber: 99\n" % now["4"][0])
run()
now = contacts()
is_((now["4"][1]["displayName"], now["4"][1]["telephoneNumber"]), (["Fay Branch"], ["99"]),
    "what the foreign side owns is set back, what is initial is the host's own")

# ---- on the host's side ----

ad.modify("dn: cn=ann,%s\nchangetype: modify\nreplace: proxyAddresses\nproxyAddresses: SMTP:ann.new@contoso.example\n-\nreplace: mail\n"
          "mail: ann.new@contoso.example\n" % STAFF)
ad.rename("cn=bob,%s" % STAFF, "cn=robert")
ad.modify("dn: cn=robert,%s\nchangetype: modify\nreplace: displayName\ndisplayName: robert\n" % STAFF)
run()
ok("SMTP:ann.new@contoso.example" in written(), "a new address here is the foreign side's")
ok(until(lambda: arrives(branch_port, "x@branch.example", "ann.new@contoso.example", host), "mail for the new address"), "mail goes to it")
ok(refused(branch_port, "x@branch.example", "ann@contoso.example"), "and no longer to the old one")
is_(written()["SMTP:bob@contoso.example"]["displayName"], "robert", "renamed here is renamed there")
ad.rename("cn=cid,%s" % STAFF, "cn=cid", "ou=Other," + ad.suffix)
run()
ok("SMTP:cid@contoso.example" not in written(), "who is moved out of what is exported is gone there")
ok(until(lambda: arrives(branch_port, "x@branch.example", "cid@contoso.example", host), "mail for cid"), "though he is still known to the book")
ad.rename("cn=cid,ou=Other,%s" % ad.suffix, "cn=cid", STAFF)
run()
ok("SMTP:cid@contoso.example" in written(), "and moved back, he is there again")
ad.delete("cn=cid,%s" % STAFF)
run()
ok("SMTP:cid@contoso.example" not in written(), "deleted here is deleted there")
ok(until(lambda: refused(branch_port, "x@branch.example", "cid@contoso.example"), "cid is refused"), "and his mail refused")
user("cid")
run()
ok("SMTP:cid@contoso.example" in written(), "restored here is restored there")

# hidden from address lists, where he has his mailbox
hidden.add("2")
leave()
ad.modify("dn: cn=ann,%s\nchangetype: modify\nreplace: msExchHideFromAddressLists\nmsExchHideFromAddressLists: TRUE\n" % STAFF)
run()
is_(contacts()["2"][1].get("msExchHideFromAddressLists"), ["TRUE"], "who is hidden there is hidden here")
is_(written()["SMTP:ann.new@contoso.example"]["hidden"], "yes", "who is hidden here is hidden there")
ok(arrives(host_port, "ann.new@contoso.example", "dora.new@branch.example", branch), "mail for the one still flows")
ok(arrives(branch_port, "x@branch.example", "ann.new@contoso.example", host), "and for the other")
is_(run("run").count("0 of 0 changes"), 1, "nothing more comes of it")
is_(viaduct.rows("dirsync", "status")[0]["hiding"], 0, "neither waits to be deleted")
hidden.clear()
leave()
ad.modify("dn: cn=ann,%s\nchangetype: modify\ndelete: msExchHideFromAddressLists\n" % STAFF)
run()
ok("TRUE" not in contacts()["2"][1].get("msExchHideFromAddressLists", []), "shown there is shown here")
is_(written()["SMTP:ann.new@contoso.example"]["hidden"], "no", "and shown here is shown there")

# a group: members that are known on the other side
ad.add("dn: cn=all,%s\nobjectClass: group\ncn: all\ndisplayName: all\nmailNickname: all\nmail: all@contoso.example\n"
       "proxyAddresses: SMTP:all@contoso.example\nmember: cn=ann,%s\nmember: cn=robert,%s\n" % (STAFF, STAFF, STAFF))
run()
is_(len(written()["SMTP:all@contoso.example"]["members"].replace("|", " ").split()), 2, "a group is there with its members")
ad.modify("dn: cn=all,%s\nchangetype: modify\ndelete: member\nmember: cn=robert,%s\n" % (STAFF, STAFF))
run()
is_(len(written()["SMTP:all@contoso.example"]["members"].replace("|", " ").split()), 1, "and who leaves it leaves it there")

# ---- who goes from the foreign side hides before he is deleted ----

host_port, branch_port, text = (host_port, branch_port, text.replace("delete-after = 0", 'delete-after = "1d"'))
viaduct.reload(text)
gone = people.pop("3")
leave()
run()
is_(contacts()["3"][1].get("msExchHideFromAddressLists"), ["TRUE"], "who is gone there hides here")
is_(viaduct.rows("dirsync", "status")[0]["hiding"], 1, "status counts him")
ok(arrives(host_port, "ann@contoso.example", "eve@branch.example", branch), "his mail still flows")
people["3"] = gone
leave()
run()
ok("TRUE" not in contacts()["3"][1].get("msExchHideFromAddressLists", []), "and when he is back he is seen again")
del people["3"]
leave()
run()
viaduct.reload(text.replace('delete-after = "1d"', "delete-after = 0"))
run()
ok("3" not in contacts(), "after his time he is deleted")

# ---- what would do harm ----

kept = dict(people)
viaduct.reload(text.replace('delete-after = "1d"', "delete-after = 0").replace('delete = { "5" }', 'delete = { "1" }'))
leave({"4": people["4"]})
said = run("run", expect=6, name="more deletions than the limit are not carried out")
like(said, "(?s)delet.*--force", "which limit it was is said, and how a person carries it out all the same")
is_(len(contacts()), 3, "nobody was deleted")
like(viaduct.command("dirsync", "status")[1], "refused", "status says so")
like(viaduct.command("status")[1], "(?s)Directories.*people .*refused", "the status screen as well")
plan = viaduct.rows("dirsync", "status")[0]["plan"]
run("apply", "--force", plan, name="a person who has seen the plan forces it")
is_(len(contacts()), 1, "then they are deleted")
leave(kept)
run()
is_(len(contacts()), 3, "and come back with their entries")
leave({})
said = run("run", expect=7, name="an empty foreign directory is none")
like(said, "in.csv names nobody", "which is said")
is_(len(contacts()), 3, "and deletes nobody")
limited = text.replace('delete-after = "1d"', "delete-after = 0").replace('delete = { "5" }', 'delete = { "1" }')
viaduct.reload(limited.replace('delete = { "1" }', 'delete = { "1000" }').replace('shrink = "90%"', 'shrink = "100%"')) # no limit saves them
for rest, error, code in (("4,SMTP:fay@branch.example,Fay Branch", "does not end with a line break", 7), # all of it, but for the others
                          ("4,SMTP:fay@branch.example,\"Fay\n", ":2: a quote is not closed", 3)):
    with open(IN, "w") as f:
        f.write("id,address,displayName\n" + rest)
    os.utime(IN, (1, 1))
    like(run("run", expect=code, name="a file that is cut off is no directory"), "in.csv.*" + error, "which is said: " + error)
    is_(len(contacts()), 3, "nobody is deleted for that")
viaduct.reload(limited)
leave(kept)

# ---- what is not ours ----

ad.add("dn: cn=Gil by hand,%s\nobjectClass: contact\ncn: Gil by hand\nmailNickname: gil\ntargetAddress: SMTP:gil@branch.example\n"
       "proxyAddresses: SMTP:gil@branch.example\nmail: gil@branch.example\n" % FOREIGN)
people["5"] = ["gil@branch.example", "Gil Branch", "gil", ""]
leave()
said = run()
is_(viaduct.rows("dirsync", "status")[0]["conflicts"], 1, "somebody whom a person made with the same address is a conflict")
is_([dn for dn, _ in ad.search("(mailNickname=gil)")], ["cn=Gil by hand," + FOREIGN], "no second one is made")
run("plan", "people", "--adopt", "gil@branch.example")
run("apply")
like((ad.search("(mailNickname=gil)")[0][1].get("importedFrom") or [""])[0], "^viaduct-adopted:people:5$", "adopted, he is kept in step")
is_(run("run").count("0 of 0 changes"), 1, "and then all agree")

# ---- addresses that a recipient policy makes ----

plain = text.replace('delete-after = "1d"', "delete-after = 0")
viaduct.reload(plain.replace('refresh = "1h"', 'refresh = "1h" proxies = "book"'))
for name in ("hal", "hal b"):
    ad.add("dn: cn=%s,%s\nobjectClass: user\ncn: %s\ndisplayName: %s\nmailNickname: hal\nhomeMDB: here\n" % (name, STAFF, name, name))
run()


def proxies():
    return sorted(p for _, e in ad.search("(mailNickname=hal)") for p in e.get("proxyAddresses", []) + e.get("mail", []))


is_(proxies(), [], "addresses that are kept in the book alone are not written into the directory")
for address in ("hal@contoso.example", "hal2@contoso.example"):
    like(viaduct.command("book", "lookup", address)[1], "(?i)for the host +SMTP:" + address, address + " is in the book")
    ok(until(lambda a=address: arrives(branch_port, "x@branch.example", a, host), "mail for him"), "and mail for it arrives")
    ok("SMTP:" + address in written(), "and the foreign side has it")
is_(run("run").count("0 of 0 changes"), 1, "the next run has nothing to do")
viaduct.reload(plain)
run()
is_(proxies(), ["SMTP:hal2@contoso.example", "SMTP:hal@contoso.example", "hal2@contoso.example", "hal@contoso.example"],
    "the same addresses are written into the directory where they may be")
viaduct.check_books()
done()
