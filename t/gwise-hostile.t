#!/usr/bin/python3
"""Messages made to exhaust the converters go to GroupWise in little memory, by the real worker and its children; so does a large file.

What each costs in instructions is counted by t/cost.t; here it is the whole program, with its limits set. The large file has 64
MiB; VIADUCT_LARGE_MIB=1024 for another size.
"""
import os
import resource
import struct
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from rig import BUILD, done, is_, note, ok, private_folder  # noqa: E402

MOST = 48 << 20 # octets resident
LARGE = int(os.environ.get("VIADUCT_LARGE_MIB", "64")) << 20
TOP = b"From: anna@contoso.example\nTo: lnowak@gw.contoso.example\nSubject: x\nMIME-Version: 1.0\n"
MIXED = TOP + b"Content-Type: multipart/mixed; boundary=b\n\n"
top = private_folder()
conf = os.path.join(top, "viaduct.conf")
os.makedirs(os.path.join(top, "boxes"))
for name in ("API_IN", "API_OUT", "ATT_IN", "ATT_OUT"):
    os.makedirs(os.path.join(top, "gateway", name))
with open(os.path.join(top, "people.csv"), "w") as f:
    f.write("display,primary,proxies,side\nAnna Berg,SMTP:anna@contoso.example,GWISE:Exchange.HQ.anna,host\n"
            "Lena Nowak,GWISE:Harbour.Quay.lnowak,SMTP:lnowak@gw.contoso.example,groupwise\n")
with open(conf, "w") as f:
    f.write("""node = "gw1.contoso.example"
node-id = 1
spool = "%s/spool"
space = "1K"
inodes = 0
host { domains = { "contoso.example" } deliver { to = { "maildir://%s/boxes" } } }
connector "groupwise" {
    type = "gwise"
    peer { root = "%s/gateway" domain = "Exchange" }
    address-space { type = "GWISE" pattern = "*" }
    limits { message = "3G" }
}
book { source = { "%s/people.csv" } }
log { level = "minimum" }
""" % (top, top, top, top))


def run(*argv):
    return subprocess.run([os.path.join(BUILD, argv[0])] + list(argv[1:]), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True).stdout


def folder(name):
    return os.path.join(top, "spool/mailbox/groupwise", name)


# ---- what is sent ----


def deep():
    yield TOP
    for i in range(60000):
        yield b"Content-Type: multipart/mixed; boundary=n%d\n\n--n%d\n" % (i, i)
    yield b"\nat the bottom\n"


def same_deep():
    yield MIXED
    for _ in range(100000):
        yield b"--b\nContent-Type: multipart/mixed; boundary=b\n\n"


def wide():
    yield MIXED
    for i in range(300000):
        yield b"--b\n\n%d\n" % i
    yield b"--b--\n"


def names():
    yield MIXED
    for i in range(20000):
        yield b"--b\nContent-Type: application/x; name=\"" + b"n" * 150 + b"%d\"\n\nx\n" % i
    yield b"--b--\n"


def messages():
    yield TOP
    yield b"Content-Type: message/rfc822\n\n" * 100000


def parameter():
    yield TOP + b"Content-Type: text/plain; " + b"n" * 72 + b"=\xc3\xa9\xff\n"
    yield b"Content-Disposition: attachment; " + b"n" * 72 + b"*=utf-8''%C3%A9; filename=x\n\nx\n"


def lines():
    for field in (b"From: ", b"To: ", b"Subject: =?utf-8?Q?", b"Content-Type: text/plain; name=\"", b"X-Other: "):
        yield field + b"x" * (1 << 20) + b"\n"
    yield b"\nx\n"


def addresses():
    yield b"From: anna@contoso.example\nTo: x@y.example"
    for i in range(40000):
        yield b",\n u%d@gw.contoso.example" % i
    yield b"\n\nx\n"


def base64(data):
    return subprocess.run(["base64"], input=data, stdout=subprocess.PIPE, check=True).stdout


def tnef():
    yield TOP + b"Content-Type: application/ms-tnef; name=winmail.dat\nContent-Transfer-Encoding: base64\n\n"
    yield base64(struct.pack("<IH", 0x223e9f78, 1) + struct.pack("<BII", 1, 0x00069003, 0xffffffff) + struct.pack("<I", 0xffffffff) + b"\x02\x01\x04\x30" + b"\xff" * 400)


