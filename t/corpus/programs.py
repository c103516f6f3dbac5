"""Whole messages in the habits of known programs, and a cross of everything."""
from fields import subjects, word
from mail import Case, WHEN_S, attached, entity, html, mail, multi, picture, plain, simple, token
from shapes import TEXTS, blob

HABITS = {
    "Outlook": ["X-Mailer: Microsoft Outlook 16.0", "Thread-Topic: x", "Thread-Index: AQHZ", "X-MS-Has-Attach: yes", "X-MS-TNEF-Correlator:", "Content-Language: de-DE"],
    "Thunderbird": ["User-Agent: Mozilla Thunderbird", "Content-Language: en-US"],
    "Apple Mail": ["X-Mailer: Apple Mail (2.3774)", "Mime-Version: 1.0 (Mac OS X Mail 16.0)"],
    "webmail": ["X-Mailer: Webmail 1.6", "Received: from x by y; Wed, 25 Nov 2026 09:05:00 +0100"],
    "mutt": ["User-Agent: Mutt/2.2", "Content-Disposition: inline"],
    "a phone": ["X-Mailer: iPhone Mail (20A)"],
    "a newsletter": ["List-Unsubscribe: <https://x.example/u>", "Precedence: bulk", "Feedback-ID: 1:2:3"],
    "a scanner": ["X-Mailer: Scan to Mail"],
}


def habits():
    for n, (name, more) in enumerate(HABITS.items()):
        t, h, (f, data), (p, image) = token("t"), token("h"), blob(n + 100), blob(n + 120)
        text = "Hello,\n\n%s\n\n-- \nAnna Berg\nHarbour Office" % t
        flowed = entity("text/plain; charset=utf-8; format=flowed; delsp=yes", text.encode() + b"\n", "7bit")
        rich = html("Hello " + h, "utf-8")
        forms = [multi("mixed", [multi("alternative", [flowed, multi("related", [rich, picture("a@b", image)])]), attached("scan %d.pdf" % n, data, "application/pdf")]),
                 multi("alternative", [flowed, rich]), flowed]
        files = [[("image001.png", image), ("scan %d.pdf" % n, data)], [], []]
        tokens = [[t, f, p], [t], [t]]
        for k in range(3):
            yield simple("%s %d" % (name, k), forms[k], text=text, files=files[k], tokens=tokens[k], html=[h] if k < 2 else [], more=more)


def crossed():
    """Each charset with another subject, shape and encoding."""
    names = list(subjects())
    for n in range(60):
        charset, words = TEXTS[n % len(TEXTS)]
        name, field, said = names[(n * 7) % len(names)]
        t, h, (f, data) = token("t"), token("h"), blob(n + 200, 100 + n * 37)
        text = words + " " + t
        a = plain(text, charset, ("8bit", "base64", "quoted-printable")[n % 3])
        file = entity("application/octet-stream", data, "base64", (b"Content-Disposition: attachment; filename=\"" + word("Datei %d ä.bin" % n, "utf-8", "BQ"[n % 2]) + b"\"",))
        content = (multi("mixed", [a, file]), multi("mixed", [multi("alternative", [a, html(h, charset)]), file]), multi("mixed", [multi("mixed", [a]), multi("mixed", [file])]))[n % 3]
        message_id = "<cross%d@exchange.example>" % n
        more = [("Importance: high", "X-Priority: 3", "Importance: low")[n % 3]]
        yield Case("crossed %d: %s, %s" % (n, charset, name), mail(content, subject=b"Subject: " + field, message_id=message_id, more=more), text=text, tokens=[t, f],
                   html=[h] if n % 3 == 1 else [], files=[("Datei %d ä.bin" % n, data)], subject=said, date=WHEN_S, sender_name="Anna Berg", message_id=message_id,
                   importance=("high", "normal", "low")[n % 3])
