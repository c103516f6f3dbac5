#!/usr/bin/python3
"""A connector can be carried over to Exchange's objects in Active Directory and back: `connector show NAME --ldif` writes what an
Exchange administrator knows, `config import-ldif FILE` reads such objects into a configuration that `config check` takes.

    round trip: what was read back says the same again, attribute by attribute
    whatever is in the file, what is printed is configuration, values stand in it as they are or in comments, secrets nowhere
"""
import base64
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from spooltest import Spool, done, is_, ok, program  # noqa: E402

ENV = dict(os.environ, TZ="Europe/Berlin")
CONF = """
connector "gw" { type = "gwise" schedule = "office" retry { first = "7m" }
    peer { root = "/srv/gw\u00e4pi" domain = "Exchange" } convert { codepage = "850" } limits { message = "2048K" }
    address-space { type = "GWISE" pattern = "GWDOM1.*.*" cost = 5 }
    address-space { type = "X400" pattern = "c=us;a=x;" cost = 2 } }
connector "branch-smtp" { type = "smtp" peer { to = { "smtp://x.example", "smtp://[2001:db8::1]" } }
    address-space { pattern = "*.branch.example" } }
connector "notes" { type = "maildir" schedule = never peer { to = { "maildir:///srv/notes/maildir" } }
    address-space { type = "NOTES" pattern = "*@Acme" cost = 100 } }
schedule "office" { during = { "mon 08:00-18:00", "sat 22:00-02:15" } }
schedule "night" { at = { "02:30", "sun 12:00" } }
dirsync "gw" { connector = "gw" directory = "ad" schedule = "night"
    import { container = "OU=x,DC=contoso,DC=example" create-as = "disabled-user" }
    export { containers = { "OU=a$b,DC=contoso,DC=example", "OU=\\"q\\\\,DC=contoso,DC=example" } filter = "(mail=*)" contacts = yes groups = no } }
"""
spool = Spool(CONF, connectors=(), host='directory "ad" { url = { "ldaps://dc.contoso.example/" } base = "DC=contoso,DC=example" }')


def viaduct(*args, conf=None, **more):
    return subprocess.run([program("viaduct"), "-c", conf or spool.conf] + list(args), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=ENV, timeout=60, **more)


def write(name, data):
    path = os.path.join(spool.top, name)
    with open(path, "wb") as f:
        f.write(data.encode() if isinstance(data, str) else data)
    return path


def shown(name, conf=None):
    r = viaduct("connector", "show", name, "--ldif", conf=conf)
    if r.returncode != 0:
        print("# " + r.stderr.decode())
    return r.stdout


def attributes(ldif):
    """What an object says, without comments, unfolded."""
    lines = re.sub(rb"\n ", b"", ldif).decode().splitlines()
    return sorted(line for line in lines if line and not line.startswith("#"))


def imported(data, name="objects.ldif"):
    """Reads a file; what was printed, whether `config check` takes it, errors, and the exit code."""
    r = viaduct("config", "import-ldif", write(name, data))
    text = r.stdout.decode()
    # the host is the reader's: his spool, too
    path = write("imported.conf", 'node = "gw1.contoso.example"\nspool = "%s"\n%s' % (os.path.join(spool.top, "spool"), text))
    check = viaduct("config", "check", conf=path)
    valid = b"is valid" in check.stdout
    if text and not valid:
        print("# " + check.stderr.decode() + text)
    return text, valid, r.stderr.decode(), r.returncode


# ---- there and back ----

written = {name: shown(name) for name in ("gw", "branch-smtp", "notes")}
gw = attributes(written["gw"])
for line in ("objectClass: msExchGroupWiseConnector", "objectClass: mailGateway", "msExchConnectorType: GWISE", "routingList: GWISE:GWDOM1.*.*;5",
             "routingList: X400:c=us;a=x;;2", "activationStyle: 1", "delivContLength: 2048", "msExchGWiseForeignDomain: Exchange",
             "msExchPartnerCP: 850", "importContainer: OU=x,DC=contoso,DC=example", "msExchServer1AlwaysCreateAs: 0", "msExchExportDLs: FALSE",
             "exportCustomRecipients: TRUE", "msExchDirsyncStyle: 1", "deliveryMechanism: 2"):
    ok(line in gw, "gw has " + line)
