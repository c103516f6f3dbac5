#!/usr/bin/python3
"""GroupWise's directory and the host's in step, end to end: asked for through the gateway, carried on when the answer is there, both
sides written; and no answer of another kind takes anybody away."""
import os

from directory import Slapd
from gateway import Gateway
from rig import Sink, Viaduct, done, free_port, is_, like, message, need, note, ok, send, until

need("slapd")
gateway, host, ad = Gateway(), Sink(), Slapd("ad")
STAFF, FOREIGN = "ou=Staff," + ad.suffix, "ou=Foreign," + ad.suffix
gateway.directory = {
    ("HARBOUR", "QUAY", "LNOWAK"): {"last-name": "Nowak", "first-name": "Lena", "phone": "+49 40 1", "type": "internet", "external-name": "lnowak@gw.example"},
    ("HARBOUR", "QUAY", "JOERG"): {"last-name": "J\u00f6rg"},
    ("EXCHANGE", "HQ", "GONE"): {"last-name": "Gone"},
}
gateway.offices = {("EXCHANGE", "HQ")}
port = free_port()
viaduct = Viaduct("""admin-address = "postmaster@contoso.example"
host { domains = { "contoso.example" } smtp { listen = { "127.0.0.1:%d" } } deliver { to = { "smtp://127.0.0.1:%d" } }
    %s }
connector "groupwise" { type = "gwise" peer { root = "%s" poll = "1s" settle = "1s" domain = "Exchange" } retry { first = "1s" }
    address-space { type = "GWISE" pattern = "*" } }
recipient-policy "default" { filter = "(mailNickname=*)" proxy = { "SMTP:%%m@contoso.example", "GWISE:Exchange.HQ.%%m" } }
dirsync "gw" { connector = "groupwise" directory = "ad" schedule = "never" foreign { alias = "internet" }
    import { container = "%s" delete-after = 0 } export { containers = { "%s" } }
    limits { delete = { "5" } change = { "100" } shrink = "90%%" } }
""" % (port, host.port, ad.section("ad", 'refresh = "1h"'), gateway.root, FOREIGN, STAFF))
for name in ("anna", "bernd"):
    ad.add("dn: cn=%s,%s\nobjectClass: user\ncn: %s\nsn: Berg\ndisplayName: %s Berg\nmailNickname: %s\nsAMAccountName: %s\nhomeMDB: here\n"
           "mail: %s@contoso.example\nproxyAddresses: SMTP:%s@contoso.example\n" % (name, STAFF, name, name, name, name, name, name))
viaduct.start()


def contacts():
    return {e["targetAddress"][0]: e for _, e in ad.search("(objectClass=contact)", FOREIGN) if "targetAddress" in e}


def keys():
    return sorted(".".join(k) for k in gateway.directory)


def run(expect, name):
    """Begins a run, which asks and ends; it goes on by itself when the answer is there."""
    status, said = viaduct.command("dirsync", "run", "gw")
    if not is_(status, 1, "a run asks GroupWise, and ends") and status != 1:
        note(said)
    if not ok(until(expect, name, 30), name):
        note(viaduct.command("dirsync", "status")[1])
        note(viaduct.log()[-3000:])
        note(" ".join(os.listdir(viaduct.spool + "/dirsync") + os.listdir(gateway.path("API_IN")) + os.listdir(gateway.path("API_OUT"))))


run(lambda: len(contacts()) == 2 and "EXCHANGE.HQ.ANNA" in keys() and "EXCHANGE.HQ.GONE" not in keys(),
    "when its answer is there, both sides follow")
is_(sorted(contacts()), ["GWISE:HARBOUR.QUAY.JOERG", "GWISE:HARBOUR.QUAY.LNOWAK"], "GroupWise's people are contacts here")
lena = contacts().get("GWISE:HARBOUR.QUAY.LNOWAK", {})
is_(lena.get("displayName"), ["Lena Nowak"], "by their names")
ok("smtp:lnowak@gw.example" in lena.get("proxyAddresses", []), "with their aliases")
is_(keys(), ["EXCHANGE.HQ.ANNA", "EXCHANGE.HQ.BERND", "HARBOUR.QUAY.JOERG", "HARBOUR.QUAY.LNOWAK"], "the host's are there, and whom nobody has is gone")
is_(gateway.directory.get(("EXCHANGE", "HQ", "ANNA"), {}).get("description"), "anna Berg", "by theirs")

# somebody is renamed here, somebody leaves there
ad.modify("dn: cn=anna,%s\nchangetype: modify\nreplace: displayName\ndisplayName: Anna Sommer\n-\nreplace: sn\nsn: Sommer\n" % STAFF)
del gateway.directory["HARBOUR", "QUAY", "JOERG"]
run(lambda: len(contacts()) == 1 and gateway.directory.get(("EXCHANGE", "HQ", "ANNA"), {}).get("last-name") == "Sommer",
    "what changes on either side follows on the other")
ok("Add of EXCHANGE.HQ.ANNA" in gateway.errors, "a Modify has its Add before it")

# she gets another address: mail goes to that, and what is written to the old one is refused
ok(send(port, "anna@contoso.example", "lnowak@gw.example", message(subject="to the old address")).startswith("250"), "she is written to at her alias")
gateway.wait("to the old address")
gateway.directory["HARBOUR", "QUAY", "LNOWAK"]["external-name"] = "lena@gw.example"
run(lambda: "smtp:lena@gw.example" in contacts()["GWISE:HARBOUR.QUAY.LNOWAK"].get("proxyAddresses", []), "another alias there is another proxy here")
ok(until(lambda: send(port, "anna@contoso.example", "lena@gw.example", message(subject="to the new address")).startswith("250"), "mail is taken"),
   "mail for it is taken")
ok("LNOWAK" in gateway.wait("to the new address")["users"], "and is hers")
like(send(port, "anna@contoso.example", "lnowak@gw.example", message(subject="to nobody")), "^(550|503|554)", "the old one is refused")

# what nobody asked for, and what is not the answer
before = keys()
gateway.held = True # the question lies there
status, _ = viaduct.command("dirsync", "run", "gw")
is_(status, 1, "asked")
gateway.tell_directory({("EXCHANGE", "HQ", "ANNA"): {}}, "# The query information was:\r\n#          Domain = EXCHANGE\r\n")
gateway.tell_directory({("EXCHANGE", "HQ", "ANNA"): {}})
until(lambda: len(viaduct.names("mailbox/groupwise/Badmail")) >= 2, "answers that are none are put aside", 60)
is_((sorted(contacts()), keys()), (["GWISE:HARBOUR.QUAY.LNOWAK"], before), "nobody is taken away by them")
gateway.directory["HARBOUR", "QUAY", "NEW"] = {"last-name": "New"}
gateway.held = False
ok(until(lambda: "GWISE:HARBOUR.QUAY.NEW" in contacts(), "the answer", 60), "and the answer is taken when it comes")
like(viaduct.command("dirsync", "status")[1], "gw", "status tells of it")
viaduct.stop()
done()
