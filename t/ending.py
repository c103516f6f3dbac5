"""What a test started ends with it, in whatever way that ends: through, by an exception in the middle, or told to by its runner.

Whoever starts a program that runs on does it by start_process().
"""
import atexit
import os
import signal
import subprocess
import sys

started, owner = [], os.getpid()


def start_process(argv, **more):
    process = subprocess.Popen(argv, **more)
    started.append(process)
    return process


def end_process(process, seconds=10):
    """Asks, then makes it; returns its status."""
    if process.poll() is None:
        process.terminate()
        process.send_signal(signal.SIGCONT)  # one that stands still hears nothing
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(seconds)
    return process.returncode


@atexit.register
def end_started():
    while started and os.getpid() == owner:
        end_process(started.pop())


def on_term(number, _):
    """The runner's time limit: without this nothing that is registered to be done at the end would be done."""
    if os.getpid() == owner:
        sys.exit(128 + number)
    signal.signal(number, signal.SIG_DFL)  # a child that this process forked
    os.kill(os.getpid(), number)


signal.signal(signal.SIGTERM, on_term)
