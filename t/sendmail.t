#!/usr/bin/python3
"""viaduct-sendmail: the usual command line, a file in drop/, and nothing half done."""
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from spooltest import Spool, done, is_, ok, program, start_process  # noqa: E402

EX_OK, EX_USAGE, EX_DATAERR, EX_UNAVAILABLE, EX_NOPERM, EX_CONFIG, EX_CANTCREAT = 0, 64, 65, 69, 77, 78, 73
spool = Spool()
DROP = spool.folder("DROP")
SENDMAIL = program("viaduct-sendmail")
HELLO = b"Subject: Hello\n\nBody\n"


def send(*args, data=HELLO, conf=None, env=None):
    """Returns status, what was said, and the dropped file's bytes (None where there is none)."""
    r = subprocess.run([SENDMAIL] + (["-C", conf or spool.conf] if conf != "" else []) + list(args), input=data,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30, env=dict(os.environ, **(env or {})))
    names = os.listdir(DROP)
    content = None
    if len(names) == 1:
        with open(os.path.join(DROP, names[0]), "rb") as f:
            content = f.read()
    if len(names) > 1:
        print("# more than one file: %r" % names)
    for name in names:
        os.unlink(os.path.join(DROP, name))
    return r.returncode, (r.stderr + r.stdout).decode(), content


status, said, got = send("-f", "anna@contoso.example", "bob@branch.example", "<carl@branch.example>")
is_((status, said), (EX_OK, ""), "a message is taken, without a word")
is_(got, b"X-Sender: <anna@contoso.example>\nX-Receiver: <bob@branch.example>\nX-Receiver: <carl@branch.example>\n" + HELLO,
    "in drop form")
me = subprocess.run(["id", "-un"], stdout=subprocess.PIPE).stdout.strip()
is_(send("bob@branch.example")[2].split(b"\n")[0], b"X-Sender: <" + me + b">", "without -f the user is the sender")
is_(send("-f", "<>", "b@x.example")[2].split(b"\n")[0], b"X-Sender: <>", "-f <> is no sender")
is_(send("-fanna@x.example", "--", "-odd@x.example")[2].split(b"\n")[:2],
    [b"X-Sender: <anna@x.example>", b"X-Receiver: <-odd@x.example>"], "behind -- everything is a recipient")
is_(send("-f", "a@x.example", "-N", "failure,delay", "-R", "hdrs", "-V", "id1", "b@x.example")[2].split(b"\n")[:2],
    [b"X-Sender: <a@x.example> RET=hdrs ENVID=id1", b"X-Receiver: <b@x.example> NOTIFY=failure,delay"],
    "what is asked for in reports is passed on")
is_(send("-F", 'Anna "A" B', "-f", "anna", "b@x.example")[2].split(b"\n")[2], b'From: "Anna \\"A\\" B" <anna@contoso.example>',
    "-F writes the From field where there is none")
ok(b"Anna" not in send("-F", "Anna", "b@x.example", data=b"From: x@y.example\n\nx\n")[2], "and none where there is one")

TO = b"From: a@x.example\nTo: Bob <b@x.example>, c@x.example\nCc: d@x.example (D)\nBcc: e@x.example\n\nx\n"
is_([x for x in send("-t", "-f", "s@x.example", data=TO)[2].split(b"\n") if x.startswith(b"X-R")],
    [b"X-Receiver: <%c@x.example>" % c for c in b"bcde"], "-t takes the recipients of the header")
is_([x for x in send("-t", "f@x.example", data=b"Resent-To: r@x.example\n" + TO)[2].split(b"\n") if x.startswith(b"X-R")],
    [b"X-Receiver: <r@x.example>", b"X-Receiver: <f@x.example>"], "Resent fields go before, arguments are added")
is_(send("-t", data=b"Subject: x\n\nx\n")[::2], (EX_DATAERR, None), "-t without recipients is an error")

for args in (["-i"], ["-oi"], ["-om"], ["-oem"], ["-odb"], ["-bm"], ["-B8BITMIME"], ["-B", "7BIT"], ["-O", "x=y"], ["-U"], ["-G"],
             ["-m"], ["-n"], ["-h", "3"], ["-e", "m"], ["-L", "tag"], ["-p", "x"], ["-A", "m"]):
    is_(send(*args, "b@x.example")[0], EX_OK, "an option of other sendmails is understood: " + " ".join(args))
for args, word in ((["-bs"], "SMTP"), (["-bd"], "viaduct start"), (["-q"], "queue retry"), (["-q15m"], "queue retry"), (["-bp"], "queue list"),
                   (["-bi"], "book build")):
    status, said, got = send(*args)
    ok(status == EX_UNAVAILABLE and word in said and got is None, "what it does not do is explained: " + args[0])
is_(send()[::2], (EX_USAGE, None), "no recipients: wrong use")
is_(send("-Z", "b@x.example")[::2], (EX_USAGE, None), "an unknown option: wrong use")
is_(send("-f")[::2], (EX_USAGE, None), "an option without its value: wrong use")

is_(send("-f", "a@x.example", "b@x.example", data=b"a\n.\nb\n")[2], b"X-Sender: <a@x.example>\nX-Receiver: <b@x.example>\n\na\n",
    "a line with a dot ends the message")
