"""samba.py - an Active Directory domain controller of the test's own (Samba), in a private folder

    import samba; samba.enter()     at the top of a test: begins it anew in namespaces of its own, or ends it by a TAP skip
    dc = samba.Controller(); dc.url, dc.ca, dc.password_file, dc.search(...), dc.keytab("administrator")

The LDAP ports of Samba cannot be moved, so the test and all it starts run where 127.0.0.1 is theirs alone; references that it gives
lead to 127.0.0.2. The domain is contoso.example with the attributes that Exchange adds; it is made once for a build folder and
copied for each test."""
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile

import directory

PASSWORD = "Passw0rd.of.the.test"
SUFFIX = "DC=contoso,DC=example"
ADMINISTRATOR = "administrator@contoso.example"
REALM = "CONTOSO.EXAMPLE"
KEPT = os.path.join(os.environ.get("VIADUCT_BUILD") or tempfile.gettempdir(), "t", "samba-domain")

# name, suffix of the cn, OID, syntax, longest, searchFlags (Microsoft's published schema)
EXCHANGE = (("mailNickname", "Mail-Nickname", "1.2.840.113556.1.2.447", "u", 64, 5),
            ("targetAddress", "Target-Address", "1.2.840.113556.1.2.352", "u", 1123, 1),
            ("extensionAttribute1", "Extension-Attribute-1", "1.2.840.113556.1.2.423", "u", 1024, 0),
            ("importedFrom", "Imported-From", "1.2.840.113556.1.2.263", "u", 1024, 1),
            ("homeMDB", "Home-MDB", "1.2.840.113556.1.2.244", "d", 0, 1),
            ("msExchHideFromAddressLists", "Hide-From-Address-Lists", "1.2.840.113556.1.4.7000.102.73", "b", 0, 1),
            ("msExchHomeServerName", "Home-Server-Name", "1.2.840.113556.1.4.7000.102.47", "u", 1024, 1),
            ("msExchRecipientDisplayType", "Recipient-Display-Type", "1.2.840.113556.1.4.7000.102.50730", "i", 0, 1))
SYNTAX = {"u": ("2.5.5.12", 64), "b": ("2.5.5.8", 1), "i": ("2.5.5.9", 2), "d": ("2.5.5.1", 127)}


def enter():
    if os.environ.get("VIADUCT_T_NAMESPACE"):
        return
    missing = [p for p in ("samba-tool", "samba", "ldbmodify", "unshare", "ip") if not shutil.which(p, path=directory.PATH)]
    if os.geteuid() != 0 or missing:
        print("1..0 # SKIP needs root%s for a domain controller of its own" % "".join(" and " + p for p in missing))
        sys.exit(0)
    script = ('ip link set lo up && h=$(mktemp) && printf "127.0.0.1 dc1.contoso.example dc1 localhost\\n127.0.0.2 contoso.example\\n" >"$h" && chmod 644 "$h" && '
              'mount --bind "$h" /etc/hosts && rm -f "$h" && exec "$@"')
    os.environ["VIADUCT_T_NAMESPACE"] = "1"
    os.execvp("unshare", ["unshare", "-n", "-m", "-p", "-f", "--kill-child", "--mount-proc", "sh", "-c", script, "sh", sys.executable] + sys.argv)


def must(*args, **kw):
    r = directory.run(*args, **kw)
    if r.returncode:
        raise RuntimeError("%s: %s%s" % (args[0], r.stdout, r.stderr))
    return r.stdout


def schema():
    at = "CN=Schema,CN=Configuration," + SUFFIX
    attributes = ""
    for name, cn, oid, kind, longest, flags in EXCHANGE:
        syntax, om = SYNTAX[kind]
        attributes += ("dn: CN=ms-Exch-%s,%s\nchangetype: add\nobjectClass: top\nobjectClass: attributeSchema\nlDAPDisplayName: %s\n"
                       "adminDisplayName: ms-Exch-%s\nattributeID: %s\nattributeSyntax: %s\noMSyntax: %d\nisSingleValued: TRUE\n"
                       "searchFlags: %d\n" % (cn, at, name, cn, oid, syntax, om, flags))
        attributes += "oMObjectClass:: KwwCh3McAIVK\n" if kind == "d" else ""
        attributes += "rangeLower: 1\nrangeUpper: %d\n" % longest if longest else ""
        attributes += "isMemberOfPartialAttributeSet: TRUE\nshowInAdvancedViewOnly: TRUE\nsystemOnly: FALSE\n\n"
    classes = "dn: CN=Mail-Recipient,%s\nchangetype: modify\nadd: mayContain\n" % at
    return attributes, classes + "".join("mayContain: %s\n" % row[0] for row in EXCHANGE) + "-\n\n"


