#!/usr/bin/env python3
"""Reading an LDAP server that does what real ones do rarely: ranges that it cuts by itself, DirSync in several rounds, searches that
end half-way, limits, pages without end. A reading is whole or it is none."""
import re

from directory import run
from fakeldap import Ear, Fake, Meanwhile
from rig import done, is_, like, ok, private_folder, program

CONF = private_folder() + "/x.conf"
READ = program("t/ldapread")


def guid(n):
    return n.to_bytes(16, "big")


def read(url, command=None, more=""):
    with open(CONF, "w") as f:
        f.write('host { domains = { x.example }\n directory "d" { url = { %s } auth = none start-tls = no base = "dc=contoso,dc=example"\n'
                'timeout = "3s" page = 100 %s } }\n' % (", ".join('"%s"' % u for u in ([url] if isinstance(url, str) else url)), more))
    r = run(READ, CONF, *([command] if command else []))
    return r.stdout + r.stderr


people = [("cn=u%d,dc=contoso,dc=example" % i, {"cn": ["u%d" % i], "objectGUID": [guid(i)]}) for i in range(1, 251)]

# ---- what is whole ----

elsewhere = Ear()
with Fake(people, referral=elsewhere.url) as fake:
    like(read(fake.url), r"(?m)^read 250$", "three pages, and references to other servers are passed over")
    is_(len([a for a in fake.asked if a[0].startswith("dc=contoso")]), 3, "each page was asked for once")

with Fake(people + [("cn=g,dc=contoso,dc=example", {"cn": ["g"], "member": ["cn=m%d" % i for i in range(5000)]})],
          active_directory=True, range=1500) as fake:
    said = read(fake.url)
    like(said, r"(?m)^member 5000 cn=m4999$", "members that came in ranges are joined")
    like(said, r"(?m)^read 251$", "and counted once")
    ok(any(a == "member;range=0-1499" for row in fake.asked for a in row[2]), "the first range is asked for by its name")
    fake.range = 700 # smaller than asked for
    like(read(fake.url), r"(?m)^member 5000 cn=m4999$", "whatever step the server takes")

# ---- what is no reading ----

with Fake(people, elsewhere=elsewhere.url) as fake:
    like(read(fake.url), r"(?m)^read failed \d+ .*Referral", "a referral instead of an answer is no reading")
is_((elsewhere.calls, elsewhere.heard), (0, b""), "no other server is asked by either")
with Fake(people) as fake:
    fake.die_after = 120
    said = read(fake.url)
    like(said, r"(?m)^read failed 11 .*connection was lost", "a search that dies half-way is no reading")
    ok("read 120" not in said, "not a short one either")
    fake.die_after, fake.end = None, 51
    like(read(fake.url), r"(?m)^read failed 11 .*busy", "nor is one whose end says that the server is busy")
    fake.end = 1
    like(read(fake.url), r"(?m)^read failed 5 .*Operations error", "nor any other end than success")
    fake.end = None
    like(read(fake.url), r"(?m)^read failed 110 .*no answer within", "nor is one that has no end at all: it is given up")
    fake.end, fake.endless = 0, True
    like(read(fake.url), r"(?m)^read failed \d+ .*pages have no end", "nor one whose end says that there is more, again and again")
    fake.endless, fake.limit = False, 100
    like(read(fake.url), r"(?m)^read failed 90 .*Size limit", "nor one that a size limit cut, where the server has no pages")

# ---- a group that does not come whole ----

with Fake([("cn=g,dc=contoso,dc=example", {"cn": ["g"], "member": ["cn=m%d,dc=contoso,dc=example" % n for n in range(700)]})], active_directory=True, range=300) as fake:
    like(read(fake.url), r"(?m)^read 1$", "members come in ranges")
    for code, word in ((51, "busy"), (32, "No such object"), (80, "Other")):
        fake.range_end = code
        like(read(fake.url), r"(?m)^read failed 11 .*member of cn=g,.* from 300 on did not come: .*%s" % word, "a range that ends with %d makes no shorter group" % code)
    fake.range_end, fake.range_empty = 0, True
    like(read(fake.url), r"(?m)^read failed 11 .*did not come: there is nothing", "nor one that holds nothing")

# ---- changes by DirSync, in rounds ----

with Fake(people, active_directory=True) as fake:
    gone = ("cn=x\\0ADEL:1,cn=Deleted Objects,dc=contoso,dc=example", {"objectGUID": [guid(9999)], "isDeleted": ["TRUE"]})
    fake.changed = [(dn, {"objectGUID": row["objectGUID"]}) for dn, row in people[10:30]] + [gone, gone, people[10]]
    for rounds in (1, 4, 23):
        fake.rounds = rounds
        said = read(fake.url, "true")
        like(said, r"(?m)^changes 21$", "%d rounds give 20 changed and one gone, each once" % rounds)
        like(said, r"(?m)^gone 0f270000|^gone 00000000-0000-0000-0000-00000000270f$", "by its id")
    fake.entries = people[15:]
    said = read(fake.url, "true")
    is_(len(re.findall(r"(?m)^gone ", said)), 6, "those who changed and can no longer be read are gone")

# ---- changes by update numbers ----

with Fake(people, active_directory=True) as fake:
    usn = 'changes = "usn"'
    like(read(fake.url, "true", usn), r"(?m)^changes 250$", "a number that is as high as before, or higher, is gone on with")
    said = read(fake.url, Meanwhile(lambda: setattr(fake, "usn", 90)).command, usn)
    like(said, r"(?m)^changes failed 116 .*update number went back from 100 to 90", "one that went back, as of a server restored from a backup, is not")
    fake.sees_deleted = False
    like(read(fake.url, "true", usn), r"(?m)^begin failed 13 .*CN=Deleted Objects,.* cannot be read", "where who was deleted is not shown, changes are not asked for")
    ok("\ngone " not in said and "\nchanged " not in said, "nothing is taken of it")

# ---- a connection that is not used ----

with Fake(people, active_directory=True, idle=0.5) as fake:
    fake.changed = people[10:12]
    said = read(fake.url, "sleep 1.5")
    like(said, r"(?m)^changes failed 11 .*connection was lost", "a connection that the server closed since nothing was asked is lost")
    like(said, r"(?m)^changes 2$", "another is opened, and nothing is missed")

# ---- several servers ----

with Fake(people) as fake:
    said = read(["ldap://127.0.0.1:9/", fake.url])
    like(said, r"(?m)^note .*127.0.0.1:9.*is used", "a server that does not answer is told of, and the next one asked")
    like(said, r"(?m)^read 250$", "and read")
    like(read(["ldap://127.0.0.1:9/", "ldap://127.0.0.1:7/"]), r"(?m)^open failed 107 .*:9: .*:7: ", "where none answers, all are named")

# ---- what a wrong server says is no crash ----

with Fake(people) as fake:
    fake.entries = [("cn=\\", {"cn": ["\xff"], "x": ["\x00" * 10], "y": [], "z" * 300: ["a" * 1000000]})] * 20
    like(read(fake.url), r"(?m)^read 20$", "odd names, values of a megabyte and attributes without values are read")
done()
