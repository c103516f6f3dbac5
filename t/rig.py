"""What end-to-end scenarios share: a running viaduct in a folder of its own, peers that keep a ledger, and TAP.

Nothing here sleeps for a guess: the master's log is read as it is written, sinks tell when mail comes, and what only shows in
the spool is looked at again and again until a bound is reached, which fails the test. Only processes started here are ended.
"""
import atexit
import base64
import json
import os
import re
import shutil
import signal
import socket
import ssl
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time

from ending import end_process, end_started, start_process, started

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)
BUILD = os.environ.get("VIADUCT_BUILD", TOP)
ROOT = os.geteuid() == 0
NOBODY = 65534
WAIT_S = float(os.environ.get("VIADUCT_TEST_WAIT", "20"))
counts = {"run": 0, "failed": 0}

# ---- TAP ----


def ok(condition, name):
    counts["run"] += 1
    counts["failed"] += not condition
    print("ok" if condition else "not ok", counts["run"], "-", name, flush=True)
    return bool(condition)


def is_(got, want, name):
    if not ok(got == want, name):
        note("got  %r\nwant %r" % (got, want))


def like(text, pattern, name):
    found = re.search(pattern, text or "", re.S | re.M)
    if not ok(found, name):
        note("nothing like %s in:\n%s" % (pattern, (text or "")[-3000:]))
    return found


def note(text):
    for line in str(text).splitlines():
        print("#  ", line if len(line) < 1000 else line[:500] + " ... " + line[-500:], flush=True)


def skip_all(why):
    print("1..0 # SKIP", why)
    sys.exit(0)


def done():
    """The end of a scenario: whatever it was about, the books of every viaduct in it must balance."""
    for viaduct in viaducts:
        viaduct.check_books()
    print("1..%d" % counts["run"])
    sys.exit(counts["failed"] > 0)


def program(name):
    path = os.path.join(BUILD, name)
    if not os.access(path, os.X_OK):
        print("Bail out! %s is not built" % path)
        sys.exit(1)
    return path


