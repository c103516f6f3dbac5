"""What is sealed, what Microsoft's programs pack, what reports, and what is broken."""
import struct

from mail import Case, attached, entity, html, mail, multi, plain, simple, token
from shapes import blob


# ---- signed, encrypted ----


def sealed():
    for n, kind in enumerate(("application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature")):
        w = token("t")
        inner = multi("signed", [plain(w), entity(kind + "; name=sig", b"SIG\n")], "; micalg=sha-256; protocol=\"%s\"" % kind)
        yield simple("signed %d" % n, inner, text=None, tokens=[w], files=[("signed.eml", None)])
        yield simple("signed within mixed %d" % n, multi("mixed", [inner, plain("footer")]), text=None, tokens=[w], files=[("signed.eml", None)])
    yield simple("PGP encrypted", multi("encrypted", [entity("application/pgp-encrypted", b"Version: 1\n"), entity("application/octet-stream; name=encrypted.asc", b"tokPGP\n")],
                                        "; protocol=\"application/pgp-encrypted\""), tokens=["tokPGP"], files=[("encrypted.eml", None)])
    for kind in ("enveloped-data", "signed-data"):
        yield simple("S/MIME " + kind, entity("application/pkcs7-mime; smime-type=%s; name=smime.p7m" % kind, b"0\x82\x01tokP7M", "base64"), tokens=["tokP7M"],
                     files=[("smime.p7m", b"0\x82\x01tokP7M")])
    w = token("t")
    yield simple("PGP in the text", plain("-----BEGIN PGP SIGNED MESSAGE-----\n\n- -- " + w + "\n-----BEGIN PGP SIGNATURE-----\nx\n-----END PGP SIGNATURE-----"),
                 text="-----BEGIN PGP SIGNED MESSAGE-----\n\n- -- " + w + "\n-----BEGIN PGP SIGNATURE-----\nx\n-----END PGP SIGNATURE-----", tokens=[w])


# ---- TNEF ----


def attribute(level, number, data):
    return struct.pack("<BII", level, number, len(data)) + data + struct.pack("<H", sum(data) & 0xffff)


def tnef(text=None, files=()):
    out = struct.pack("<IH", 0x223e9f78, 1) + attribute(1, 0x00089006, struct.pack("<I", 0x10000)) + attribute(1, 0x00069007, struct.pack("<II", 1252, 0))
    if text is not None:
        out += attribute(1, 0x0002800c, text + b"\0")
    for name, data in files:
        out += attribute(2, 0x00069002, struct.pack("<HIHHII", 1, 0xffffffff, 32, 32, 0, 0)) + attribute(2, 0x00018010, name + b"\0") + attribute(2, 0x0006800f, data)
    return out


def tnefs():
    for n in range(4):
        w, (f, data), (g, more) = token("t"), blob(n + 50), blob(n + 60, 40)
        within = [(b"Gr\xf6\xdfe.doc", data), (b"two.txt", more)][:n % 3]
        names = [("Größe.doc", data), ("two.txt", more)][:n % 3]
        packed = attached("winmail.dat", tnef(None, within), "application/ms-tnef")
        yield simple("TNEF with %d files beside a text, %d" % (len(within), n), multi("mixed", [plain(w), packed]), text=w, tokens=[w] + [f, g][:n % 3], files=names)
        packed = entity("application/ms-tnef; name=winmail.dat", tnef(w.encode() + b" Gr\xf6\xdfe", within), "base64")
        yield simple("TNEF with a body and %d files, %d" % (len(within), n), packed, text=w + " Größe", tokens=[w] + [f, g][:n % 3], files=names)
    w = token("t")
    for name, data in (("cut", tnef(b"x", [(b"a", b"y" * 500)])[:200]), ("of 4 GiB", tnef() + struct.pack("<BII", 2, 0x0006800f, 0xffffffff) + b"abc"), ("empty", b""),
                       ("none", b"this is no TNEF")):
        yield simple("TNEF that is " + name, multi("mixed", [plain(w), attached("winmail.dat", data, "application/ms-tnef")]), files=None, tokens=[w])


# ---- reports ----


