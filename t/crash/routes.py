"""The routes that the crash tests put faults on: what messages each makes, what runs, and what recovers it."""
import os
import threading
import time

import crashrig
from crashrig import Client, CrashSpool, Fault, Item, Run, Sink, free_port, master, program, workers
from spooltest import message

HANG_S = 6
HEAL_S = 25 # for a system that must come right by itself: the master may wait before it starts a worker again
ANNA = "anna@contoso.example"


def body_of(token, size=200):
    return crashrig.text_of(token, ANNA, ["x@branch.example"], size).replace(b"\r\n", b"\n")


class Route:
    """A stretch of the road. Most are workers run in their order by a shell, after `fill` put messages in."""

    name, names, sinks = "", (), ("host", "branch")
    reports = False # whether a sender is told of something
    syncs = None # a file for what became of each sync
    tries = None # how often the sinks have put something off, where the route has them do so

    def __init__(self, path=None):
        self.sink = {name: Sink(self.judge) for name in self.sinks}
        self.listen = free_port()
        self.spool = CrashSpool(self.sink, path, listen=self.listen)
        self.items = []
        self.troubles = [] # what a run found wrong by itself, in words

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
        self.items, self.troubles = [], []
        self.acked = set()
        self.fill()
        self.acked |= {i.token for i in self.items}

    def run(self, fault, trace=None):
        run = Run(self.spool, workers(self.spool, *self.names), fault, trace, self.patience(fault), self.syncs)
        run.wait(4 * HANG_S)

    @staticmethod
    def patience(fault):
        """A disk that stays full is waited for, and so is a call that never returns: then the kill comes soon."""
        return 2 if fault is not None and (fault.action.endswith("+") or fault.action == "hang") else HANG_S

    def recover(self):
        """What the next start does, until nothing is left on the road."""
        for n in range(5):
            self.recover_once()
            if not self.on_road():
                return
            if n > 0:
                time.sleep(1.1) # what is deferred has its time

    def recover_once(self, fault=None):
        Run(self.spool, workers(self.spool, *self.names), fault).wait(40)

    def on_road(self):
        return [w for where in self.spool.places().values() for w in where if w[0] != "BADMAIL"]

    def wait_for_end(self, seconds, running=lambda: True):
        """Waits until nothing is on the road; what still is at the end. A look may miss what moves meanwhile: three must agree."""
        end, empty, left = time.monotonic() + seconds, 0, []
        while empty < 3 and time.monotonic() < end and running():
            left = self.on_road()
            empty = 0 if left else empty + 1
            time.sleep(0.02)
        return left

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
        if verb != "DATA" or self.tries is None:
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

    name, reports = "report", True
    names = ("cleanup", "router", "outbound-gateway:branch", "bouncer", "router", "outbound-gateway:host",
             "viaduct queue retry all --yes", "outbound-gateway:branch", "outbound-gateway:host")

    def judge(self, verb, rcpt, token):
        if verb == "RCPT" and rcpt.startswith("nobody"):
            return "550 5.1.1 no such user"
        if verb == "RCPT" and rcpt.startswith("later") and self.tries is not None:
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


class SmtpIn(Route):
    """A gateway that takes mail by SMTP, ended in order; then the road. What was answered with 250 is the ledger."""

    name = "smtp-in"
    names = ("inbound-gateway:host", "cleanup", "router", "outbound-gateway:branch")
    mail = (("i1", ["bob@branch.example"], 200), ("i2", ["bob@branch.example", "bert@branch.example"], 90000))

    def fill(self):
        self.items = []

    def prepare(self):
        super().prepare()
        self.items = [Item(t, rcpts) for t, rcpts, _ in self.mail]

    def ack(self, token):
        self.acked.add(token)

    def send(self, alive):
        client = Client(self.listen, self.ack)
        try:
            if client.connect(5, alive):
                for token, rcpts, size in self.mail:
                    client.send(token, ANNA, rcpts, size)
        except OSError:
            pass
        client.close()

    def run(self, fault, trace=None):
        gateway = [program("viaduct-inbound-gateway"), "-c", self.spool.conf, "--connector", "host"]
        run = Run(self.spool, gateway, fault, trace, self.patience(fault), self.syncs)
        self.send(run.running)
        run.term()
        run.wait(4 * HANG_S)
        if fault is not None and fault.hit and fault.action.startswith("kill-all"):
            return
        rest = Fault(fault.action, fault.n - fault.calls) if fault is not None and not fault.hit else None
        run = Run(self.spool, workers(self.spool, *self.names[1:]), rest, None, self.patience(fault), self.syncs)
        run.wait(4 * HANG_S)
        if rest is not None:
            rest.calls += fault.calls
            rest.n = fault.n
            fault.__dict__.update(rest.__dict__)


class Whole(Route):
    """The master with all its workers, mail by SMTP while they run: what was answered with 250 is the ledger."""

    name, reports = "whole", True
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
        run = Run(self.spool, master(self.spool, "--foreground"), fault, trace, HEAL_S + 2 * HANG_S, self.syncs)
        sender = threading.Thread(target=self.send, args=(run.running,))
        sender.start()
        sender.join()
        heals = fault is not None and fault.action.split(":")[0] in ("kill-one", "kill-one-after", "stop")
        left = self.wait_for_end(HEAL_S if heals else HANG_S, run.running)
        if heals and run.running() and left:
            self.troubles.append("does not come right by itself: %s" % left)
        run.term()
        run.wait(4 * HANG_S)

    def recover_once(self, fault=None):
        Run(self.spool, master(self.spool, "--once"), fault).wait(40)


class WholeFree(Whole):
    """The same without the workers' sandbox: for faults that confinement would hide."""

    name = "whole-free"
    more = "privileges { sandbox = no }\n"


ROUTES = {r.name: r for r in (Drop, SmtpIn, Straight, Defer, Split, Report, Bad, Requeue, Whole, WholeFree)}
