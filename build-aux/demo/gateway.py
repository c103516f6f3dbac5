#!/usr/bin/python3
"""A stand-in for Novell's GroupWise API gateway: enough of it to see mail come and go.

    gateway.py serve ROOT MAILBOXES     takes API_IN into MAILBOXES/USER/, refuses what it does not know into GWPROB
    gateway.py send ROOT FROM TO SUBJECT FILE      a GroupWise user writes: API_OUT and ATT_OUT
                                                   FROM and TO are Domain.PostOffice.User, FILE may be -

Header files are text in code page 437: KEY= value; with groups of addresses and files, up to a line -END-. What is done to
a file is done in the gateway's order: bodies are there before the header appears, and go before it is removed.
"""
import os
import shutil
import sys
import time

GROUPS = {"from", "to", "to-cc", "to-bc", "all-to", "all-to-cc", "attach-file"}
CODE_PAGE = "cp437"


class Reader:
    """A header file as {keyword: value}; a group is a list of {keyword: value}."""

    def __init__(self, text):
        self.text, self.at = text, 0

    def skip(self, more=""):
        while self.at < len(self.text) and self.text[self.at] in " \t\r\n" + more:
            self.at += 1

    def next(self):
        return self.text[self.at:self.at + 1]

    def key(self):
        end = self.text.index("=", self.at)
        key, self.at = self.text[self.at:end].strip().lower(), end + 1
        return key

    def scalar(self):
        value = ""
        self.skip()
        while self.next() not in (";", ""):
            if self.next() == "\\":
                self.at += 1
            value += self.next()
            self.at += 1
        self.at += 1
        return " ".join(value.split())

    def group(self):
        elements = [{}]
        while True:
            self.skip()
            if self.next() in (";", ""):
                self.at += 1
                return [e for e in elements if e]
            if self.next() == ",":
                self.at += 1
                elements.append({})
            elif self.next() == "-":
                self.at = self.text.index(";", self.at) + 1
            else:
                key = self.key()
                elements[-1][key] = self.scalar()

    def all(self):
        items = {}
        self.skip(";")
        while not self.text.startswith("-END-", self.at):
            key = self.key()
            items[key] = self.group() if key in GROUPS else self.scalar()
            self.skip(";")
        return items


def say(text):
    print(time.strftime("%H:%M:%S"), text, flush=True)


def deliver(root, mailboxes, name, items):
    """Puts one message into the mailboxes of its recipients; returns what is wrong with it, or nothing."""
    unknown = [r["wpu"] for k in ("to", "to-cc", "to-bc") for r in items.get(k, [])
               if not os.path.isdir(os.path.join(mailboxes, os.path.basename(r["wpu"]).lower()))]
    if unknown:
        return "Unknown destination in address string: " + ", ".join(unknown)
    with open(os.path.join(root, "ATT_IN", items["msg-file"]), "rb") as f:
        text = f.read().decode(CODE_PAGE).replace("\r\n", "\n")
    sender = items["from"][0]
    head = "From:    %s (%s.%s.%s)\nTo:      %s\nCc:      %s\nSubject: %s\nSent:    %s\n" % (
        items.get("from-text", ""), sender["wpd"], sender["wppo"], sender["wpu"], items.get("to-text", ""),
        items.get("to-cc-text", ""), items.get("subject", ""), items.get("date-sent", ""))
    files = items.get("attach-file", [])
    for a in files:
        head += "File:    %s (%s bytes)\n" % (a.get("original-file"), a.get("size"))
    for r in [r for k in ("to", "to-cc", "to-bc") for r in items.get(k, [])]:
        box = os.path.join(mailboxes, os.path.basename(r["wpu"]).lower())
        for a in files:
            shutil.copy(os.path.join(root, "ATT_IN", a["current-file"]),
                        os.path.join(box, name[:8] + "-" + os.path.basename(a["original-file"])))
        with open(os.path.join(box, name[:8] + ".txt"), "w", encoding="utf-8") as f:
            f.write(head + "\n" + text)
        say("delivered %s to %s" % (name, r["wpu"]))
    return None


def take(root, mailboxes, name):
    path = os.path.join(root, "API_IN", name)
    with open(path, "rb") as f:
        raw = f.read()
    items = Reader(raw.decode(CODE_PAGE)).all()
    shutil.copy(path, os.path.join(mailboxes, "..", "seen", name))
    wrong = deliver(root, mailboxes, name, items)
    if wrong:
        say("refused %s: %s" % (name, wrong))
        with open(os.path.join(root, "GWPROB", name), "wb") as f:
            f.write(raw + ("Line 001 %s\r\n" % wrong).encode(CODE_PAGE))
    for part in [items.get("msg-file")] + [a.get("current-file") for a in items.get("attach-file", [])]:
        if part:
            os.unlink(os.path.join(root, "ATT_IN", part))
    os.unlink(path)


def serve(root, mailboxes):
    while True:
        for name in sorted(os.listdir(os.path.join(root, "API_IN"))):
            if name.endswith(".api"):
                try:
                    take(root, mailboxes, name)
                except (OSError, ValueError, KeyError) as e:
                    say("cannot take %s: %r" % (name, e))
                    time.sleep(1)
        time.sleep(0.3)


def escaped(text):
    return text.replace("\\", "\\\\").replace(";", "\\;")


def group(address):
    return "\r\n    WPD= %s; \r\n    WPPO= %s; \r\n    WPU= %s; ; \r\n" % tuple(escaped(p) for p in address.split(".", 2))


def send(root, sender, recipient, subject, path):
    with open(0 if path == "-" else path, encoding="utf-8") as f:
        text = f.read()
    base = "%08x" % int(time.time())
    while os.path.exists(os.path.join(root, "ATT_OUT", base + ".bdy")):
        base = "%08x" % (int(base, 16) + 1)
    with open(os.path.join(root, "ATT_OUT", base + ".bdy"), "wb") as f:
        f.write(text.replace("\n", "\r\n").encode(CODE_PAGE, "replace"))
    header = ("WPC-API= 1.2; \r\nHeader-Char= T50; \r\nMsg-Type= Mail; \r\nFrom= " + group(sender) +
              "From-Text= %s; \r\n" % escaped(sender.split(".", 2)[2]) + "To= " + group(recipient) +
              "All-To= " + group(recipient) + "To-Text= %s; \r\n" % escaped(recipient.split(".", 2)[2]) +
              "Subject= %s; \r\nMsg-Id= %s.0001.000B.000; \r\n" % (escaped(subject), base.upper()) +
              time.strftime("Date-Sent= %d/%m/%Y %H:%M:%S; \r\n") +
              "Msg-Char= T50; \r\nMsg-File= %s.bdy; \r\nMsg-Priority= Normal; \r\nStatus-Request= None; \r\n-END-\r\n" % base)
    with open(os.path.join(root, "API_OUT", base.upper() + ".API"), "wb") as f:
        f.write(header.encode(CODE_PAGE, "replace"))


if __name__ == "__main__":
    {"serve": serve, "send": send}[sys.argv[1]](*sys.argv[2:])
