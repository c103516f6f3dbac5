#!/usr/bin/python3
"""What real mail programs write goes to GroupWise and comes back: equal, or changed with a line in the report that says so.

t/corpus/ makes the messages and knows what each says; t/gwconvert takes them there and back through the conversion, in the
gateway's code page and once more in UTF-8, where no character may be lost. Nothing may crash, hang, or vanish.

VIADUCT_SAMPLES names a folder of genuine files of GroupWise gateways; each of them is read, too.
"""
import collections
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "corpus")]
import compare  # noqa: E402
import fields  # noqa: E402
import items  # noqa: E402
import odd  # noqa: E402
import programs  # noqa: E402
import shapes  # noqa: E402
from rig import BUILD, done, is_, note, ok, private_folder  # noqa: E402

SECONDS = 120 # of processor time, for all of a kind: far above what is needed, to end what hangs
MAKERS = (shapes.charsets, shapes.shapes, shapes.sizes, fields.all_subjects, fields.all_names, fields.grades, fields.people, fields.dates, odd.sealed, odd.tnefs,
          odd.reports, odd.mislabelled, odd.broken, programs.habits, programs.crossed)


def write(folder, name, data):
    with open(os.path.join(folder, name), "wb") as f:
        f.write(data)


def convert(folder, codepage, domain, what):
    """Runs the driver over a folder; True where it came to the end of it."""
    r = subprocess.run(["sh", "-c", "ulimit -t %d; exec \"$@\"" % SECONDS, "sh", os.path.join(BUILD, "t/gwconvert"), folder, codepage, domain],
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace")
    if r.returncode != 0:
        note(r.stdout[-1500:])
    return ok(r.returncode == 0, "%s: nothing crashes or hangs" % what)


def result(folder, name):
    return [line.split(" ", 2) for line in raw(folder, name + ".out").decode("utf-8", "replace").splitlines()]


def raw(folder, name):
    try:
        with open(os.path.join(folder, name), "rb") as f:
            return f.read()
    except FileNotFoundError:
        return b""


# ---- there and back ----

cases = [case for make in MAKERS for case in make()]
ok(len(cases) >= 300 and len({c.name for c in cases}) == len(cases), "%d messages, each with a name" % len(cases))


def there_and_back(codepage):
    folder, table, wrong, gone = private_folder(), collections.defaultdict(collections.Counter), [], []
    for n, case in enumerate(cases):
        write(folder, "%04d.eml" % n, case.data)
        write(folder, "%04d.to" % n, "".join("%d %s\n" % who for who in case.envelope).encode())
    if not convert(folder, codepage, "Exchange", "there and back in " + codepage):
        return
    for n, case in enumerate(cases):
        name = "%04d" % n
        how = result(folder, name)
        if [h[0] for h in how] != ["converted", "converted"]:
            gone.append("%s: %s" % (case.name, how))
            continue
        back = compare.Back(raw(folder, name + ".back"), raw(folder, name + ".report").decode(), raw(folder, name + ".who").decode().splitlines(), raw(folder, name + ".reply"))
        for feature, said in compare.compare(case, back).items():
            table[feature][said] += 1
            if said == compare.WRONG or (codepage == "utf-8" and re.search(compare.PAGE, back.report) and "control" not in case.name and "NUL" not in case.name):
                wrong.append((feature, case, back))
    ok(gone == [], "%s: every message is converted, there and back" % codepage)
    note("\n".join(gone))
    note("%-20s %8s %8s %8s %8s" % ("in " + codepage, "equal", "changed", "lost", "WRONG"))
    for feature, counts in table.items():
        note("%-20s %8d %8d %8d %8d" % (feature, counts["equal"], counts["changed"], counts["lost"], counts["WRONG"]))
    for feature in table:
        ok(not [w for w in wrong if w[0] == feature], "%s: %s: equal, or the report says why not" % (codepage, feature))
        for _, case, back in [w for w in wrong if w[0] == feature][:int(os.environ.get("CORPUS_SHOW", "5"))]:
            note("%s: report: %s" % (case.name, back.report.replace("\n", "; ")[:600]))
            note(repr(back.raw[:1500]))
    ok(sum(table[f]["equal"] for f in table) > sum(sum(c.values()) for c in table.values()) * 0.8, "%s: most of it is equal" % codepage)


there_and_back("437")
there_and_back("utf-8")

# ---- what comes from GroupWise ----

folder = private_folder()
known = list(items.items())
for n, item in enumerate(known):
    for extension, data in item.parts.items():
        write(folder, "%04d.%s" % (n, extension), data)
if convert(folder, "437", "Exchange", "items of GroupWise"):
    for n, item in enumerate(known):
        name = "%04d" % n
        how = result(folder, name)[0]
        is_(how[0], item.becomes, "%s: %s" % (item.name, item.becomes))
        back = compare.Back(raw(folder, name + ".back"), raw(folder, name + ".report").decode(), raw(folder, name + ".who").decode().splitlines(), b"")
        everything = " ".join([how[2] if len(how) > 2 else "", back.text, compare.words_of(back.message["Subject"]) or "", back.report]
                              + [data.decode("latin-1") + (file or "") for file, data in back.files])
        missing = [w for w in item.words if w not in everything]
        if not ok(missing == [], "%s: and nothing of it vanishes" % item.name):
            note("missing: %r\n%s\n%s" % (missing, how, back.raw.decode("latin-1")[:1500]))

samples = os.environ.get("VIADUCT_SAMPLES")
if samples is None:
    ok(True, "genuine files # SKIP VIADUCT_SAMPLES is not set")
else:
    folder, names = private_folder(), []
    for top, _, files in sorted(os.walk(os.path.join(samples, "groupwise"))):
        for file in sorted(f for f in files if f.endswith(".api")):
            write(folder, "%04d.api" % len(names), raw(top, file))
            write(folder, "%04d.bdy" % len(names), b"body of it\r\n")
            names.append(file)
    if convert(folder, "437", "", "genuine files"):
        for n, file in enumerate(names):
            how, kind = result(folder, "%04d" % n)[0], file.split("-")[0]
            want = {"mail": ["converted"], "admin": ["directory"], "search": ["answered", "nothing"]}[kind]
            ok(how[0] in want, "genuine: %s: %s" % (file, " ".join(how)))

done()
