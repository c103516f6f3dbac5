"""Header fields as programs write them: words in every encoding, names of files, grades, people, dates."""
import base64
import calendar
import urllib.parse

from mail import ANNA, CREW, Case, WHEN, WHEN_S, entity, mail, multi, plain, token


def word(text, charset, how):
    raw = text.encode(charset)
    if how == "B":
        return b"=?" + charset.encode() + b"?B?" + base64.b64encode(raw) + b"?="
    return b"=?" + charset.encode() + b"?Q?" + b"".join(b"_" if c == 32 else bytes([c]) if chr(c).isalnum() and c < 128 else b"=%02X" % c for c in raw) + b"?="


def subjects():
    """(name, field's octets, what it says)"""
    for charset, text in (("utf-8", "Grüße aus Köln – 5 €"), ("iso-8859-1", "Grüße"), ("iso-8859-2", "Łódź"), ("iso-8859-5", "Кран"), ("iso-8859-15", "5 €"),
                          ("windows-1252", "“Smart” 5 €"), ("windows-1251", "Привет"), ("koi8-r", "Кран готов"), ("shift_jis", "会議の件"),
                          ("iso-2022-jp", "会議の件"), ("gb18030", "会议通知"), ("big5", "會議通知"), ("euc-kr", "회의")):
        for how in "BQ":
            yield "%s in %s" % (how, charset), word(text, charset, how), text
    raw = "Grüße".encode()
    yield "split within a character, B", b"=?utf-8?B?" + base64.b64encode(raw[:3]) + b"?=\n =?utf-8?B?" + base64.b64encode(raw[3:]) + b"?=", "Grüße"
    yield "split within a character, Q", b"=?utf-8?Q?Gr=C3?=\n =?utf-8?Q?=BC=C3=9Fe?=", "Grüße"
    yield "raw UTF-8", "Grüße – 5 €".encode(), "Grüße – 5 €"
    yield "raw windows-1252", "Grüße – 5 €".encode("cp1252"), "Grüße – 5 €"
    yield "with a language", b"=?utf-8*de?Q?Gr=C3=BC=C3=9Fe?=", "Grüße"
    yield "lower case and blanks in Q", b"=?UTF-8?q?two_words_=3d?=", "two words ="
    yield "words between words", b"Re: =?utf-8?Q?Gr=C3=BC=C3=9Fe?= from =?utf-8?Q?K=C3=B6ln?=", "Re: Grüße from Köln"
    yield "folded", b"one\n two\n\tthree", "one two three"
    yield "for the gateway's grammar", b"a; b, c\\d = e \"f\" -END- #g", "a; b, c\\d = e \"f\" -END- #g"
    yield "parentheses", b"(urgent) [list] {x}", "(urgent) [list] {x}"
    yield "carets, as in a token", b"^ sbjt ^addr", "^ sbjt ^addr"
    yield "empty", b"", ""
    yield "a broken word", b"=?utf-8?B?R3L", "=?utf-8?B?R3L"
    yield "an unknown encoding", b"=?utf-8?X?abc?=", "=?utf-8?X?abc?="
    yield "long", b"word " * 60, "word " * 60
    yield "long and encoded", b"\n ".join(word("Grüße %d und " % i, "utf-8", "Q") for i in range(80)), "".join("Grüße %d und " % i for i in range(80))


def all_subjects():
    for name, field, text in subjects():
        w = token("t")
        yield Case("subject: " + name, mail(plain(w), subject=b"Subject: " + field, message_id="<s%s@exchange.example>" % w), subject=text, date=WHEN_S, text=w,
                   tokens=[w], sender_name="Anna Berg", message_id="<s%s@exchange.example>" % w)


