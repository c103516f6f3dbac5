#!/usr/bin/python3
"""sweep.py - one fault at each system call of each route of the road, then the oracle

    sweep.py [--route NAME]... [--mode MODE]... [--step N] [--limit N] [--double N] [--verbose]

For N = 1, 2, ... the route runs in a fresh spool under crashpoint, which strikes at the N-th call that changes the spool,
in the whole tree of processes; then the route runs again without a fault, and the ledgers are held against each other.
A route is over when N is past its last call.

    MODE      kill-all kill-all-after kill-one kill-one-after error:E error:E+ short stop:MS
    --step    every N-th call only            --limit   so many points of a route and mode, spread over its calls
    --keep    a folder for the logs of what went wrong
    --double  after kill-all, the recovery is killed too, at every N-th of its calls

Speaks TAP: one test for each route and mode. The routes by single workers are sequential, so the same N is the same
moment each time; those by the master are not, and what they find may need some repetitions.
"""
import argparse
import os
import sys
import threading
import time
import zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import crashrig  # noqa: E402
from crashrig import Client, CrashSpool, Fault, Item, Oracle, Run, Sink, free_port, master, workers  # noqa: E402
from spooltest import done, message, ok  # noqa: E402

MODES = ["kill-all", "kill-all-after", "kill-one", "kill-one-after", "error:EIO", "error:ENOSPC", "error:ENOSPC+",
         "error:EINTR", "error:ENOMEM", "short", "stop:30"]
HANG_S = 6
ANNA = "anna@contoso.example"


def body_of(token, size=200):
    return crashrig.text_of(token, ANNA, ["x@branch.example"], size).replace(b"\r\n", b"\n")


class Route:
    """A stretch of the road. Most are workers run in their order by a shell, after `fill` put messages in."""

    name, names, sinks = "", (), ("host", "branch")

    def __init__(self, path=None):
        self.sink = {name: Sink(self.judge) for name in self.sinks}
        self.listen = free_port()
        self.spool = CrashSpool(self.sink, path, listen=self.listen)
        self.items = []

    def judge(self, verb, rcpt, token):
        return None

    def fill(self):
        """Makes the messages, and self.items."""

    def put(self, symbol, token, rcpts, connector="host", size=200, origin="host", name=None):
        m = message(ANNA, rcpts, body_of(token, size), origin=origin)
        path = os.path.join(self.spool.folder(symbol, connector), name or m.get("id"))
        m.write(path)
        self.track("RECEIVE", m.get("id"), rcpts)
        return path

    def track(self, event, ident, rcpts):
        """The record that whoever put a message here would have left."""
        now = time.gmtime()
        with open(os.path.join(self.spool.folder("TRACK"), time.strftime("test.0.%Y%m%d", now)), "a") as f:
            for rcpt in rcpts:
                f.write("time=%s event=%s id=%s by=test rcpt=%s\n" % (
                    time.strftime("%Y-%m-%dT%H:%M:%S.000Z", now), event, ident, rcpt))

    def prepare(self):
        self.spool.fresh()
        self.items = []
        self.acked = set()
        self.fill()
        self.acked |= {i.token for i in self.items}

    def run(self, fault, trace=None):
        run = Run(self.spool, workers(self.spool, *self.names), fault, trace, self.patience(fault))
        run.wait(4 * HANG_S)

    @staticmethod
    def patience(fault):
        """A disk that stays full is waited for: then the kill comes soon."""
        return 2 if fault is not None and fault.action.endswith("+") else HANG_S

    def recover(self):
        """What the next start does, until nothing is left on the road."""
        for _ in range(4):
            Run(self.spool, workers(self.spool, *self.names)).wait(30)
            if not self.on_road():
                return

    def on_road(self):
        return [w for where in self.spool.places().values() for w in where if w[0] != "BADMAIL"]

    def close(self):
        for sink in self.sink.values():
            sink.close()
        self.spool.remove()


class Drop(Route):
    """Local programs' files to a peer by SMTP: a small one and one that streams."""

    name = "drop"
    names = ("pickup", "cleanup", "router", "outbound-gateway:branch")

    def fill(self):
        for token, size in (("d1", 200), ("d2", 150000)):
            self.items.append(Item(token, ["bob@branch.example"]))
            text = ("X-Sender: %s\nX-Receiver: bob@branch.example\n" % ANNA).encode() + body_of(token, size)
            with open(os.path.join(self.spool.folder("DROP"), token), "wb") as f:
                f.write(text)


class Straight(Route):
    """Cleaned, routed, transferred: three messages at once."""

    name = "straight"
    names = ("cleanup", "router", "outbound-gateway:branch")

    def fill(self):
        for token in ("s1", "s2", "s3"):
            self.items.append(Item(token, ["bob@branch.example"]))
            self.put("MTS_IN", token, ["bob@branch.example"])


