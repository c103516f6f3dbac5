#!/usr/bin/python3
"""GroupWise's directory goes the whole road through the gateway's folders: asked for, answered, read; written, and there.

The carriers and converters are the real ones, each run until it is idle; t/gwside.c stands for dirsync's runs.
"""
import os
import subprocess
import time

from gateway import Gateway
from spooltest import Spool, done, is_, ok, program

gateway = Gateway()
gateway.directory = {
    ("HARBOUR", "QUAY", "LNOWAK"): {"last-name": "Nowak", "first-name": "Lena", "phone": "+49 40 1", "type": "internet", "external-name": "lnowak@gw.example"},
    ("HARBOUR", "QUAY", "JOERG"): {"last-name": "Bl\u00f6d; \\ J\u00f6rg", "object": "Joerg"},
    ("EXCHANGE", "HQ", "OLD"): {"last-name": "Old"},
}
spool = Spool("""
connector "gw" { type = "gwise" peer { root = "%s" poll = "1s" settle = "1s" domain = "Exchange" }
    address-space { type = "GWISE" pattern = "*" } }
dirsync "sync" { connector = "gw" directory = "ad" schedule = "never" foreign { alias = "internet" }
    import { container = "OU=GW,DC=contoso,DC=example" } export { containers = { "OU=Staff,DC=contoso,DC=example" } } }
""" % gateway.root, connectors=(), host='directory "ad" { url = { "ldaps://dc.contoso.example/" } base = "DC=contoso,DC=example" }')
for symbol in ("MTS_IN", "MTS_OUT", "CONVERT", "READY_OUT", "DEFERRED", "READY_IN", "DIR_OUT", "DIR_IN", "CORRELATION", "BADMAIL"):
    os.makedirs(spool.folder(symbol, "gw"), exist_ok=True)


def side(step, changes=""):
    r = subprocess.run([program("t/gwside"), spool.conf, "sync", step], input=changes, stdout=subprocess.PIPE, timeout=60, text=True)
    return r.stdout.splitlines()


def carry_out():
    """What lies in DirOut is with the gateway, and the gateway has worked on it."""
    spool.run("outbound-gateway", "--connector", "gw")
    is_(spool.names("DIR_OUT", "gw"), [], "nothing waits for the gateway any more")


def carry_in():
    """What the gateway wrote is in DirIn. The carrier looks twice before it takes a file, so it runs until it did."""
    carrier = subprocess.Popen([program("viaduct-inbound-gateway"), "-c", spool.conf, "--connector", "gw"], stderr=subprocess.DEVNULL)
    end = time.monotonic() + 30
    while not spool.names("READY_IN", "gw") and time.monotonic() < end:
        time.sleep(0.05)
    carrier.terminate()
    carrier.wait(30)
    spool.run("inbound-converter", "--connector", "gw")
    return len(spool.names("DIR_IN", "gw"))


def read():
    """Asked, answered, read."""
    is_(side("read"), ["waiting"], "the directory is asked for")
    carry_out()
    is_(carry_in(), 1, "its answer comes by DirIn")
    is_([line.split()[:2] for line in side("answer")], [["0", "sync"]], "and is taken for the answer")
    return side("read")


# ---- read ----

lines = read()
is_(lines, ["EXCHANGE.HQ.OLD mark=viaduct:sync: sn=Old",
            "HARBOUR.QUAY.Joerg displayName=Bl\u00f6d; \\ J\u00f6rg sn=Bl\u00f6d; \\ J\u00f6rg",
            "HARBOUR.QUAY.LNOWAK displayName=Lena Nowak givenName=Lena sn=Nowak telephoneNumber=+49 40 1 proxy=lnowak@gw.example",
            "read 3"], "whoever is in GroupWise, and who of them is ours")

# ---- written ----

result = side("apply", "add Exchange.HQ.anna displayName=Anna_Berg sn=Berg givenName=\u00c4nn mail=anna@contoso.example\n"
                       "add Exchange.Branch.bob displayName=Bob sn=Bob\nchange Exchange.HQ.OLD title=Boss\ndelete HARBOUR.QUAY.LNOWAK\n")
is_(sorted(line.split(":")[0] for line in result), ["done Exchange.Branch.bob", "done Exchange.HQ.OLD", "done Exchange.HQ.anna", "refused HARBOUR.QUAY.LNOWAK"],
    "ours are written, GroupWise's own are not")
carry_out()
keys = sorted(".".join(k) for k in gateway.directory)
is_(keys, ["EXCHANGE.BRANCH.BOB", "EXCHANGE.HQ.ANNA", "EXCHANGE.HQ.OLD", "HARBOUR.QUAY.JOERG", "HARBOUR.QUAY.LNOWAK"], "they are there")
is_(gateway.offices, {("EXCHANGE", "BRANCH")}, "a new post office was made before who lies in it")
is_(gateway.directory["EXCHANGE", "HQ", "OLD"].get("title"), "Boss", "who was there is changed")
is_(gateway.errors, ["Add of EXCHANGE.HQ.OLD"], "the Add before a Modify fails without harm")
del gateway.directory["EXCHANGE", "BRANCH", "BOB"] # somebody else's hand, behind our back
gateway.errors = []
side("apply", "change Exchange.HQ.OLD title=Chief\n")
carry_out()
lines = read()
ok("EXCHANGE.HQ.ANNA mark=viaduct:sync: displayName=Anna_Berg givenName=\u00c4nn sn=Berg proxy=anna@contoso.example" in [l.replace("Exchange.HQ.anna", "EXCHANGE.HQ.ANNA") for l in lines],
   "the next reading has them")
is_(lines[-1], "read 4", "and not who is gone")

# ---- answers that are none ----

gateway.tell_directory({("HARBOUR", "QUAY", "LNOWAK"): {}})
is_(carry_in(), 1, "what the gateway tells by itself comes too")
is_([line.split()[:2] for line in side("answer")], [["2", "-"]], "and is ignored: nobody asked")
is_(side("read"), ["waiting"], "asked again")
for what, head, entries in (("an answer to a List", "# The query information was:\r\n#          Domain = EXCHANGE\r\n", {("HARBOUR", "QUAY", "X"): {}}),
                            ("one that names only ours", "", {("EXCHANGE", "HQ", "ANNA"): {}})):
    gateway.tell_directory(entries, head)
    is_(carry_in(), 1, what + " comes,")
    is_([line.split()[:2] for line in side("answer")], [["74", "-"]], "and is not taken")
    is_(side("read"), ["waiting"], "the answer is still waited for")
carry_out()
carry_in()
side("answer")
is_(side("read")[-1], "read 4", "and comes: nobody is missing")

# ---- a large one ----

gateway.directory.update({("HARBOUR", "PIER", "USER%05d" % i): {"last-name": "Name%d" % i, "first-name": "U", "description": "d" * 200, "phone": "+49 40 %d" % i}
                          for i in range(30000)})
lines = read()
is_(lines[-1], "read 30004", "a directory longer than a mail's header may be is read whole")
ok("HARBOUR.PIER.USER29999 displayName=U Name29999 givenName=U sn=Name29999 telephoneNumber=+49 40 29999" in "\n".join(lines), "to its end")
spool.remove()
done()
