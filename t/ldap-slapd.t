#!/usr/bin/env python3
"""Sessions with a real LDAP server (slapd): certificates are always verified, passwords go nowhere else, changes by syncrepl, and any
octet in a name or a filter means itself."""
import base64
import os
import re
import socket
import threading
import time

from directory import PASSWORD, Authority, Slapd, run
from fakeldap import Ear, Meanwhile
from rig import done, free_port, is_, like, note, ok, private_folder, program

top = private_folder()
CONF = top + "/x.conf"
READ = program("t/ldapread")
host = Slapd("ad")
STAFF = "ou=Staff," + host.suffix


def read(url=None, ca=None, command=None, pins=None, **options):
    how = {"bind-dn": '"%s"' % host.root, "password-file": '"%s"' % host.password_file, "timeout": '"4s"'}
    how.update({k.replace("_", "-"): v for k, v in options.items()})
    with open(CONF, "w") as f:
        f.write('host { domains = { x.example }\n directory "d" { url = { "%s" } base = "%s"\n tls { ca-file = "%s" %s }\n%s } }\n' % (
            url or host.url, host.suffix, ca or host.ca, "pins = { \"%s\" }" % pins if pins else "", "\n".join("%s = %s" % (k, v) for k, v in how.items() if v is not None)))
    r = run(READ, CONF, *([command] if isinstance(command, str) else command or []))
    return r.stdout + r.stderr


# ---- who is believed ----

like(read(), r"(?m)^read 4$", "LDAPS with a certificate of the authority that is named")
like(read(host.plain_url), r"(?m)^read 4$", "StartTLS as well")
other = Authority(private_folder())
like(read(ca=other.file), r"(?m)^open failed 13 .*certificate .*issued by .*Test CA.*ca-file", "another authority's certificate is refused, and what to do is said")
like(read(host.plain_url, ca=other.file), r"(?m)^open failed 13 .*certificate is refused", "by StartTLS, too")
foreign = Slapd("ad", authority=host.authority, names="DNS:elsewhere.example")
like(read(foreign.url), r"(?m)^open failed 13 .*certificate", "a certificate for another name is refused")
foreign.stop()
stale = Slapd("ad", authority=host.authority, days="0")
time.sleep(1.5)
like(read(stale.url), r"(?m)^open failed 13 .*certificate .*expired", "so is one that has expired")
stale.stop()
pin = host.authority.pin(host.certificate)
for url in (host.url, host.plain_url):
    like(read(url, pins=pin), r"(?m)^read 4$", "a key that is pinned is believed")
    like(read(url, pins=other.pin(other.file)), r"(?m)^open failed 13 .*none of tls.pins \(it is %s" % re.escape(pin),
         "another one is not, however good its certificate")
like(read(host.url, ca=other.file, pins=pin), r"(?m)^open failed 13 ", "and a pin makes no bad certificate good")
like(read(host.url.replace("127.0.0.1", "localhost")), r"(?m)^open failed 13 ", "the name in the URL counts, not the address behind it")

# ---- where a password may go ----

# an extended response: protocolError, "no such thing" (the server knows no StartTLS)
deaf = Ear(bytes([0x30, 0x0c, 2, 1, 1, 0x78, 7, 10, 1, 2, 4, 0, 4, 0]))
like(read(deaf.url), r"(?m)^open failed 13 .*begins no TLS.*nothing was sent", "a server without StartTLS gets nothing")
ok(PASSWORD.encode() not in deaf.heard and host.root.encode() not in deaf.heard, "neither name nor password")
mute = Ear()
like(read(mute.url), r"(?m)^open failed 1(07|10) ", "one that says nothing is given up")
like(read(mute.url.replace("ldap:", "ldaps:")), r"(?m)^open failed 1(07|10) ", "so is one that begins no TLS on the port for it")
like(read(mute.url.replace("ldap:", "ldaps:"), auth='"none"', bind_dn=None, password_file=None), r"(?m)^open failed 1(07|10) ", "nobody's session, too")
# an extended response: success, and then not a word of TLS
polite = Ear(bytes([0x30, 0x0c, 2, 1, 1, 0x78, 7, 10, 1, 0, 4, 0, 4, 0]))
like(read(polite.url), r"(?m)^open failed 1(07|10) ", "nor is one waited for that promises TLS and begins none")
ok(PASSWORD.encode() not in mute.heard + polite.heard, "and they hear no password")
like(read(host.plain_url, start_tls="no"), r"would show the password", "a configuration that would send it in the clear is refused")
host.write_password("")
like(read(), r"new failed .*empty", "an empty password is none: that log-on would succeed as nobody")
host.write_password("wrong")
like(read(), r"(?m)^open failed 13 .*logging on: Invalid credentials.*check bind-dn and password-file", "a wrong one is told")
ear = Ear()
like(read(host.url + '", "' + ear.url.replace("ldap:", "ldaps:")), r"(?m)^open failed 13 .*logging on: Invalid credentials", "and no other server asked")
host.write_password(PASSWORD)
like(read(host.url + '", "' + ear.url, ca=other.file), r"(?m)^open failed 13 .*certificate is refused", "nor where a certificate is refused")
is_((ear.calls, ear.heard), (0, b""), "the second one hears nothing")
like(read("ldap://127.0.0.1:9/\", \"" + host.url), r"(?m)^read 4$", "which it would where the first is out of reach")

