#!/usr/bin/python3
"""The observer: metrics and health over HTTP, with what strangers may do bounded; old tracking logs end."""
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

from ending import start_process

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)
BUILD = os.environ.get("VIADUCT_BUILD", TOP)
run = failed = 0


def ok(condition, name):
    global run, failed
    run += 1
    failed += not condition
    print(("ok" if condition else "not ok"), run, "-", name, flush=True)


def is_(got, want, name):
    ok(got == want, name)
    if got != want:
        print("#   got %r\n#  want %r" % (got, want), flush=True)


def folders():
    """The map's folders: symbol -> path."""
    with open(os.path.join(TOP, "spool-layout", "flow.def")) as f:
        return dict(re.findall(r'^FOLDER\((\w+), "([^"]+)"', f.read(), re.M))


class Instance:
    def __init__(self):
        self.top = tempfile.mkdtemp(prefix="viaduct-observer-")
        self.spool = os.path.join(self.top, "spool")
        for path in folders().values():
            for connector in ("host", "branch"):
                os.makedirs(os.path.join(self.spool, path.replace("%s", connector)), exist_ok=True)
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.conf = os.path.join(self.top, "viaduct.conf")
        with open(self.conf, "w") as f:
            f.write('node = "gw1"\nspool = "%s"\nadmin-address = "a@contoso.example"\n'
                    'host { domains = { "contoso.example" } }\n'
                    'connector "branch" { type = "smtp"  peer { to = { "smtp://127.0.0.1:1" } } }\n'
                    'track { keep = "2d" }\nmetrics { listen = "127.0.0.1:%d" }\n' % (self.spool, self.port))

    def path(self, symbol, name="", connector=""):
        return os.path.join(self.spool, folders()[symbol].replace("%s", connector), name)

    def put(self, symbol, name, connector="", data=b""):
        with open(self.path(symbol, name, connector), "wb") as f:
            f.write(data)

    def start(self):
        self.log = open(os.path.join(self.top, "log"), "w+")
        self.process = start_process([os.path.join(BUILD, "viaduct-observer"), "-c", self.conf], stderr=self.log)
        return self.wait(lambda: self.get("/health") is not None)

    def wait(self, condition, seconds=30):
        """Waits for something that will come; a slow machine only takes longer."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if condition():
                return True
            time.sleep(0.1)
        return False

    def connect(self):
        s = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        return s

    def ask(self, request):
        """The whole answer to raw bytes; b"" where the connection just ends."""
        with self.connect() as s:
            s.sendall(request)
            answer = b""
            while True:
                try:
                    part = s.recv(65536)
                except ConnectionResetError:
                    return answer
                if not part:
                    return answer
                answer += part

    def get(self, path):
        """Status and body; None where nobody listens."""
        try:
            answer = self.ask(("GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path).encode())
        except ConnectionRefusedError:
            return None
        head, _, body = answer.partition(b"\r\n\r\n")
        length = re.search(rb"Content-Length: (\d+)", head)
        if not length or int(length.group(1)) != len(body):
            return (0, "torn")
        return (int(head.split()[1]), body.decode())

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


def check_metrics(v):
    status, text = v.get("/metrics")
    is_(status, 200, "metrics are there")
    ok('viaduct_queue_messages{folder="MTS-OUT",node="gw1",connector="branch"} 2\n' in text, "with the queues")
    ok('viaduct_moves_total{node="gw1",worker="observer"} 0\n' in text, "and the workers' counters")
    bad = [l for l in text.splitlines() if not re.match(r'(# (HELP|TYPE) viaduct_|viaduct_\w+\{.*\} -?[0-9.]+$)', l)]
    is_(bad, [], "in the form that Prometheus reads")
    ok(all('node="gw1"' in l for l in text.splitlines() if not l.startswith("#")), "every sample names the node")
    v.put("MTS_OUT", "05LVQKGC00000000000000000C", "branch")
    is_(v.get("/metrics")[1].count('folder="MTS-OUT",node="gw1",connector="branch"} 2\n'), 1,
        "a spool is not counted again for each who asks")


def check_requests(v):
    is_(v.get("/")[0], 404, "no other page is there")
    is_(v.get("/metrics/../health")[0], 404, "nor by a detour")
    is_(v.get("/" + "a" * 3000)[0], 404, "nor with a long name")
    is_(v.get("/health?x=/metrics")[0], 200, "a query is passed over")
    answer = v.ask(b"POST /metrics HTTP/1.1\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100000)
    ok(answer.startswith(b"HTTP/1.1 405 ") and b"\r\nAllow: GET\r\n" in answer, "nothing but GET is done")
    ok(v.ask(b"GET /metrics HTTP/1.1\r\nX: " + b"a" * 5000).startswith(b"HTTP/1.1 431 "), "a long request is refused")
    for request in (b"\r\n\r\n", b"GET\r\n\r\n", b"GET /metrics\r\n\r\n", b"GET  /metrics HTTP/1.1\r\n\r\n",
                    b"GET http://x/metrics HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\r\n\r\n", b"GET /health HTTP/2.0\r\n\r\n"):
        ok(v.ask(request).startswith(b"HTTP/1.1 400 "), "refused: %r" % request)
    ok(v.ask(b"GET /health\0 HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 404 "), "a NUL does not end a path")
    with v.connect() as s:
        for byte in b"GET /health HTTP/1.1\r\n\r\n":
            s.sendall(bytes([byte]))
        s.shutdown(socket.SHUT_WR)
        ok(s.recv(12) == b"HTTP/1.1 200", "a request may come in pieces, and its sender may have closed")


def check_many(v):
    idle = [v.connect() for _ in range(40)]
    for s in idle[:32]:
        s.sendall(b"GET /health HTTP/1.1\r\n")
    asked = v.connect()
    asked.sendall(b"GET /health HTTP/1.1\r\n\r\n")
    asked.settimeout(0.5)
    try:
        early = asked.recv(12)
    except socket.timeout:
        early = b""
    is_(early, b"", "more connections than 32 wait")
    for s in idle:
        s.close()
    asked.settimeout(30)
    is_(asked.recv(12), b"HTTP/1.1 200", "and are served when others have gone")
    asked.close()


def page(v, beat_ms=None, pid=None):
    """A copy of the observer's own state page, changed."""
    with open(v.path("STATE", "observer.0"), "rb") as f:
        data = bytearray(f.read())
    if pid is not None:
        data[16:20] = struct.pack("<i", pid)
    if beat_ms is not None:
        data[32:40] = struct.pack("<q", beat_ms)
    return bytes(data)


