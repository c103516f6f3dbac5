"""What scenario tests of single workers share: TAP, a spool of their own, queue files read and written.

The tree is made from flow.def, and queue files are read and written here by a second implementation of
viaduct-queue-file(5): so what the programs do is held against the form that is documented, not against themselves.
"""
import atexit
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

from ending import end_started, start_process  # noqa: F401 - the latter is for tests

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)
BUILD = os.environ.get("VIADUCT_BUILD", TOP)
counts = {"run": 0, "failed": 0}

# ---- TAP ----


def ok(condition, name):
    counts["run"] += 1
    counts["failed"] += not condition
    print("ok" if condition else "not ok", counts["run"], "-", name, flush=True)
    return bool(condition)


def is_(got, want, name):
    if not ok(got == want, name):
        print("#   got %r\n#  want %r" % (got, want))


def done():
    print("1..%d" % counts["run"])
    sys.exit(counts["failed"] > 0)


def program(name):
    path = os.path.join(BUILD, name)
    if not os.access(path, os.X_OK):
        print("Bail out! %s is not built" % path)
        sys.exit(1)
    return path


# ---- the tree ----


def folders():
    """Symbol, path and kind of every folder, from the map."""
    with open(os.path.join(TOP, "spool-layout", "flow.def")) as f:
        return {m[0]: (m[1], m[2], m[3]) for m in re.findall(r'^FOLDER\((\w+), "([^"]+)", (\w+), (\w+),', f.read(), re.M)}


FOLDERS = folders()
made = []


@atexit.register
def clean_up():
    end_started()
    for path in made:
        shutil.rmtree(path, ignore_errors=True)


class Spool:
    """A spool with its configuration in a folder of its own, which goes with the test."""

    def __init__(self, conf="", connectors=("branch",), host=""):
        self.top = tempfile.mkdtemp(prefix="viaduct-t-")
        made.append(self.top)
        self.path = os.path.join(self.top, "spool")
        self.conf = os.path.join(self.top, "viaduct.conf")
        text = 'node = "gw1.contoso.example"\nspool = "%s"\nspace = "1K"\ninodes = 0\n' % self.path
        text += 'host { domains = { "contoso.example" } deliver { to = { "smtp://127.0.0.1:9" } } %s }\n' % host
        for name in connectors:
            text += 'connector "%s" { type = "smtp" peer { to = { "smtp://127.0.0.1:9" } } ' % name
            text += 'address-space { type = "SMTP" pattern = "*@%s.example" cost = 1 } }\n' % name
        with open(self.conf, "w") as f:
            f.write(text + conf)
        for path, per, _ in FOLDERS.values():
            for name in ("host",) + tuple(connectors) if per == "CONNECTOR" else ("",):
                os.makedirs(os.path.join(self.path, path % name if "%s" in path else path), mode=0o770, exist_ok=True)

    def folder(self, symbol, connector="host"):
        path = FOLDERS[symbol][0]
        return os.path.join(self.path, path % connector if "%s" in path else path)

    def names(self, symbol, connector="host"):
        return sorted(n for n in os.listdir(self.folder(symbol, connector)) if not n.endswith(".why"))

    def files(self, symbol, connector="host"):
        return [QueueFile.read(os.path.join(self.folder(symbol, connector), n)) for n in self.names(symbol, connector)]

    def run(self, name, *args, **more):
        """A worker, once; returns what it logged."""
        r = subprocess.run([program("viaduct-" + name), "-c", self.conf, "--once"] + list(args), stderr=subprocess.PIPE,
                           timeout=60, **more)
        self.log = r.stderr.decode("utf-8", "replace")
        self.status = r.returncode
        if r.returncode != 0:
            print("# %s ended with %d\n# %s" % (name, r.returncode, self.log.replace("\n", "\n# ")))
        return self.log

    def temp_is_empty(self):
        return not [f for _, _, files in os.walk(self.folder("TEMP")) for f in files]

    def track(self):
        lines = []
        for name in sorted(os.listdir(self.folder("TRACK"))):
            with open(os.path.join(self.folder("TRACK"), name)) as f:
                lines += f.read().splitlines()
        return lines

    def remove(self):
        shutil.rmtree(self.top, ignore_errors=True)


