"""systems.py - the systems under test, each with a private folder on the same file system: viaduct, and Postfix tuned for this load.

Both take mail on a port of their own and send all of it to one sink. Both keep their safety: fsync is on, nothing is delayed.
"""
import os
import pwd
import re
import shutil
import signal
import subprocess
import time

import measure
from peers import ENV, free_port, listens, until

DEFER_DOMAINS = 50
DEFER_AGES_S = (60, 500, 900, 2000, 4000, 9000, 18000, 40000, 80000, 160000)
POSTFIX_LIBRARIES = "/usr/lib/postfix/sbin"


def spread():
    """Where deferred messages go, and how old they are: (domain, age)."""
    return [("d%d.branch.example" % i, DEFER_AGES_S[i % len(DEFER_AGES_S)]) for i in range(DEFER_DOMAINS)]


def have_postfix():
    return os.geteuid() == 0 and os.access(POSTFIX_LIBRARIES + "/master", os.X_OK) and shutil.which("postfix", path=ENV["PATH"])


def have_files(top, names=()):
    """Is there any file below these folders, Badmail left out?"""
    return any(files for name in names for at, _, files in os.walk(os.path.join(top, name)) if not at.endswith("/Badmail"))


# ---- viaduct ----

VIADUCT_CONF = """node = "gw1.contoso.example"
node-id = 1
spool = "{top}/spool"
admin-address = "postmaster@contoso.example"
host {{
    domains = {{ "contoso.example" }}
    unknown = "pass"
    smtp {{ listen = {{ "127.0.0.1:{port}" }} hostname = "gw1.contoso.example" }}
    deliver {{ to = {{ "smtp://127.0.0.1:{sink}" }} }}
    limits {{ message = "2G" }}
}}
connector "branch" {{
    type = "smtp"
    peer {{ to = {{ "smtp://127.0.0.1:{sink}" }} }}
    address-space {{ type = "SMTP" pattern = "*@branch.example" cost = 1 }}
    address-space {{ type = "SMTP" pattern = "*@*.branch.example" cost = 1 }}
    limits {{ message = "2G" }}
}}
"""
QUEUES = ("Spooler-Queue", "Bounce", "Temp", "mailbox/host", "mailbox/branch/MTS-IN", "mailbox/branch/MTS-OUT",
          "mailbox/branch/ReadyOut", "mailbox/branch/Convert")


class Viaduct:
    name = "viaduct"

    def __init__(self, build, top, sink_port, folder="viaduct", more=""):
        self.build, self.top, self.port = build, os.path.join(top, folder), free_port()
        os.mkdir(self.top, 0o755)
        self.conf = os.path.join(self.top, "viaduct.conf")
        with open(self.conf, "w") as f:
            f.write((VIADUCT_CONF + more).format(top=self.top, port=self.port, sink=sink_port))
        self.deferred = os.path.join(self.top, "spool", "mailbox/branch/Deferred")

    def _program(self, name):
        return os.path.join(self.build, name)

    def start(self, *options):
        self.log = open(os.path.join(self.top, "log"), "ab")
        self.process = subprocess.Popen([self._program("viaduct-master"), "-c", self.conf, "--foreground", *options],
                                        stderr=self.log, stdin=subprocess.DEVNULL)
        until(lambda: listens(self.port), "viaduct listens", 20)

    def pid(self):
        return self.process.pid

    def restarts(self, worker):
        """How often the master has started it again."""
        with open(os.path.join(self.top, "spool", "state", "master")) as f:
            return sum(int(n) for n in re.findall(r"^worker=%s\b.* restarts=(\d+)" % worker, f.read(), re.M))

    def stop(self):
        self.process.terminate()
        self.process.wait(60)
        self.log.close()

    def is_empty(self):
        return not have_files(os.path.join(self.top, "spool"), QUEUES)

    def version(self):
        return subprocess.run([self._program("viaduct"), "version"], stdout=subprocess.PIPE, text=True, check=True).stdout.split("\n")[0]

    def fill(self, count, due_s):
        """Lays deferred messages down, due that many seconds from now."""
        at = str(int(time.time()) + due_s)
        each = count // DEFER_DOMAINS
        for domain, age in spread():
            subprocess.run([self._program("t/mkmsg"), os.path.join(self.top, "spool"), "Deferred", "branch", "--rcpt", "bob@" + domain,
                            "--age", "%ds" % age, "--at", at, "--attempts", "1", "--status", "4.4.1", "--reason", "refused",
                            "--count", str(each)], stdout=subprocess.DEVNULL, check=True)
        taker = os.stat(self.deferred)
        for name in os.listdir(self.deferred):
            os.chown(os.path.join(self.deferred, name), taker.st_uid, taker.st_gid)
            os.chmod(os.path.join(self.deferred, name), 0o660)

    def command(self, *words):
        return [self._program("viaduct"), "-c", self.conf, *words]

    def shape(self):
        return self.command("shape", "folder=Deferred")

    def clear(self):
        for name in os.listdir(self.deferred):
            os.unlink(os.path.join(self.deferred, name))


# ---- Postfix ----

