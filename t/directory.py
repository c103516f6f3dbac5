"""directory.py - LDAP servers of the test's own, on loopback in private folders

    host = Slapd("ad"); host.add(LDIF); host.search("(cn=x)"); host.url, host.ca, host.password_file

A slapd that looks like Active Directory with Exchange ("ad": suffix dc=contoso,dc=example), or like Domino ("domino": suffix "").
Certificates are made by an authority of the test's own. Nothing is durable, nothing listens beyond loopback."""
import base64
import os
import subprocess
import time

from rig import Authority, answers, end_process, free_port, private_folder, start_process

SRC = os.environ.get("VIADUCT_SRC") or os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
ENV = dict(os.environ, PATH=PATH, LDAPNOINIT="1", LC_ALL="C.UTF-8")
SCHEMA = "/etc/ldap/schema"
PASSWORD = "secret of the test"


def run(*args, **kw):
    return subprocess.run(args, env=ENV, capture_output=True, text=True, timeout=120, **kw)


class Slapd:
    def __init__(self, kind="ad", extra="", first="", authority=None, names="IP:127.0.0.1", days="30"):
        self.kind, self.extra, self.first, self.top = kind, extra, first, private_folder()
        self.suffix = {"ad": "dc=contoso,dc=example", "domino": ""}[kind]
        self.root = "cn=admin" + ("," + self.suffix if self.suffix else "")
        self.authority = authority or Authority(private_folder())
        self.ca = self.authority.file
        self.certificate, self.key = self.authority.certificate("ldap%d" % free_port(), names, days)
        self.port, self.tls_port = free_port(), free_port()
        self.url, self.plain_url = "ldaps://127.0.0.1:%d/" % self.tls_port, "ldap://127.0.0.1:%d/" % self.port
        self.write_password(PASSWORD)
        self.process = None
        self.configure()
        self.start()
        self.add(self.first_entries())

    def write_password(self, text):
        self.password_file = os.path.join(self.top, "password")
        with open(self.password_file, "w") as f:
            f.write(text + "\n")
        os.chmod(self.password_file, 0o600)

    def first_entries(self):
        if self.kind == "domino":
            return "dn: o=Org\nobjectClass: organization\no: Org\n"
        units = "".join("dn: ou=%s,%s\nobjectClass: organizationalUnit\nou: %s\n\n" % (u, self.suffix, u)
                        for u in ("Staff", "Foreign", "Other"))
        return "dn: %s\nobjectClass: domain\ndc: contoso\n\n" % self.suffix + units

    def configure(self):
        os.makedirs(os.path.join(self.top, "db"), exist_ok=True)
        with open(SCHEMA + "/core.schema") as f: # Active Directory's persons need no surname
            core = f.read().replace("MUST ( sn $ cn )", "MUST cn").replace("MAY ( userPassword $ telephoneNumber",
                                                                            "MAY ( sn $ userPassword $ telephoneNumber")
        with open(os.path.join(self.top, "core.schema"), "w") as f:
            f.write(core)
        own = {"ad": "adlike", "domino": "domino"}[self.kind]
        lines = ["include %s/core.schema" % self.top] + ["include %s/%s.schema" % (SCHEMA, s) for s in ("cosine", "inetorgperson")]
        lines += ["include %s/t/directory/%s.schema" % (SRC, own), "pidfile %s/pid" % self.top, "argsfile %s/args" % self.top,
                  "modulepath /usr/lib/ldap", "moduleload back_mdb", "moduleload syncprov", "sizelimit unlimited",
                  "TLSCACertificateFile " + self.ca, "TLSCertificateFile " + self.certificate, "TLSCertificateKeyFile " + self.key,
                  "threads 4", self.first, "database mdb", 'suffix "%s"' % self.suffix, 'rootdn "%s"' % self.root, 'rootpw "%s"' % PASSWORD,
                  "directory %s/db" % self.top, "maxsize 1073741824", "envflags nosync writemap", "index objectClass eq",
                  "index entryUUID,entryCSN eq", "index cn,mail eq"]
        lines += ["index proxyAddresses,mailNickname,targetAddress,importedFrom eq"] if self.kind == "ad" else ["index dominoUNID eq"]
        lines += [self.extra, "overlay syncprov", "syncprov-checkpoint 1000 10", "syncprov-sessionlog 10000"]
        with open(os.path.join(self.top, "slapd.conf"), "w") as f:
            f.write("\n".join(lines) + "\n")

    def start(self):
        with open(os.path.join(self.top, "log"), "ab") as log:
            self.process = start_process(["/usr/sbin/slapd", "-f", os.path.join(self.top, "slapd.conf"), "-d", "0", "-h",
                                          "%s %s" % (self.plain_url, self.url)], env=ENV, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        return self.wait((self.port, self.tls_port))

    def wait(self, ports):
        for _ in range(600):
            if self.process.poll() is not None:
                break
            if all(answers(port, 0) for port in ports):
                return self
            time.sleep(0.05)
        raise RuntimeError("the server does not answer: " + self.trouble())

    def trouble(self):
        return run("/usr/sbin/slapd", "-T", "test", "-f", os.path.join(self.top, "slapd.conf")).stderr

    def stop(self):
        if self.process is not None:
            end_process(self.process, 20)
        self.process = None

    # ---- what a test does by hand ----

    def tool(self, name, *args, text=None):
        return run(name, "-x", "-H", self.plain_url, "-D", self.root, "-w", PASSWORD, *args, input=text)

    def add(self, ldif):
        r = self.tool("ldapadd", text=ldif)
        if r.returncode:
            raise RuntimeError(r.stderr)

    def modify(self, ldif):
        r = self.tool("ldapmodify", text=ldif)
        if r.returncode:
            raise RuntimeError(r.stderr)

    def delete(self, dn):
        r = self.tool("ldapdelete", dn)
        if r.returncode:
            raise RuntimeError(r.stderr)

    def rename(self, dn, rdn, parent=None):
        r = self.tool("ldapmodrdn", "-r", *(["-s", parent] if parent else []), dn, rdn)
        if r.returncode:
            raise RuntimeError(r.stderr)

    def search(self, filter="(objectClass=*)", base=None, attributes=()):
        """Entries as (dn, {name: [values]})."""
        r = self.tool("ldapsearch", "-LLL", "-o", "ldif-wrap=no", "-b", self.suffix if base is None else base, filter, *attributes)
        if r.returncode not in (0, 32):
            raise RuntimeError(r.stderr)
        entries, entry = [], None
        for line in r.stdout.split("\n"):
            if not line:
                entry = None
                continue
            name, _, value = line.partition(":")
            if value.startswith(":"):
                value = base64.b64decode(value[1:].strip()).decode("utf-8", "surrogateescape")
            else:
                value = value[1:] if value.startswith(" ") else value
            if name == "dn":
                entry = {}
                entries.append((value, entry))
            elif entry is not None:
                entry.setdefault(name, []).append(value)
        return entries

    def section(self, title=None, more=""):
        """The directory as a section of viaduct.conf; `title` names one of the host's."""
        return ('directory %s{ url = { "%s" } bind-dn = "%s" password-file = "%s" base = "%s"\n    tls { ca-file = "%s" } %s }'
                % ('"%s" ' % title if title else "", self.url, self.root, self.password_file, self.suffix, self.ca, more))
