"""directory.py - directories: what reading, planning, writing and the book cost, beside what is asked of them.

Each part is a function of its own that returns rows; alone: BENCH_PARTS=directory.
"""
import json
import os
import statistics
import subprocess

HEAD = ["directories", "viaduct", "beside", "share"]
PAIRS, CHANGED = 100000, 10000
PLAN_S, PLAN_MIB = 3.0, 200.0


def plan(build, top, say):
    """A plan over 100,000 pairs in memory: seconds, and the most that the process had, which holds both directories."""
    rows = []
    for changed, what in ((0, "plan of %d pairs without change" % PAIRS), (CHANGED, "with %d changes" % CHANGED)):
        runs = [json.loads(subprocess.run([os.path.join(build, "t/dir-plan-bench"), str(PAIRS), str(changed)], check=True,
                                          stdout=subprocess.PIPE).stdout) for _ in range(3)]
        took = statistics.median(r["plan_ms"] for r in runs) / 1000
        peak = max(r["peak_kib"] for r in runs) / 1024
        rows += [[what + ", s", "%.2f" % took, "%.0f allowed" % PLAN_S, "%.0f %%" % (100 * took / PLAN_S)],
                 ["its process, MiB", "%.0f" % peak, "%.0f allowed" % PLAN_MIB, "%.0f %%" % (100 * peak / PLAN_MIB)]]
        say("  directory  " + "  ".join(rows[-2]) + "  " + "  ".join(rows[-1]))
    return rows


ENTRIES, WRITES = 100000, 20000


def load(top):
    """A slapd with 100,000 contacts of some 400 octets, filled offline; and a configuration that reads it."""
    import directory as rig # the test rig of this name lies in t/
    host = rig.Slapd("ad")
    host.stop()
    path = os.path.join(top, "people.ldif")
    with open(path, "w") as f:
        for n in range(ENTRIES):
            f.write("dn: cn=User %d,ou=Staff,%s\nobjectClass: contact\ncn: User %d\ndisplayName: Name %d\ngivenName: Given%d\nsn: Surname%d\n"
                    "mailNickname: u%d\nmail: u%d@contoso.example\nproxyAddresses: SMTP:u%d@contoso.example\n"
                    "proxyAddresses: smtp:given%d.surname%d@contoso.example\ntargetAddress: SMTP:u%d@elsewhere.example\n"
                    "company: A company of some length\ndepartment: Department %d\ntelephoneNumber: +49 30 %07d\n\n"
                    % (n, host.suffix, n, n, n, n, n, n, n, n, n, n, n % 97, n))
    rig.run("/usr/sbin/slapadd", "-q", "-f", os.path.join(host.top, "slapd.conf"), "-l", path)
    host.start()
    conf = os.path.join(top, "ldap.conf")
    with open(conf, "w") as f:
        f.write("host { domains = { contoso.example }\n%s }\n" % host.section("ad", 'mark = "importedFrom"'))
    return rig, host, conf


def seconds(*args, **env):
    took, n = subprocess.run(args, check=True, stdout=subprocess.PIPE, text=True, env=dict(os.environ, LDAPNOINIT="1", **env)).stdout.split()
    return float(took), int(n)


def servers(build, top, say):
    """A full reading beside ldapsearch, changes beside a bare loop over libldap, with a slapd on this machine over LDAPS."""
    import sys
    import time
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "t"))
    own = sys.modules.pop("directory", None)
    os.makedirs(top, exist_ok=True)
    try:
        rig, host, conf = load(top)
        tool, reads, searches, writes, bares = os.path.join(build, "t/ldap-bench"), [], [], [], []
        env = {k: v for k, v in os.environ.items() if k != "LDAPNOINIT"}
        for _ in range(3):
            took, n = seconds(tool, "read", conf)
            reads.append(n / took)
            begun = time.monotonic()
            subprocess.run(["ldapsearch", "-x", "-H", host.url, "-D", host.root, "-w", rig.PASSWORD, "-b", host.suffix, "-E", "pr=1000/noprompt",
                            "-LLL", "(mailNickname=*)"], check=True, stdout=subprocess.DEVNULL, env=dict(env, LDAPTLS_CACERT=host.ca))
            searches.append(n / (time.monotonic() - begun))
            took, n = seconds(tool, "bare-write", conf, str(WRITES), NAMES="Name")
            bares.append(n / took)
            took, n = seconds(tool, "write", conf, str(WRITES))
            writes.append(n / took)
        host.stop()
    finally:
        if own is not None:
            sys.modules["directory"] = own
    rows = []
    for what, ours, beside, whose in (("full reading of %d entries, entries/s" % ENTRIES, reads, searches, "ldapsearch -E pr=1000"),
                                      ("changes, %d on one connection, per second" % WRITES, writes, bares, "a loop over libldap")):
        a, b = statistics.median(ours), statistics.median(beside)
        rows.append([what, "%.0f" % a, "%.0f (%s)" % (b, whose), "%.0f %%" % (100 * a / b)])
        say("  directory  " + "  ".join(rows[-1]))
    return rows


PARTS = [plan, servers]


def rows(build, top, say):
    return [row for part in PARTS for row in part(build, top, say)]
