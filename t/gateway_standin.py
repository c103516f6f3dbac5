#!/usr/bin/python3
"""A GroupWise API gateway that can be killed at any moment: gateway_standin.py ROOT LEDGER

It takes what lies in API_IN and writes what LEDGER/supply asks for into API_OUT, as t/gateway.py does, and notes each step in
LEDGER/took and LEDGER/sent, so that the next one goes on where this one was killed, as gateways do:

    took    TOKEN NAME MSG-ID       before the files are removed: the same three twice are one message, taken again by us
    sent    begin TOKEN BASE        before the first file
            whole TOKEN BASE        when the header is written; a begun one whose header is not there any more may have
                                    been taken, so it is not written again: `lost TOKEN BASE` says that it is not known
"""
import fcntl
import os
import re
import sys
import time

ROOT, LEDGER = sys.argv[1:3]


def path(*names):
    return os.path.join(ROOT, *names)


def note(name, *words):
    with open(os.path.join(LEDGER, name), "a") as f:
        f.write(" ".join(words) + "\n")


def lines(name):
    try:
        with open(os.path.join(LEDGER, name)) as f:
            return [line.split() for line in f if line.endswith("\n")]
    except FileNotFoundError:
        return []


def remove(*names):
    try:
        os.unlink(path(*names))
    except FileNotFoundError:
        pass


def take(name):
    with open(path("API_IN", name), "rb") as f:
        text = f.read().decode("cp437")
    if "-END-" not in text:
        return
    files = [m.strip() for m in re.findall(r"(?i)\b(?:Msg-File|Current-File)\s*=\s*([^;]*);", text)]
    msg_id = re.search(r"(?i)\bMsg-Id\s*=\s*([^;]*);", text).group(1).strip()
    try:
        with open(path("ATT_IN", files[0]), "rb") as f:
            token = re.search(rb"tok-\w+", f.read()).group(0).decode()
    except FileNotFoundError:
        token = next(t for t, n, i in lines("took") if n == name and i == msg_id) # we were killed between the two removals
    note("took", token, name, msg_id)
    for part in files:
        remove("ATT_IN", part)
    remove("API_IN", name)


def header(token, base):
    group = "\r\n    WPD= %s; \r\n    WPPO= %s; \r\n    WPU= %s; ; \r\n"
    return ("WPC-API= 1.2; \r\nHeader-Char= T50; \r\nMsg-Type= Mail; \r\nFrom= " + group % ("Harbour", "Quay", "lnowak")
            + "To= " + group % ("Exchange", "HQ", "anna") + "Subject= %s; \r\nMsg-Id= %s.0001.000B.000; \r\n" % (token, base.upper())
            + "Msg-Char= T50; \r\nMsg-File= %s.bdy; \r\n-END-\r\n" % base)


def send(token, base):
    note("sent", "begin", token, base)
    with open(path("ATT_OUT", base + ".bdy"), "wb") as f:
        f.write(b"from there: %s\r\n" % token.encode())
    with open(path("API_OUT", base.upper() + ".API"), "wb") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        text = header(token, base).encode("cp437")
        f.write(text[:60])
        f.flush()
        f.write(text[60:])
        f.flush()
        note("sent", "whole", token, base)


def go_on():
    """What was begun and is not known to be whole."""
    known = lines("sent")
    whole = {(t, b) for what, t, b in known if what != "begin"}
    for what, token, base in known:
        if what != "begin" or (token, base) in whole:
            continue
        name = path("API_OUT", base.upper() + ".API")
        try:
            with open(name, "rb") as f:
                finished = b"-END-" in f.read()
        except FileNotFoundError:
            finished = None
        if finished is None:
            note("sent", "lost", token, base)
            continue
        if not finished:
            with open(name, "wb") as f:
                f.write(header(token, base).encode("cp437"))
        note("sent", "whole", token, base)


os.umask(0)
go_on()
begun, n = {t for _, t, _ in lines("sent")}, len(lines("sent"))
while True:
    busy = False
    for name in sorted(os.listdir(path("API_IN"))):
        if name.lower().endswith(".api"):
            take(name)
            busy = True
    for (token,) in lines("supply"):
        if token not in begun:
            n += 1
            send(token, "%08x" % (0x50000000 + n))
            begun.add(token)
            busy = True
    if not busy:
        time.sleep(0.05)
