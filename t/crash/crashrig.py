"""What the crash tests share: a spool with ledgers on both sides of it, and the oracle that holds them together.

The ledger of what viaduct took over is the test's (the reply 250 that its client read, the file it dropped); the ledger
of what came out is the sink's. A message is known by its token, a field of its header, so that a report of it is known
too. Between them stands the spool, and the promises are sums over the three.
"""
import collections
import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import spooltest  # noqa: E402
from spooltest import FOLDERS, Spool  # noqa: E402

BUILD = spooltest.BUILD
TOKEN = re.compile(rb"^X-Token: (\S+)", re.M)
OUTWARD = ("MTS_OUT", "DEFERRED", "READY_OUT")


def program(name):
    return os.path.join(BUILD, name)


# ---- the far end ----


class Session(threading.Thread):
    """One SMTP session of the sink. `judge(self, verb, argument, token)` may return a reply that stands for 250; "drop"
    ends the connection there."""

    def __init__(self, sink, connection):
        super().__init__(daemon=True)
        self.sink, self.connection, self.idle = sink, connection, False

    def run(self):
        with self.sink.lock:
            self.sink.sessions.add(self)
        try:
            self.talk(self.connection.makefile("rb"))
        except OSError:
            pass
        finally:
            with self.sink.lock:
                self.sink.sessions.discard(self)
            self.connection.close()

    def line(self, lines):
        self.idle = True
        try:
            return lines.readline()
        finally:
            self.idle = False

    def has_heard_all(self):
        """Nothing that was sent to it waits to be read."""
        waiting = bytearray(4)
        try:
            fcntl.ioctl(self.connection, termios.FIONREAD, waiting)
        except (OSError, ValueError): # closed
            return True
        return self.idle and not any(waiting)

    def say(self, text):
        self.connection.sendall(text.encode() + b"\r\n")

    def talk(self, lines):
        self.say("220 sink ESMTP")
        sender, rcpts = None, []
        while True:
            line = self.line(lines)
            if not line:
                return
            verb = line[:4].upper().decode("latin-1").strip()
            if verb == "EHLO":
                self.say("250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 DSN")
            elif verb == "MAIL":
                sender, rcpts = re.search(rb"<(.*?)>", line).group(1).decode(), []
                self.say("250 2.1.0 ok")
            elif verb == "RCPT":
                rcpt = re.search(rb"<(.*?)>", line).group(1).decode().lower()
                reply = self.sink.judge("RCPT", rcpt, None)
                if reply is None:
                    rcpts.append(rcpt)
                self.say(reply or "250 2.1.5 ok")
            elif verb == "DATA":
                if not rcpts:
                    self.say("554 5.5.1 no recipients")
                    continue
                self.say("354 go on")
                if not self.data(lines, sender, rcpts):
                    return
            elif verb == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 2.0.0 ok")

    def data(self, lines, sender, rcpts):
        text = []
        while True:
            line = self.line(lines)
            if not line:
                return False
            if line == b".\r\n":
                break
            text.append(line[1:] if line.startswith(b".") else line)
        body = b"".join(text)
        found = TOKEN.search(body)
        token = found.group(1).decode() if found else "?"
        reply = self.sink.judge("DATA", rcpts[0], token)
        if reply == "drop":
            return False
        if reply is None:
            self.sink.take(token, sender, rcpts, body)
        self.say(reply or "250 2.0.0 taken")
        return True


