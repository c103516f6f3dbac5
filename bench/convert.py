"""convert.py - conversion for GroupWise, each way: the converters alone, over folders that were filled before.

Out: messages in Convert become items in ReadyOut. In: items in ReadyIn, fetched from a gateway's folder by the carrier before,
become messages in MTS-IN. Each message is one forked child. Time is that of the worker's whole run (--once), memory the
most that it or one of its children had resident; less than what this program has itself cannot be seen, since a process
inherits that mark. So it holds nothing.
"""
import os
import resource
import statistics
import subprocess
import time

from peers import until

HEAD = ["conversion (messages)", "messages/s", "MiB/s of body", "CPU ms a message", "largest process"]
CONF = """node = "gw1.contoso.example"
node-id = 1
spool = "{top}/spool"
space = "1K"
inodes = 0
host {{ domains = {{ "contoso.example" }} deliver {{ to = {{ "maildir://{top}/boxes" }} }} }}
connector "groupwise" {{
    type = "gwise"
    peer {{ root = "{top}/gateway" poll = "1s" domain = "Exchange" }}
    address-space {{ type = "GWISE" pattern = "*" }}
    address-space {{ type = "SMTP" pattern = "*@gw.contoso.example" }}
    limits {{ message = "2G" }}
    convert {{ time = "10m" }}
}}
book {{ source = {{ "{top}/people.csv" }} }}
log {{ level = "minimum" }}
"""
PEOPLE = """display,primary,proxies,side
Anna Berg,SMTP:anna@contoso.example,GWISE:Exchange.HQ.anna,host
Lena Nowak,GWISE:Harbour.Quay.lnowak,SMTP:lnowak@gw.contoso.example,groupwise
"""
TEXT = "Sch=C3=B6ne Gr=C3=BC=C3=9Fe, a line of text as people write it, once more.\n"
MB = 1 << 20