def packed():
    """RTF that says to be of 4 GiB, compressed into references."""
    rtf = struct.pack("<II", 0xffffffff, 0xffffffff) + b"LZFu" + b"\1\1\1\1" + b"\xff\x11\x1f\x22\x2f\x33\x3f\x44\x4f\x55\x5f\x66\x6f\x77\x7f\x88\x8f" * 20000
    props = struct.pack("<I", 1) + struct.pack("<I", 0x10090102) + struct.pack("<II", 1, len(rtf)) + rtf + b"\0" * (-len(rtf) % 4)
    yield TOP + b"Content-Type: application/ms-tnef; name=winmail.dat\nContent-Transfer-Encoding: base64\n\n"
    yield base64(struct.pack("<IH", 0x223e9f78, 1) + struct.pack("<BII", 1, 0x00069003, len(props)) + props + struct.pack("<H", sum(props) & 0xffff))


def blanks():
    yield MIXED
    for i in range(400):
        yield b"--b\n\n" + b" \n" * 2000 + b"--b\nContent-Type: application/ms-tnef; name=winmail.dat\n\nx\n"


def html():
    yield TOP + b"Content-Type: text/html\n\n"
    for _ in range(200):
        yield b"<table><a href=\"http://x.example/\"><pre>&amp;<!-- " * 1000
        yield b"-->" + b"x" * 5000


def large():
    yield MIXED + b"--b\n\ntext\n--b\nContent-Type: application/pdf; name=plan.pdf\nContent-Transfer-Encoding: base64\n\n"
    piece = base64(bytes(range(57)) * 1000)
    for _ in range(LARGE // 57000):
        yield piece
    yield b"--b--\n"


def large_line():
    yield TOP + b"Content-Type: text/html\n\n<p>"
    for _ in range(64):
        yield b"x" * (1 << 20)


HOSTILE = (deep, same_deep, wide, names, messages, parameter, lines, addresses, tnef, packed, blanks, html, large, large_line)

run("viaduct", "-c", conf, "spool", "create")
run("viaduct", "-c", conf, "book", "build", os.path.join(top, "people.csv"))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
with open(os.path.join(BUILD, "viaduct-outbound-converter"), "rb") as f:
    instrumented = b"__asan_init" in f.read()
for make in HOSTILE:
    path = os.path.join(top, "message")
    with open(path, "wb") as f:
        for piece in make():
            f.write(piece)
    run("t/mkmsg", os.path.join(top, "spool"), "Convert", "groupwise", "--from", "anna@contoso.example", "--rcpt", "lnowak@gw.contoso.example", "--body-file", path)
    os.unlink(path)
    process = subprocess.Popen([os.path.join(BUILD, "viaduct-outbound-converter"), "-c", conf, "--connector", "groupwise", "--once"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = process.stderr.read().decode("utf-8", "replace")
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = status
    items = [n for n in os.listdir(folder("ReadyOut")) if n.endswith(".item")]
    size = sum(os.path.getsize(os.path.join(folder("ReadyOut"), n)) for n in items)
    what = make.__name__.replace("_", " ")
    if not ok(status == 0 and len(items) == 1 and not os.listdir(folder("Convert")), "%s: an item of it is made" % what):
        note("status %d\n%s" % (status, said[-2000:]))
        note(subprocess.run(["find", os.path.join(top, "spool/mailbox"), "-type", "f"], stdout=subprocess.PIPE, text=True).stdout)
    note("%s: %.1f MiB resident, %.2f s of processor time, an item of %d octets" % (what, used.ru_maxrss / 1024, used.ru_utime + used.ru_stime, size))
    if instrumented:
        ok(True, "%s: memory # SKIP an instrumented program needs more" % what)
    else:
        ok(used.ru_maxrss * 1024 < MOST, "%s: in less than %d MiB" % (what, MOST >> 20))
    if make in (deep, wide):
        with open(os.path.join(folder("ReadyOut"), items[0]), "rb") as f:
            ok({deep: b"at the bottom", wide: b"\n299999"}[make] in f.read().replace(b"\r", b""), "%s: to the last of it" % what)
    if make is large:
        ok(size > LARGE - 57000, "and the large file is in it whole")
    for name in os.listdir(folder("ReadyOut")):
        os.unlink(os.path.join(folder("ReadyOut"), name))
is_(os.listdir(folder("Badmail")) if os.path.isdir(folder("Badmail")) else [], [], "nothing went to Badmail")
done()
