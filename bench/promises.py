#!/usr/bin/python3
"""promises.py - the rigs of t/PROMISES.md against Postfix, and the same against viaduct (root; a Postfix that is installed)

    promises.py [--system viaduct|postfix]... [--part PART]... [--messages N] [--longest N] [--step N]
                [--seed N]

    PART        kills    one message, and a SIGKILL at each call of its road that changes the spool (t/crash/crashpoint must be built)
                soak     messages by SMTP while processes and the master are killed: what is lost, what comes twice
                unknown  10,000 unknown recipients in one session (of Postfix; of viaduct it is t/loops.t)
                ends     every string of CR, LF, dot and NUL, up to --longest octets, behind a text: what ends a message?
                syncs    how often a message makes a disk write: fsync, fdatasync and their like, counted by strace

Nothing is asserted: what was seen is printed, with the day and the machine. One huge message and its memory are `make bench`'s.
Postfix is set to retry at once, where it would wait for minutes, so that a soak ends; nothing of its safety is touched.
"""
import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import explore
import measure
import soak
from ends import RawSink, ends, reply
from machine import FileSystem, describe
from peers import source, until
from systems import POSTFIX_LIBRARIES, Postfix, Viaduct, end_hard, have_postfix
from crashrig import Sink  # of t/crash, which soak has put on the path

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("VIADUCT_BUILD") or os.path.dirname(HERE)
SYNCS = "fsync,fdatasync,sync_file_range,sync,syncfs,msync"
UNKNOWN, COUNTED = 10000, 500
QUICK = "minimal_backoff_time = 1s\nmaximal_backoff_time = 2s\nqueue_run_delay = 1s\ntransport_retry_time = 1s\nservice_throttle_time = 1s\n"
KNOWN = ("relay_domains = branch.example\nrelay_recipient_maps = inline:{bob@branch.example=x}\n"
         "smtpd_hard_error_limit = 20000\nsmtpd_error_sleep_time = 0\n")
STRICT = "smtpd_forbid_bare_newline = yes\nsmtpd_forbid_bare_newline_exclusions =\n"


def say(text):
    print(text, flush=True)


def refuse_nobody(verb, rcpt, token):
    return "550 5.1.1 no such user" if verb == "RCPT" and rcpt.startswith("nobody") else None


# ---- the systems, as a soak wants them ----


class KilledViaduct(Viaduct):
    name = "viaduct"

    def __init__(self, top, sink_port, more=""):
        super().__init__(BUILD, top, sink_port, more="reports {{ rate = 0 }}\n")
        with open(self.conf) as f:
            text = f.read()
        with open(self.conf, "w") as f:
            f.write(text.replace('limits { message = "2G" }', "retry { first = 1s max = 1s factor = 100 warn = 0 }"))

    def alive(self):
        return self.process.poll() is None

    def holds(self, token):
        return files_with(os.path.join(self.top, "spool"), "X-Token: %s\r\n" % token) + files_with(
            os.path.join(self.top, "spool"), "X-Token: %s\n" % token)

    def foreground(self):
        spool = os.path.join(self.top, "spool")
        return [os.path.join(BUILD, "viaduct-master"), "-c", self.conf, "--foreground"], spool, [os.path.join(spool, n) for n in (
            "state", "counters")]

    def restart(self):
        self.log.close()
        self.start()


class KilledPostfix(Postfix):
    name = "postfix"

    def __init__(self, top, sink_port, more=""):
        super().__init__(top, sink_port)
        with open(os.path.join(self.conf, "main.cf"), "a") as f:
            f.write(QUICK + more)

    def holds(self, token):
        """Records of a queue file have no line ends: the token's record ends where the next begins."""
        return files_with(os.path.join(self.top, "queue"), "X-Token: %sN" % token)

    def alive(self):
        try:
            return measure.command_of(self.pid()) != ""
        except (OSError, ValueError):
            return False

    def foreground(self):
        queue = os.path.join(self.top, "queue")
        return [POSTFIX_LIBRARIES + "/master", "-c", self.conf, "-d"], queue, [os.path.join(queue, n) for n in ("pid", "private", "public")]

    def restart(self):
        """As soon as what is left of the old one has let go of its lock."""
        def started():
            try:
                self.start()
                return True
            except subprocess.CalledProcessError:
                return False
        until(started, "Postfix starts again", 90)


SYSTEMS = {"viaduct": KilledViaduct, "postfix": KilledPostfix}


versions = set()


class Running:
    """A system with a folder of its own, for one part."""

    def __init__(self, name, top, sink_port, more=""):
        self.top = tempfile.mkdtemp(dir=top)
        os.chmod(self.top, 0o755)
        self.system = SYSTEMS[name](self.top, sink_port, more)

    def __enter__(self):
        self.system.start()
        versions.add(self.system.version())
        return self.system

    def __exit__(self, *_):
        if self.system.alive():
            try:
                self.system.stop()
            except (OSError, subprocess.SubprocessError):
                end_hard(self.system)
        shutil.rmtree(self.top, ignore_errors=True)


