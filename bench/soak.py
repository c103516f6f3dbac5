"""soak.py - mail while processes die: the same clients, kills and ledgers for every system under test.

Eight clients send in bursts of 40; into each burst falls a SIGKILL, at every ninth of them the system's master's, else one of
its processes by chance. What was answered with 250 is owed: it must arrive, and where the far end refuses it, its report must.
"""
import collections
import os
import random
import signal
import sys
import threading
import time

import measure

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "t", "crash"))
from crashrig import Client, Item  # noqa: E402

BURST, MASTER_EVERY, CLIENTS = 40, 9, 8
PATIENCE_S = 150 # without any arrival, after which what is missing is lost
GOOD, TWO, BAD = ["bob@branch.example"], ["bob@branch.example", "carl@branch.example"], ["nobody@branch.example"]

Result = collections.namedtuple("Result", "owed lost duplicates unknown kills masters seconds")


class Supply:
    """Messages to be sent, as many as are allowed by now; every ninth has two recipients, every fortieth fails at the far end."""

    def __init__(self, messages):
        self.messages, self.more, self.items, self.acked = messages, threading.Condition(), {}, set()
        self.next = self.allowed = 0

    def allow(self, n):
        with self.more:
            self.allowed += n
            self.more.notify_all()

    def take(self):
        """(token, recipients), or None where there are enough."""
        with self.more:
            self.more.wait_for(lambda: self.next < self.allowed or len(self.acked) >= self.messages)
            if len(self.acked) >= self.messages:
                return None
            n = self.next = self.next + 1
            token, bad, rcpts = "m%d" % n, n % 40 == 0, TWO if n % 9 == 0 else GOOD
            self.items[token] = Item(token, [] if bad else rcpts, 1 if bad else 0)
            return token, BAD if bad else rcpts

    def ack(self, token):
        with self.more:
            self.acked.add(token)
            self.more.notify_all()


def send(supply, port):
    client = None
    while (taken := supply.take()) is not None:
        try:
            if client is None:
                client = Client(port, supply.ack)
                if not client.connect(60):
                    raise ConnectionError
            client.send(taken[0], "anna@contoso.example", taken[1])
        except OSError:
            if client is not None:
                client.close()
            client = None
    if client is not None:
        client.close()


class Killer:
    def __init__(self, system):
        self.system, self.kills, self.masters = system, 0, 0

    def keep(self):
        """The master is started again where it is gone, as an init would."""
        if not self.system.alive():
            self.system.restart()

    def strike(self, master):
        try:
            top = self.system.pid()
            pid = top if master else random.choice([p for p in measure.tree(top) if p != top])
            os.kill(pid, signal.SIGKILL)
        except (OSError, ValueError, IndexError):
            return
        self.kills += 1
        self.masters += master


def missing(supply, received):
    return [key for token in supply.acked for key, n in supply.items[token].wanted().items() if received[key] < n]


def wait_for_all(supply, sink, killer):
    last, moved = None, time.monotonic()
    while (now := len(missing(supply, sink.copy()))) > 0 and time.monotonic() - moved < PATIENCE_S:
        killer.keep()
        if now != last:
            last, moved = now, time.monotonic()
        time.sleep(0.3)


def soak(system, sink, messages, seed):
    """A running system, and the sink that it sends to (a crashrig.Sink that refuses nobody@)."""
    random.seed(seed)
    supply, killer, begun = Supply(messages), Killer(system), time.monotonic()
    clients = [threading.Thread(target=send, args=(supply, system.port), daemon=True) for _ in range(CLIENTS)]
    for c in clients:
        c.start()
    for n in range(messages // BURST):
        killer.keep()
        supply.allow(BURST)
        time.sleep(random.uniform(0, 0.12))
        killer.strike(n % MASTER_EVERY == MASTER_EVERY - 1)
        time.sleep(random.uniform(0.02, 0.35))
    supply.allow(10 * messages)
    while any(c.is_alive() for c in clients):
        killer.keep()
        time.sleep(0.2)
    wait_for_all(supply, sink, killer)
    time.sleep(2)
    received = sink.copy()
    wanted = {key: n for item in supply.items.values() for key, n in item.wanted().items()}
    twice = sum(max(0, n - wanted[key]) for key, n in received.items() if key in wanted)
    return Result(len(supply.acked), sorted(missing(supply, received)), twice, sorted(k for k in received if k not in wanted),
                  killer.kills, killer.masters, time.monotonic() - begun)
