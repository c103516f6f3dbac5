"""measure.py - what a system costs: CPU time, proportional and peak memory of a tree of processes, from /proc."""
import os
import re

TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")


def _stat(pid):
    """Fields of /proc/PID/stat behind the name, from the state on; None where the process has gone."""
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def tree(top):
    """The process and all that descend from it, zombies left out."""
    children = {}
    for name in os.listdir("/proc"):
        fields = _stat(int(name)) if name.isdigit() else None
        if fields and fields[0] != "Z":
            children.setdefault(int(fields[1]), []).append(int(name))
    found, new = [], [top]
    while new:
        pid = new.pop()
        found.append(pid)
        new += children.get(pid, [])
    return found


def cpu_s(top):
    """User and system time of the tree, those included that ended and were waited for (as Postfix's smtpd are)."""
    ticks = 0
    for pid in tree(top):
        fields = _stat(pid)
        if fields:
            ticks += sum(int(f) for f in fields[11:15])
    return ticks * TICK_S


def pss_bytes(top):
    """Memory of the tree, where each shared page counts in parts."""
    total = 0
    for pid in tree(top):
        try:
            with open("/proc/%d/smaps_rollup" % pid) as f:
                total += 1024 * int(re.search(r"^Pss:\s+(\d+)", f.read(), re.M).group(1))
        except (FileNotFoundError, ProcessLookupError, PermissionError, AttributeError):
            pass
    return total


def command_of(pid):
    """What a process is: the program's name, and the connector it works for."""
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as f:
            words = f.read().decode("utf-8", "replace").split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return ""
    name = os.path.basename(words[0])
    return name + ("/" + words[words.index("--connector") + 1] if "--connector" in words else "")


def peaks_bytes(top):
    """The most memory each process of the tree has ever had resident, by its name."""
    found = {}
    for pid in tree(top):
        try:
            with open("/proc/%d/status" % pid) as f:
                mark = re.search(r"^VmHWM:\s+(\d+)", f.read(), re.M)
        except (FileNotFoundError, ProcessLookupError):
            continue
        if mark:
            name = command_of(pid)
            found[name] = max(found.get(name, 0), 1024 * int(mark.group(1)))
    return found