def need(*tools):
    """Skips the test where a peer is not installed; where ./check installed them that is a failure to be seen."""
    for tool in tools:
        if shutil.which(tool, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is None:
            skip_all("%s is not installed" % tool)


def until(condition, what, seconds=None):
    """Looks until condition() is true and returns its value; after the bound a failed test says what did not come."""
    end = time.monotonic() + (seconds or WAIT_S)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            ok(False, "in time: " + what)
            return value
        time.sleep(0.02)


# ---- ports and processes ----

given_ports = set()


def free_port():
    """A port that nobody has now, below those that the system gives to clients."""
    start = (os.getpid() * 37 + len(given_ports) * 11) % 12000
    for i in range(12000):
        port = 20000 + (start + i) % 12000
        if port in given_ports:
            continue
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        given_ports.add(port)
        return port
    raise OSError("no port is free")


def answers(port, seconds=None):
    """Waits until somebody listens."""
    def listening():
        with socket.socket() as s:
            s.settimeout(1)
            return s.connect_ex(("127.0.0.1", port)) == 0
    return until(listening, "somebody listens on port %d" % port, seconds)


folders = []


def private_folder():
    """A folder that goes with the test; other users may walk through it, since workers have users of their own."""
    path = tempfile.mkdtemp(prefix="viaduct-t-")
    os.chmod(path, 0o755)
    folders.append(path)
    return path


@atexit.register
def clean_up():
    end_started()
    for viaduct in viaducts:
        viaduct.end_background()
    for path in folders:
        shutil.rmtree(path, ignore_errors=True)


def run(argv, seconds=30, **more):
    """Runs a command; status, and all it said. What it says goes through a file: a daemon that it starts may keep that."""
    if "input" not in more and "stdin" not in more:
        more["stdin"] = subprocess.DEVNULL
    with tempfile.TemporaryFile() as said:
        try:
            status = subprocess.run(argv, stdout=said, stderr=subprocess.STDOUT, timeout=seconds, **more).returncode
        except subprocess.TimeoutExpired:
            status = 124
        said.seek(0)
        return status, said.read().decode("utf-8", "replace")


# ---- messages ----


def message(sender="a@contoso.example", to="b@branch.example", subject="a message", body="Hello.\n", more=""):
    """Bytes with LF line ends."""
    text = "From: <%s>\nTo: <%s>\nSubject: %s\nDate: Wed, 25 Nov 2026 08:00:00 +0000\n" % (sender, to, subject)
    text += "Message-ID: <%s.%d@test.example>\n%s\n%s" % (re.sub(r"\W", "", subject)[:40], time.monotonic_ns(), more, body)
    return text.encode("utf-8", "surrogateescape")


def crlf(data):
    return re.sub(rb"\r?\n", b"\r\n", data)


def header(data, name):
    """The value of the first header field of that name, unfolded; None where there is none."""
    head = re.split(rb"\r?\n\r?\n", data, maxsplit=1)[0] if isinstance(data, bytes) else data.encode()
    found = re.search(rb"^" + name.encode() + rb":[ \t]*((?:.*\r?\n[ \t])*.*)$", head, re.I | re.M)
    return re.sub(r"\r?\n(?=[ \t])", "", found.group(1).decode("utf-8", "replace")).strip() if found else None


# ---- a client that says what it is told ----


class Session:
    """One SMTP conversation, answer by answer."""

    def __init__(self, port, helo="client.example", hello="EHLO", seconds=None, before=b"", context=None, source=None):
        self.socket = socket.create_connection(("127.0.0.1", port), seconds or WAIT_S,
                                               source_address=(source, 0) if source else None)
        if before:
            self.socket.sendall(before)
        if context:
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self.file = self.socket.makefile("rb")
        self.greeting = self.reply()
        self.features = self.say("%s %s" % (hello, helo)) if helo else ""

    def reply(self):
        lines = []
        while True:
            line = self.file.readline().decode("utf-8", "replace")
            lines.append(line.rstrip("\r\n"))
            if line[3:4] != "-":
                return "\n".join(lines)

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode("utf-8", "surrogateescape"))

    def say(self, line):
        self.send((line if isinstance(line, bytes) else line.encode("utf-8", "surrogateescape")) + b"\r\n")
        return self.reply()

    def body(self, data):
        """DATA, the message dot-stuffed, the end; the answer to it."""
        answer = self.say("DATA")
        if not answer.startswith("354"):
            return answer
        data = re.sub(rb"^\.", b"..", crlf(data), flags=re.M)
        self.send(data + (b"" if data.endswith(b"\r\n") else b"\r\n") + b".\r\n")
        return self.reply()

    def mail(self, sender, recipients, data, parameters=""):
        """One message; the list of answers to MAIL, each RCPT, and the data."""
        got = [self.say("MAIL FROM:<%s>%s" % (sender, parameters))]
        for r in recipients:
            got.append(self.say(r if r.startswith("RCPT") else "RCPT TO:<%s>" % r))
        got.append(self.body(data))
        return got

    def close(self):
        for step in (lambda: self.send(b"QUIT\r\n"), self.file.readline, self.file.close, self.socket.close):
            try:
                step()
            except OSError:
                pass


def rcpt(port, sender, recipient):
    """The answer to a recipient, of whom no more comes."""
    s = Session(port)
    s.say("MAIL FROM:<%s>" % sender)
    answer = s.say("RCPT TO:<%s>" % recipient)
    s.close()
    return answer


def send(port, sender, recipients, data, parameters=""):
    """One message in a session of its own; the answer to its data."""
    s = Session(port)
    got = s.mail(sender, [recipients] if isinstance(recipients, str) else recipients, data, parameters)
    s.close()
    return got[-1]


# ---- a server with a ledger ----


class Mail:
    def __init__(self):
        self.sender, self.parameters, self.recipients, self.data, self.tls, self.helo = None, "", [], b"", False, ""

    def to(self):
        return [r[0] for r in self.recipients]

    def header(self, name):
        return header(self.data, name)

    def text(self):
        return self.data.decode("utf-8", "replace")