def reports():
    for action in ("failed", "delayed", "delivered", "relayed"):
        w = token("t")
        status = b"Reporting-MTA: dns; x.example\n\nFinal-Recipient: rfc822; a@b.example\nAction: %s\nStatus: 5.1.1\n" % action.encode()
        yield simple("delivery report: " + action, multi("report", [plain(w), entity("message/delivery-status", status), entity("message/rfc822", b"Subject: lost\n\nx\n")],
                                                         "; report-type=delivery-status"), text=None, files=None, tokens=[w, "Final-Recipient: rfc822; a@b.example"])
    w = token("t")
    receipt = b"Final-Recipient: rfc822; a@b.example\nDisposition: manual-action/MDN-sent-manually; displayed\n"
    yield simple("a receipt", multi("report", [plain(w), entity("message/disposition-notification", receipt)], "; report-type=disposition-notification"), text=None, files=None,
                 tokens=[w, "Disposition: manual-action"])


# ---- labels that lie ----


def mislabelled():
    for label, raw, said in (("utf-8", "Größe".encode("cp1252"), "Größe"), ("us-ascii", "Größe".encode(), "Größe"), ("us-ascii", "Größe".encode("cp1252"), "Größe"),
                             ("iso-8859-1", "“5 €”".encode("cp1252"), "“5 €”"), ("x-unknown", "Größe".encode(), "Größe"), ("no such thing", b"abc", "abc"),
                             ("utf-8", b"\xff\xfe\xfd", None), ("iso-2022-jp", b"\x1b$B\x46", None), ("utf-16", b"\0a\0b", None), ("", "Größe".encode(), "Größe")):
        w = token("t")
        yield simple("labelled %s, is %r" % (label, raw[:12]), entity("text/plain; charset=\"%s\"" % label, raw + b" " + w.encode() + b"\n", "8bit"),
                     text=said and said + " " + w)
    for name, raw, said in (("control characters", b"a\x01b\x0cc\x1a\x7fd", "a b c  d"), ("NULs", b"a\0b", "a b"), ("a CR alone", b"a\rb", None)):
        w = token("t")
        yield simple("text with " + name, entity("text/plain; charset=utf-8", raw + b" " + w.encode() + b"\n", "8bit"), tokens=[w], text=None if said is None else raw.decode() + " " + w)
    w = token("t")
    yield simple("an encoding nobody knows", entity("text/plain", w.encode() + b"\n", None, ("Content-Transfer-Encoding: x-own",)), tokens=[w])
    yield simple("uuencode", plain("begin 644 a.txt\n#86)C\n`\nend"), text="begin 644 a.txt\n#86)C\n`\nend")


# ---- broken ----