def mail(f, text_bytes, file_bytes):
    """Writes a message in host form: text, HTML beside it, and a file where one is asked for."""
    text = TEXT * max(1, text_bytes // len(TEXT))
    f.write(("From: Anna Berg <anna@contoso.example>\nTo: Lena Nowak <lnowak@gw.contoso.example>\nSubject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\n"
           "Date: Wed, 25 Nov 2026 08:00:00 +0000\nMessage-ID: <m@contoso.example>\nMIME-Version: 1.0\n"
           "Content-Type: multipart/mixed; boundary=M\n\n--M\nContent-Type: multipart/alternative; boundary=A\n\n"
           "--A\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n" + text +
           "\n--A\nContent-Type: text/html; charset=utf-8\n\n<p>rich</p>\n--A--\n").encode())
    if file_bytes:
        line = b"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0NTY3ODkr\n"[:76] + b"\n"
        f.write(b"--M\nContent-Type: application/pdf; name=plan.pdf\nContent-Transfer-Encoding: base64\n\n")
        for _ in range(file_bytes // 57 // 1000):
            f.write(line * 1000)
    f.write(b"--M--\n")


def item(root, n, text_bytes, file_bytes):
    """What a gateway leaves in API_OUT and ATT_OUT."""
    base = "%08x" % (0x50000000 + n)
    group = "\r\n    WPD= %s; \r\n    WPPO= %s; \r\n    WPU= %s; ; \r\n"
    text = ("WPC-API= 1.2; \r\nHeader-Char= T50; \r\nMsg-Type= Mail; \r\nFrom= " + group % ("Harbour", "Quay", "lnowak") +
            "To= " + group % ("Exchange", "HQ", "anna") + "Subject= Gr\u00fc\u00dfe; \r\nMsg-Id= %s.0001.000B.000; \r\n" % base.upper() +
            "Msg-Char= T50; \r\nMsg-File= %s.bdy; \r\n" % base)
    with open(os.path.join(root, "ATT_OUT", base + ".bdy"), "wb") as f:
        f.write("Sch\u00f6ne Gr\u00fc\u00dfe, a line of text as people write it, once more.\r\n".encode("cp437") * max(1, text_bytes // 60))
    if file_bytes:
        text += "Attach-File= \r\n    Current-File= %s.001; \r\n    Original-File= plan.pdf; \r\n    Size= %d;  ; \r\n" % (base, file_bytes)
        with open(os.path.join(root, "ATT_OUT", base + ".001"), "wb") as f:
            for at in range(0, file_bytes, MB):
                f.write(b"x" * min(MB, file_bytes - at))
    with open(os.path.join(root, "API_OUT", base.upper() + ".API"), "wb") as f:
        f.write((text + "-END-\r\n").encode("cp437"))


class Converters:
    def __init__(self, build, top):
        self.build, self.top, self.conf = build, top, os.path.join(top, "viaduct.conf")
        for name in ("boxes", "gateway", "gateway/API_IN", "gateway/API_OUT", "gateway/ATT_IN", "gateway/ATT_OUT"):
            os.makedirs(os.path.join(top, name))
        with open(self.conf, "w") as f:
            f.write(CONF.format(top=top))
        with open(os.path.join(top, "people.csv"), "w") as f:
            f.write(PEOPLE)
        self.command("spool", "create")
        self.command("book", "build", os.path.join(top, "people.csv"))

    def command(self, *args):
        subprocess.run([os.path.join(self.build, "viaduct"), "-c", self.conf, *args], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def folder(self, name):
        return os.path.join(self.top, "spool", "mailbox", "groupwise" if name != "host" else "host", name)

    def empty(self, *names):
        for name in names:
            for file in os.listdir(self.folder(name)):
                os.unlink(os.path.join(self.folder(name), file))

    def worker(self, program):
        """Runs it until it is idle: seconds, CPU seconds and peak octets of it and its children."""
        begun = time.monotonic()
        process = subprocess.Popen([os.path.join(self.build, "viaduct-" + program), "-c", self.conf, "--connector", "groupwise", "--once"])
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = status
        if status != 0:
            raise RuntimeError("viaduct-%s ended with status %d" % (program, status))
        return time.monotonic() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024

    def fetch(self, n):
        """The carrier brings them into ReadyIn; it sees each file twice before it believes that it is whole."""
        process = subprocess.Popen([os.path.join(self.build, "viaduct-inbound-gateway"), "-c", self.conf, "--connector", "groupwise"])
        try:
            until(lambda: len(os.listdir(self.folder("ReadyIn"))) == n, "all of it is fetched", 120)
        finally:
            process.terminate()
            process.wait()

    def out(self, n, text_bytes, file_bytes):
        path = os.path.join(self.top, "message")
        with open(path, "wb") as f:
            mail(f, text_bytes, file_bytes)
        subprocess.run([os.path.join(self.build, "t/mkmsg"), os.path.join(self.top, "spool"), "Convert", "groupwise", "--from",
                        "anna@contoso.example", "--rcpt", "lnowak@gw.contoso.example", "--body-file", path, "--count", str(n)],
                       check=True, stdout=subprocess.DEVNULL)
        got = self.worker("outbound-converter")
        made = len([name for name in os.listdir(self.folder("ReadyOut")) if name.endswith(".item")])
        if made != n:
            raise RuntimeError("%d of %d were converted" % (made, n))
        self.empty("ReadyOut")
        return got, os.path.getsize(path)

    def come(self, n, text_bytes, file_bytes):
        for i in range(n):
            item(os.path.join(self.top, "gateway"), i, text_bytes, file_bytes)
        self.fetch(n)
        got = self.worker("inbound-converter")
        made = len(os.listdir(self.folder("MTS-IN")))
        if made != n:
            raise RuntimeError("%d of %d were converted" % (made, n))
        self.empty("MTS-IN")
        return got, text_bytes + file_bytes


def rows(build, top, say):
    loads = [("text of 4 KiB", 1000, 4096, 0), ("a file of 20 MiB", 10, 4096, 20 * MB), ("a file of 1 GiB", 1, 4096, 1024 * MB)]
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    converters = Converters(build, top)
    out = []
    for name, n, text_bytes, file_bytes in loads:
        for way, run in (("to GroupWise", converters.out), ("from GroupWise", converters.come)):
            runs = [run(n, text_bytes, file_bytes) for _ in range(3 if n > 1 else 1)]
            took = statistics.median(r[0][0] for r in runs)
            cpu = statistics.median(r[0][1] for r in runs)
            size = runs[0][1]
            row = ["%s, %s (%d)" % (way, name, n), "%.0f" % (n / took) if n > 20 else "%.1f" % (n / took), "%.1f" % (n * size / MB / took),
                   "%.1f" % (1000 * cpu / n), "%.1f MiB" % (max(r[0][2] for r in runs) / MB)]
            say("  convert    " + "  ".join(row))
            out.append(row)
    return out