class Sink:
    """An SMTP or LMTP server that keeps what it accepts. `answer(verb, address, mail)` may return another reply, or "drop".

    `after(mail)`, behind the dot, may return another reply, "drop" (it hangs up without one), "reset" (250, and the connection
    is torn down), or "later" (the same, when the next command comes).
    """

    def __init__(self, keywords=("PIPELINING", "8BITMIME", "SMTPUTF8", "DSN", "SIZE 60000000", "ENHANCEDSTATUSCODES"),
                 answer=None, lmtp=False, context=None, implicit=False, port=None, after=None):
        self.keywords, self.answer, self.lmtp, self.context, self.implicit = keywords, answer, lmtp, context, implicit
        self.after, self.peers = after, set()
        self.mails, self.commands, self.sessions, self.changed = [], [], 0, threading.Condition()
        self.port = port or free_port()
        self.open()

    def open(self):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", self.port))
        self.listener.listen(200)
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def close(self, hang_up=False):
        """Nobody listens any more; a thread that waits in accept is woken. `hang_up`: open sessions end too."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for peer in list(self.peers) if hang_up else ():
            try:
                peer.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def wait(self, count=1, match=None, seconds=None, what=None):
        """Waits for that many mails (that match); returns them."""
        def found():
            return [m for m in self.mails if match is None or match(m)]
        with self.changed:
            self.changed.wait_for(lambda: len(found()) >= count, seconds or WAIT_S)
            got = found()
        if len(got) < count:
            ok(False, "in time: %s (%d of %d)" % (what or "mail comes", len(got), count))
            note("came: %r" % [(m.sender, m.to()[:3], m.header("Subject")) for m in self.mails])
        return got

    def one(self, match=None, seconds=None, what=None):
        got = self.wait(1, match, seconds, what)
        return got[0] if got else Mail()

    def _accept(self, listener):
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            self.sessions += 1
            threading.Thread(target=self._session, args=(peer,), daemon=True).start()

    def _session(self, peer):
        self.peers.add(peer)
        try:
            if self.implicit:
                peer = self.context.wrap_socket(peer, server_side=True)
            self._talk(peer)
        except (OSError, ValueError):
            pass
        self.peers.discard(peer)
        peer.close()

    def _said(self, line):
        with self.changed:
            self.commands.append(line)
            self.changed.notify_all()

    def _talk(self, peer):
        peer.settimeout(60)
        lines, mail, tls, helo = peer.makefile("rb"), Mail(), self.implicit, ""

        def reply(text):
            peer.sendall(text.encode() + b"\r\n")

        reply("220 sink.example ready")
        while True:
            line = lines.readline()
            if not line:
                return
            text = line.rstrip(b"\r\n").decode("utf-8", "surrogateescape")
            self._said(text)
            verb = text.split(" ")[0].upper()
            found = re.match(r"(?:MAIL FROM|RCPT TO):\s*<(.*?)>((?: [^<>]*)?)$", text, re.I)
            address, parameters = (found.group(1), found.group(2)) if found else ("", "")
            other = self.answer(verb, address, mail) if self.answer else None
            if other == "drop":
                return
            if other and verb != "DATA":
                reply(other)
            elif verb in ("EHLO", "LHLO", "HELO"):
                mail, helo = Mail(), text[5:]
                more = list(self.keywords) + (["STARTTLS"] if self.context and not tls else [])
                names = ["sink.example"] + (more if verb != "HELO" else [])
                reply("\r\n".join("250%s%s" % ("-" if i + 1 < len(names) else " ", n) for i, n in enumerate(names)))
            elif verb == "STARTTLS" and self.context and not tls:
                reply("220 2.0.0 go ahead")
                peer = self.context.wrap_socket(peer, server_side=True)
                lines, tls = peer.makefile("rb"), True
            elif verb == "MAIL":
                mail = Mail()
                mail.sender, mail.parameters, mail.tls, mail.helo = address, parameters.strip(), tls, helo
                reply("250 2.1.0 ok")
            elif verb == "RCPT":
                mail.recipients.append((address, parameters.strip()))
                reply("250 2.1.5 ok")
            elif verb == "DATA":
                if not mail.recipients:
                    reply("503 5.5.1 no recipients")
                    continue
                reply("354 go on")
                mail.data = self._read_data(lines)
                end = self.after(mail) if self.after else None
                if end == "drop":
                    return
                other = other or (end if end not in ("reset", "later") else None)
                with self.changed:
                    for answer in [other or "250 2.0.0 taken"] * (len(mail.recipients) if self.lmtp else 1):
                        reply(answer)
                    if not other:
                        self.mails.append(mail)
                    self.changed.notify_all()
                if end in ("reset", "later"):
                    if end == "later":
                        lines.readline()
                    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return
                mail = Mail()
            elif verb == "QUIT":
                reply("221 2.0.0 bye")
                return
            elif verb in ("RSET", "NOOP"):
                mail = Mail() if verb == "RSET" else mail
                reply("250 2.0.0 ok")
            else:
                reply("500 5.5.2 what?")

    @staticmethod
    def _read_data(lines):
        data = []
        while True:
            line = lines.readline()
            if not line:
                raise ValueError("the client left during data")
            if line == b".\r\n":
                return b"".join(data)
            data.append(line[1:] if line.startswith(b".") else line)


# ---- TLS ----


class Authority:
    """A certificate authority for one test."""

    def __init__(self, folder):
        self.folder = folder
        self.file = os.path.join(folder, "ca.pem")
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
                      "-subj", "/CN=Test CA", "-keyout", self._path("ca.key"), "-out", self.file)

    def _path(self, name):
        return os.path.join(self.folder, name)

    @staticmethod
    def _openssl(*args):
        status, said = run(["openssl"] + list(args))
        if status != 0:
            raise OSError("openssl %s: %s" % (args[0], said))
        return said

    def certificate(self, name, also=None, days="30"):
        """Key and certificate for a name; their paths. Readable by workers' own users only as far as root lets them. `also`: the
        subject's names as openssl writes them, instead of the one."""
        key, request, certificate, more = (self._path(name + end) for end in (".key", ".csr", ".pem", ".ext"))
        with open(more, "w") as f:
            f.write("subjectAltName=%s\n" % (also or "DNS:" + name))
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=" + name,
                      "-keyout", key, "-out", request)
        self._openssl("x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self._path("ca.key"), "-CAcreateserial",
                      "-days", days, "-extfile", more, "-out", certificate)
        os.chmod(key, 0o600)
        return certificate, key

    def context(self, name):
        """For a server in this process."""
        certificate, key = self.certificate(name)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        return context

    def pin(self, certificate):
        spki = subprocess.run("openssl x509 -in %s -noout -pubkey | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary"
                              % certificate, shell=True, stdout=subprocess.PIPE, check=True).stdout
        return base64.b64encode(spki).decode()