def broken():
    def case(name, data, *tokens, **truth):
        truth.setdefault("sender", None)
        truth.setdefault("to", None)
        truth.setdefault("files", None)
        return Case("broken: " + name, data, tokens=list(tokens), **truth)
    w = [token("t") for _ in range(40)]
    text = [x.encode() for x in w]
    top = b"From: anna@exchange.example\nTo: crew@gw.example\nMIME-Version: 1.0\n"
    mixed = top + b"Content-Type: multipart/mixed; boundary=b\n\n"
    yield case("no header", b"\n" + text[0] + b"\n", w[0])
    yield case("nothing at all", b"")
    yield case("one line end", b"\n")
    yield case("header only", b"Subject: " + text[1] + b"\n")
    yield case("header only, no line end", b"Subject: " + text[2])
    yield case("no end boundary", mixed + b"--b\n\n" + text[3] + b"\n", w[3])
    yield case("no part", mixed + b"no boundary " + text[4] + b"\n")
    yield case("only the end boundary", mixed + b"--b--\n" + text[5] + b"\n")
    yield case("no boundary parameter", top + b"Content-Type: multipart/mixed\n\n--b\n\n" + text[6] + b"\n--b--\n", w[6])
    yield case("an empty boundary", top + b"Content-Type: multipart/mixed; boundary=\"\"\n\n--\n\n" + text[7] + b"\n----\n", w[7])
    yield case("a boundary used again within", mixed + b"--b\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n" + text[8] + b"\n--b--\n--b--\n", w[8])
    yield case("a boundary that begins another", mixed + b"--b\nContent-Type: multipart/mixed; boundary=bb\n\n--bb\n\n" + text[9] + b"\n--bb--\n--b\n\n" + text[10] + b"\n--b--\n",
               w[9], w[10])
    yield case("parts after the end", mixed + b"--b\n\n" + text[11] + b"\n--b--\n--b\n\n" + text[12] + b"\n--b--\n", w[11])
    yield case("base64 cut off", mixed + b"--b\nContent-Type: application/x; name=a\nContent-Transfer-Encoding: base64\n\ndG9rQ1VU\nAAE", "tokCUT")
    yield case("base64 with rubbish", top + b"Content-Transfer-Encoding: base64\n\n!!dG9r*R0FS\n=QkFHRQ==", "tok")
    yield case("quoted-printable with rubbish", top + b"Content-Transfer-Encoding: quoted-printable\n\n=ZZ =\n=4 " + text[13] + b"=", w[13])
    yield case("a part without its empty line", mixed + b"--b\nContent-Type: text/plain\n--b\n\n" + text[14] + b"\n--b--\n", w[14])
    yield case("lines without colon in the header", b"From: anna@exchange.example\nTo: crew@gw.example\nrubbish here\n\n" + text[15] + b"\n", w[15])
    yield case("a header in which nothing is right", b": \n:::\n \n\t\n\n" + text[16] + b"\n")
    yield case("From with rubbish", b"From: <<>>,,@;\"\nTo: (((\nSubject: x\n\n" + text[17] + b"\n", w[17])
    yield case("two of each field", top + b"From: b@exchange.example\nSubject: one\nSubject: two\nContent-Type: text/plain\nContent-Type: text/html\n\n" + text[18] + b"\n", w[18])
    yield case("a NUL in the header", b"From: anna@exchange.example\nSubject: a\0b\n\n" + text[19] + b"\n", w[19])
    yield case("a header of a megabyte", top + b"X-Long: " + b"x" * (1 << 20) + b"\n\n" + text[20] + b"\n", w[20])
    yield case("a type of a megabyte", top + b"Content-Type: text/plain; x=\"" + b"x" * (1 << 20) + b"\"\n\n" + text[21] + b"\n")
    yield case("a parameter's name of 72 octets, not ASCII", top + b"Content-Type: text/plain; " + b"n" * 72 + b"=\xc3\xa9; charset=utf-8\n\n" + text[22] + b"\n", w[22])
    yield case("sections without end", top + b"Content-Disposition: attachment" + b"".join(b"; filename*%d=x" % i for i in range(5000)) + b"\n\n" + text[23] + b"\n", w[23])
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=n%d\n\n--n%d\n" % (i, i) for i in range(1000))
    yield case("a thousand in each other", top + deep + b"\n" + text[24] + b"\n", w[24])
    yield case("messages in each other", top + b"Content-Type: message/rfc822\n\n" * 300 + text[25] + b"\n", w[25])
    yield case("three thousand parts", mixed + b"".join(b"--b\nContent-Type: application/x\n\npart %d\n" % i for i in range(3000)) + b"--b\n\n" + text[26] + b"\n--b--\n", w[26])
    yield case("ten thousand recipients in To", b"From: anna@exchange.example\nTo: " + b",\n ".join(b"u%d@gw.example" % i for i in range(10000)) + b"\n\n" + text[27] + b"\n", w[27],
               envelope=[(1, "u%d@gw.example" % i) for i in range(10000)])
    yield case("CR LF in the spool", top.replace(b"\n", b"\r\n") + b"\r\n" + text[28] + b"\r\n", w[28])
    yield case("a message type that is none", top + b"Content-Type: \n\n" + text[29] + b"\n", w[29])
    yield case("a type without slash", top + b"Content-Type: text\n\n" + text[30] + b"\n", w[30])
    yield case("HTML that never ends", top + b"Content-Type: text/html\n\n" + text[31] + b"<p " + b"a=\"" * 5000, w[31])
    yield case("HTML with a script that never ends", top + b"Content-Type: text/html\n\n" + text[32] + b"<script>lost", w[32])
    yield case("a body that looks like an API file", top + b"\n-END-\nMsg-Type= Mail; \nTo= x; ;\n" + text[33] + b"\n", w[33])
    yield case("mbox lines", top + b"\nFrom x\n>From y\n.\n..\n" + text[34] + b"\n", w[34])
    yield case("preamble and epilogue", mixed + b"preamble\n--b\n\n" + text[35] + b"\n--b--\nepilogue\n", w[35])
