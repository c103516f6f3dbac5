"""A stand-in for a GroupWise API gateway, for scenarios: it behaves as the files of real ones and their users' reports say.

It has its own reader and writer of header files. It locks what it writes, takes its time, and refuses: the header then turns
up in GWPROB with the lines that it did not like.
"""
import fcntl
import os
import re
import threading
import time

from rig import ok, private_folder

FOLDERS = ("API_IN", "API_OUT", "ATT_IN", "ATT_OUT", "GWPROB", "GWHOLD")


class Gateway:
    """Takes what lies in API_IN; `held` lets it lie, `unknown` are users it refuses. `directory` is what its administrator
    keeps: (domain, post office, object) in upper case --> attributes; `offices` the post offices of foreign domains; `errors` what
    went wrong with requests, which a real one tells its log alone."""

    def __init__(self):
        self.directory, self.offices, self.errors = {}, set(), []
        self.root = private_folder()
        self.taken, self.refused, self.held, self.unknown, self.changed, self.n = [], [], False, set(), threading.Condition(), 0
        for name in FOLDERS:
            os.mkdir(os.path.join(self.root, name))
            os.chmod(os.path.join(self.root, name), 0o777)
        threading.Thread(target=self._serve, daemon=True).start()

    def path(self, *names):
        return os.path.join(self.root, *names)

    def _serve(self):
        while os.path.isdir(self.path("API_IN")):
            for name in sorted(os.listdir(self.path("API_IN"))):
                if name.lower().endswith(".api") and not self.held:
                    self._take(name)
            time.sleep(0.05)

    def _take(self, name):
        with open(self.path("API_IN", name), "rb") as f:
            raw = f.read()
        text = raw.decode("cp437")
        users = re.findall(r"(?i)\bWPU\s*=\s*([^;]*);", text)
        item = {"name": name, "raw": text, "users": users, "files": {}}
        for part in re.findall(r"(?i)\b(?:Msg-File|Current-File)\s*=\s*([^;]*);", text):
            with open(self.path("ATT_IN", part.strip()), "rb") as f:
                item["files"][part.strip()] = f.read()
            os.unlink(self.path("ATT_IN", part.strip()))
        bad = [u for u in users if u.strip() in self.unknown]
        if bad:
            with open(self.path("GWPROB", name), "wb") as f:
                f.write(raw + b"Line 007 Unknown destination in address string: %s\r\n" % bad[0].strip().encode())
        if re.search(r"(?i)\bMsg-Type\s*=\s*Admin", text):
            self._admin(text)
        with self.changed:
            os.unlink(self.path("API_IN", name))
            (self.refused if bad else self.taken).append(item)
            self.changed.notify_all()

    def _admin(self, text):
        """Requests to the directory, one group after the other."""
        for kind, body in re.findall(r"(?ms)^(DS-[A-Za-z-]+)=\s*$(.*?)^\s*;\s*$", text.replace("\r\n", "\n")):
            pairs = re.findall(r"(?m)^ *([A-Za-z0-9-]+)= *((?:\\.|[^;\\\n])*);", body)
            value = {k.lower(): re.sub(r"\\(.)", r"\1", v).strip() for k, v in pairs}
            operation, office = value.pop("operation"), (value["domain"].upper(), value["post-office"].upper())
            if kind.lower() == "ds-external-post-office":
                self.offices.add(office)
                continue
            key = office + (value["object"].upper(),)
            there = key in self.directory
            if operation == "Add" and there or operation in ("Modify", "Delete") and not there:
                self.errors.append("%s of %s" % (operation, ".".join(key)))
            elif operation == "Add" and office not in self.offices and office not in {k[:2] for k in self.directory}:
                self.errors.append("no post office %s.%s" % office)
            elif operation == "Delete":
                del self.directory[key]
            else:
                kept = self.directory.setdefault(key, {})
                kept.update(value)
                for name in [k for k, v in kept.items() if v == "\\"]:
                    del kept[name]
        if "-GET-DIRECTORY-" in text:
            self.tell_directory()

    def tell_directory(self, entries=None, head="", end="-END-\r\n"):
        """An ADMIN file with a List of entries, of all where none are given."""
        self.n += 1
        text = "WPC-API= 1.2; \r\nHeader-Char= T50; \r\nMsg-Type= ADMIN; \r\n" + head
        for key, value in sorted((self.directory if entries is None else entries).items()):
            text += "DS-User= \r\n    Operation= List; \r\n"
            for name, default in (("domain", key[0]), ("post-office", key[1]), ("object", key[2]), ("visibility", "System")):
                text += "    %s= %s; \r\n" % (name.title(), value.get(name, default))
            for name in ("last-name", "first-name", "description", "title", "department", "phone", "fax"):
                if name in value:
                    text += "    %s= %s; \r\n" % (name.title(), value[name].replace("\\", "\\\\").replace(";", "\\;"))
            if "external-name" in value:
                text += "    Gw-Alias= \r\n        Type= %s; \r\n        External-Name= %s; \r\n    ;\r\n" % (value["type"], value["external-name"])
            text += ";\r\n"
        path = self.path("API_OUT", "%08X.API" % (0x40000000 + self.n))
        with open(path + "x", "wb") as f:
            os.fchmod(f.fileno(), 0o666)
            f.write((text + end).encode("cp437"))
        os.rename(path + "x", path)

    def wait(self, word, refused=False):
        """The item whose header or body has the word."""
        def found():
            return [i for i in (self.refused if refused else self.taken)
                    if word in i["raw"] or any(word.encode("cp437", "replace") in b for b in i["files"].values())]
        with self.changed:
            self.changed.wait_for(found, 15)
        if not found():
            ok(False, "in time: the gateway gets " + word)
            return {"raw": "", "files": {}, "users": [], "name": ""}
        return found()[0]

    def header(self, sender, to, subject, base, files=(), cc=()):
        def group(address):
            return "\r\n    WPD= %s; \r\n    WPPO= %s; \r\n    WPU= %s; " % tuple(address.split(".", 2))
        text = "WPC-API= 1.2; \r\nHeader-Char= T50; \r\nMsg-Type= Mail; \r\nFrom= " + group(sender) + "; \r\nFrom-Text= Lena Nowak; \r\n"
        text += "To= " + ", ".join(group(t) for t in to) + "; \r\n"
        if cc:
            text += "To-CC= " + ", ".join(group(t) for t in cc) + "; \r\n"
        text += "All-To= " + ", ".join(group(t) for t in to) + "; \r\n"
        text += "Subject= %s; \r\nMsg-Id= %s.0001.000B.000; \r\nDate-Sent= 25/11/2026 09:05:01; \r\n" % (subject, base.upper())
        text += "Msg-Char= T50; \r\nMsg-File= %s.bdy; \r\n" % base
        if files:
            text += "Attach-File= " + ", ".join("\r\n    Current-File= %s; \r\n    Original-File= %s; \r\n    Size= %d; "
                                                % (f[0], f[1], len(f[2])) for f in files) + "; \r\n"
        return text + "Msg-Priority= Normal; \r\nStatus-Request= None; \r\n-END-\r\n"

    def send(self, sender, to, subject, body, files=(), cc=(), step=None):
        """A GroupWise user writes. The header is there first, empty and locked, as the gateway does it."""
        self.n += 1
        base = "%08x" % (0x40000000 + self.n)
        files = [("%s.%03d" % (base, i + 1), name, data) for i, (name, data) in enumerate(files)]
        path = self.path("API_OUT", base.upper() + ".API")
        with open(path, "wb") as f:
            os.fchmod(f.fileno(), 0o666)
            fcntl.flock(f, fcntl.LOCK_EX)
            for name, data in [(base + ".bdy", body.replace("\n", "\r\n").encode("cp437"))] + [(n, d) for n, _, d in files]:
                with open(self.path("ATT_OUT", name), "wb") as part:
                    part.write(data)
                    os.fchmod(part.fileno(), 0o666)
            raw = self.header(sender, to, subject, base, files, cc).encode("cp437")
            f.write(raw[:40])
            f.flush()
            if step:
                step(path)
            f.write(raw[40:])
        return path

    def tell(self, item, user, action, when="25/11/2026 9:6:1"):
        """GroupWise says what became of an item that it took: a status to the sender, who is addressed as the item named him."""
        sender = re.search(r"(?is)\bFrom\s*=(.*?;)\s*;", item["raw"]).group(1)
        msg_id = re.search(r"(?i)\bMsg-Id\s*=\s*([^;]*);", item["raw"]).group(1).strip()
        self.n += 1
        base = "%08x" % (0x40000000 + self.n)
        text = "WPC-API= 1.2; \r\nHeader-Char= T50; \r\nMsg-Type= Mail; \r\n"
        text += "From= \r\n    WPD= %s; \r\n    WPPO= %s; \r\n    WPU= %s; ; \r\n" % tuple(user.split(".", 2))
        text += "To= %s ; \r\nMsg-Id= %s.0001.000B.000; \r\n" % (sender, base.upper())
        text += "Orig-Msg-ID= %s\r\n      %s; \r\n" % (msg_id[:20], msg_id[20:]) # folded, as gateways do with long ones
        text += "Status-Report= \r\n    Action= %s; \r\n    Time= %s; ; \r\n-END-\r\n" % (action, when)
        path = self.path("API_OUT", base.upper() + ".API")
        with open(path + "x", "wb") as f:
            os.fchmod(f.fileno(), 0o666)
            f.write(text.encode("cp437"))
        os.rename(path + "x", path)

    def ask(self, user, whom, msg_id):
        """A GroupWise user wants to know when somebody of the other side is busy."""
        self.n += 1
        base = "%08x" % (0x40000000 + self.n)
        group = "\r\n    WPD= %s; \r\n    WPPO= %s; \r\n    WPU= %s; "
        text = "WPC-API= 1.2; \r\nHeader-Char= T50; \r\nMsg-Type= SEARCH; \r\nMsg-Id= %s; \r\n" % msg_id
        text += "From= " + group % tuple(user.split(".", 2)) + "; \r\nTo= " + group % tuple(whom.split(".", 2))
        text += "\r\n    CDBA= %s; ; \r\nBegin-Time= 25/11/2026 0:0; \r\nEnd-Time= 2/12/2026 0:0; \r\n-END-\r\n" % whom
        path = self.path("API_OUT", base.upper() + ".API")
        with open(path + "x", "wb") as f:
            os.fchmod(f.fileno(), 0o666)
            f.write(text.encode("cp437"))
        os.rename(path + "x", path)
