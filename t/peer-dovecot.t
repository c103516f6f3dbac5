#!/usr/bin/python3
"""A real Dovecot is where the host's mail ends: LMTP over TCP and over a socket, its refusals per recipient, its outage."""
import os
import pwd
import re

from rig import (ROOT, Session, Sink, Viaduct, answers, done, end_process, free_port, is_, like, message, need, ok, private_folder,
                 send, skip_all, smtp_pair, start_process, until)

if not ROOT:
    skip_all("Dovecot's LMTP server must be started as root")
need("dovecot")
if not os.path.exists("/usr/lib/dovecot/lmtp"):
    skip_all("dovecot-lmtpd is not installed")

CONF = """base_dir = {top}/run
state_dir = {top}/run
log_path = {top}/log
protocols = lmtp
ssl = no
listen = 127.0.0.1
first_valid_uid = 1
default_internal_user = {user}
default_login_user = {user}
default_internal_group = {group}
mail_location = maildir:{top}/mail/%u
mail_uid = {uid}
mail_gid = {gid}
lmtp_rcpt_check_quota = no
lmtp_save_to_detail_mailbox = no
recipient_delimiter = +
auth_username_chars =
auth_username_format = %Lu
userdb {
  driver = passwd-file
  args = username_format=%Lu {top}/users
}
passdb {
  driver = static
  args = nopassword
}
service lmtp {
  inet_listener lmtp {
    address = 127.0.0.1
    port = {port}
  }
  unix_listener {top}/socket/lmtp {
    mode = 0666
  }
}
service stats {
  chroot =
}
service anvil {
  chroot =
}
"""


class Dovecot:
    def __init__(self, users):
        self.top, self.port = private_folder(), free_port()
        who = pwd.getpwnam("nobody")
        group = "nogroup"
        for name in ("run", "mail", "socket"):
            os.mkdir(os.path.join(self.top, name), 0o755)
        os.chown(os.path.join(self.top, "mail"), who.pw_uid, who.pw_gid)
        self.conf = os.path.join(self.top, "dovecot.conf")
        text = CONF.replace("{top}", self.top).replace("{port}", str(self.port)).replace("{user}", who.pw_name)
        text = text.replace("{group}", group).replace("{uid}", str(who.pw_uid)).replace("{gid}", str(who.pw_gid))
        with open(self.conf, "w") as f:
            f.write(text)
        with open(os.path.join(self.top, "users"), "w") as f:
            f.write("".join("%s::%d:%d::/nonexistent::\n" % (u, who.pw_uid, who.pw_gid) for u in users))
        self.start()

    def start(self):
        self.process = start_process(["dovecot", "-F", "-c", self.conf])
        answers(self.port)

    def log(self):
        with open(os.path.join(self.top, "log")) as f:
            return f.read()

    def mails(self, user):
        """What lies in a mailbox, as bytes."""
        found, folder = [], os.path.join(self.top, "mail", user, "new")
        for name in os.listdir(folder) if os.path.isdir(folder) else []:
            with open(os.path.join(folder, name), "rb") as f:
                found.append(f.read())
        return found

    def wait(self, user, word):
        def found():
            return [m for m in self.mails(user) if word.encode() in m]
        return (until(found, "%s gets %s" % (user, word)) or [b""])[0]


dovecot = Dovecot(["anna@contoso.example", "bert@contoso.example"])
branch = Sink()


def configuration(to):
    return re.sub(r'deliver \{ to = \{ "[^"]*"', 'deliver { to = { "%s"' % to, text)


to_host, to_viaduct, text = smtp_pair(dovecot, branch)
viaduct = Viaduct(configuration("lmtp://127.0.0.1:%d" % dovecot.port)).start()

answer = send(to_viaduct, "bob@branch.example", ["anna@contoso.example", "bert@contoso.example"],
              message("bob@branch.example", "anna@contoso.example", "first", ".\n..\n.dot\n\nFrom here\n"))