def files_with(folder, text):
    """Files below it, state left out, that hold a text."""
    found = []
    for at, _, names in os.walk(folder):
        for path in (os.path.join(at, name) for name in names):
            try:
                with open(path, "rb") as f:
                    found += [os.path.relpath(path, folder)] if text.encode() in f.read() else []
            except OSError:
                pass  # a socket, or gone meanwhile
    return found


# ---- the parts ----


def part_kills(name, top, a):
    for mode in explore.MODES:
        sink = Sink()
        with Running(name, top, sink.port) as system:
            system.stop()
            r = explore.explore(BUILD, system, sink, top, mode, a.step)
            say("%-8s %s: %d calls, %d points, %d times answered with 250; lost %d, came twice %d" % (
                name, r.mode, r.calls, r.points, r.owed, r.lost, r.duplicates))
        sink.close()


def part_soak(name, top, a):
    sink = Sink(refuse_nobody)
    with Running(name, top, sink.port) as system:
        r = soak.soak(system, sink, a.messages, a.seed)
        say("%-8s soak: %d answered with 250; %d kills, %d of them of the master; lost %d, came twice %d; %.0f s" % (
            name, r.owed, r.kills, r.masters, len(r.lost), r.duplicates, r.seconds))
        say("         what is lost: %s; what came and was never sent: %s" % (r.lost or "-", r.unknown or "-"))
        for token, _ in r.lost:
            say("         %s lies in: %s" % (token, system.holds(token) or "nothing"))
    sink.close()


def part_unknown(name, top, a):
    if name != "postfix":
        return
    sink = Sink()
    with Running(name, top, sink.port, KNOWN) as system, socket.create_connection(("127.0.0.1", system.port), 120) as s:
        lines, begun = s.makefile("rb"), time.monotonic()
        reply(lines)
        for line in (b"EHLO client.contoso.example", b"MAIL FROM:<anna@contoso.example>"):
            s.sendall(line + b"\r\n")
            reply(lines)
        codes = {}
        for i in range(UNKNOWN):
            s.sendall(b"RCPT TO:<nobody%d@branch.example>\r\n" % i)
            code = lines.readline()[:9].decode("latin-1")
            codes[code] = codes.get(code, 0) + 1
        took = time.monotonic() - begun
        time.sleep(3)
        say("%-8s unknown: %d recipients, answers %s, %d reports, %.1f s" % (name, UNKNOWN, codes, sum(sink.copy().values()), took))
    sink.close()


def part_ends(name, top, a):
    settings = [("as it comes", "")] + ([("smtpd_forbid_bare_newline = yes", STRICT)] if name == "postfix" else [])
    for words, more in settings:
        sink = RawSink()
        with Running(name, top, sink.port, more) as system:
            r = ends(system, sink, a.longest, lambda: (until(system.is_empty, "it is empty", 120), time.sleep(0.5)))
        say("%-8s ends, %s: %d strings, %d messages taken, %d refused, %d smuggled; towards the next server %d with bare CR or LF, "
            "%d with an unstuffed dot behind one" % (name, words, r.strings, r.taken, r.refused, r.smuggled, r.bare, r.undotted))
        sink.close()


def part_syncs(name, top, a):
    sink, log = Sink(), os.path.join(top, "syncs")
    with Running(name, top, sink.port) as system:
        def pass_on(n):
            before = sum(sink.copy().values())
            source(system.port, n, 4096, sessions=4).wait(120)
            until(lambda: sum(sink.copy().values()) - before >= n and system.is_empty(), "they arrive", 60)
        pass_on(50)
        who = [word for pid in measure.tree(system.pid()) for word in ("-p", str(pid))]
        tracer = subprocess.Popen(["strace", "-f", "-qq", "-e", "trace=" + SYNCS, "-o", log] + who, stderr=subprocess.DEVNULL)
        time.sleep(1)
        pass_on(COUNTED)
        time.sleep(0.5)
        tracer.send_signal(signal.SIGINT)
        tracer.wait(20)
        with open(log) as f:
            calls = [line.split()[1].split("(")[0] for line in f if "(" in line and "resumed" not in line]
        each = {c: calls.count(c) for c in sorted(set(calls)) if c in SYNCS.split(",")}
        say("%-8s syncs: %d messages of 4 KiB, %s, %.2f a message" % (name, COUNTED, each, sum(each.values()) / COUNTED))
    sink.close()


PARTS = {"kills": part_kills, "soak": part_soak, "unknown": part_unknown, "ends": part_ends, "syncs": part_syncs}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--system", action="append", choices=SYSTEMS)
    parser.add_argument("--part", action="append", choices=PARTS)
    parser.add_argument("--messages", type=int, default=5000)
    parser.add_argument("--longest", type=int, default=5)
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    a = parser.parse_args()
    if not have_postfix() or shutil.which("strace") is None:
        sys.exit("promises: root, Postfix and strace are needed")
    os.umask(0o022)
    with FileSystem(os.environ.get("BENCH_FS")) as fs:
        for part in a.part or PARTS:
            for name in a.system or SYSTEMS:
                PARTS[part](name, fs.top, a)
        say("\n".join(describe(fs, sorted(versions), 1).splitlines()[:4]))


if __name__ == "__main__":
    main()