def health(v, status):
    """The health page when it has this status."""
    v.wait(lambda: v.get("/health")[0] == status)
    return json.loads(v.get("/health")[1])


def check_health(v):
    is_(health(v, 200), {"node": "gw1", "status": "ok", "workers": [{"instance": "observer", "status": "ok"}]},
        "who lives is well")
    v.put("STATE", "router.0", data=page(v, pid=0))
    v.put("STATE", "outbound-gateway-gone.0", data=page(v, beat_ms=1))
    v.put("STATE", "strange", data=b"x")
    v.put("STATE", "cleanup.0", data=page(v, beat_ms=1000))
    told = health(v, 503)
    is_(told["status"], "failing", "a worker whose heart stands still is a failure")
    is_({w["instance"]: w["status"] for w in told["workers"]}, {"cleanup": "dead", "observer": "ok", "router": "ended"},
        "it is named; who ended in order is well; who is not configured is no matter")
    is_([w.get("since") for w in told["workers"] if w["instance"] == "cleanup"], ["1970-01-01T00:00:01.000Z"],
        "with the time of its last beat")
    future = int(time.time() * 1000) + 600000
    v.put("STATE", "cleanup.1", data=page(v, beat_ms=future))
    told = health(v, 200)
    is_({w["instance"]: w["status"] for w in told["workers"]}["cleanup"], "ok", "until another process has taken over")


def check_tracks(v, today):
    v.wait(lambda: not os.path.exists(v.path("TRACK", "cleanup.0.20200101")))
    is_(sorted(os.listdir(v.path("TRACK"))), sorted(["cleanup.0." + today, "notes.txt"]),
        "tracking logs older than track.keep are removed, and nothing else")


def main():
    v = Instance()
    today = time.strftime("%Y%m%d", time.gmtime())
    for name in ("cleanup.0.20200101", "outbound-gateway-branch.1.20200102", "cleanup.0." + today, "notes.txt"):
        v.put("TRACK", name)
    for name in ("05LVQKGC00000000000000000A", "05LVQKGC00000000000000000B"):
        v.put("MTS_OUT", name, "branch")
    try:
        ok(v.start(), "the observer starts")
        check_metrics(v)
        check_requests(v)
        check_many(v)
        check_health(v)
        check_tracks(v, today)
        is_(v.stop(), 0, "and ends when asked")
    finally:
        if v.process.poll() is None:
            v.process.kill()
        v.log.seek(0)
        if failed:
            print("".join("# " + line for line in v.log))
        shutil.rmtree(v.top)
    print("1..%d" % run)
    raise SystemExit(failed > 0)


main()