def provision(top):
    must("samba-tool", "domain", "provision", "-q", "--targetdir=" + top, "--realm=" + REALM, "--domain=CONTOSO", "--server-role=dc",
         "--dns-backend=NONE", "--host-name=dc1", "--host-ip=127.0.0.1", "--adminpass=" + PASSWORD, "--option=interfaces=lo",
         "--option=bind interfaces only=yes", "--option=ldb:nosync=yes")
    base = os.path.join(top, "private", "sam.ldb")
    for text in schema():
        must("ldbmodify", "-H", base, "--option=dsdb:schema update allowed=true", input=text)
    configure(top)
    must("samba-tool", "domain", "passwordsettings", "set", "-q", "--max-pwd-age=0", "--min-pwd-age=0", "-H", base, "-s", top + "/smb.conf")
    must("ldbmodify", "-H", base, input="dn: CN=DC1,OU=Domain Controllers,%s\nchangetype: modify\nadd: servicePrincipalName\n"
         "servicePrincipalName: ldap/dc1.contoso.example\n-\n\n" % SUFFIX)
    must("ldbmodify", "-H", base, input="".join("dn: OU=%s,%s\nchangetype: add\nobjectClass: organizationalUnit\nou: %s\n\n" % (u, SUFFIX, u)
                                               for u in ("Staff", "Foreign", "Other")))


def configure(top):
    for folder in ("log", "run", "lock", "cache"):
        os.makedirs(os.path.join(top, folder), exist_ok=True)
    with open(top + "/smb.conf", "w") as f:
        f.write("\n".join(["[global]", "netbios name = DC1", "realm = " + REALM, "workgroup = CONTOSO",
                           "server role = active directory domain controller", "interfaces = 127.0.0.1/8", "bind interfaces only = yes",
                           "server services = ldap, cldap, kdc", "dcerpc endpoint servers = -epmapper", "private dir = %s/private" % top,
                           "state directory = %s/state" % top, "cache directory = %s/cache" % top, "lock directory = %s/lock" % top,
                           "pid directory = %s/run" % top, "binddns dir = %s/bind-dns" % top, "ncalrpc dir = %s/run/ncalrpc" % top,
                           "logging = file", "log file = %s/log/log.%%m" % top, "load printers = no", "tls keyfile = %s/tls/server.key" % top,
                           "tls certfile = %s/tls/server.pem" % top, "tls cafile = %s/tls/ca.pem" % top, "ldb:nosync = yes"]) + "\n")
    with open(top + "/krb5.conf", "w") as f:
        f.write("[libdefaults]\ndefault_realm = %s\ndns_lookup_realm = false\ndns_lookup_kdc = false\nrdns = false\n"
                "dns_canonicalize_hostname = false\n[realms]\n%s = {\nkdc = 127.0.0.1:88\n}\n[domain_realm]\n.contoso.example = %s\n" % (REALM, REALM, REALM))


def kept():
    """The domain that tests copy: made by the first of them."""
    os.makedirs(os.path.dirname(KEPT), exist_ok=True)
    with open(KEPT + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(KEPT + "/ready"):
            shutil.rmtree(KEPT, ignore_errors=True)
            provision(KEPT)
            os.makedirs(KEPT + "/tls")
            directory.Authority(KEPT + "/tls").certificate("server", "DNS:dc1.contoso.example,IP:127.0.0.1", days="30")
            open(KEPT + "/ready", "w").close()
    return KEPT


class Controller(directory.Slapd):
    """The same means by hand as a slapd's."""

    def __init__(self):
        self.kind, self.top = "samba", directory.private_folder()
        must("cp", "-a", kept() + "/.", self.top)
        os.chmod(self.top, 0o755)
        configure(self.top)
        self.suffix, self.root = SUFFIX, ADMINISTRATOR
        self.ca = self.top + "/tls/ca.pem"
        self.url, self.plain_url = "ldaps://dc1.contoso.example/", "ldap://dc1.contoso.example/"
        self.write_password(PASSWORD)
        os.environ["KRB5_CONFIG"] = directory.ENV["KRB5_CONFIG"] = self.top + "/krb5.conf"
        self.process = None
        self.start()

    def start(self):
        with open(self.top + "/log/stdout", "ab") as log:
            self.process = directory.start_process(["samba", "-F", "-M", "single", "--no-process-group", "-s", self.top + "/smb.conf",
                                                    "--debug-stdout"], env=directory.ENV, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        return self.wait((389, 636, 88))

    def trouble(self):
        with open(self.top + "/log/stdout") as f:
            return f.read()[-2000:]

    def tool(self, name, *args, text=None):
        env = dict(directory.ENV, LDAPTLS_CACERT=self.ca)
        del env["LDAPNOINIT"]
        return subprocess.run([name, "-x", "-H", self.url, "-D", self.root, "-w", PASSWORD, *args], env=env, capture_output=True,
                              text=True, timeout=120, input=text)

    def keytab(self, principal="administrator"):
        path = "%s/%s.keytab" % (self.top, principal)
        must("samba-tool", "domain", "exportkeytab", path, "--principal=%s@%s" % (principal, REALM), "-s", self.top + "/smb.conf")
        os.chmod(path, 0o600)
        return path