ok(send("-i", "b@x.example", data=b"a\n.\nb\n")[2].endswith(b"\n\na\n.\nb\n"), "with -i it does not")
ok(send("b@x.example", data=b"Subject: x\n\na\n.")[2].endswith(b"\n\na\n"), "a dot at the very end does")
ok(send("b@x.example", data=b"From a Wed\nSubject: x\n\na")[2].endswith(b">\nSubject: x\n\na"), "a mailbox's first line is left out")
ok(send("b@x.example", data=b"Subject: x\r\n\r\na\r\n")[2].endswith(b">\nSubject: x\n\na\r\n"), "CRLF is taken")
ok(send("b@x.example", data=b"no header\nat: all\n")[2].endswith(b">\n\nno header\nat: all\n"), "a message may be all body")
ok(send("b@x.example", data=b"")[2].endswith(b">\n\n"), "or nothing")
big = b"Subject: big\n\n" + b"x" * 70 + b"\n" + os.urandom(3000000).replace(b"\n", b"").replace(b"\r", b"") + b"\nend\n"
ok(send("-i", "b@x.example", data=big)[2].endswith(big[100:]), "a large one arrives byte for byte")

is_(send("b@x.example\nX-Receiver: evil@x.example")[::2], (EX_DATAERR, None), "a line end in an address is refused")
is_(send("-f", "a@x.example\nX: y", "b@x.example")[::2], (EX_DATAERR, None), "in the sender too")
for args in (["no such", "b@x.example"], ["b@x.example", "b@-x-.example"], ["-f", "bad sender", "b@x.example"], ["b@"], ["@x.example"],
             ["a@b@x.example"], ["b@x..example"]):
    status, said, got = send(*args)
    is_((status, got), (EX_DATAERR, None), "what is no address is refused before anything is taken: %s" % args)
    ok("is no address" in said, "and named: " + said.strip())
ok(send("-f", "", '"b c"@x.example')[2].startswith(b'X-Sender: <>\nX-Receiver: <"b c"@x.example>'), "a quoted local part is an address, and no sender one")
is_(send("-N", "never X=y", "b@x.example")[::2], (EX_USAGE, None), "a blank in a parameter is refused")
ok(b"evil" not in send("b@x.example", data=b"X-Receiver: evil@x.example\n folded: x\nx-sender: evil\nSubject: x\n\nx\n")[2],
   "a message cannot add to its envelope")
ok(b"\nX-Receiver: later@x.example\n" in send("b@x.example", data=b"Subject: x\nX-Receiver: later@x.example\n\nx\n")[2],
   "such a field further down is the message's own")

nowhere = os.path.join(spool.top, "nowhere.conf")
status, said, got = send("b@x.example", conf=nowhere)
ok(status == EX_CONFIG and nowhere in said, "without a configuration it says which one is missing")
is_(send("b@x.example", conf="", env={"VIADUCT_CONF": spool.conf})[0], EX_OK, "VIADUCT_CONF names the configuration")
os.rename(DROP, DROP + "-away")
r = subprocess.run([SENDMAIL, "-C", spool.conf, "b@x.example"], input=HELLO, stderr=subprocess.DEVNULL)
is_(r.returncode, EX_CANTCREAT, "without drop/ it fails")
os.rename(DROP + "-away", DROP)
if os.getuid() != 0:
    os.chmod(DROP, 0o500)
    r = subprocess.run([SENDMAIL, "-C", spool.conf, "b@x.example"], input=HELLO, stderr=subprocess.DEVNULL)
    is_(r.returncode, EX_NOPERM, "where it may not write it says so")
    os.chmod(DROP, 0o700)
else:
    ok(True, "where it may not write it says so # SKIP root may write everywhere")
secret = os.path.join(spool.top, "key.pem")
with open(secret, "w") as f:
    f.write("secret\n")
os.chmod(secret, 0)
with open(spool.conf) as f:
    text = f.read()
with open(spool.conf, "w") as f:
    f.write(text.replace("host {", 'host { smtp { tls { certificate = "%s" key-file = "%s" } }' % (secret, secret)))
is_(send("b@x.example")[0], EX_OK, "secrets that the configuration names need not be readable for senders")
with open(spool.conf, "w") as f:
    f.write(text)

p = start_process([SENDMAIL, "-C", spool.conf, "b@x.example"], stdin=subprocess.PIPE)
p.stdin.write(HELLO + b"x" * 100000)
p.stdin.flush()
end = time.time() + 20
while not os.listdir(DROP) and time.time() < end:
    time.sleep(0.02)
ok([n for n in os.listdir(DROP) if n.startswith(".")] == os.listdir(DROP) != [], "while it is written its name has a dot")
p.send_signal(signal.SIGTERM)
p.wait()
is_(os.listdir(DROP), [], "when it is ended nothing stays")
ps = [start_process([SENDMAIL, "-C", spool.conf, "b@x.example"], stdin=subprocess.PIPE) for _ in range(20)]
for p in ps:
    p.communicate(HELLO)
is_(len(os.listdir(DROP)), 20, "twenty at once leave twenty files")
spool.run("pickup")
is_(len(spool.names("MTS_IN")), 20, "which pickup takes")
spool.remove()
done()
