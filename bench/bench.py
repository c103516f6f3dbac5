#!/usr/bin/python3
"""bench.py - viaduct beside Postfix, in one run on one machine: smtp-source -> the system -> smtp-sink.

Runs are made in pairs, one of each system after the other, and medians are taken; one system runs at a time. From the
environment:

    VIADUCT_BUILD   the build folder
    BENCH_PARTS     of: single keep recipients 64k 1m deferred huge poison convert directory book scale    (all)
    BENCH_PAIRS     pairs of runs                                            (3)
    BENCH_MESSAGES  messages of one run of 4 KiB                             (10000)
    BENCH_DEFERRED  deferred messages                                        (100000)
    BENCH_BOOK      addresses in the book                                    (1000000)
    BENCH_SCALE     lengths of the queue for the curve                       (1000 10000 100000 1000000)
    BENCH_HUGE      size of the huge message in MiB                          (1024)
    BENCH_FS        a folder whose file system is taken; else, as root, a journaled ext4 is made in a file and mounted
    BENCH_ONLY      viaduct or postfix: the other is left out, for profiling
    BENCH_RESULTS   not empty: bench/RESULTS.md is written
"""
import os
import shutil
import statistics
import subprocess
import sys
import time

import book
import convert
import directory
import measure
import poison
import scale
from machine import FileSystem, describe
from peers import Refused, Sink, send_huge, source, until
from systems import Postfix, Viaduct, end_hard, have_postfix

