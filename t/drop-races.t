#!/usr/bin/python3
"""A stranger who exchanges files in drop while they are picked up: nothing outside is read, nothing hangs, each file comes once.

t/racer makes VIADUCT_RACES races (3,000; `make check-races`: 100,000). Pickup runs without its sandbox and as the stranger's
own user, so that only its code stands between him and the secret; then with its sandbox; then while it is killed again and
again. Each file that nothing replaced must become one message, each other one or none.
"""
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from spooltest import Spool, done, is_, ok, program, start_process  # noqa: E402

RACES = int(os.environ.get("VIADUCT_RACES", "3000"))
SECRET = b"X-Sender: <secret@contoso.example>\nX-Receiver: <b@branch.example>\nSubject: race 0 SECRET\n\nSECRET\n"


class Ledger(threading.Thread):
    """Takes what pickup made of the files out of the spool, and counts."""

    def __init__(self, spool):
        super().__init__(daemon=True)
        self.spool, self.came, self.strange, self.ending = spool, {}, [], False
        self.start()

    def look(self):
        for symbol in ("MTS_IN", "BADMAIL"):
            at = self.spool.folder(symbol)
            for name in os.listdir(at):
                path = os.path.join(at, name)
                with open(path, "rb") as f:
                    data = f.read()
                found = re.search(rb"^Subject: race (\d+) ([a-z])$", data, re.M)
                if symbol == "BADMAIL" or not found or b"SECRET" in data:
                    self.strange.append("%s: %r" % (symbol, data[-100:]))
                else:
                    key = found.group(1).decode() + " " + found.group(2).decode()
                    self.came[key] = self.came.get(key, 0) + 1
                os.unlink(path)

    def run(self):
        while not self.ending:
            self.look()
            time.sleep(0.01)


def worker(spool):
    with open(os.path.join(spool.top, "log"), "ab") as f:
        return start_process([program("viaduct-pickup"), "-c", spool.conf], stderr=f)


def races(how, count, conf="", kills=False):
    spool = Spool(conf=conf)
    secret = os.path.join(spool.top, "secret")
    for path in (secret, secret + ".one"):
        with open(path, "wb") as f:
            f.write(SECRET)
        old = time.time() - 3600
        os.utime(path, (old, old))
    ledger, process = Ledger(spool), worker(spool)
    racer = start_process([program("t/racer"), spool.folder("DROP"), secret, str(count), "1", str(os.getpid())],
                             stdout=subprocess.PIPE)
    said, n_kills = [], 0
    reader = threading.Thread(target=lambda: said.extend(racer.stdout.read().decode().splitlines()))
    reader.start()
    while racer.poll() is None:
        if kills:
            time.sleep(random.uniform(0.02, 0.3))
            process.kill()
            process.wait()
            process, n_kills = worker(spool), n_kills + 1
        elif process.poll() is not None:
            break
        else:
            time.sleep(0.05)
    reader.join()
    is_(said[-1:], ["raced %d" % count], "%s: %d races%s, none hangs" % (how, count, " and %d kills" % n_kills if kills else ""))
    words = [line.split(" ", 1) for line in said]
    must, may = {w[1] for w in words if w[0] in ("must", "back")}, {w[1] for w in words if w[0] == "may"}
    # after a kill, a file that was taken away and put back is another for all that recovery can know
    back = {w[1] for w in words if w[0] == "back" and kills}
    end = time.time() + 60
    while must - set(ledger.came) and time.time() < end:
        time.sleep(0.05)
    ok(process.poll() is None, "%s: pickup lives" % how)
    process.send_signal(signal.SIGTERM)
    ok(process.wait(30) in (0, -signal.SIGTERM if kills else 0), "%s: and ends in order" % how)
    ledger.ending = True
    ledger.join()
    ledger.look()
    is_(ledger.strange, [], "%s: nothing was read that is not the stranger's" % how)
    is_(sorted(must - set(ledger.came)), [], "%s: all of %d files that nothing replaced came" % (how, len(must)))
    is_({k: n for k, n in ledger.came.items() if n > 1 and k not in back}, {}, "%s: each once" % how)
    is_(sorted(set(ledger.came) - must - may), [], "%s: and no other" % how)
    is_([f for _, _, files in os.walk(spool.folder("TEMP")) for f in files], [], "%s: nothing is left in Temp" % how)
    print("#   %d of %d that were replaced came before" % (len(set(ledger.came) & may), len(may)))
    spool.remove()
    return len(must) + len(may)


def counted(n):
    ok(n >= RACES, "%d files in %d races" % (n, RACES))


counted(races("without a sandbox", RACES - 2 * (RACES // 5), "privileges { sandbox = no }\n") +
        races("confined", RACES // 5) + races("killed", RACES // 5, "privileges { sandbox = no }\n", kills=True))
done()
