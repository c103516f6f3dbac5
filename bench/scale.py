"""scale.py - how viaduct bears a long queue: the same questions at each length, so that the answers make a curve.

The queue is deferred mail of 50 domains that is due in an hour. One row for each length: how soon new mail passes after a start,
how long an administrator waits for an answer, what a retry of one domain takes, new mail beside it, and memory.
"""
import re
import subprocess
import time

import measure
from peers import until
from systems import DEFER_DOMAINS

HEAD = ["messages deferred", "first new mail after start, s", "shape, s", "list one domain, s", "count one connector, s",
        "retry one domain, messages", "command, s", "all delivered, s", "new mail beside, msg/s", "PSS, MiB", "largest worker's peak, MiB"]
DOMAIN = "d7.branch.example"
MB = 1024.0 * 1024
LONG_S = 900


def timed(argv):
    start = time.monotonic()
    out = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True).stdout
    return time.monotonic() - start, out


def first_mail(bench, viaduct):
    """From the start of the master until a new message has come through."""
    start = time.monotonic()
    viaduct.start()
    bench.send(viaduct, 1, 4096, 1, True)
    return time.monotonic() - start


def retry(bench, viaduct, count):
    """Seconds of the command, and until all of the domain's messages have been delivered."""
    before, start = bench.sink.count(), time.monotonic()
    command, out = timed(viaduct.command("queue", "retry", "domain=" + DOMAIN, "--yes"))
    said = re.search(r"(\d+) messages", out)
    if said is None or int(said.group(1)) != count:
        raise RuntimeError("retry of %d messages said: %s" % (count, out))
    until(lambda: bench.sink.count() - before >= count, "%d messages of one domain are delivered" % count, LONG_S)
    return command, time.monotonic() - start


def row(bench, viaduct, n, new_mail):
    viaduct.fill(n, 3600)
    try:
        first = first_mail(bench, viaduct)
        shape, _ = timed(viaduct.command("shape", "folder=Deferred"))
        listed, out = timed(viaduct.command("queue", "list", "domain=" + DOMAIN, "--limit", str(n), "--json"))
        if out.count("\n") != n // DEFER_DOMAINS:
            raise RuntimeError("%d messages of one domain were listed, not %d" % (out.count("\n"), n // DEFER_DOMAINS))
        counted, _ = timed(viaduct.command("connector", "show", "branch"))
        took, _ = bench.send(viaduct, new_mail, 4096, 1, True)
        command, delivered = retry(bench, viaduct, n // DEFER_DOMAINS)
        pss, peak = measure.pss_bytes(viaduct.pid()) / MB, max(measure.peaks_bytes(viaduct.pid()).values()) / MB
    finally:
        viaduct.stop()
        viaduct.clear()
    return ["%d" % n, "%.2f" % first, "%.3f" % shape, "%.3f" % listed, "%.3f" % counted, "%d" % (n // DEFER_DOMAINS), "%.2f" % command,
            "%.2f" % delivered, "%.0f" % (new_mail / took), "%.1f" % pss, "%.1f" % peak]
