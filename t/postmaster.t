#!/usr/bin/python3
"""There is always a postmaster (RFC 5321 section 4.5.1): from either side, whatever the book and the address spaces say."""
from rig import Session, Sink, Viaduct, done, is_, message, ok, smtp_pair

host, branch = Sink(), Sink()
port, from_branch, conf = smtp_pair(host, branch, unknown="refuse")
BODY = message("a@contoso.example", "postmaster", "to the postmaster")


def codes(answers):
    return [a[:9] for a in answers]


def takes(where, recipient, name, sender="a@contoso.example"):
    session = Session(where)
    got = session.mail(sender, ["RCPT TO:<%s>" % recipient], BODY)
    session.close()
    is_(codes(got), ["250 2.1.0", "250 2.1.5", "250 2.0.0"], name)


def refuses(where, recipient, code, name):
    session = Session(where)
    session.say("MAIL FROM:<a@contoso.example>")
    ok(session.say("RCPT TO:<%s>" % recipient).startswith(code), name)
    session.close()


# admin-address is the postmaster of the host itself
viaduct = Viaduct(conf).start()
takes(port, "Postmaster", "a postmaster without a domain is taken from the host")
ok(host.wait(1, lambda m: "postmaster@contoso.example" in m.to()[0].lower()), "and is the host's own")
takes(from_branch, "postmaster", "and from a system", "b@branch.example")
takes(port, "postmaster@contoso.example", "the host may name its own postmaster")
ok(host.wait(3), "and he gets it")
refuses(port, "anna@contoso.example", "550 5.4.6", "any other address of the host is still refused to the host")
refuses(port, "postmaster@nowhere.example", "550 5.7.1", "and so is a postmaster whom nobody carries mail to")
viaduct.wait_empty("nothing is left or goes round")
is_(viaduct.stop(), 0, "it stops in order")

# admin-address lies in another system
viaduct = Viaduct(conf.replace('admin-address = "postmaster@contoso.example"', 'admin-address = "admin@branch.example"')).start()
takes(port, "postmaster", "with an admin-address elsewhere a postmaster without a domain is taken")
ok(branch.wait(1, lambda m: "admin@branch.example" in m.to()[0]), "and is the one whom admin-address names")
viaduct.wait_empty("nothing is left")
is_(viaduct.stop(), 0, "it stops in order")
done()
