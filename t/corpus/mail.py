"""Messages for the conversion, and what each says: made here, the same at every run.

A Case is a message as the spool holds it (LF line ends) with the truth about it, known by whoever wrote it and not by reading
it again: None where there is none to be told. Every text and file holds a token of its own, so that what vanishes is missed.
"""
import base64
import binascii
import calendar

WHEN = "Wed, 25 Nov 2026 09:05:01 +0100"
WHEN_S = calendar.timegm((2026, 11, 25, 8, 5, 1))
ANNA, CREW = "anna@exchange.example", "crew@gw.example"


class Case:
    """`text`: the whole body, where the message has one of plain text. `tokens`: what must be found in a text or a file; those
    of `html` may be missing where the report says that a form of HTML was left out."""

    def __init__(self, name, data, **truth):
        self.name, self.data = name, data
        self.sender, self.sender_name, self.to, self.cc = ANNA, None, [CREW], []
        self.subject, self.date, self.text, self.files, self.tokens, self.html = None, None, None, [], [], []
        self.importance, self.sensitivity, self.message_id, self.envelope = "normal", "normal", None, None
        for key, value in truth.items():
            assert hasattr(self, key), key
            setattr(self, key, value)
        if self.envelope is None:
            self.envelope = [(1, a) for a in self.to or [CREW] if a.endswith("@gw.example")] + [(2, a) for a in self.cc if a.endswith("@gw.example")]
        if not self.envelope:
            self.envelope = [(1, CREW)]


serial = [0]


def token(kind):
    serial[0] += 1
    return "tok%04d%s" % (serial[0], kind)


def boundary():
    serial[0] += 1
    return "=_b%d.%d" % (serial[0] * 7919 % 10007, serial[0])


def fill(data, encoding):
    """The octets in a transfer encoding."""
    if encoding == "base64":
        return base64.encodebytes(data)
    if encoding == "quoted-printable":
        return binascii.b2a_qp(data, istext=True)
    return data


def entity(kind, data, encoding=None, fields=()):
    """A part: header and content."""
    lines = [b"Content-Type: " + kind.encode("latin-1", "surrogateescape")] if kind else []
    if encoding:
        lines.append(b"Content-Transfer-Encoding: " + encoding.encode())
    lines += [f if isinstance(f, bytes) else f.encode() for f in fields]
    return b"".join(line + b"\n" for line in lines) + b"\n" + fill(data, encoding)


def multi(kind, parts, more=""):
    mark = boundary().encode()
    body = b"".join(b"--" + mark + b"\n" + part + b"\n" for part in parts) + b"--" + mark + b"--\n"
    return b"Content-Type: multipart/" + kind.encode() + b"; boundary=\"" + mark + b"\"" + more.encode() + b"\n\n" + body


def plain(text, charset="utf-8", encoding="8bit"):
    return entity("text/plain; charset=" + charset, text.encode(charset) + b"\n", encoding)


def html(words, charset="utf-8", encoding="quoted-printable"):
    page = "<html><head><style>p { color: red }</style></head><body><p>%s</p><p>second &amp; last</p></body></html>\n" % words
    return entity("text/html; charset=" + charset, page.encode(charset, "xmlcharrefreplace"), encoding)


def attached(name, data, kind="application/octet-stream", how="attachment", fields=()):
    return entity(kind, data, "base64", ("Content-Disposition: %s; filename=\"%s\"" % (how, name),) + tuple(fields))


def picture(cid, data, name="image001.png"):
    return entity("image/png; name=\"%s\"" % name, data, "base64", ("Content-ID: <%s>" % cid, "Content-Disposition: inline; filename=\"%s\"" % name))


def forwarded(words):
    return entity("message/rfc822", b"From: x@y.example\nSubject: inner\nContent-Type: text/plain\n\n" + words.encode() + b"\n")


def mail(content, subject=b"Subject: plain words", sender=b"From: Anna Berg <anna@exchange.example>", to=b"To: crew@gw.example", more=(), date=WHEN,
         message_id=None):
    """A whole message; fields are octets."""
    fields = [sender, to, subject]
    if date:
        fields.append(b"Date: " + date.encode())
    if message_id:
        fields.append(b"Message-ID: " + message_id.encode())
    fields += [f if isinstance(f, bytes) else f.encode() for f in more]
    return b"".join(f + b"\n" for f in fields) + b"MIME-Version: 1.0\n" + content


def simple(name, content, **truth):
    """A message with the usual header and its truth."""
    fields = {k: truth.pop(k) for k in ("more",) if k in truth}
    message_id = "<%s@exchange.example>" % name.replace(" ", ".").replace("/", ".").replace(",", "")
    known = {"subject": "plain words", "date": WHEN_S, "sender_name": "Anna Berg", "message_id": message_id}
    known.update(truth)
    return Case(name, mail(content, message_id=message_id, **fields), **known)
