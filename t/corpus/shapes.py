"""How mail programs nest texts, pictures and files, in which character sets and encodings."""
import hashlib

from mail import attached, entity, forwarded, html, multi, picture, plain, simple, token

# (charset, a text in it that names no other): what it says to who reads it right
TEXTS = [
    ("us-ascii", "The crane is ready."), ("utf-8", "Schöne Grüße, 500 µm, ½ m²"), ("utf-8", "Żółw — “quoted” – 5 €…"),
    ("iso-8859-1", "Größe: 5 cm² für Jürgen, à bientôt"), ("iso-8859-2", "Příliš žluťoučký kůň úpěl"), ("iso-8859-5", "Привет, кран готов"),
    ("iso-8859-15", "Preis: 500 €, œuvre"), ("windows-1250", "Łódź – „Kraków”"), ("windows-1251", "Здравствуйте, «товарищ»"),
    ("windows-1252", "“Smart” – 500 € … ™"), ("windows-1253", "Καλημέρα κόσμε"), ("windows-1254", "Şişli’den İstanbul’a"),
    ("windows-1255", "שלום עולם"), ("windows-1256", "مرحبا"), ("windows-1257", "Ąžuolas ėjo"), ("koi8-r", "Кран стоит на причале"),
    ("shift_jis", "こんにちは、世界"), ("iso-2022-jp", "日本語のメール"), ("euc-jp", "漢字かな交じり文"), ("gb18030", "你好，世界 㐀"), ("gb2312", "中文邮件"),
    ("big5", "繁體中文信件"), ("euc-kr", "안녕하세요"),
]
DATA = bytes(range(256)) * 3