def file_names():
    """(name, Content-Disposition's parameters, other fields, the name)"""
    quote = urllib.parse.quote
    for charset, text in (("utf-8", "Kran Übersicht.doc"), ("iso-8859-1", "Größe.pdf"), ("windows-1252", "Preis 5 €.xls"), ("koi8-r", "план.doc"), ("shift_jis", "資料.pdf")):
        yield "RFC 2231 in " + charset, "filename*=%s''%s" % (charset, quote(text.encode(charset))), (), text
        yield "RFC 2047 in " + charset, "filename=\"%s\"" % word(text, charset, "B").decode(), (), text
    yield "sections", "filename*0*=utf-8''Kran%20%C3; filename*1*=%9C; filename*2=\"ber.doc\"", (), "Kran Über.doc"
    yield "sections out of order", "filename*1=\"bc.doc\"; filename*0=\"a\"", (), "abc.doc"
    yield "both forms", "filename=\"plain.doc\"; filename*=utf-8''sch%C3%B6n.doc", (), "schön.doc"
    yield "raw UTF-8", "filename=\"Größe.doc\"", (), "Größe.doc"
    yield "raw windows-1252", b"filename=\"Gr\xf6\xdfe.doc\"", (), "Größe.doc"
    yield "unquoted", "filename=report.doc", (), "report.doc"
    yield "unquoted with blanks", "filename=report two.doc", (), None
    yield "escapes", "filename=\"a \\\"b\\\".doc\"", (), "a \"b\".doc"
    yield "a path", "filename=\"C:\\\\temp\\\\x.doc\"", (), "C:\\temp\\x.doc"
    yield "a path upwards", "filename=\"../../etc/passwd\"", (), "../../etc/passwd"
    yield "a dot in front", "filename=\".profile\"", (), ".profile"
    yield "the gateway's signs", "filename=\"a; b, c=d.doc\"", (), "a; b, c=d.doc"
    yield "long", "filename=\"%s.doc\"" % ("n" * 300), (), "n" * 300 + ".doc"
    yield "no extension", "filename=\"Comments\"", (), "Comments"
    yield "in Content-Type only", "", ("octet-stream; name=\"typed.doc\"",), "typed.doc"
    yield "none at all", "", (), None
    yield "as the gateway's own", "filename=\"0badcafe.bdy\"", (), "0badcafe.bdy"


def all_names():
    for name, parameters, kind, said in file_names():
        w, f = token("t"), token("f")
        data = f.encode() + bytes(range(256))
        raw = parameters if isinstance(parameters, bytes) else parameters.encode()
        part = entity("application/" + (kind[0] if kind else "octet-stream"), data, "base64", (b"Content-Disposition: attachment" + (b"; " + raw if raw else b""),))
        yield Case("file name: " + name, mail(multi("mixed", [plain(w), part])), text=w, tokens=[w, f], files=[(said, data)], date=WHEN_S, subject="plain words")
    same = [entity("application/octet-stream; name=u.txt", token("f").encode(), "base64", ("Content-Disposition: attachment; filename=u.txt",)) for _ in range(3)]
    yield Case("file name: three times the same", mail(multi("mixed", [plain("x")] + same)), text="x", files=[("u.txt", None)] * 3)


def grades():
    fields = [("Importance: High", "high"), ("Importance: low", "low"), ("Importance: normal", "normal"), ("X-Priority: 1 (Highest)", "high"), ("X-Priority: 5", "low"),
              ("X-Priority: 3", "normal"), ("Priority: urgent", "high"), ("Priority: non-urgent", "low"), ("X-Priority: 5\nImportance: high", "high")]
    kinds = [("", "normal"), ("Sensitivity: Personal", "personal"), ("Sensitivity: Private", "private"), ("Sensitivity: Company-Confidential", "company-confidential")]
    for field, importance in fields:
        for other, sensitivity in kinds:
            w = token("t")
            more = [x for x in (field, other) if x]
            yield Case("grades: " + ", ".join(more).replace("\n", ", "), mail(plain(w), more=more), text=w, tokens=[w], importance=importance, sensitivity=sensitivity,
                       date=WHEN_S)