class Defer(Route):
    """The peer says 451 first; an operator makes it due; then it is taken."""

    name = "defer"
    names = ("cleanup", "router", "outbound-gateway:branch", "viaduct queue retry all --yes", "outbound-gateway:branch")

    def judge(self, verb, rcpt, token):
        if verb != "DATA":
            return None
        self.tries[token] = self.tries.get(token, 0) + 1
        return "451 4.3.0 later" if self.tries[token] == 1 else None

    def fill(self):
        self.tries = {}
        for token in ("r1", "r2"):
            self.items.append(Item(token, ["bob@branch.example"]))
            self.put("MTS_IN", token, ["bob@branch.example"])


class Split(Route):
    """Recipients at two connectors: parts, of which each exists when all do."""

    name = "split"
    names = ("cleanup", "router", "outbound-gateway:branch", "outbound-gateway:north")
    sinks = ("host", "branch", "north")

    def fill(self):
        for token in ("p1", "p2"):
            rcpts = ["bob@branch.example", "carl@north.example", "dora@branch.example"]
            self.items.append(Item(token, rcpts))
            self.put("MTS_IN", token, rcpts)


class Report(Route):
    """Failures on all levels: no route at all, no route for one of two, refused by the peer, refused beside one taken."""

    name = "report"
    names = ("cleanup", "router", "outbound-gateway:branch", "bouncer", "router", "outbound-gateway:host",
             "viaduct queue retry all --yes", "outbound-gateway:branch", "outbound-gateway:host")

    def judge(self, verb, rcpt, token):
        if verb == "RCPT" and rcpt.startswith("nobody"):
            return "550 5.1.1 no such user"
        if verb == "RCPT" and rcpt.startswith("later"):
            self.tries[rcpt] = self.tries.get(rcpt, 0) + 1
            return "451 4.2.0 later" if self.tries[rcpt] == 1 else None
        return None

    def fill(self):
        self.tries = {}
        for token, rcpts, good, reports in (("n1", ["x@nowhere.example"], [], 1),
                                            ("n2", ["x@nowhere.example", "bob@branch.example"], ["bob@branch.example"], 1),
                                            ("n3", ["nobody@branch.example"], [], 1),
                                            ("n4", ["nobody@branch.example", "later@branch.example"], ["later@branch.example"], 1)):
            self.items.append(Item(token, good, reports))
            self.put("MTS_IN", token, rcpts)


class Bad(Route):
    """What no rule can handle: a damaged file, a message without a recipient's end, each once in Badmail."""

    name = "badmail"
    names = ("cleanup", "router", "outbound-gateway:branch")

    def fill(self):
        self.items.append(Item("b1", badmail=True))
        path = self.put("MTS_IN", "b1", ["bob@branch.example"])
        with open(path, "r+b") as f:
            f.seek(70)
            f.write(b"#")
        self.items.append(Item("b2", ["bob@branch.example"]))
        self.put("MTS_IN", "b2", ["bob@branch.example"])


class Requeue(Route):
    """A person sends again what lay in Badmail."""

    name = "requeue"
    names = ("viaduct badmail requeue all --yes", "cleanup", "router", "outbound-gateway:branch")

    def fill(self):
        self.items.append(Item("q1", ["bob@branch.example"]))
        path = self.put("BADMAIL", "q1", ["bob@branch.example"])
        with open(path + ".why", "w") as f:
            f.write("stage=router from=Spooler-Queue connector=host status=5.3.0 reason=x signature=x time=1 version=0\n")
        self.track("BADMAIL", os.path.basename(path), ["bob@branch.example"])

    def on_road(self):
        return [w for where in self.spool.places().values() for w in where]


class Whole(Route):
    """The master with all its workers, mail by SMTP while they run: what was answered with 250 is the ledger."""

    name = "whole"
    sinks = ("host", "branch", "north")
    more = ""

    def __init__(self, path=None):
        super().__init__(path)
        if self.more:
            self.spool.configure(self.more, self.listen)

    def judge(self, verb, rcpt, token):
        if verb == "RCPT" and rcpt.startswith("nobody"):
            return "550 5.1.1 no such user"
        return None

    def fill(self):
        self.mail = [("w1", ["bob@branch.example"], 200, ["bob@branch.example"], 0),
                     ("w2", ["bob@branch.example", "carl@north.example"], 200, ["bob@branch.example", "carl@north.example"], 0),
                     ("w3", ["nobody@branch.example"], 100000, [], 1)]

    def prepare(self):
        super().prepare()
        self.items = [Item(t, good, reports) for t, _, _, good, reports in self.mail]

    def ack(self, token):
        self.acked.add(token)

    def send(self, alive):
        client = Client(self.listen, self.ack)
        try:
            if client.connect(3, alive):
                for token, rcpts, size, _, _ in self.mail:
                    if token not in self.acked:
                        client.send(token, ANNA, rcpts, size)
        except OSError:
            pass
        client.close()

    def run(self, fault, trace=None):
        run = Run(self.spool, master(self.spool, "--foreground"), fault, trace, 2 * HANG_S)
        sender = threading.Thread(target=self.send, args=(run.running,))
        sender.start()
        sender.join()
        end = time.monotonic() + HANG_S
        while run.running() and time.monotonic() < end and self.on_road():
            time.sleep(0.02)
        run.term()
        run.wait(4 * HANG_S)

    def recover(self):
        for _ in range(4):
            Run(self.spool, master(self.spool, "--once")).wait(40)
            if not self.on_road():
                return
            time.sleep(1.1) # the time of what is deferred


