#!/usr/bin/python3
"""hang.py - a worker stands still, or a call of its never returns: the master replaces it, and no mail suffers

    hang.py [--worker INSTANCE]... [--calls N] [--jobs N] [--keep FOLDER]

Under the master, with mail on the road, each worker in turn is stopped (SIGSTOP), idle and at work; then, N times, the thread
that makes a call on the spool is kept in it for ever. A worker whose loop no longer turns is killed and started again, and
everything arrives without help. A thread of its pool that stands still keeps what it has in hand, as a disk in trouble does:
that arrives after a restart.

Works with a build made by --enable-planted-bugs, where the master's patience is VIADUCT_HANG_MS. Speaks TAP.
"""
import argparse
import os
import re
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import routes # noqa: E402
import sweep # noqa: E402
from crashrig import Fault, Oracle, Run, master # noqa: E402
from spooltest import done, ok # noqa: E402

WORKERS = ["pickup", "inbound-gateway-host", "cleanup", "router", "outbound-gateway-branch", "outbound-gateway-host", "bouncer"]
PATIENCE_MS, REPLACED_S, READY_S = 1500, 75, 60 # the master looks at one worker a second


def process_of(master_pid, instance):
    """The process of a worker of that master; None where there is none. One per connector is known by its arguments."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % pid) as f:
                parent = int(f.read().rsplit(")", 1)[1].split()[1])
            with open("/proc/%s/cmdline" % pid, "rb") as f:
                argv = f.read().decode().split("\0")
        except OSError:
            continue
        if parent != master_pid:
            continue
        name = os.path.basename(argv[0])
        if "--connector" in argv:
            name += "-" + argv[argv.index("--connector") + 1]
        if name == "viaduct-" + instance:
            return int(pid)
    return None


def wait_for(condition, seconds):
    end = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < end:
        time.sleep(0.02)
    return found


class Hanging(routes.Whole):
    """The whole system, one of whose workers is stopped."""

    name = "hanging"

    def stop_one(self, instance, at_work):
        """Returns what is wrong, in words."""
        run = Run(self.spool, master(self.spool, "--foreground"))
        started = "by=%s say=\"started (" % re.sub(r"(gateway)-", r"\1/", instance)
        if not wait_for(lambda: started in self.spool.say_log(10000), READY_S):
            return self.over(run, ["the system does not start"])
        pid = process_of(run.process.pid, instance)
        if pid is None:
            return self.over(run, ["there is no " + instance])
        if not at_work:
            os.kill(pid, signal.SIGSTOP)
        self.drop("h1")
        self.send(run.running)
        if at_work:
            os.kill(pid, signal.SIGSTOP)
        wrong = []
        if not wait_for(lambda: "%s hangs" % instance in self.spool.say_log(10000), REPLACED_S):
            wrong.append("%s stands still, and nobody replaces it" % instance)
        while run.running() and len(self.acked) < len(self.items) and not wrong:
            self.send(run.running)
        if not wrong and (left := self.wait_for_end(REPLACED_S)):
            wrong.append("does not come right by itself: %s" % left)
        return self.over(run, wrong)

    @staticmethod
    def over(run, wrong):
        run.term()
        run.wait(40)
        return wrong

    def drop(self, token):
        self.items.append(routes.Item(token, ["bob@branch.example"]))
        self.acked.add(token)
        text = b"X-Sender: anna@contoso.example\nX-Receiver: bob@branch.example\n" + routes.body_of(token)
        hidden = os.path.join(self.spool.folder("DROP"), "." + token)
        with open(hidden, "wb") as f:
            f.write(text)
        os.rename(hidden, hidden.replace("." + token, token))

    def hang_at(self, fault):
        """A call that never returns; what is wrong where its worker had to be replaced."""
        run = Run(self.spool, master(self.spool, "--foreground"), fault, None, 3 * REPLACED_S)
        self.send(run.running)
        stuck = self.wait_for_end(REPLACED_S if self.hangs() else 1)
        os.kill(run.process.pid, signal.SIGALRM) # crashpoint's own end: all are killed
        run.wait(20)
        starting = fault.call == "mkdirat" # a worker that is not ready yet has no pulse that the master could miss
        if stuck and fault.hit and fault.main and fault.by != "viaduct-master" and not starting:
            return ["does not come right by itself: %s" % stuck]
        return []

    def hangs(self):
        """Whether a main thread may stand in the call: told by the log, before crashpoint tells."""
        return wait_for(lambda: " hangs: " in self.spool.say_log(10000), REPLACED_S / 2)


routes.ROUTES[Hanging.name] = Hanging


def try_one(task):
    instance, at_work, n = task
    route = sweep.route_of(Hanging.name)
    route.prepare()
    oracle, fault = Oracle(route.spool), Fault("hang", n)
    if n > 0:
        wrong, what = route.hang_at(fault), str(fault)
        if fault.by != "viaduct-outbound-gateway": # which has been replaced since
            oracle.look()
    else:
        wrong, what = route.stop_one(instance, at_work), "%s stopped %s" % (instance, "at work" if at_work else "before")
        fault.hit, fault.by = True, "viaduct-outbound-gateway" if instance.startswith("outbound") else instance
    if not fault.hit:
        return sweep.Point()
    route.recover()
    wrong += oracle.check(route.items, route.acked, fault)
    return sweep.Point(True, wrong, oracle.duplicates, 0, sweep.story_of(route, what, wrong) if wrong else "")


class Hangs(sweep.Sum):
    """What came of a kind of hanging."""

    def say(self):
        ok(not self.wrong and self.points > 0, "%s, %d times: it comes right by itself, nothing lost, nothing twice" % (
            self.name, self.points))
        for point in self.wrong[:4]:
            print("#   %s | %s" % (point.story.splitlines()[0], "; ".join(point.wrong)[:800]))
        print("#   %d times, %d wrong, %d duplicates that SMTP knows no way around, %.1f s" % (
            self.points, len(self.wrong), self.duplicates, time.monotonic() - self.begun), flush=True)


def hang(workers, calls, jobs=0, folder=None):
    """Each worker stopped, idle and at work; and so many hanging calls. Returns Hangs for both."""
    os.environ["VIADUCT_HANG_MS"] = str(PATIENCE_MS)
    groups = [("a worker stands still", [(w, at_work, 0) for w in workers for at_work in (False, True)])]
    if calls:
        groups.append(("a call never returns", [("", False, 3 + i * 270 // calls) for i in range(calls)]))
    sums = []
    with sweep.Folder(), sweep.Pool(jobs or 8) as pool:
        found = pool.map(try_one, [task for _, tasks in groups for task in tasks])
        for name, tasks in groups:
            total = Hangs(name, "hang")
            for _ in tasks:
                total.add(next(found))
            total.say()
            if folder:
                sweep.keep(folder, total)
            sums.append(total)
    return sums


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--worker", action="append")
    parser.add_argument("--calls", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=0)
    parser.add_argument("--keep")
    a = parser.parse_args()
    hang(a.worker or WORKERS, a.calls, a.jobs, a.keep)
    done()


if __name__ == "__main__":
    main()
