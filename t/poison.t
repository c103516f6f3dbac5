#!/usr/bin/python3
"""P11: a message that kills its worker each time ends in Badmail after three tries, and costs nobody else his mail.

The poison here is a large message for two connectors before a router that may write no large file: the system ends it
(SIGXFSZ) in the middle of the first part, whenever it takes that message and no other.
"""
import threading

from rig import Session, Sink, Viaduct, done, free_port, is_, like, message, ok, send, smtp_pair, until

A = "anna@contoso.example"
BOTH = ["bob@branch.example", "carl@other.example"]
OTHERS, SENDERS = 400, 4
host, branch, other = Sink(), Sink(), Sink()
port, _, conf = smtp_pair(host, branch, more="""connector "other" {
    type = "smtp"
    listen = { "127.0.0.1:%d" }
    peer { to = { "smtp://127.0.0.1:%d" } }
    address-space { type = "SMTP" pattern = "*@other.example" cost = 1 }
}
""" % (free_port(), other.port))
viaduct = Viaduct(conf).start("--wrapper", "router=/usr/bin/prlimit --fsize=1000000")
poison = message(A, BOTH[0], "poison", "a line of the poison\n" * 100000)
answers = []


def send_some(sender):
    s = Session(port)
    for i in range(OTHERS // SENDERS):
        to = BOTH if i % 10 == 0 else [BOTH[i % 2]]
        answers.append(s.mail(A, to, message(A, to[0], "other-%d-%d" % (sender, i)))[-1])
    s.close()


threads = [threading.Thread(target=send_some, args=(i,)) for i in range(SENDERS)]
for t in threads:
    t.start()
ok(send(port, A, BOTH, poison).startswith("250"), "the poison is taken, among %d other messages" % OTHERS)
for t in threads:
    t.join()
is_([a for a in answers if not a.startswith("250")], [], "they are taken too")

bad = until(lambda: viaduct.names("mailbox/host/Badmail"), "the poison comes into Badmail", 60)
wanted = OTHERS + OTHERS // 10
until(lambda: len(branch.mails) + len(other.mails) >= wanted, "the others arrive", 60)
viaduct.wait_empty("and nothing else is left on the road", but=("Badmail",))
subjects = [m.header("Subject") for m in branch.mails + other.mails]
ok("poison" not in subjects, "the poison is delivered to nobody")
is_((len(bad or []), len(subjects)), (1, wanted), "one message is in Badmail, all others arrived, none twice")
is_(len({(m.header("Subject"), m.to()[0]) for m in branch.mails + other.mails}), wanted, "each of them")
said = viaduct.command("badmail", "show", (bad or ["x"])[0])[1]
like(said, r"(?s)router.*3 times|3 times.*router", "Badmail says which worker ended with it in hand, three times")
deaths = viaduct.restarts()
ok(3 <= deaths <= 5, "the router was ended %d times: three with the poison alone in hand, before that with others" % deaths)
ok(send(port, A, BOTH, message(A, BOTH[0], "afterwards")).startswith("250"), "then all goes on as before")
branch.wait(1, lambda m: m.header("Subject") == "afterwards")
is_(viaduct.restarts(), deaths, "and no worker dies any more")
is_(viaduct.stop(), 0, "it stops in order")
done()
