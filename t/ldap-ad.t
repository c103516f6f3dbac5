#!/usr/bin/env python3
"""Sessions with a real Active Directory domain controller (Samba): LDAPS, StartTLS and Kerberos; changes by DirSync and by update
numbers with tombstones; members in ranges; what it says when it does not let us in."""
import samba

samba.enter()

import os  # noqa: E402

from directory import run  # noqa: E402
from fakeldap import Ear  # noqa: E402
from rig import done, is_, like, note, ok, private_folder, program  # noqa: E402

top = private_folder()
CONF, READ, script = top + "/x.conf", program("t/ldapread"), top + "/change.sh"
dc = samba.Controller()
STAFF = "OU=Staff," + samba.SUFFIX


def read(url=None, command=None, **options):
    how = {"bind-dn": '"%s"' % dc.root, "password-file": '"%s"' % dc.password_file, "timeout": '"10s"'}
    how.update({k.replace("_", "-"): v for k, v in options.items()})
    with open(CONF, "w") as f:
        f.write('host { domains = { x.example }\n directory "d" { url = { "%s" } base = "%s"\n tls { ca-file = "%s" }\n%s } }\n' % (
            url or dc.url, samba.SUFFIX, dc.ca, "\n".join("%s = %s" % (k, v) for k, v in how.items() if v is not None)))
    r = run(READ, CONF, *([command] if command else []))
    return r.stdout + r.stderr


people = 'filter', '"(mailNickname=*)"'
dc.add("".join("dn: CN=c%d,%s\nobjectClass: contact\nmailNickname: c%d\n\n" % (i, STAFF, i) for i in range(1200)))
dc.add("dn: CN=all,%s\nobjectClass: group\ngroupType: 8\nmailNickname: all\n" % STAFF
       + "".join("member: CN=c%d,%s\n" % (i, STAFF) for i in range(1200)))

# ---- doors ----

elsewhere = Ear(address="127.0.0.2", port=389), Ear(address="127.0.0.2", port=636)
like(read(filter=people[1]), r"(?m)^read 1201$", "LDAPS, in pages")
like(read(dc.plain_url, filter=people[1]), r"(?m)^read 1201$", "StartTLS")
ok("://contoso.example/" in dc.tool("ldapsearch", "-b", samba.SUFFIX, people[1].strip("\""), "1.1").stdout, "among the answers are references to other servers")
is_([ear.calls for ear in elsewhere], [0, 0], "which are not followed")
like(read(filter=people[1], range="500"), r"(?m)^member 1200 ", "members in ranges of 500 are joined")
keytab = dc.keytab()
kerberos = {"auth": "gssapi", "keytab_file": '"%s"' % keytab, "bind_dn": None, "password_file": None, "filter": people[1]}
like(read(dc.plain_url, **kerberos), r"(?m)^read 1201$", "Kerberos with a key table, signed and sealed")
both = top + "/both.keytab"
for principal in ("krbtgt/" + samba.REALM, "administrator"):
    samba.must("samba-tool", "domain", "exportkeytab", both, "--principal=%s@%s" % (principal, samba.REALM), "-s", dc.top + "/smb.conf")
os.chmod(both, 0o600)
kerberos["keytab_file"] = '"%s"' % both
like(read(dc.plain_url, principal='"administrator"', **kerberos), r"(?m)^read 1201$", "a principal is chosen of a key table of several")
like(read(dc.plain_url, principal='"nobody"', **kerberos), r"(?m)^new failed .*no key of nobody", "one that is not in it is told")
kerberos["keytab_file"] = '"%s"' % keytab
like(read(dc.url, **kerberos), r"(?m)^(read 1201$|open failed 13 .*Kerberos)", "over TLS Kerberos works, or the server's refusal is told")
dc.write_password("wrong")
like(read(), r"(?m)^open failed 13 .*data 52e.*the name or the password is wrong", "a wrong password")
dc.write_password(samba.PASSWORD)
like(read("ldaps://127.0.0.1:9/"), r"(?m)^open failed 107 ", "a server that is not there")

base = "-H", dc.top + "/private/sam.ldb", "-s", dc.top + "/smb.conf"

samba.must("samba-tool", "user", "create", "late", "A.long.password.1", *base)
dc.write_password("A.long.password.1")
late = {"bind_dn": '"late@contoso.example"', "filter": people[1]}
like(read(**late), r"(?m)^read 1201$", "somebody else may read")
samba.must("samba-tool", "user", "setexpiry", "late", "--days=-1", *base)
like(read(**late), r"(?m)^open failed 13 .*data 701.*the account has expired", "whose account has expired is told so")
samba.must("samba-tool", "user", "setexpiry", "late", "--days=100", *base)
samba.must("samba-tool", "domain", "passwordsettings", "set", "-q", "--max-pwd-age=2", *base)
# set long ago: a control of Samba's own, DSDB_CONTROL_PASSWORD_BYPASS_LAST_SET_OID, lets that be said
samba.must("ldbmodify", *base[:2], "--controls=local_oid:1.3.6.1.4.1.7165.4.3.20:0",
           input="dn: CN=late,CN=Users,%s\nchangetype: modify\nreplace: pwdLastSet\npwdLastSet: 130000000000000000\n" % samba.SUFFIX)
like(read(**late), r"(?m)^open failed 13 .*data 532.*password has expired: set a new one", "whose password has expired is told so, and what to do")
samba.must("samba-tool", "user", "disable", "late", *base)
like(read(**late), r"(?m)^open failed 13 .*data 533.*the account is disabled", "whose account is disabled is told so")
dc.write_password(samba.PASSWORD)

# ---- changes ----


def change(ldif, **how):
    with open(script, "w") as f:
        f.write("unset LDAPNOINIT; LDAPTLS_CACERT=%s ldapmodify -x -H %s -D '%s' -w '%s' >/dev/null <<'EOT'\n%s\nEOT\n" % (
            dc.ca, dc.url, dc.root, samba.PASSWORD, ldif))
    return read(command="sh " + script, filter=people[1], **how)


for way, n in (("dirsync", 0), ("usn", 10)):
    said = change("dn: CN=c%d,%s\nchangetype: modify\nreplace: department\ndepartment: R&D\n\ndn: CN=c%d,%s\nchangetype: delete\n\n"
                  "dn: CN=new%d,%s\nchangetype: add\nobjectClass: contact\nmailNickname: new\n\n"
                  "dn: CN=c%d,%s\nchangetype: modify\ndelete: mailNickname\n" % (n + 1, STAFF, n + 2, STAFF, n, STAFF, n + 3, STAFF),
                  changes='"%s"' % way)
    like(said, r"(?m)^changed CN=c%d," % (n + 1), way + ": who changed is read again, whole")
    like(said, r"(?m)^changed CN=new%d," % n, way + ": and who is new")
    is_(said.count("\ngone "), 2, way + ": who is deleted is gone, and who is no recipient any more")
    said = change("dn: CN=c%d,%s\nchangetype: modrdn\nnewrdn: CN=moved%d\ndeleteoldrdn: 1\nnewsuperior: OU=Other,%s\n" % (
        n + 4, STAFF, n, samba.SUFFIX), changes='"%s"' % way)
    like(said, r"(?m)^changed CN=moved%d,OU=Other," % n, way + ": moved is changed, not gone")
done()