ok(any(line.startswith("homeMTA: CN=Microsoft MTA,") for line in gw), "and what the schema asks for besides")
grid = base64.b64decode([line for line in gw if line.startswith("activationSchedule:: ")][0].split(" ")[1])
is_(len(grid), 84, "its hours are 84 octets")
ok(b"# no attribute: connector.gw.retry.first" in written["gw"], "what has no attribute is a comment")
text, valid, errors, code = imported(b"\n".join(written.values()))
ok(valid and code == 0 and errors == "", "all three are read back, into a configuration that is valid")
for name, before in written.items():
    is_(attributes(shown(name, os.path.join(spool.top, "imported.conf"))), attributes(before), name + " says the same again")
ok('during = { "sun 00:00-02:15", "mon 08:00-18:00", "sat 22:00-24:00" }' in text, "hours are told as the clock on the wall has them")
ok('"OU=\\"q\\\\,DC=contoso,DC=example"' in text and '"OU=a\\$b,DC=contoso,DC=example"' in text, "signs of the configuration's own are escaped")

# ---- what Exchange wrote ----

ORGANISATION = "CN=Connections,CN=RG,CN=Routing Groups,CN=AG,CN=Administrative Groups,CN=Org,CN=Microsoft Exchange,CN=Services,CN=Configuration,DC=corp,DC=example"
NOTES = """dn: CN=Connector for Lotus Notes (SRV1),%s
changetype: add
objectClass: top
objectClass: msExchConnector
objectClass: mailGateway
objectClass: msExchNotesConnector
cn: Connector for Lotus Notes (SRV1)
msExchConnectorType: NOTES
routingList: NOTES:*;1
routingList: Local:NOTES:*@Acme
routingList: SMTP:*dom;1
routingList: SMTP:
activationStyle: 3
msExchNotesPassword: geheim
msExchEncryptedPassword:: AAECAw==
msExchNotesNotesServer: HUB/Acme
authOrig: CN=boss,DC=corp,DC=example
importContainer: OU=Notes,DC=corp,DC=example
exportContainers: OU=Users,DC=corp,DC=example
exportContainers: DC=corp,DC=example
msExchDirsyncStyle: 2
msExchServer1AlwaysCreateAs: 1
activationSchedule:: AAAA
""" % ORGANISATION
GATEWAY = NOTES.replace("msExchNotesConnector", "x-other").replace("Connector for Lotus Notes (SRV1)", "host").replace("NOTES:", "FAX:")
GROUPWISE = """dn: CN=GroupWise,%s
objectClass: msExchGroupWiseConnector
cn: GroupWise
msExchGWiseAPIGatewayPath: \\\\NW1\\SYS\\DOM\\WPGATE\\API
msExchGWiseForeignDomain: Exchange
msExchPartnerCP: 99999
routingList: GWISE:*;1
delivContLength: 0
""" % ORGANISATION
text, valid, errors, code = imported("version: 1\n\n" + "\n".join((NOTES, GATEWAY, GROUPWISE, NOTES, "dn: CN=x\nobjectClass: person\ncn: x\n")))
ok(valid and code == 0, "objects as Exchange has them, several in a file, are a valid configuration")
is_(re.findall(r'^connector "([^"]*)"', text, re.M), ["Connector-for-Lotus-Notes-SRV1", "host-2", "GroupWise", "Connector-for-Lotus-Notes-SRV1-4"],
    "each has a name that it can have here")
ok("geheim" not in text and text.count("(not shown)") >= 3, "passwords are not shown")
ok('root = "/srv/GroupWise/api"' in text and "# msExchGWiseAPIGatewayPath: \\\\NW1" in text, "a path of another world is a comment")
ok("# routingList: SMTP:*dom" in text and "# routingList: Local:NOTES" in text and 'pattern = "*@Acme"' in text, "so are what is no address space, and a scope")
ok("# exportContainers: DC=corp,DC=example; holds the import container" in text, "and a container in which copies would come back")
ok("# msExchNotesNotesServer: HUB/Acme; no counterpart" in text and "# authOrig" in text and "# activationSchedule: 3 octets" in text, "and all that has no counterpart")
ok('domains = { "corp.example" }' in text, "the host's domain is that of the objects")
ok("create-as = enabled-user" in text and 'every = "15m"' in text, "what can be carried over is")

# ---- what nobody meant ----