MAIN_CF = """compatibility_level = 3.6
queue_directory = {top}/queue
data_directory = {top}/data
maillog_file = {top}/log
maillog_file_prefixes = {top}
mail_owner = postfix
myhostname = gw2.contoso.example
mydestination =
alias_maps =
local_recipient_maps =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
relayhost = [127.0.0.1]:{sink}
smtp_host_lookup = native
disable_dns_lookups = yes
smtpd_peername_lookup = no
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_client_connection_count_limit = 0
smtpd_tls_security_level = none
smtp_tls_security_level = none
smtputf8_enable = no
message_size_limit = 0
mailbox_size_limit = 0
in_flow_delay = 0
default_process_limit = 200
max_use = 10000
initial_destination_concurrency = 20
default_destination_concurrency_limit = 50
smtp_destination_concurrency_limit = 50
{cache}
"""
MASTER_CF = """127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    name = "Postfix"

    def __init__(self, top, sink_port):
        self.top, self.port, self.sink_port = os.path.join(top, "postfix"), free_port(), sink_port
        self.conf = os.path.join(self.top, "conf")
        for name in ("", "conf", "queue", "data"):
            os.mkdir(os.path.join(self.top, name), 0o755)
        os.chown(os.path.join(self.top, "data"), pwd.getpwnam("postfix").pw_uid, -1)
        with open(os.path.join(self.conf, "master.cf"), "w") as f:
            f.write(MASTER_CF.format(port=self.port))
        self.keep_connections(False)
        self.deferred = os.path.join(self.top, "queue", "deferred")

    def keep_connections(self, keep):
        """The cache of connections: on demand, as Postfix comes, or always."""
        cache = "smtp_connection_cache_destinations = [127.0.0.1]:%d" % self.sink_port if keep else ""
        with open(os.path.join(self.conf, "main.cf"), "w") as f:
            f.write(MAIN_CF.format(top=self.top, sink=self.sink_port, cache=cache))

    def _postfix(self, verb):
        subprocess.run(["postfix", "-c", self.conf, verb], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       env=ENV, check=True)

    def start(self):
        self._postfix("start")
        until(lambda: listens(self.port), "Postfix listens", 20)

    def pid(self):
        with open(os.path.join(self.top, "queue", "pid", "master.pid")) as f:
            return int(f.read())

    def stop(self):
        processes = measure.tree(self.pid())
        self._postfix("stop")
        end = time.monotonic() + 5
        while any(os.path.exists("/proc/%d" % p) for p in processes) and time.monotonic() < end:
            time.sleep(0.05)

    def is_empty(self):
        return not have_files(os.path.join(self.top, "queue"), ("incoming", "active", "maildrop"))

    def version(self):
        return "Postfix " + subprocess.run(["postconf", "-h", "mail_version"], stdout=subprocess.PIPE, text=True, check=True,
                                           env=ENV).stdout.strip()

    def _example(self):
        """The bytes of a message of Postfix's own making, put into its hold queue by its sendmail."""
        subprocess.run(["sendmail", "-C", self.conf, "-f", "anna@contoso.example", "bob@d0.branch.example"], env=ENV, check=True,
                       input=b"From: <anna@contoso.example>\nTo: <bob@d0.branch.example>\nSubject: waiting\n\nHello.\n")
        folder = os.path.join(self.top, "queue", "deferred")
        find = lambda: [os.path.join(at, f) for at, _, files in os.walk(folder) for f in files]  # noqa: E731
        path = until(find, "Postfix defers a message", 30)[0]
        until(lambda: os.stat(path).st_mode & 0o100, "it is complete", 10)
        with open(path, "rb") as f:
            content = f.read()
        os.unlink(path)
        return content

    def fill(self, count, due_s):
        """Deferred messages, each a copy under a name that fits its inode; the time of modification is when it is due.

        The example's domain is replaced by others of the same length, since records tell theirs.
        """
        self.sink_port, port = free_port(), self.sink_port  # where nobody listens
        self.keep_connections(False)
        self.start()
        content = self._example()
        self.stop()
        self.sink_port = port
        self.keep_connections(False)
        shutil.rmtree(os.path.join(self.top, "queue", "defer"), ignore_errors=True)
        owner, due, each = pwd.getpwnam("postfix"), time.time() + due_s, count // DEFER_DOMAINS
        for number, (domain, _) in enumerate(spread()):
            copy = content.replace(b"d0.branch.example", ("%02d" % number).encode() + b".branch.example")
            for i in range(each):
                self._lay_down(copy, (number * each + i) % 1000000, owner, due)

    def _lay_down(self, content, usec, owner, due):
        fd = os.open(os.path.join(self.deferred, "new"), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o700)
        os.write(fd, content)
        os.fchown(fd, owner.pw_uid, owner.pw_gid)
        os.utime(fd, (due, due))
        name = "%05X%X" % (usec, os.fstat(fd).st_ino)
        os.close(fd)
        folder = os.path.join(self.deferred, name[0])
        if not os.path.isdir(folder):
            os.mkdir(folder, 0o700)
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        os.rename(os.path.join(self.deferred, "new"), os.path.join(folder, name))

    def shape(self):
        return ["qshape", "-c", self.conf, "deferred"]

    def clear(self):
        for at, _, files in os.walk(self.deferred):
            for name in files:
                os.unlink(os.path.join(at, name))


def end_hard(system):
    """Where a run broke off: nothing stays behind."""
    try:
        for pid in reversed(measure.tree(system.pid())):
            os.kill(pid, signal.SIGKILL)
    except (OSError, AttributeError, ValueError):
        pass