def people():
    def case(name, sender=b"From: Anna Berg <anna@exchange.example>", to=b"To: crew@gw.example", more=(), said=None, **truth):
        w = token("t")
        return Case("people: " + name, mail(plain(w), sender=sender, to=to, more=more), tokens=[w], sender_name=said, **truth)
    yield case("a name in quotes", b'From: "Berg, Anna" <anna@exchange.example>', said="Berg, Anna")
    yield case("a name in words", "From: =?utf-8?Q?Anna_M=C3=BCller?= <anna@exchange.example>".encode(), said="Anna Müller")
    yield case("a raw name", "From: Anna Müller <anna@exchange.example>".encode(), said="Anna Müller")
    yield case("a name in parentheses", b"From: anna@exchange.example (Anna Berg)")
    yield case("parentheses in a name", b'From: "Anna (HQ)" <anna@exchange.example>', said="Anna [HQ]")
    yield case("no name", b"From: anna@exchange.example")
    yield case("upper case", b"From: <Anna@Exchange.Example>")
    yield Case("people: two To", mail(plain("x"), to=b"To: crew@gw.example,\n mate@gw.example"), to=[CREW, "mate@gw.example"])
    yield Case("people: To and Cc", mail(plain("x"), more=[b"Cc: Jo <jo.hn@gw.example>, guest@partner.example"]), cc=["jo.hn@gw.example", "guest@partner.example"])
    yield Case("people: a group", mail(plain("x"), to=b"To: crew: crew@gw.example, mate@gw.example;"), to=[CREW, "mate@gw.example"])
    yield Case("people: undisclosed", mail(plain("x"), to=b"To: undisclosed-recipients:;"), to=None, envelope=[(3, CREW)])
    yield Case("people: blind copy", mail(plain("x")), envelope=[(1, CREW), (3, "secret@gw.example")])
    yield Case("people: others only in the header", mail(plain("x"), to=b"To: crew@gw.example, Guest <guest@partner.example>, anna@exchange.example"),
               to=[CREW, "guest@partner.example", ANNA])
    many = ["u%d@gw.example" % i for i in range(600)]
    yield Case("people: six hundred To", mail(plain("x"), to=b"To: " + ",\n ".join(many).encode()), to=many)
    yield case("reply to another", more=["Reply-To: Other <other@partner.example>"])
    yield case("on behalf", b"From: The Boss <anna@exchange.example>", more=["Sender: office@exchange.example"], said="The Boss")
    yield Case("people: a list's", mail(plain("x"), sender=b"From: Guest <guest@partner.example>", more=["List-Id: <l.partner.example>"]), sender="guest@partner.example")
    yield case("two in From", b"From: anna@exchange.example, carl@exchange.example", more=["Sender: anna@exchange.example"])
    yield case("expiry", more=["Expires: Thu, 26 Nov 2026 09:00:00 +0000", "Expiry-Date: Thu, 26 Nov 2026 09:00:00 +0000"])
    yield case("receipts", more=["Disposition-Notification-To: anna@exchange.example", "Return-Receipt-To: anna@exchange.example"])
    yield case("an answer", more=["In-Reply-To: <a@b.example>", "References: <a@b.example>"])


def dates():
    for field, want in ((WHEN, WHEN_S), ("25 Nov 2026 08:05:01 GMT", WHEN_S), ("Wed, 25 Nov 26 03:05:01 EST", WHEN_S), ("Wed, 25 Nov 2026 09:05:01 +0100 (CET)", WHEN_S),
                        ("Wed,25 Nov 2026 8:05:01 -0000", WHEN_S), ("Wed, 25 Nov 2026 08:05 +0000", WHEN_S - 1), ("Tue, 1 Jan 1980 00:00:00 +0000", 315532800),
                        ("Sat, 31 Dec 2050 23:59:59 +0000", calendar.timegm((2050, 12, 31, 23, 59, 59))), ("yesterday", None), ("", None),
                        ("Wed, 99 Foo 2026 25:61:00 +9999", None)):
        w = token("t")
        yield Case("date: " + (field or "none"), mail(plain(w), date=field), tokens=[w], text=w, date=want)
