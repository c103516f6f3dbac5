"""directory.py - LDAP servers of the test's own, on loopback in private folders

    with Slapd("ad") as host: host.add(LDIF); host.search("(cn=x)"); host.url, host.ca, host.password_file

A slapd that looks like Active Directory with Exchange ("ad": suffix dc=contoso,dc=example), or like Domino ("domino": suffix "").
Certificates are made by an authority of the test's own. Nothing is durable, nothing listens beyond loopback."""
import base64
import os
import shutil
import socket
import subprocess
import tempfile
import time

SRC = os.environ.get("VIADUCT_SRC") or os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
ENV = dict(os.environ, PATH=PATH, LDAPNOINIT="1", LC_ALL="C.UTF-8")
SCHEMA = "/etc/ldap/schema"
PASSWORD = "secret of the test"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def run(*args, **kw):
    return subprocess.run(args, env=ENV, capture_output=True, text=True, timeout=60, **kw)


class Authority:
    """A certificate authority, and certificates for 127.0.0.1."""

    def __init__(self, top, name="test authority"):
        self.top = top
        os.makedirs(top, exist_ok=True)
        self.key, self.pem = os.path.join(top, "ca.key"), os.path.join(top, "ca.pem")
        self.ssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=" + name, "-keyout", self.key,
                 "-out", self.pem, "-addext", "basicConstraints=critical,CA:TRUE")

    @staticmethod
    def ssl(*args):
        r = run("openssl", *args)
        if r.returncode:
            raise RuntimeError(r.stderr)

    def issue(self, name="server", san="IP:127.0.0.1,DNS:ldap.test.example", days="30"):
        at = os.path.join(self.top, name)
        with open(at + ".ext", "w") as f:
            f.write("subjectAltName=" + san)
        self.ssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=" + name, "-keyout", at + ".key", "-out", at + ".req")
        self.ssl("x509", "-req", "-in", at + ".req", "-CA", self.pem, "-CAkey", self.key, "-CAcreateserial", "-days", days,
                 "-out", at + ".pem", "-extfile", at + ".ext")
        return at + ".pem", at + ".key"


class Slapd:
    def __init__(self, kind="ad", top=None, extra="", authority=None, certificate=None):
        self.kind, self.extra = kind, extra
        self.own_top = top is None
        self.top = top or tempfile.mkdtemp(prefix="viaduct-t-ldap-")
        self.suffix = {"ad": "dc=contoso,dc=example", "domino": ""}[kind]
        self.root = "cn=admin" + ("," + self.suffix if self.suffix else "")
        self.authority = authority or Authority(os.path.join(self.top, "ca"))
        self.ca = self.authority.pem
        self.certificate, self.key = certificate or self.authority.issue()
        self.port, self.tls_port = free_port(), free_port()
        self.url, self.plain_url = "ldaps://127.0.0.1:%d/" % self.tls_port, "ldap://127.0.0.1:%d/" % self.port
        self.password_file = os.path.join(self.top, "password")
        with open(self.password_file, "w") as f:
            f.write(PASSWORD + "\n")
        os.chmod(self.password_file, 0o600)
        self.process = None
        self.configure()
        self.start()
        self.add(self.first_entries())

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
                  "threads 4", "database mdb", 'suffix "%s"' % self.suffix, 'rootdn "%s"' % self.root, 'rootpw "%s"' % PASSWORD,
                  "directory %s/db" % self.top, "maxsize 1073741824", "envflags nosync writemap", "index objectClass eq",
                  "index entryUUID,entryCSN eq", "index cn,mail eq"]
        lines += ["index proxyAddresses,mailNickname,targetAddress,importedFrom eq"] if self.kind == "ad" else ["index dominoUNID eq"]
        lines += [self.extra, "overlay syncprov", "syncprov-checkpoint 1000 10", "syncprov-sessionlog 10000"]
        with open(os.path.join(self.top, "slapd.conf"), "w") as f:
            f.write("\n".join(lines) + "\n")

    def start(self):
        log = open(os.path.join(self.top, "log"), "ab")
        self.process = subprocess.Popen(
            ["/usr/sbin/slapd", "-f", os.path.join(self.top, "slapd.conf"), "-d", "0", "-h", "%s %s" % (self.plain_url, self.url)],
            env=ENV, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        for _ in range(400):
            if self.process.poll() is not None:
                raise RuntimeError("slapd ended: " + run("/usr/sbin/slapd", "-T", "test", "-f", os.path.join(self.top, "slapd.conf")).stderr)
            try:
                for port in (self.port, self.tls_port):
                    socket.create_connection(("127.0.0.1", port), 1).close()
                return self
            except OSError:
                time.sleep(0.05)
        raise RuntimeError("slapd does not answer")

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def close(self):
        self.stop()
        if self.own_top:
            shutil.rmtree(self.top, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

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