def blob(n, size=700):
    """Octets of a file, with its token in front."""
    word = token("f")
    return word, (word.encode() + b"\0" + hashlib.sha256(b"%d" % n).digest() * (size // 32 + 1))[:size]


def charsets():
    for n, (charset, words) in enumerate(TEXTS):
        for encoding in ("8bit", "quoted-printable", "base64"):
            word = token("t")
            text = words + "\nsecond line " + word
            yield simple("text %d in %s, %s" % (n, charset, encoding), plain(text, charset, encoding), text=text, tokens=[word])
        word = token("h")
        yield simple("HTML %d in %s" % (n, charset), html(words + " " + word, charset), tokens=[word])


def shapes():
    """Every nesting of text, HTML, pictures and files that programs write; the second round in another order of encodings."""
    for n, (charset, words, encoding) in enumerate([("utf-8", "Grüße", "quoted-printable"), ("iso-8859-1", "Größe", "8bit"), ("us-ascii", "hello", "base64")]):
        t, h, u = token("t"), token("h"), token("t")
        (fw, file), (gw, second), (pw, image) = blob(n), blob(n + 10, 90), blob(n + 20, 3000)
        text, other = words + " " + t, "and " + u
        a, b, rich = plain(text, charset, encoding), plain(other, charset, encoding), html(words + " " + h, charset, encoding)
        img = picture("p%d@x" % n, image)
        related = multi("related", [rich, img], "; type=\"text/html\"")
        alternative = multi("alternative", [a, rich])
        doc, pdf = attached("Offer %d.doc" % n, file, "application/msword"), attached("plan.pdf", second, "application/pdf", "inline")
        note = attached("notes.txt", b"line one\nline two\n" + gw.encode(), "text/plain; charset=utf-8")
        fd, fp, fi = ("Offer %d.doc" % n, file), ("plan.pdf", second), ("image001.png", image)

        def case(name, content, files=(), whole=text, tokens=(), rich=()):
            return simple("shape %d: %s" % (n, name), content, text=whole, files=None if files is None else list(files), tokens=list(tokens), html=list(rich))
        yield case("plain", a, tokens=[t])
        yield case("html", rich, whole=None, tokens=[h])
        yield case("alternative", alternative, tokens=[t], rich=[h])
        yield case("alternative, HTML first", multi("alternative", [rich, a]), tokens=[t], rich=[h])
        yield case("mixed of text and file", multi("mixed", [a, doc]), [fd], tokens=[t, fw])
        yield case("mixed of alternative and files", multi("mixed", [alternative, doc, pdf]), [fd, fp], tokens=[t, fw, gw], rich=[h])
        yield case("related", related, [fi], None, [h, pw])
        yield case("alternative with related", multi("alternative", [a, related]), [fi], tokens=[t, pw], rich=[h])
        yield case("related round alternative", multi("related", [alternative, img]), [fi], tokens=[t, pw], rich=[h])
        yield case("mixed of related and file", multi("mixed", [related, doc]), [fi, fd], None, [h, pw, fw])
        yield case("mixed of alternative with related, files", multi("mixed", [multi("alternative", [a, related]), doc, pdf]), [fi, fd, fp],
                   tokens=[t, pw, fw, gw], rich=[h])
        yield case("mixed of plain and HTML", multi("mixed", [a, rich]), whole=None, tokens=[t, h])
        yield case("mixed of two texts", multi("mixed", [a, b]), whole=text + "\n\n" + other, tokens=[t, u])
        yield case("text, file, text", multi("mixed", [a, doc, b]), [fd], text + "\n\n" + other, [t, u, fw])
        yield case("a file alone", doc, [fd], "", [fw])
        yield case("a file alone in mixed", multi("mixed", [doc]), [fd], "", [fw])
        yield case("an attached text", multi("mixed", [a, note]), [("notes.txt", b"line one\nline two\n" + gw.encode())], tokens=[t, gw])
        yield case("a forwarded mail", multi("mixed", [a, forwarded(u)]), [(None, None)], tokens=[t, u])
        yield case("a digest", multi("mixed", [a, multi("digest", [b"\n" + b"From: a@b.example\nSubject: 1\n\n" + u.encode() + b"\n", b"\nSubject: 2\n\nx\n"])]),
                   [(None, None)] * 2, tokens=[t, u])
        yield case("alternative within alternative", multi("alternative", [a, multi("alternative", [rich])]), tokens=[t], rich=[h])
        yield case("mixed within mixed", multi("mixed", [multi("mixed", [a, doc]), multi("mixed", [pdf])]), [fd, fp], tokens=[t, fw, gw])
        yield case("parallel", multi("parallel", [a, img]), [fi], tokens=[t, pw])
        yield case("an unknown multipart", multi("x-unheard-of", [a, doc]), [fd], tokens=[t, fw])
        yield case("an empty plain beside HTML", multi("alternative", [plain("", charset, encoding), rich]), whole=None, tokens=[h])
        yield case("twenty files", multi("mixed", [a] + [attached("f%02d.bin" % k, file[k:]) for k in range(20)]),
                   [("f%02d.bin" % k, file[k:]) for k in range(20)], tokens=[t])
        yield case("a text with a name", multi("mixed", [a, entity("text/plain; name=log.txt", b"entry " + u.encode() + b"\n")]),
                   [("log.txt", None)], tokens=[t, u])
        yield case("a calendar beside the text",
                   multi("alternative", [a, entity("text/calendar; method=%s; charset=utf-8" % ("REQUEST", "REPLY", "CANCEL")[n],
                                                   b"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nMETHOD:%s\nBEGIN:VEVENT\nUID:%s\nDTSTAMP:20261125T080000Z\n"
                                                   b"DTSTART:20261126T090000Z\nDTEND:20261126T100000Z\nSUMMARY:Meet\nORGANIZER:mailto:anna@exchange.example\n"
                                                   b"ATTENDEE;PARTSTAT=ACCEPTED:mailto:crew@gw.example\nEND:VEVENT\nEND:VCALENDAR\n"
                                                   % ((b"REQUEST", b"REPLY", b"CANCEL")[n], u.encode()), "7bit")]), None, None, [t])


def sizes():
    for n in (0, 1, 2, 3, 56, 57, 58, 65535, 65536, 65537, 300000):
        word = token("t")
        data = (DATA * (n // len(DATA) + 1))[:n]
        yield simple("a file of %d octets" % n, multi("mixed", [plain(word), attached("size.bin", data)]), text=word if n > 0 else None,
                     files=[("size.bin", data)], tokens=[word])
    for columns in (0, 76, 77, 998, 5000):
        word = token("t")
        text = "x" * columns + "\n" + word + "\n--=_ no boundary\n.dot\n" + "y = z " * (columns // 6)
        yield simple("lines of %d" % columns, plain(text.rstrip()), text=text.rstrip(), tokens=[word])