class Sink:
    """Takes mail and keeps the ledger: Counter of (token, recipient), and of (token, "report") for reports."""

    def __init__(self, judge=None):
        self.received = collections.Counter()
        self.bodies, self.sessions = {}, set()
        self.judge = judge or (lambda verb, rcpt, token: None)
        self.note = None # called with (token, recipient or "report") before the 250 is said
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            Session(self, connection).start()

    def take(self, token, sender, rcpts, body):
        """Counts what is about to be answered with 250."""
        with self.lock:
            for rcpt in rcpts:
                key = (token, "report" if sender == "" else rcpt)
                self.received[key] += 1
                if self.note is not None:
                    self.note(*key)
            self.bodies.setdefault(token, []).append(body)

    def has_heard_all(self):
        with self.lock:
            sessions = list(self.sessions)
        return all(s.has_heard_all() for s in sessions)

    def copy(self):
        with self.lock:
            return collections.Counter(self.received)

    def forget(self):
        with self.lock:
            self.received.clear()
            self.bodies.clear()

    def close(self):
        """Ends the thread first: in accept() it would go on with whatever gets the descriptor's number next."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()


# ---- the near end ----


def text_of(token, sender, rcpts, size=300):
    body = ("%s " % token * 12).strip()
    lines = max(1, size // (len(body) + 2))
    return ("From: <%s>\r\nTo: %s\r\nSubject: %s\r\nX-Token: %s\r\nMessage-ID: <%s@test.example>\r\n"
            "Date: Wed, 25 Nov 2026 08:00:00 +0000\r\n\r\n%s" %
            (sender, ", ".join("<%s>" % r for r in rcpts), token, token, token, (body + "\r\n") * lines)).encode()


class Client:
    """Sends messages over one connection; `acked` are the tokens whose 250 was read, `refused` (token, reply)."""

    def __init__(self, port, on_ack=None):
        self.port, self.acked, self.refused, self.on_ack = port, [], [], on_ack
        self.connection = None

    def connect(self, seconds=10, alive=lambda: True):
        """Tries for so long, while it makes sense."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and alive():
            try:
                self.connection = socket.create_connection(("127.0.0.1", self.port), timeout=30)
                break
            except OSError:
                time.sleep(0.01)
        if self.connection is None:
            return False
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.lines = self.connection.makefile("rb")
        return self.reply().startswith(b"220") and self.command("EHLO test.example").startswith(b"250")

    def reply(self):
        while True:
            line = self.lines.readline()
            if not line:
                raise ConnectionError("the server closed the connection")
            if line[3:4] != b"-":
                return line

    def command(self, text):
        self.connection.sendall(text.encode() + b"\r\n")
        return self.reply()

    def send(self, token, sender, rcpts, size=300):
        """True where it was taken; ConnectionError where the connection broke before an answer came."""
        commands = ["MAIL FROM:<%s>" % sender] + ["RCPT TO:<%s>" % r for r in rcpts] + ["DATA"]
        for text in commands:
            reply = self.command(text)
            if reply[:1] not in b"23":
                self.refused.append((token, reply.decode()))
                self.command("RSET")
                return False
        self.connection.sendall(text_of(token, sender, rcpts, size) + b".\r\n")
        reply = self.reply()
        if not reply.startswith(b"250"):
            self.refused.append((token, reply.decode()))
            return False
        self.acked.append(token)
        if self.on_ack is not None:
            self.on_ack(token)
        return True

    def close(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None


reserved = []


def free_port():
    """A port that stays this process's own while nobody listens on it: a client that comes after a kill would else meet whoever got
    it since, and count mail that another took. What is bound and does not listen lets a server in that sets SO_REUSEADDR, as
    ours do; others' bind fails, and none is given the port by chance."""
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.append(s)
    return s.getsockname()[1]


# ---- the spool between them ----


class CrashSpool(Spool):
    """A spool whose tree is made anew for each point; its configuration knows the sinks."""

    def __init__(self, sinks, path=None, more="", listen=None):
        base = os.environ.get("VIADUCT_CRASH_TMP")
        if base is None and path is None and os.access("/dev/shm", os.W_OK):
            base = "/dev/shm"
        self.top = tempfile.mkdtemp(prefix="viaduct-crash-", dir=base)
        os.chmod(self.top, 0o755)
        self.path = path or os.path.join(self.top, "spool")
        self.conf = os.path.join(self.top, "viaduct.conf")
        self.connectors = [n for n in sinks if n != "host"]
        self.sinks = sinks
        self.log_path = os.path.join(self.top, "log")
        self.configure(more, listen)
        self.fresh()

    def configure(self, more="", listen=None):
        retry = "retry { first = 1s max = 1s factor = 100 warn = 0 }"
        text = 'node = "gw1.contoso.example"\nspool = "%s"\nspace = "1K"\ninodes = 0\n' % self.path
        smtp = 'smtp { listen = { "127.0.0.1:%d" } }' % listen if listen else ""
        text += 'host { domains = { "contoso.example" } %s %s deliver { to = { "smtp://127.0.0.1:%d" } } }\n' % (
            smtp, retry, self.sinks["host"].port)
        for name in self.connectors:
            text += 'connector "%s" { type = "smtp" %s peer { to = { "smtp://127.0.0.1:%d" } } ' % (
                name, retry, self.sinks[name].port)
            text += 'address-space { type = "SMTP" pattern = "*@%s.example" cost = 1 } }\n' % name
        with open(self.conf, "w") as f:
            f.write(text + "reports { rate = 0 }\n" + more)
        os.chmod(self.conf, 0o644)

    def fresh(self):
        if os.path.isdir(self.path):
            for name in os.listdir(self.path):
                shutil.rmtree(os.path.join(self.path, name))
        for path, per, _ in FOLDERS.values():
            for name in ["host"] + self.connectors if per == "CONNECTOR" else [""]:
                os.makedirs(os.path.join(self.path, path % name if "%s" in path else path), mode=0o770, exist_ok=True)
        for sink in self.sinks.values():
            sink.forget()
        open(self.log_path, "w").close()

    def received(self):
        total = collections.Counter()
        for sink in self.sinks.values():
            total += sink.copy()
        return total

    def places(self):
        """token -> list of (folder, name) of every file of a message, torn ones in Temp too."""
        found = collections.defaultdict(list)
        for symbol, (path, per, kind) in FOLDERS.items():
            if kind == "OTHER" and symbol not in ("TEMP", "HOLD"):
                continue
            for connector in ["host"] + self.connectors if per == "CONNECTOR" else [""]:
                top = os.path.join(self.path, path % connector if "%s" in path else path)
                for folder, _, names in os.walk(top):
                    for name in names:
                        if not name.endswith(".why"):
                            found[self.token_of(os.path.join(folder, name))].append((symbol, os.path.join(folder, name)))
        return found

    @staticmethod
    def token_of(path):
        try:
            with open(path, "rb") as f:
                found = TOKEN.search(f.read())
        except FileNotFoundError: # a worker was quicker: it is on its way
            found = None
        return found.group(1).decode() if found else "?" + os.path.basename(path)

    def balance(self):
        r = subprocess.run([program("t/balance"), self.folder("TRACK")], capture_output=True, text=True, timeout=30)
        return {k: int(v) for k, v in (p.split("=") for p in r.stdout.split())}

    def say_log(self, lines=30):
        with open(self.log_path, errors="replace") as f:
            return "".join(f.readlines()[-lines:])


# ---- running things ----


def end_group(process):
    """Ends what a test started in a session of its own, by its group."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


class Fault:
    """A fault to be injected by crashpoint; then what came of it."""

    def __init__(self, action="none", n=0, seed=0):
        self.action, self.n, self.seed = action, n, seed
        self.calls, self.hit, self.call, self.by, self.what, self.hung, self.main = 0, False, "-", "-", "", False, True

    def __str__(self):
        return "%s at %d: %s %s by %s" % (self.action, self.n, self.call, self.what, self.by)


class Run:
    """A command under crashpoint (or alone, with fault None), which a test may talk to while it runs."""

    def __init__(self, spool, command, fault=None, trace=None, seconds=10, syncs=None):
        self.fault, self.result = fault, os.path.join(spool.top, "result")
        argv = command
        if fault is not None:
            argv = [program("t/crash/crashpoint"), "-a", fault.action, "-n", str(fault.n), "-T", str(seconds),
                    "-P", spool.path, "-r", self.result]
            for symbol in ("STATE", "COUNTERS"):
                argv += ["-X", spool.folder(symbol)]
            argv += ["-t", trace] if trace else []
            argv += ["-y", syncs] if syncs else []
            argv += ["-s", str(fault.seed)] if fault.seed else []
            argv += ["--"] + command
            if os.path.exists(self.result):
                os.unlink(self.result)
        with open(spool.log_path, "ab") as log:
            self.process = subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)

    def running(self):
        return self.process.poll() is None

    def term(self):
        if self.running():
            self.process.send_signal(signal.SIGTERM)

    def wait(self, seconds):
        """Waits; what takes too long is killed, which nothing may be lost by either."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            end_group(self.process)
        if self.fault is not None and os.path.exists(self.result):
            with open(self.result) as f:
                m = re.match(r"calls=(\d+) hit=(\d) hung=(\d) main=(\d) call=(\S+) by=(\S+) what=(.*)", f.read())
            if m:
                self.fault.calls, self.fault.hit, self.fault.hung = int(m[1]), m[2] == "1", m[3] == "1"
                self.fault.main, self.fault.call, self.fault.by, self.fault.what = m[4] == "1", m[5], m[6], m[7]
        return self.process.returncode


def workers(spool, *names):
    """A shell command that runs workers one after the other, each until it is idle: "router", "outbound-gateway:branch"."""
    text = []
    for name in names:
        worker, _, connector = name.partition(":")
        if worker.startswith("viaduct "):
            text.append("'%s' -c '%s' %s" % (program("viaduct"), spool.conf, worker[8:]))
        else:
            text.append("'%s' -c '%s' --once%s" % (program("viaduct-" + worker), spool.conf,
                                                   " --connector " + connector if connector else ""))
    return ["/bin/sh", "-c", "; ".join(text)]


def master(spool, *args):
    return [program("viaduct-master"), "-c", spool.conf] + list(args)


# ---- the oracle ----


class Item:
    """What a message is for: `delivered` to recipients, `reports` that its sender gets, or `badmail`."""

    def __init__(self, token, delivered=(), reports=0, badmail=False):
        self.token, self.delivered, self.reports, self.badmail = token, list(delivered), reports, badmail

    def wanted(self):
        want = collections.Counter({(self.token, r): 1 for r in self.delivered})
        if self.reports:
            want[(self.token, "report")] = self.reports
        return want


class Oracle:
    """Holds the ledgers against each other. `duplicates` counts what came twice because SMTP knows no better."""

    def __init__(self, spool):
        self.spool, self.duplicates, self.seen = spool, 0, []

    def look(self):
        """Straight after all were killed: who could have been told, and not yet be marked so. What was sent before is on its way
        to the sinks still: it counts."""
        end, quiet = time.monotonic() + 5, 0
        while quiet < 3 and time.monotonic() < end:
            quiet = quiet + 1 if all(sink.has_heard_all() for sink in self.spool.sinks.values()) else 0
            time.sleep(0.002)
        self.seen.append((self.spool.received(), self.spool.places()))

    def may_repeat(self, token, rcpt, fault):
        """How often it may have come again: each time the sink had said 250, and it still lay before the gateway."""
        if fault is None or not fault.hit:
            return 0
        if fault.action.endswith("+"): # the gateway could not note it either, and was ended
            return 1
        if self.seen:
            return sum(received[(token, rcpt)] > 0 and any(f in OUTWARD for f, _ in places.get(token, []))
                       for received, places in self.seen)
        return int(fault.by == "viaduct-outbound-gateway")

    def check(self, items, acked, fault):
        """After the run that found everything whole again. Returns what is wrong, in words."""
        wrong, received, places = [], self.spool.received(), self.spool.places()
        known = {}
        for item in items:
            known.update(item.wanted())
            wrong += self.check_item(item, item.token in acked, received, places.pop(item.token, []), fault)
        wrong += ["unknown: %s %s" % (t, where) for t, where in places.items()]
        wrong += ["unknown at the sink: %s to %s" % key for key in received if key not in known]
        return wrong + self.check_temp() + self.check_books(items)

    def check_item(self, item, acked, received, where, fault):
        wrong, want = [], item.wanted()
        got = {key: received[key] for key in want}
        nothing = not any(got.values()) and not where
        if nothing and not acked:
            return []
        for key, n in want.items():
            if got[key] < n:
                wrong.append("%s %s to %s: %s" % ("LOST" if not where else "stuck", key[0], key[1], where))
            extra = got[key] - n
            if 0 < extra <= self.may_repeat(key[0], key[1], fault):
                self.duplicates += extra
            elif extra > 0:
                wrong.append("came %d times: %s to %s" % (got[key], key[0], key[1]))
        if item.badmail and [f for f, _ in where] != ["BADMAIL"]:
            wrong.append("%s is not once in Badmail: %s" % (item.token, where or "LOST"))
        if not item.badmail and where and not wrong:
            wrong.append("in two places: %s delivered and in %s" % (item.token, where))
        return wrong

    def check_temp(self):
        return ["left in Temp: " + name for _, _, names in os.walk(self.spool.folder("TEMP")) for name in names]

    def check_books(self, items):
        books = self.spool.balance()
        if not books:
            return ["the books cannot be read"]
        if books["in_spool"] != 0:
            return ["the books do not balance: %s" % books]
        r = subprocess.run([program("viaduct"), "-c", self.spool.conf, "track", "--balance"], capture_output=True, text=True, timeout=30)
        return [] if r.returncode == 0 else ["the books are not what lies in the spool: " + r.stdout + r.stderr]