ok(answer.startswith("250"), "a message for two is taken")
mail = dovecot.wait("anna@contoso.example", "Subject: first")
ok(mail.replace(b"\r\n", b"\n").endswith(b"\n\n.\n..\n.dot\n\nFrom here\n"), "Dovecot has it in the one mailbox, dots and all")
like(mail.decode(), r"^Return-Path: <bob@branch\.example>", "with its return path")
ok(dovecot.wait("bert@contoso.example", "Subject: first"), "and in the other")
viaduct.wait_empty("nothing is left of it")

answer = send(to_viaduct, "bob@branch.example", ["anna@contoso.example", "nobody@contoso.example"],
              message("bob@branch.example", "anna@contoso.example", "second"))
ok(dovecot.wait("anna@contoso.example", "Subject: second"), "one of two is unknown to Dovecot: the other is delivered")
report = branch.one(lambda m: m.to() == ["bob@branch.example"])
like(report.text(), r"Final-Recipient: rfc822; nobody@contoso\.example\r\nAction: failed\r\nStatus: 5\.1\.1.*Diagnostic-Code: smtp; 550 5\.1\.1",
     "and reported with what Dovecot said")
ok("Final-Recipient: rfc822; anna@" not in report.text(), "the other is not")

s = Session(to_viaduct)
s.say("MAIL FROM:<bob@branch.example> ENVID=e1")
s.say("RCPT TO:<anna@contoso.example> NOTIFY=SUCCESS")
s.body(message("bob@branch.example", "anna@contoso.example", "third"))
s.close()
report = branch.one(lambda m: "e1" in m.text() and m.sender == "")
like(report.text(), r"Action: (delivered|relayed)\r\nStatus: 2\.", "a success report that was asked for is made: LMTP is told nothing of it")

body = "".join("%07d %s\n" % (i, "y" * 66) for i in range(40000))
send(to_viaduct, "bob@branch.example", "bert@contoso.example", message("bob@branch.example", "bert@contoso.example", "large", body))
mail = dovecot.wait("bert@contoso.example", "Subject: large")
ok(mail.replace(b"\r\n", b"\n").endswith(body.encode()), "3 MB arrive byte for byte")

for i in range(100):
    send(to_viaduct, "bob@branch.example", "anna@contoso.example", message("bob@branch.example", "anna@contoso.example", "many-%03d" % i))
until(lambda: len([m for m in dovecot.mails("anna@contoso.example") if b"Subject: many-" in m]) >= 100, "100 messages arrive")
viaduct.wait_empty("and have left the spool")
found = sorted(re.search(rb"Subject: (many-\d+)", m).group(1) for m in dovecot.mails("anna@contoso.example") if b"Subject: many-" in m)
is_(len(found), len(set(found)), "each once")

# ---- the outage of Dovecot ----

end_process(dovecot.process)
answer = send(to_viaduct, "bob@branch.example", "anna@contoso.example", message("bob@branch.example", "anna@contoso.example", "while away"))
ok(answer.startswith("250"), "while Dovecot is away mail is taken")
until(lambda: viaduct.names("mailbox/host/Deferred"), "and deferred")
status, said = viaduct.command("queue", "list", "state=deferred")
is_(status, 0, "which the queue shows")
like(said, r"(?i)connect|refused", "with the reason")
dovecot.start()
ok(dovecot.wait("anna@contoso.example", "Subject: while away"), "when it is back the message arrives by itself")
is_([m for m in branch.mails if m.header("X-Failed-Recipients")], [], "and nobody was told of anything")

# ---- over its socket, after a reload ----

said = viaduct.reload(configuration("lmtp://%s/socket/lmtp" % dovecot.top))
like("".join(said), "reloaded", "a reload turns to Dovecot's socket")
send(to_viaduct, "bob@branch.example", "anna@contoso.example", message("bob@branch.example", "anna@contoso.example", "by the socket"))
ok(dovecot.wait("anna@contoso.example", "Subject: by the socket"), "and mail goes over it")
viaduct.wait_empty()
viaduct.well(to_host, branch)
is_(viaduct.stop(), 0, "and it stops in order")
done()