HOSTILE = [
    ("quotes and lines", 'cn: x" }\nrouting: y\nroutingList: SMTP:a"b;1\nimportContainer:: %s\n' % base64.b64encode(b'OU=x"\n} host { domains = { "evil" }').decode()),
    ("variables", "cn: ${HOME}\nimportContainer: OU=${PATH},DC=x\nmsExchGWiseForeignDomain: $(id)\nexportContainers: `id`\n"),
    ("octets", "cn:: AP8B\nroutingList:: %s\nmsExchGWiseForeignDomain:: /w==\nmsExchGWiseAPIGatewayPath:: %s\n" %
     (base64.b64encode(b"SMTP:\x00\x01;1").decode(), base64.b64encode(b"/x\x00y").decode())),
    ("numbers", "cn: n\ndelivContLength: 99999999999999999999\nactivationStyle: -1\nmsExchDirsyncStyle: 77\nroutingList: SMTP:*;101\nroutingList: SMTP:*;0\nmsExchServer1AlwaysCreateAs: 3\n"),
    ("names", "cn: %s\n" % ("\u00e4" * 200)),
    ("nothing", ""),
    ("much", "cn: much\n" + "".join("routingList: SMTP:d%d.example;1\n" % i for i in range(3000)) + "".join("x%d: y\n" % i for i in range(3000))),
    ("long", "cn: long\nimportContainer: OU=%s\nmsExchSmtpSmartHost: %s\n" % ("x" * 100000, "a;" * 20000)),
    ("hosts", "cn: h\nmsExchSmtpSmartHost: a b; \"c\"; [1.2.3.4; ok.example, [x]\n"),
]
for kind in ("msExchGroupWiseConnector", "msExchRoutingSMTPConnector", "mailGateway"):
    for what, lines in HOSTILE:
        text, valid, errors, code = imported("dn: CN=x,DC=corp,DC=example\nobjectClass: %s\n%s" % (kind, lines))
        ok(text != "" and valid and code in (0, 1), "%s of a %s: still a configuration" % (what, kind))
        ok(not re.search(r"^host \{", text.split("\n}\n", 1)[1], re.M), "nobody adds a section of his own")
text, valid, errors, code = imported("dn: a\nobjectClass: mailGateway\ncn: a\n\ndn: b\nobjectClass: mailGateway\ncn:< file:///etc/passwd\n\ndn: c\nchangetype: delete\n")
ok(valid and code == 1 and re.search(r"objects.ldif:7: .*another file", errors) and 'connector "a"' in text, "what is no record is told, the others are read")
OBJECT = "dn: a\nobjectClass: mailGateway\ncn: a\n"
text, valid, errors, code = imported(OBJECT + "\ndn: b\nobjectClass: mailGateway\ncn: b")
ok(valid and code == 1 and re.search(r"objects.ldif:5: the last line has no line break", errors), "a file that may have been cut is told, with its line")
text, valid, errors, code = imported(OBJECT + "info:: %s\n" % base64.b64encode(("a" + "\u00e4" * 200).encode()).decode())
ok(valid and "# info: a" + "\u00e4" * 149 + "..." in text, "a long value is cut between two characters")
text, valid, errors, code = imported(OBJECT + "".join("x%d: y\n" % i for i in range(230)))
ok(valid and "x199: y" in text and "x200: y" not in text and "# ... and 30 more\n" in text, "how many attributes are not named is told")
text, valid, errors, code = imported(OBJECT + "importContainer: OU=a,DC=x\nexportContainers: DC=x\nmsExchDirsyncFilters: (cn=*)\n")
ok(valid and "# msExchDirsyncFilters: (cn=*); nothing is exported" in text, "a filter of an export that is left out is not called wrong")
for what, data in (("nothing", b""), ("no connector", b"dn: CN=x\nobjectClass: person\n"), ("no LDIF", os.urandom(3000))):
    text, valid, errors, code = imported(data)
    ok(text == "" and code == 1 and "no connector object" in errors, what + " is told")
r = viaduct("config", "import-ldif", os.path.join(spool.top, "nowhere"))
ok(r.returncode != 0 and b"cannot be opened" in r.stderr, "so is a file that is not there")
r = viaduct("config", "import-ldif", "-", input=GROUPWISE.encode())
ok(r.returncode == 0 and b'connector "GroupWise"' in r.stdout, "- is standard input")
r = viaduct("connector", "show", "host", "--ldif")
ok(r.returncode == 2, "the host is no connector object")
spool.remove()
done()
