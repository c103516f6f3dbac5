"""Real programs by another wall clock: t/clock.so is loaded into each of them, and adds a number of seconds that the test sets."""
import os
import shutil
import struct

from rig import BUILD, private_folder, skip_all

SCRIPT = """#!/bin/sh
VIADUCT_TEST_CLOCK=%s/clock LD_PRELOAD=%s/clock.so exec %s/real/$(basename "$0") "$@"
"""

with open(os.path.join(BUILD, "viaduct-router"), "rb") as f:
    if b"__asan_init" in f.read():
        skip_all("nothing is loaded before the sanitizers' own library")


def set_clock(seconds):
    """What is added to the true time from now on."""
    with open(os.path.join(folder, "clock"), "r+b") as f:
        f.write(struct.pack("q", seconds))


def programs():
    """Every worker with the clock that is not the true one; the master gets it by its environment."""
    path = private_folder()
    os.mkdir(os.path.join(path, "real"), 0o755)
    shutil.copy(os.path.join(BUILD, "t", "clock.so"), path)
    with open(os.path.join(path, "clock"), "wb") as f:
        f.write(bytes(8))
    os.chmod(os.path.join(path, "clock"), 0o644)
    for name in os.listdir(BUILD):
        at = os.path.join(BUILD, name)
        if not (name == "viaduct" or name.startswith("viaduct-")) or not os.path.isfile(at) or not os.access(at, os.X_OK):
            continue
        if name in ("viaduct", "viaduct-master"):
            shutil.copy(at, path)
            continue
        shutil.copy(at, os.path.join(path, "real"))
        with open(os.path.join(path, name), "w") as f:
            f.write(SCRIPT % (path, path, path))
        os.chmod(os.path.join(path, name), 0o755)
    return path


folder = programs()
ENV = {"VIADUCT_TEST_CLOCK": folder + "/clock", "LD_PRELOAD": folder + "/clock.so"}