class WholeFree(Whole):
    """The same without the workers' sandbox: for faults that confinement would hide."""

    name = "whole-free"
    more = "privileges { sandbox = no }\n"


ROUTES = [Drop, Straight, Defer, Split, Report, Bad, Requeue, Whole, WholeFree]


class Sweep:
    def __init__(self, route, arguments):
        self.route, self.arguments = route, arguments
        self.points = self.duplicates = 0
        self.wrong = []

    def calls(self):
        """How many calls the route makes when nothing happens; checks the rig itself."""
        self.route.prepare()
        fault = Fault("none")
        self.route.run(fault, os.path.join(self.route.spool.top, "trace"))
        oracle = Oracle(self.route.spool)
        self.route.recover()
        wrong = oracle.check(self.route.items, self.route.acked, None)
        if not ok(not wrong and fault.calls > 0, "%s: arrives where nothing happens (%d calls)" % (self.route.name, fault.calls)):
            self.show(wrong)
        return fault.calls

    def show(self, lines):
        for line in lines[:8]:
            print("#   " + str(line)[:600])

    def keep(self, fault, wrong):
        """What one needs to find out why: the log, the tracking logs, the ledger."""
        path = os.path.join(self.arguments.keep, "%s-%s-%d" % (self.route.name, fault.action.replace(":", "-"), fault.n))
        with open(path, "w") as f:
            f.write("%s\n%s\n\n%s\n" % (fault, "\n".join(wrong), self.route.spool.say_log(10000)))
            f.write("\n".join(self.route.spool.track()) + "\n%s\n" % self.route.spool.received())

    def fail(self, fault, wrong):
        if self.arguments.keep:
            self.keep(fault, wrong)
        self.wrong.append("%s | %s" % (fault, "; ".join(wrong)))
        if len(self.wrong) <= 3:
            self.show([fault] + wrong)
            if self.arguments.verbose:
                self.show(self.route.spool.say_log().splitlines())

    def point(self, mode, n):
        """One fault. False when N is past the last call."""
        route, fault = self.route, Fault(mode, n)
        route.prepare()
        oracle = Oracle(route.spool)
        route.run(fault)
        if mode.startswith("kill-all"):
            oracle.look()
        if not fault.hit:
            return False
        if self.arguments.double and mode.startswith("kill-all"):
            self.kill_recovery(n)
            oracle.look()
        route.recover()
        self.points += 1
        wrong = oracle.check(route.items, route.acked, fault)
        self.duplicates += oracle.duplicates
        if wrong:
            self.fail(fault, wrong)
        return True

    def kill_recovery(self, n):
        """A second kill, somewhere in the recovery; where differs from point to point."""
        again = Fault("kill-all", 1 + n * 7 % self.arguments.double)
        self.route.run(again)

    def sweep(self, mode, calls):
        self.points, self.duplicates, self.wrong = 0, 0, []
        step = self.arguments.step
        if self.arguments.limit:
            step = max(step, -(-calls // self.arguments.limit))
        begun, misses, n = time.monotonic(), 0, 1 + zlib.crc32(mode.encode()) % step
        while misses < 2 and n < calls + 60:
            misses = 0 if self.point(mode, n) else misses + 1
            n += step
        took = time.monotonic() - begun
        ok(not self.wrong and self.points > 0, "%s, %s at %d moments: nothing lost, nothing twice, the books balance" %
           (self.route.name, mode, self.points))
        print("#   %d points, %d wrong, %d duplicates that SMTP knows no way around, %.1f s (%.0f ms each)" %
              (self.points, len(self.wrong), self.duplicates, took, 1000 * took / max(1, self.points)), flush=True)


def sweep_all(arguments):
    for kind in ROUTES:
        if arguments.route and kind.name not in arguments.route:
            continue
        route = kind()
        sweep = Sweep(route, arguments)
        calls = sweep.calls()
        for mode in arguments.mode or MODES:
            sweep.sweep(mode, calls)
        route.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--route", action="append")
    parser.add_argument("--mode", action="append")
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--limit", type=int, default=0)
    parser.add_argument("--double", type=int, default=0)
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--keep")
    sweep_all(parser.parse_args())
    done()


if __name__ == "__main__":
    main()