# ---- viaduct ----


viaducts = []


class Viaduct:
    """A viaduct of its own: folder, configuration, master, log.

    conf is the text below the first lines; `{top}` in it stands for the folder. Started as root it runs as in production, its
    workers under users of their own; with `user` everything is nobody's, as an ordinary user starts it.
    """

    def __init__(self, conf, name="gw1.contoso.example", node=1, user=False, head=""):
        self.top, self.user = private_folder(), user and ROOT
        self.spool, self.conf = os.path.join(self.top, "spool"), os.path.join(self.top, "viaduct.conf")
        self.head = 'node = "%s"\nnode-id = %d\nspool = "%s"\n' % (name, node, self.spool)
        self.head += "" if "space =" in head else 'space = "1M"\ninodes = 0\n'
        self.head += head
        self.process, self.lines, self.changed = None, [], threading.Condition()
        viaducts.append(self)
        self.write(conf)
        if self.user:
            os.chown(self.top, NOBODY, NOBODY)
            os.chown(self.conf, NOBODY, NOBODY)

    def write(self, conf):
        with open(self.conf, "w") as f:
            f.write(self.head + conf.replace("{top}", self.top))
        self.settle_sources(conf.replace("{top}", self.top))

    @staticmethod
    def settle_sources(conf):
        """The book's files are not taken while somebody may still be writing them: these were written long ago."""
        for source in re.findall(r"\bbook\s*\{[^}]*?source\s*=\s*\{([^}]*)\}", conf):
            for path in re.findall(r'"([^"]+)"', source):
                if os.path.isfile(path):
                    os.utime(path, (1, 1))

    def _as_user(self, argv):
        return ["setpriv", "--reuid=%d" % NOBODY, "--regid=%d" % NOBODY, "--clear-groups"] + argv if self.user else argv

    def start(self, *options, ready=True, env=None, under=(), **more):
        """Starts the master in the foreground and waits until it says that it is ready, as a service manager would.

        `under` is a command that it is started under.
        """
        notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = os.path.join(self.top, "notify.%d" % len(started))
        notices.bind(path)
        os.chmod(path, 0o777)
        argv = self._as_user(list(under) + [program("viaduct-master"), "-c", self.conf, "--foreground"] + list(options))
        self.process = start_process(argv, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                     env=dict(dict(os.environ, NOTIFY_SOCKET=path), **(env or {})), **more)
        self.reader = threading.Thread(target=self._read_log, args=(self.process.stderr,), daemon=True)
        self.reader.start()
        notices.settimeout(0.2)
        end, said = time.monotonic() + WAIT_S, b""
        while ready and b"READY=1" not in said and self.process.poll() is None and time.monotonic() < end:
            try:
                said = notices.recv(500)
            except socket.timeout:
                pass
        notices.close()
        os.unlink(path)
        if ready and b"READY=1" not in said:
            ok(False, "the master starts")
            note(self.log())
            done()
        return self

    def _read_log(self, stream):
        for line in stream:
            with self.changed:
                self.lines.append(line.decode("utf-8", "replace").rstrip("\n"))
                self.changed.notify_all()

    def log(self):
        return "\n".join(self.lines)

    def wait_log(self, pattern, count=1, seconds=None, name=None):
        """Waits for a line of the log; the lines that match. With a name it is a test by itself."""
        regex = re.compile(pattern)
        with self.changed:
            came = self.changed.wait_for(lambda: sum(bool(regex.search(line)) for line in self.lines) >= count,
                                         seconds or WAIT_S)
        if name or not came:
            ok(came, name or "in time: the log says " + pattern)
        if not came:
            note("\n".join(self.lines[-30:]))
        return [line for line in self.lines if regex.search(line)]

    def stop(self, seconds=15):
        """The status that the master ends with."""
        if self.process is None:
            return None
        status = end_process(self.process, seconds)
        self.reader.join(5)
        self.process = None
        return status

    def end_background(self):
        """Ends a master that `viaduct start` has put into the background, if the test has not."""
        try:
            with open(os.path.join(self.spool, "state", "master")) as f:
                pid = int(re.match(r"pid=(\d+)", f.read()).group(1))
            with open("/proc/%d/cmdline" % pid, "rb") as f:
                if self.conf.encode() not in f.read().split(b"\0"):
                    return
            os.kill(pid, signal.SIGTERM)
            end = time.monotonic() + 10
            while os.path.exists("/proc/%d" % pid) and time.monotonic() < end:
                time.sleep(0.02)
            os.kill(pid, signal.SIGKILL)
        except (OSError, AttributeError):
            pass  # none runs, or no longer

    def reload(self, conf, whole=False):
        """Writes another configuration and reloads; waits for what the master says of it: the line. `whole`: and until the
        workers of before, who end what they have in hand, are gone."""
        self.write(conf)
        old = [w["pid"] for w in self.master()[1].values()] if whole else []
        before = len([line for line in self.lines if re.search("say=\"?(reloaded|reload refused)", line)])
        self.process.send_signal(signal.SIGHUP)
        line = self.wait_log("say=\"?(reloaded|reload refused)", before + 1)[-1:]
        if whole:
            until(lambda: not [pid for pid in old if os.path.exists("/proc/" + pid)], "the workers of before have ended")
        return line

    def command(self, *args, **more):
        """viaduct NOUN VERB...: status and all it says."""
        more.setdefault("env", dict(os.environ, VIADUCT_LIBEXECDIR=BUILD))
        return run(self._as_user([program("viaduct"), "-c", self.conf]) + list(args), **more)

    def rows(self, *args):
        """The lines of a listing, read as JSON."""
        return [json.loads(line) for line in self.command(*args, "--json")[1].splitlines() if line.startswith("{")]

    def check_books(self):
        """Taken over = delivered + failed + put aside + still there, by the tracking logs and by what lies in the spool."""
        if not os.path.isdir(self.spool):
            return
        self.stop()
        status, said = self.command("track", "--balance")
        if not ok(status == 0, "the books balance"):
            note(said)

    # what lies in the spool

    def master(self):
        """state/master: its own pairs, and those of each worker by name."""
        own, workers = {}, {}
        with open(os.path.join(self.spool, "state", "master")) as f:
            for line in f:
                pairs = dict(p.split("=", 1) for p in line.split() if "=" in p)
                if line.startswith("worker="):
                    workers[pairs["worker"]] = pairs
                else:
                    own.update(pairs)
        return own, workers

    def restarts(self):
        """Restarts of workers since the master was started: 0 where none has died."""
        return sum(int(w["restarts"]) for w in self.master()[1].values())

    def names(self, folder):
        """Names of messages in a folder given by its path, as `mailbox/host/Badmail`; `.why` notes left out."""
        try:
            return sorted(n for n in os.listdir(os.path.join(self.spool, folder)) if not n.endswith(".why") and n[0] != ".")
        except FileNotFoundError:
            return []

    def mail_left(self):
        """Every message file in the spool, wherever it lies."""
        left = []
        for top in ("drop", "Spooler-Queue", "Bounce", "Hold", "mailbox", "Temp"):
            for at, dirs, files in os.walk(os.path.join(self.spool, top)):
                dirs[:] = [d for d in dirs if d != "Correlation"] # of messages that have left
                left += [os.path.relpath(os.path.join(at, f), self.spool) for f in files if not f.endswith(".why")]
        return sorted(left)

    def wait_empty(self, what="the road is empty", seconds=None, but=()):
        return until(lambda: not [m for m in self.mail_left() if not any(b in m for b in but)], what, seconds)

    def well(self, port, sink, name="and a normal message passes afterwards", sender="probe@contoso.example",
             to="probe@branch.example"):
        """No worker has died, and mail still flows."""
        is_(self.restarts(), 0, "no worker died")
        subject = "probe %d" % time.monotonic_ns()
        answer = send(port, sender, to, message(sender, to, subject))
        ok(answer.startswith("250") and sink.wait(1, lambda m: m.header("Subject") == subject), name)


def smtp_pair(host_sink, branch_sink, more="", branch="", host="", smtp="", unknown="pass"):
    """Configuration of a host on SMTP and a foreign SMTP system `branch`; the two ports, and the text."""
    a, b = free_port(), free_port()
    text = """admin-address = "postmaster@contoso.example"
host {
    domains = { "contoso.example" }
    unknown = "%s"
    smtp { listen = { "127.0.0.1:%d" } hostname = "gw1.contoso.example" %s }
    deliver { to = { "smtp://127.0.0.1:%d" } }
    retry { first = "1s" max = "2s" }
    %s
}
connector "branch" {
    type = "smtp"
    listen = { "127.0.0.1:%d" }
    peer { to = { "smtp://127.0.0.1:%d" } }
    address-space { type = "SMTP" pattern = "*@branch.example" cost = 1 }
    retry { first = "1s" max = "2s" }
    %s
}
%s""" % (unknown, a, smtp, host_sink.port, host, b, branch_sink.port, branch, more)
    return a, b, text


def mode_of(path):
    return stat.S_IMODE(os.lstat(path).st_mode)