# ---- queue files ----


def crc_table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ 0x82F63B78 if n & 1 else n >> 1
        table.append(n)
    return table


CRC_TABLE = crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def record(tag, value):
    value = value if isinstance(value, bytes) else str(value).encode()
    return b"%s %d:%s\n" % (tag.encode(), len(value), value)


def records(data):
    """Takes records apart: a list of (tag, value)."""
    found, at = [], 0
    while at < len(data):
        head = re.compile(rb"([a-z0-9-]+) (\d+):").match(data, at)
        length = int(head.group(2))
        found.append((head.group(1).decode(), data[head.end():head.end() + length]))
        at = head.end() + length + 1
    return found


def journal_entry(kind, *more):
    """One entry in its frame; `more` are (tag, value)."""
    data = record("kind", kind) + b"".join(record(*m) for m in more) + record("end", "")
    length = b"%08x" % len(data)
    return b"+ %s %08x %08x\n%s" % (length, crc32c(length), crc32c(data), data)


ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUV"
next_id = [0]


def new_id():
    next_id[0] += 1
    n = int(time.time() * 1000) << 82 | 77 << 66 | os.getpid() % 65536 << 50 | next_id[0]
    return "".join(ALPHABET[n >> 5 * i & 31] for i in range(25, -1, -1))


class QueueFile:
    def __init__(self, envelope, body, journal=b""):
        self.envelope = [(tag, v if isinstance(v, bytes) else str(v).encode()) for tag, v in envelope]
        self.body, self.journal = body, journal

    @classmethod
    def read(cls, path):
        with open(path, "rb") as f:
            data = f.read()
        line = data[:64].decode("ascii")
        part = line.split(" ")
        length, body = int(part[1], 16), int(part[3], 16)
        if part[0] != "VIADUCT1" or part[6] != ".\n" or int(part[5], 16) != crc32c(data[:53]):
            raise ValueError("header line of " + path)
        self = cls(records(data[64:64 + length]), data[64 + length:64 + length + body], data[64 + length + body:])
        if int(part[2], 16) != crc32c(data[64:64 + length]) or int(part[4], 16) != crc32c(self.body):
            raise ValueError("checksums of " + path)
        self.path = path
        return self

    def get(self, tag):
        """The first record with the tag, None where there is none."""
        return next((v.decode("utf-8", "surrogateescape") for t, v in self.envelope if t == tag), None)

    def all(self, tag):
        return [v.decode("utf-8", "surrogateescape") for t, v in self.envelope if t == tag]

    def write(self, path):
        envelope = b"".join(record(*r) for r in self.envelope) + record("end", "")
        line = b"VIADUCT1 %08x %08x %016x %08x " % (len(envelope), crc32c(envelope), len(self.body), crc32c(self.body))
        line += b"%08x .\n" % crc32c(line)
        with open(path, "wb") as f:
            f.write(line + envelope + self.body + self.journal)


def message(sender, recipients, body, ident=None, origin="host", journal=b"", **more):
    """A message as acceptance writes it; recipients are addresses, or (address, [(tag, value)...])."""
    ident = ident or new_id()
    header = body.find(b"\n\n") + 2
    envelope = [("id", ident), ("arrival", int(time.time() * 1000)), ("origin", origin), ("class", "IPM.Note"),
                ("header", header)]
    found = re.search(rb"^Message-ID: (.*)$", body, re.M | re.I)
    if found:
        envelope.append(("msgid", found.group(1)))
    envelope += [(k.replace("_", "-"), v) for k, v in more.items()]
    envelope.append(("from", "SMTP:" + sender))
    for r in recipients:
        address, parameters = (r, []) if isinstance(r, str) else r
        envelope += [("rcpt", "SMTP:" + address), ("rcpt-kind", 1)] + parameters
    return QueueFile(envelope, body, journal)
