"""poison.py - what a message that ends its worker each time costs the others: the same load with and without one.

The poison is a large message for two connectors before a router that may write no file so large: the system ends it whenever it
takes that message. The third time with it alone in hand it goes to Badmail.
"""
import os
import statistics
import threading

from peers import send_huge, until
from systems import Viaduct

HEAD = ["a poison message beside it", "without, msg/s", "with, msg/s", "share", "deaths of the router"]
SIZE, LIMIT = 8 << 20, 6 << 20 # the limit is above what the router logs and tracks in a run
WRAPPED = ("--wrapper", "router=/usr/bin/prlimit --fsize=%d" % LIMIT)
OTHER = """log {{ level = "minimum" }}
connector "other" {{
    type = "smtp"
    peer {{ to = {{ "smtp://127.0.0.1:{sink}" }} }}
    address-space {{ type = "SMTP" pattern = "*@other.example" cost = 1 }}
    limits {{ message = "2G" }}
}}
"""


def files(viaduct, folder):
    path = os.path.join(viaduct.top, "spool", folder)
    return [os.path.join(path, n) for n in os.listdir(path)]


def badmail(viaduct):
    return files(viaduct, "mailbox/host/Badmail")


def run(bench, viaduct, messages, poisoned):
    """Messages a second, and how often the router died."""
    viaduct.start(*WRAPPED)
    poison = threading.Thread(target=send_huge, args=(viaduct.port, SIZE, ("bob@branch.example", "carl@other.example")))

    def watch():
        if poisoned and poison.ident is None:
            poison.start()
    try:
        bench.send(viaduct, 1000, 4096, 1, True)
        took, _ = bench.send(viaduct, messages, 4096, 1, True, watch)
        if poisoned:
            poison.join()
            until(lambda: badmail(viaduct), "the poison is in Badmail", 60)
        return messages / took, viaduct.restarts("router")
    finally:
        viaduct.stop()
        for path in badmail(viaduct) + files(viaduct, "track"):
            os.unlink(path)


def row(bench, build, top, messages, pairs):
    viaduct = Viaduct(build, top, bench.sink.port, "poisoned", OTHER)
    pairs = [[run(bench, viaduct, messages, poisoned) for poisoned in (False, True)] for _ in range(pairs)]
    without, beside = (statistics.median(p[i][0] for p in pairs) for i in (0, 1))
    return ["4 KiB, sessions kept open (%d)" % messages, "%.0f" % without, "%.0f" % beside, "%.0f %%" % (100 * beside / without),
            " ".join(str(p[1][1]) for p in pairs)]