HERE = os.path.dirname(os.path.abspath(__file__))
ENV = os.environ
BUILD = ENV.get("VIADUCT_BUILD") or os.path.dirname(HERE)
PAIRS = int(ENV.get("BENCH_PAIRS", "3"))
MESSAGES = int(ENV.get("BENCH_MESSAGES", "10000"))
DEFERRED = int(ENV.get("BENCH_DEFERRED", "100000"))
HUGE = int(ENV.get("BENCH_HUGE", "1024")) << 20
SCALE = [int(n) for n in ENV.get("BENCH_SCALE", "1000 10000 100000 1000000").split()]
WARM_UP, RUN_S = 1000, 300
# part: (what it is, messages, size, recipients, connections kept)
LOADS = {
    "single": ("4 KiB, one message a session", MESSAGES, 4096, 1, False),
    "keep": ("4 KiB, sessions kept open", MESSAGES, 4096, 1, True),
    "recipients": ("4 KiB, 10 recipients", MESSAGES // 4, 4096, 10, True),
    "64k": ("64 KiB", MESSAGES // 4, 65536, 1, True),
    "1m": ("1 MiB", MESSAGES // 25, 1 << 20, 1, True),
}
PARTS = (ENV.get("BENCH_PARTS") or " ".join(LOADS) + " deferred huge poison convert directory book scale").split()
MB = 1024.0 * 1024


def say(text):
    print(text, flush=True)


# ---- one run ----


class Bench:
    def __init__(self, top):
        self.top, self.sink = top, Sink(top)
        only = ENV.get("BENCH_ONLY")
        self.systems = [] if only == "postfix" else [Viaduct(BUILD, top, self.sink.port)]
        if only != "viaduct" and have_postfix():
            self.systems.append(Postfix(top, self.sink.port))
        elif only != "viaduct":
            say("Postfix is left out: it takes root, and a Postfix that is installed")

    def send(self, system, messages, size, recipients, keep, watch=None):
        """Seconds from the start until the sink has counted all, CPU seconds of the system until its queue is empty too."""
        before, cpu, start = self.sink.count(), measure.cpu_s(system.pid()), time.monotonic()
        client = source(system.port, messages, size, recipients=recipients, keep=keep)
        try:
            until(lambda: self.sink.count() - before >= messages or (watch and watch()),
                  "%s passes on %d messages" % (system.name, messages), RUN_S)
            took = time.monotonic() - start
            if client.wait(60) != 0:
                raise RuntimeError("smtp-source failed at " + system.name)
        finally:
            client.kill()
            client.wait()
        until(system.is_empty, system.name + " is empty", 60)
        time.sleep(0.2)
        return took, measure.cpu_s(system.pid()) - cpu

    def with_system(self, system, work):
        system.start()
        try:
            return work(system)
        finally:
            system.stop()

    def load_run(self, system, load):
        _, messages, size, recipients, keep = load
        if system.name == "Postfix":
            system.keep_connections(keep)

        def work(system):
            self.send(system, max(20, min(WARM_UP, messages // 4)), size, recipients, keep)
            return self.send(system, messages, size, recipients, keep)
        took, cpu = self.with_system(system, work)
        return messages / took, 1000 * cpu / messages

    # ---- the parts ----

    def load(self, part):
        """One line of the table of speed."""
        load, got = LOADS[part], {s.name: [] for s in self.systems}
        for pair in range(PAIRS):
            for system in self.systems if pair % 2 == 0 else reversed(self.systems):
                got[system.name].append(self.load_run(system, load))
                say("  %-10s %-8s %7.0f messages/s %7.3f ms CPU" % ((part, system.name) + got[system.name][-1]))
        rates = {n: statistics.median(r for r, _ in runs) for n, runs in got.items()}
        costs = {n: statistics.median(c for _, c in runs) for n, runs in got.items()}
        return [load[0] + " (%d)" % load[1]] + pair_cells(rates, "%.0f", "%.2fx") + pair_cells(costs, "%.3f", "%.0f %%", 100)

    def memory(self):
        """PSS at rest, freshly started, and under load: the most of what was seen every few milliseconds."""
        rest, most = {}, {}

        def work(system):
            time.sleep(1)
            rest[system.name], seen = measure.pss_bytes(system.pid()) / MB, []

            def watch():
                time.sleep(0.1)
                seen.append(measure.pss_bytes(system.pid()) / MB)
            self.send(system, MESSAGES // 2, 4096, 1, True, watch)
            most[system.name] = max(seen)
        for system in self.systems:
            self.with_system(system, work)
        return [["PSS at rest, MiB"] + pair_cells(rest, "%.1f", "%.0f %%", 100),
                ["PSS under load (most), MiB"] + pair_cells(most, "%.1f", "%.0f %%", 100)]

    def deferred(self):
        """A queue of deferred messages: its shape, new mail beside it, the first delivery after a start."""
        shape, beside, empty, first = {}, {}, {}, {}
        messages = MESSAGES // 2
        for system in self.systems:
            name = system.name
            if name == "Postfix":
                system.keep_connections(True)

            def run(system):
                self.send(system, WARM_UP, 4096, 1, True)
                return statistics.median(messages / self.send(system, messages, 4096, 1, True)[0] for _ in range(PAIRS))
            empty[name] = self.with_system(system, run)
            system.fill(DEFERRED, 3600)
            shape[name] = min(self.timed(system.shape()) for _ in range(2))
            beside[name] = self.with_system(system, run)
            system.clear()
            system.fill(DEFERRED, -60)
            before, start = self.sink.count(), time.monotonic()
            system.start()
            try:
                until(lambda: self.sink.count() > before, name + " delivers a deferred message", 120)
                first[name] = time.monotonic() - start
            finally:
                system.stop()
            system.clear()
            say("  deferred   %-8s shape %.3f s, new mail %.0f/s (empty %.0f/s), first delivery %.2f s" % (
                name, shape[name], beside[name], empty[name], first[name]))
        return [["shape of %d deferred messages, s" % DEFERRED] + pair_cells(shape, "%.3f", "%.1f %%", 100),
                ["first delivery after start, s"] + pair_cells(first, "%.2f", "%.0f %%", 100),
                ["new mail, empty queue, messages/s"] + pair_cells(empty, "%.0f", "%.2fx"),
                ["new mail beside it, messages/s"] + pair_cells(beside, "%.0f", "%.2fx")]

    @staticmethod
    def timed(argv):
        start = time.monotonic()
        subprocess.run(argv, stdout=subprocess.DEVNULL, check=True, env=dict(ENV, PATH=ENV["PATH"] + ":/usr/sbin"))
        return time.monotonic() - start

    def huge(self):
        """One huge message; how far each worker's memory ever went."""
        def work(system):
            before, start = self.sink.count(), time.monotonic()
            send_huge(system.port, HUGE)
            until(lambda: self.sink.count() > before, "the huge message arrives", RUN_S)
            took = time.monotonic() - start
            until(system.is_empty, system.name + " is empty", 60)
            return took, measure.peaks_bytes(system.pid())
        rows = []
        for system in self.systems:
            if system.name == "Postfix":
                system.keep_connections(False)
            try:
                took, peaks = self.with_system(system, work)
            except (Refused, TimeoutError) as e:
                rows.append([system.name, "failed: %s" % e, ""])
                continue
            say("  huge       %-8s %.1f s" % (system.name, took))
            rows += [[system.name, "message of %d MiB, end to end" % (HUGE >> 20), "%.1f s" % took]]
            rows += [[system.name, name + ", peak RSS", "%.1f MiB" % (size / MB)] for name, size in sorted(peaks.items())]
        return rows

    def scale(self):
        """How viaduct bears a long queue; Postfix would take hours."""
        rows = []
        for viaduct in self.systems[:1]:
            self.with_system(viaduct, lambda system: self.send(system, WARM_UP, 4096, 1, True))
            for n in SCALE:
                rows.append(scale.row(self, viaduct, n, MESSAGES))
                say("  scale      " + "  ".join(rows[-1]))
        return rows


# ---- tables ----


def pair_cells(values, form, ratio_form, factor=1):
    """viaduct, Postfix, and viaduct's share of Postfix's."""
    mine, theirs = values.get("viaduct"), values.get("Postfix")
    cells = [form % v if v is not None else "-" for v in (mine, theirs)]
    return cells + [ratio_form % (factor * mine / theirs) if mine is not None and theirs else "-"]


def table(head, rows):
    rows = [head] + rows
    wide = [max(len(r[i]) for r in rows) for i in range(len(head))]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(r, wide)) + " |" for r in rows]
    return "\n".join([lines[0], "| " + " | ".join("-" * w for w in wide) + " |"] + lines[1:])


def run_parts(bench):
    out = []
    speed = [bench.load(part) for part in PARTS if part in LOADS]
    if speed:
        out.append(table(["load (messages)", "viaduct msg/s", "Postfix msg/s", "ratio", "viaduct CPU ms", "Postfix CPU ms", "share"],
                         speed))
    rows = bench.memory() if {"single", "keep"} & set(PARTS) else []
    rows += bench.deferred() if "deferred" in PARTS else []
    if rows:
        out.append(table(["", "viaduct", "Postfix", "ratio"], rows))
    if "huge" in PARTS:
        out.append(table(["system", "what", "value"], bench.huge()))
    if "poison" in PARTS:
        out.append(table(poison.HEAD, [poison.row(bench, BUILD, bench.top, MESSAGES, PAIRS)]))
    if "convert" in PARTS:
        out.append(table(convert.HEAD, convert.rows(BUILD, os.path.join(bench.top, "convert"), say)))
    if "directory" in PARTS:
        out.append(table(directory.HEAD, directory.rows(BUILD, os.path.join(bench.top, "directory"), say)))
    if "book" in PARTS:
        out.append(table(book.head(), book.rows(BUILD, os.path.join(bench.top, "book"), say)))
    if "scale" in PARTS:
        out.append(table(scale.HEAD, bench.scale()))
    return out


def main():
    os.umask(0o022)
    unknown = set(PARTS) - set(LOADS) - {"deferred", "huge", "poison", "convert", "directory", "book", "scale"}
    if unknown:
        sys.exit("bench: no such part: " + " ".join(sorted(unknown)))
    if shutil.which("smtp-source", path=ENV["PATH"] + ":/usr/sbin") is None:
        sys.exit("bench: smtp-source and smtp-sink are needed (Debian: postfix)")
    start = time.monotonic()
    with FileSystem(ENV.get("BENCH_FS")) as fs:
        bench = Bench(fs.top)
        try:
            tables = run_parts(bench)
            told = describe(fs, [s.version() for s in bench.systems], PAIRS)
        finally:
            for system in bench.systems:
                end_hard(system)
            bench.sink.close()
    text = "# Measured\n\n%s\n\n%s\n" % (told, "\n\n".join(tables))
    say("\n" + text)
    say("%d s in all" % (time.monotonic() - start))
    if ENV.get("BENCH_RESULTS"):
        with open(os.path.join(HERE, "RESULTS.md"), "w") as f:
            f.write("<!-- written by make bench RESULTS=1 -->\n" + text)


if __name__ == "__main__":
    main()
