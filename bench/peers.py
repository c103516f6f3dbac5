"""peers.py - both ends of a run: smtp-source, smtp-sink, whose count of messages says when all has come, and a source of one huge
message."""
import os
import re
import socket
import subprocess
import time

PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
ENV = dict(os.environ, PATH=PATH)
POLL_S = 0.005


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def listens(port):
    with socket.socket() as s:
        s.settimeout(1)
        return s.connect_ex(("127.0.0.1", port)) == 0


def until(condition, what, seconds):
    """Looks until the condition holds; its value. Raises where it does not in that time."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError("not within %d s: %s" % (seconds, what))
        time.sleep(POLL_S)


class Sink:
    """smtp-sink; its running counter goes to a file of which only the end is read."""

    def __init__(self, top):
        self.port, self.path = free_port(), os.path.join(top, "sink")
        self.out = open(self.path, "wb")
        argv = ["smtp-sink", "-4", "-c", "-m", "1000"] + (["-u", "nobody"] if os.geteuid() == 0 else [])
        self.process = subprocess.Popen(argv + ["127.0.0.1:%d" % self.port, "1000"], stdout=self.out, stdin=subprocess.DEVNULL, env=ENV)
        until(lambda: listens(self.port), "smtp-sink listens", 10)

    def count(self):
        size = os.stat(self.path).st_size
        with open(self.path, "rb") as f:
            f.seek(max(0, size - 200))
            found = re.findall(rb"mesg=(\d+)", f.read())
        return int(found[-1]) if found else 0

    def close(self):
        self.process.terminate()
        self.process.wait(10)
        self.out.close()


def source(port, messages, size, sessions=20, recipients=1, keep=False):
    """Starts smtp-source."""
    argv = ["smtp-source", "-4", "-s", str(sessions), "-m", str(messages), "-l", str(size), "-r", str(recipients), "-C", "5", "-f",
            "anna@contoso.example", "-t", "bob@branch.example", "-M", "client.contoso.example"]
    argv += (["-d"] if keep else []) + ["127.0.0.1:%d" % port]
    return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=ENV)


class Refused(Exception):
    pass


def send_huge(port, size, recipients=("bob@branch.example",)):
    """One message of `size` bytes, made as it is sent."""
    with socket.create_connection(("127.0.0.1", port), 600) as s:
        answers = s.makefile("rb")

        def want(code):
            line = answers.readline()
            while line[3:4] == b"-":
                line = answers.readline()
            if not line.startswith(code):
                raise Refused(line.decode("utf-8", "replace").strip())

        def say(line, code):
            s.sendall(line + b"\r\n")
            want(code)

        want(b"220")
        say(b"EHLO client.contoso.example", b"250")
        say(b"MAIL FROM:<anna@contoso.example> SIZE=%d" % size, b"250")
        for recipient in recipients:
            say(b"RCPT TO:<%s>" % recipient.encode(), b"250")
        say(b"DATA", b"354")
        s.sendall(b"From: <anna@contoso.example>\r\nTo: <bob@branch.example>\r\nSubject: huge\r\n\r\n")
        block = (b"0123456789abcdef" * 4 + b"0123456789\r\n") * 13797
        for _ in range(size // len(block)):
            s.sendall(block)
        say(b".", b"250")
        say(b"QUIT", b"221")
