"""fakeldap.py - what real LDAP servers will not show on demand

    Fake(entries, ...)    a small LDAP server in a thread: pages, ranges cut by itself, DirSync in several rounds, readings that end
                          half-way or never
    Ear()                 listens, and keeps what it is told
    Meanwhile(act)        lets ldapread's command stand for something that is done in the test
    Cutter(port)          stands before a real server and cuts the connection at the n-th message, or holds it there

Both speak plain LDAP on loopback (RFC 4511, BER by hand): use them with auth = "none" and start-tls = no."""
import os
import socket
import threading
import time

from rig import private_folder


# ---- BER ----

def tlv(tag, body):
    n = len(body)
    length = bytes([n]) if n < 128 else (lambda b: bytes([128 | len(b)]) + b)(n.to_bytes((n.bit_length() + 7) // 8, "big"))
    return bytes([tag]) + length + body


def integer(n, tag=2):
    return tlv(tag, n.to_bytes(n.bit_length() // 8 + 1, "big", signed=True))


def octets(text, tag=4):
    return tlv(tag, text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text)


def items(body):
    """(tag, content) of each element."""
    at = 0
    while at < len(body):
        tag, n, at = body[at], body[at + 1], at + 2
        if n & 128:
            k = n & 127
            n, at = int.from_bytes(body[at:at + k], "big"), at + k
        yield tag, body[at:at + n]
        at += n


def read_message(stream):
    """One LDAP message as it stands, or None at the end."""
    head = stream.read(2)
    if len(head) < 2:
        return None
    n, more = head[1], b""
    if n & 128:
        more = stream.read(n & 127)
        n = int.from_bytes(more, "big")
    body = stream.read(n)
    return head + more + body if len(body) == n else None


def content(message):
    return next(iter(items(message)))[1]


PAGED, DIRSYNC = "1.2.840.113556.1.4.319", "1.2.840.113556.1.4.841"


class Server:
    """Accepts on a port of its own until it is closed; each connection has a thread."""

    def __init__(self, address="127.0.0.1", port=0):
        self.listener = socket.create_server((address, port))
        self.port = self.listener.getsockname()[1]
        self.url = "ldap://%s:%d/" % (address, self.port)
        self.closed = False
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while not self.closed:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.guarded, args=(connection,), daemon=True).start()

    def guarded(self, connection):
        try:
            self.serve(connection)
        except (OSError, ValueError, StopIteration):
            pass
        finally:
            connection.close()

    def close(self):
        self.closed = True
        self.listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Ear(Server):
    """Gives one answer, or none, and keeps what it is told; `calls` counts connections."""

    def __init__(self, answer=b"", address="127.0.0.1", port=0):
        self.answer, self.heard, self.calls = answer, b"", 0
        super().__init__(address, port)

    def serve(self, connection):
        self.calls += 1
        while data := connection.recv(4096):
            self.heard += data
            connection.sendall(self.answer)
            self.answer = b""


class Meanwhile:
    """`command` is one for the shell that ends when act() has been done, in a thread of the test."""

    def __init__(self, act):
        self.act, self.top = act, private_folder()
        os.chmod(self.top, 0o777)
        self.command = "cd %s; touch now; while [ ! -e done ]; do sleep 0.05; done" % self.top
        threading.Thread(target=self.wait, daemon=True).start()

    def wait(self):
        while not os.path.exists(self.top + "/now"):
            time.sleep(0.02)
        try:
            self.act()
        finally:
            open(self.top + "/done", "w").close()


class Fake(Server):
    """`entries` is a list of (dn, {name: [values]}). Behaviours, to be changed at any time:
        active_directory   says so in its rootDSE
        range              attributes with more values than this come in ranges, as Active Directory cuts them
        sees_deleted       as Active Directory shows CN=Deleted Objects to whoever may list it
        range_end          result code with which ranges behind the first end; range_empty: they hold nothing
        die_after          closes the connection after so many entries of a search; None: never
        end                result code with which searches end (0: success); None: they do not end
        endless            every page says that there is another, empty ones too
        rounds             DirSync answers come in so many rounds
        idle               a connection on which nothing was asked for so many seconds is closed; None: never
        limit              without pages only so many entries, then sizeLimitExceeded
        referral           the URL of another server: a reference to it stands among the answers
        elsewhere          searches end with a referral to this URL alone; None: they do not
        asked              what searches asked for: (base, filter bytes, attributes)"""

    def __init__(self, entries=(), suffix="dc=contoso,dc=example", **how):
        self.entries, self.suffix = list(entries), suffix
        self.active_directory, self.range, self.die_after, self.end = False, None, None, 0
        self.endless, self.rounds, self.limit, self.referral, self.elsewhere = False, 1, None, None, None
        self.idle, self.range_end, self.range_empty, self.sees_deleted = None, 0, False, True
        self.usn, self.changed, self.asked, self.binds = 100, [], [], 0
        vars(self).update(how)
        super().__init__()

    def root(self):
        row = {"namingContexts": [self.suffix], "supportedControl": [PAGED] if self.limit is None else []}
        if self.active_directory:
            row.update(supportedCapabilities=["1.2.840.113556.1.4.800"], defaultNamingContext=[self.suffix],
                       highestCommittedUSN=[str(self.usn)])
            row["supportedControl"].append(DIRSYNC)
        return row

    @staticmethod
    def reply(connection, number, body, controls=b""):
        connection.sendall(tlv(0x30, integer(number) + body + (tlv(0xa0, controls) if controls else b"")))

    @staticmethod
    def result(tag, code, text=""):
        return tlv(tag, integer(code, 10) + octets("") + octets(text))

    def attribute(self, name, values, wanted):
        """As one or, where it is long, as a range."""
        first, step = 0, self.range
        for w in wanted:
            if w.lower().startswith(name.lower() + ";range="):
                first = int(w.split("=")[1].split("-")[0])
        if not step or (len(values) <= step and first == 0):
            return tlv(0x30, octets(name) + tlv(0x31, b"".join(octets(v) for v in values)))
        part = values[first:first + step]
        last = "*" if first + step >= len(values) else str(first + len(part) - 1)
        empty = tlv(0x30, octets(name) + tlv(0x31, b"")) if first == 0 else b""
        return empty + tlv(0x30, octets("%s;range=%d-%s" % (name, first, last)) + tlv(0x31, b"".join(octets(v) for v in part)))

    def entry(self, dn, row, wanted=()):
        return tlv(0x64, octets(dn) + tlv(0x30, b"".join(self.attribute(n, v, wanted) for n, v in row.items())))

    def serve(self, connection):
        stream = connection.makefile("rb")
        while True:
            connection.settimeout(self.idle) # TimeoutError is an OSError: the connection is closed
            if (message := read_message(stream)) is None:
                return
            parts = list(items(content(message)))
            number, (tag, body) = int.from_bytes(parts[0][1], "big"), parts[1]
            controls = {}
            for control in (items(parts[2][1]) if len(parts) > 2 else ()):
                row = list(items(control[1]))
                controls[row[0][1].decode()] = row[-1][1]
            if tag == 0x60:
                self.binds += 1
                self.reply(connection, number, self.result(0x61, 0))
            elif tag == 0x42:
                return
            elif tag == 0x63:
                self.search(connection, number, list(items(body)), controls)
            elif tag != 0x50:
                self.reply(connection, number, self.result({0x66: 0x67, 0x68: 0x69, 0x4a: 0x6b, 0x6c: 0x6d}.get(tag, 0x78), 53,
                                                           "this server only pretends"))

    def search(self, connection, number, request, controls):
        base, scope = request[0][1].decode(), request[1][1][0]
        wanted = [v.decode() for _, v in items(request[7][1])]
        self.asked.append((base, request[6][1], wanted))
        if base == "" and scope == 0:
            self.reply(connection, number, self.entry("", self.root()))
            self.reply(connection, number, self.result(0x65, 0))
        elif DIRSYNC in controls:
            self.dirsync(connection, number, controls[DIRSYNC])
        elif scope == 0:
            behind = any(";range=" in w and ";range=0-" not in w for w in wanted)
            for dn, row in self.entries:
                if dn.lower() == base.lower() and not (behind and (self.range_end or self.range_empty)):
                    self.reply(connection, number, self.entry(dn, row, wanted))
            if base.lower().startswith("cn=deleted objects,") and self.active_directory and self.sees_deleted:
                self.reply(connection, number, self.entry(base, {"objectClass": ["container"]}))
            self.reply(connection, number, self.result(0x65, self.range_end if behind else 0))
        else:
            self.subtree(connection, number, request[6][1], wanted, controls.get(PAGED))

    def matching(self, filter):
        """Those whose GUID the filter names; all where it names none."""
        named = [e for e in self.entries if e[1].get("objectGUID") and e[1]["objectGUID"][0] in filter]
        return named if b"objectGUID" in filter and b"uSNChanged" not in filter else self.entries

    def subtree(self, connection, number, filter, wanted, page):
        if self.elsewhere:
            self.reply(connection, number, tlv(0x65, integer(10, 10) + octets("") + octets("") + tlv(0xa3, octets(self.elsewhere + "dc=elsewhere"))))
            return
        found = self.matching(filter)
        size, first = len(found), 0
        if page is not None:
            row = list(items(next(iter(items(page)))[1]))
            size, first = int.from_bytes(row[0][1], "big"), int(row[1][1] or b"0")
        if self.limit is not None and len(found) > self.limit:
            found, self_end = found[:self.limit], 4
        else:
            self_end = self.end
        for n, (dn, row) in enumerate(found[first:first + size]):
            if self.die_after is not None and first + n >= self.die_after:
                raise OSError("dies")
            self.reply(connection, number, self.entry(dn, row, wanted))
        if self.referral:
            self.reply(connection, number, tlv(0x73, octets(self.referral + "dc=elsewhere")))
        more = self.endless or first + size < len(found)
        control = b""
        if page is not None:
            value = tlv(0x30, integer(0) + octets(str(first + size) if more else ""))
            control = tlv(0x30, octets(PAGED) + octets(value))
        if self_end is not None:
            self.reply(connection, number, self.result(0x65, self_end), control)

    def dirsync(self, connection, number, value):
        cookie = list(items(next(iter(items(value)))[1]))[2][1]
        generation, done = (int(x) for x in (cookie or b"0:0").split(b":"))
        rows = self.changed if generation else []
        size = max(1, -(-len(rows) // self.rounds))
        for dn, row in rows[done:done + size]:
            self.reply(connection, number, self.entry(dn, row))
        more = done + size < len(rows)
        next_cookie = b"1:%d" % (done + size) if more else b"%d:0" % (generation + 1)
        answer = tlv(0x30, integer(1 if more else 0) + integer(0) + octets(next_cookie))
        self.reply(connection, number, self.result(0x65, 0), tlv(0x30, octets(DIRSYNC) + octets(answer)))


class Cutter(Server):
    """Passes messages both ways and cuts the connection before the one with number `at`, counted over both; None: never. With
    hold(at) nothing passes from there on: `held` is set, and when release() is called the connection is cut, or goes on."""

    def __init__(self, port, at=None):
        self.to, self.at, self.seen, self.lock, self.cuts = port, at, 0, threading.Lock(), True
        self.held, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()
        super().__init__()

    def hold(self, at):
        self.held.clear()
        self.go_on.clear()
        self.seen, self.at, self.cuts = 0, at, True

    def release(self, cuts=True):
        self.at, self.cuts = None, cuts
        self.go_on.set()

    def serve(self, connection):
        other = socket.create_connection(("127.0.0.1", self.to))
        back = threading.Thread(target=self.pump, args=(other, connection), daemon=True)
        back.start()
        self.pump(connection, other)
        back.join()
        other.close()

    def pump(self, source, sink):
        stream = source.makefile("rb")
        try:
            while (message := read_message(stream)) is not None:
                with self.lock:
                    self.seen += 1
                    cut = self.at is not None and self.seen >= self.at
                if cut:
                    self.held.set()
                    self.go_on.wait(60)
                    if self.cuts:
                        break
                sink.sendall(message)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