# ---- a connection that is dropped says nothing of a certificate ----


class Dropper:
    """Closes the first connection, and passes all others on."""

    def __init__(self, to):
        self.to, self.first, self.listener = to, True, socket.create_server(("127.0.0.1", 0))
        self.url = "ldaps://127.0.0.1:%d/" % self.listener.getsockname()[1]
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            connection = self.listener.accept()[0]
            if self.first:
                self.first = False
                connection.close()
                continue
            other = socket.create_connection(("127.0.0.1", self.to))
            for pair in ((connection, other), (other, connection)):
                threading.Thread(target=self.pump, args=pair, daemon=True).start()

    @staticmethod
    def pump(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


dropper = Dropper(int(host.url.rstrip("/").rsplit(":", 1)[1]))
like(read('%s", "%s' % (dropper.url, host.url)), r"(?m)^note ldaps://127.0.0.1:\d+: connecting: [^\n]*%s[^\n]* is used$(?s:.*)^read 4$" % re.escape(host.url.rstrip("/")),
     "a good server that drops a connection is not blamed for its certificate: the next one is used")

# ---- changes by syncrepl ----

script = top + "/change.sh"


def change(ldif):
    with open(script, "w") as f:
        f.write("ldapmodify -x -H %s -D '%s' -w '%s' >/dev/null <<'EOT'\n%s\nEOT\n" % (host.plain_url, host.root, PASSWORD, ldif))
    return read(command="sh " + script)


host.add("".join("dn: cn=u%d,%s\nobjectClass: user\ncn: u%d\nmailNickname: u%d\n\n" % (i, STAFF, i, i) for i in range(1200)))
said = change("dn: cn=u5,%s\nchangetype: modify\nreplace: mailNickname\nmailNickname: five\n\ndn: cn=u6,%s\nchangetype: delete\n\n"
              "dn: cn=new,%s\nchangetype: add\nobjectClass: user\ncn: new\n" % (STAFF, STAFF, STAFF))
like(said, r"(?m)^read 1204$", "all were read before, in pages")
like(said, r"(?m)^changed cn=u5,", "who changed is read again")
like(said, r"(?m)^changed cn=new,", "and who is new")
is_(said.count("\ngone "), 1, "who is deleted is gone")
like(said, r"(?m)^changes 3$", "and nobody else is told of")
said = change("dn: cn=u7,%s\nchangetype: modrdn\nnewrdn: cn=seven\ndeleteoldrdn: 1\nnewsuperior: ou=Other,%s\n" % (STAFF, host.suffix))
like(said, r"(?m)^changed cn=seven,ou=Other,", "renamed and moved is changed, not gone")
is_(said.count("\ngone "), 0, "since its id stays")
with open(script, "w") as f: # its log of changes is in memory
    f.write("kill -9 %d; sleep 0.5\n" % host.process.pid)
like(read(command="sh " + script), r"(?m)^changes failed 11 .*connection", "a server that goes away meanwhile is told")
host.stop()
host.start()


def restart():
    """Others have come and gone, and the server has forgotten that."""
    host.modify("dn: cn=u8,%s\nchangetype: modify\nreplace: mailNickname\nmailNickname: eight\n" % STAFF)
    host.delete("cn=u9,%s" % STAFF)
    host.stop()
    host.start()


said = read(command=Meanwhile(restart).command)
like(said, r"(?m)^changes failed 11 .*connection", "one that was started anew meanwhile is asked again")
like(said, r"(?m)^changes failed 116 .*does not reach back", "by a cookie that its log does not reach back to, which is no answer")
ok("\ngone " not in said and "\nchanged " not in said, "nobody is taken for gone of whom it says that he is there")
like(read(command="true"), r"(?m)^changes 0$", "with a cookie of its own nothing has changed")

# ---- any octet means itself ----

odd = "".join(chr(c) for c in range(1, 128)) + "\u00e4\u20ac"
with open(top + "/odd.ldif", "wb") as f:
    name = "".join("\\%02x" % c for c in ("x" + odd).encode())
    f.write(b"dn:: " + base64.b64encode(("cn=%s,%s" % (name, STAFF)).encode()) + b"\nobjectClass: contact\ncn:: "
            + base64.b64encode(("x" + odd).encode()) + b"\n\n")
r = host.tool("ldapadd", "-f", top + "/odd.ldif")
is_(r.returncode, 0, "an entry whose name has all characters is there")
like(read(filter='"(objectClass=contact)"'), r"(?m)^read 1$", "and can be read")
filter = "(cn=x%s)" % "".join("\\%02x" % c for c in odd.encode())
like(read(filter='"%s"' % filter.replace("\\", "\\\\")), r"(?m)^read 1$", "it is found by them, escaped, and nobody else is")
host.add("".join("dn: cn=octet%d,%s\nobjectClass: contact\ncn: octet%d\nobjectGUID:: %s\n\n" % (
    n, STAFF, n, base64.b64encode(b"o%co" % n).decode()) for n in range(256)))
said = re.findall(r"(?m)^octet (\d+) (.*)$", read(command=["octets", "objectGUID"]))
is_(said, [("%d" % n, "cn=octet%d,%s" % (n, STAFF)) for n in range(256)], "each octet in a filter finds the one entry that has it")
done()
