#!/usr/bin/python3
"""Never an open relay: who comes from a foreign system reaches the host's people and nobody else, however he writes the address;
transit is what its connector alone may; and who is in no list of networks reaches nobody."""
import os
import re

from rig import Session, Sink, Viaduct, done, free_port, is_, like, message, ok, send, smtp_pair, until

A, B = "anna@contoso.example", "bob@branch.example"
host, branch, other, third = Sink(), Sink(), Sink(), Sink()
from_other, from_third = free_port(), free_port()
MORE = """connector "other" {
    type = "smtp"
    listen = { "127.0.0.1:%d" }
    transit = yes
    peer { to = { "smtp://127.0.0.1:%d" } }
    address-space { type = "SMTP" pattern = "*@other.example" cost = 1 }
}
connector "third" {
    type = "smtp"
    listen = { "127.0.0.1:%d" }
    smtp { allow = { "127.0.0.3/32" } }
    peer { to = { "smtp://127.0.0.1:%d" } }
    address-space { type = "SMTP" pattern = "*@third.example" cost = 1 }
}
""" % (from_other, other.port, from_third, third.port)
port, from_branch, conf = smtp_pair(host, branch, MORE, smtp='allow = { "127.0.0.1/32" }', unknown="pass")
viaduct = Viaduct(conf + 'book { source = { "{top}/book.csv" } }\n')


def book(*people):
    with open(viaduct.top + "/book.csv", "w") as f:
        f.write("display,primary,proxies,side\n" + "".join("%s,SMTP:%s,,%s\n" % (p.split("@")[0], p, side) for p, side in people))
    os.utime(f.name, (1, 1)) # not written a moment ago


def asked(at, paths, sender, source=None):
    """What each RCPT is answered, in one session."""
    s = Session(at, source=source)
    answers = [s.say("MAIL FROM:<%s>" % sender)]
    answers += [s.say("RCPT TO:" + p) for p in paths]
    s.close()
    return answers[1:]


# ---- from a foreign system ----

IMCEA = "<IMCEASMTP-%s@contoso.example>"
TWICE = "IMCEASMTP-user+2B40outside+2B2Eexample+40contoso+2Eexample"
AROUND = [
    ("plainly", "<user@outside.example>"),
    ("encapsulated in the host's domain", IMCEA % "user+40outside+2Eexample"),
    ("encapsulated twice", IMCEA % TWICE),
    ("encapsulated, quoted", '<"IMCEASMTP-user@outside.example"@contoso.example>'),
    ("encapsulated, another system's", IMCEA % "user+40other+2Eexample"),
    ("encapsulated, with the outside's form in it", IMCEA % "user+25outside+2Eexample+40contoso+2Eexample"),
    ("by the percent hack", "<user%outside.example@contoso.example>"),
    ("by the percent hack, twice", "<user%outside.example%contoso.example@contoso.example>"),
    ("by the percent hack in quotes", '<"user%outside.example"@contoso.example>'),
    ("by a bang path", "<outside.example!user@contoso.example>"),
    ("by a bang path without a domain", "<outside.example!user>"),
    ("quoted", '<"user@outside.example"@contoso.example>'),
    ("quoted, with the sign escaped", '<"user\\@outside.example"@contoso.example>'),
    ("by a source route", "<@contoso.example:user@outside.example>"),
    ("by a source route over two", "<@contoso.example,@branch.example:user@outside.example>"),
    ("to another system", "<user@other.example>"),
    ("to a system below the host's domain", "<user@sub.contoso.example>"),
    ("to where it came from", "<user@branch.example>"),
    ("to an address literal", "<user@[192.0.2.1]>"),
]
REFUSED = r"^(550 5\.7\.1 .*relay|50[013] 5\.1\.3|501 5\.1\.3)"


def refuses_all(at, what, mine):
    for (how, path), answer in zip(AROUND, asked(at, [p for _, p in AROUND], "bob@%s.example" % mine)):
        like(answer, REFUSED, "%s: nobody gets out %s" % (what, how))


book((A, "host"))
viaduct.start()
until(lambda: asked(from_branch, ["<%s>" % A], B)[0].startswith("250"), "the book is in use")
refuses_all(from_branch, "strangers pass", "branch")
like(send(from_branch, B, "anyone@contoso.example", message(B, "anyone@contoso.example", "to a stranger")), "^250", "though the host's own are taken, known or not")
like(asked(from_branch, ["<@outside.example,@b.example:anna@contoso.example>"], B)[0], "^250", "a source route in front of one of them is passed over")
like(asked(from_branch, [IMCEA % "anna+40contoso+2Eexample"], B)[0], "^250", "so is what encapsulates one of them")
host.one(lambda m: m.header("Subject") == "to a stranger")

# Who may pass through gets to other systems, and no further.
got = dict(zip((p for _, p in AROUND), asked(from_other, [p for _, p in AROUND], "olga@other.example")))
outside = {p: a for p, a in got.items() if not re.search(REFUSED, a)}
is_(sorted(outside), ["<user@branch.example>"], "transit leads to a system that has a connector, and not to the outside nor back")
like(send(from_other, "olga@other.example", B, message("olga@other.example", B, "in transit")), "^250", "its mail is taken")
is_(host.one(lambda m: m.header("Subject") == "in transit").to(), [B], "and goes through the host, unrouted")
is_(branch.mails, [], "not past it")

# Networks.
s = Session(from_third)
like(s.greeting, r"^554 5\.7\.1|^220", "a listener has its own networks")
said = [s.greeting] + [s.say(c) for c in ("MAIL FROM:<x@third.example>",)]
s.close()
like("\n".join(said), r"^55[04] 5\.7\.1", "who is in none of them is told so")
like(asked(from_third, ["<%s>" % A], "x@third.example", source="127.0.0.3")[0], "^250", "who is in one is served")
s = Session(port, source="127.0.0.2")
said = [s.greeting, s.say("MAIL FROM:<%s>" % A)]
s.close()
like("\n".join(said), r"^55[04] 5\.7\.1", "so it is at the host's port")

# From the host.
like(asked(port, ["<user@outside.example>"], A)[0], r"^550 5\.7\.1 .*relay", "nor does the host reach where no connector leads")
like(asked(port, [IMCEA % "user+40outside+2Eexample"], A)[0], r"^550 5\.7\.1 .*relay", "encapsulated neither")

# ---- with a book that knows everybody ----

book((A, "host"), ("odd%name@contoso.example", "host"))
viaduct.reload(conf.replace('unknown = "pass"', 'unknown = "refuse"') + 'book { source = { "{top}/book.csv" } }\n')
ok(until(lambda: asked(from_branch, ["<odd%name@contoso.example>"], B)[0].startswith("250"), "it is taken"),
   "who has such an address himself, by the book, gets his mail")
for (how, path), answer in zip(AROUND, asked(from_branch, [p for _, p in AROUND], B)):
    like(answer, r"^550 5\.(7\.1|1\.1) |^50[13] 5\.1\.3", "strangers are refused: nobody gets out %s" % how)
like(asked(from_branch, ["<nobody@contoso.example>"], B)[0], r"^550 5\.1\.1", "nor in, to who is in no book")

viaduct.wait_empty()
ok(not other.mails and not third.mails and len(host.mails) == 2, "nothing else was sent anywhere")
viaduct.well(port, branch)
is_(viaduct.stop(), 0, "and it stops in order")
done()
