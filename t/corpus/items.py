"""Items as a GroupWise gateway gives them, of every Msg-Type, and what becomes of each."""

FROM = "From= \r\n    WPD= HARBOUR; \r\n    WPPO= Quay; \r\n    WPU= crew; \r\n    FN= Lena; \r\n    LN= Nowak; ; \r\n"
TO = "To= \r\n    WPD= Exchange; \r\n    WPPO= HQ; \r\n    WPU= anna; \r\n    CDBA= 0001:0001; ; \r\n"
ID = "Msg-Id= 4003A1B2.7C1D.000B.000; \r\nDate-Sent= 25/11/2026 9:5:1; \r\n"


class Item:
    """`becomes`: what the conversion says; `words`: what must be found in text, subject, files or reason."""

    def __init__(self, name, header, becomes="converted", words=(), body=b"the body", files=(), frame=True):
        text = header if not frame else "WPC-API= 1.2; \r\nHeader-Char= T50; \r\n" + header + "-END-\r\n"
        self.name, self.becomes, self.words = name, becomes, list(words)
        self.parts = {"api": text.encode("cp437")}
        if body is not None:
            self.parts["bdy"] = body
        for file, data in files:
            self.parts["at." + file] = data


def typed(kind, more="", **rest):
    words = rest.pop("words", ())
    return Item(rest.pop("name", kind), "Msg-Type= %s; \r\n" % kind + FROM + TO + "Subject= tokSubject é; \r\n" + ID + more, words=words, **rest)


def files(*all_files):
    return "Attach-File= " + ", ".join("\r\n    Current-File= %s; \r\n    Original-File= %s; \r\n    Size= %d; " % f for f in all_files) + "; \r\n"


def items():
    yield typed("Mail", words=["tokSubject é", "the body"])
    yield typed("MAIL", name="MAIL in capitals", words=["tokSubject é"])
    yield typed("Mail", files(("a.001", "Größe.doc", 4), ("A.002", "b.txt", 3)), name="Mail with files", words=["Größe.doc", "data", "b.txt", "xyz"],
                files=[("A.001", b"data"), ("a.002", b"xyz")])
    yield typed("Mail", "Attach-File= \r\n    -CONVERSION-ALLOWED-, \r\n    Current-File= a.001; \r\n    Original-File= one.doc; , \r\n    -CONVERSION-ALLOWED-, \r\n"
                "    Current-File= a.002; \r\n    Original-File= two.doc; ; \r\n", name="Mail of an old gateway", words=["one.doc", "111", "two.doc", "222"],
                files=[("a.001", b"111"), ("a.002", b"222")])
    yield typed("Mail", files(("Comments", "Comments", 3)), name="Mail with Comments", words=["Comments", "abc"], files=[("Comments", b"abc")])
    yield typed("Mail", files(("gone.001", "gone.doc", 3)), name="Mail whose file did not come", words=["gone.doc"])
    yield typed("Mail", name="Mail with a file nobody named", words=["stray", "DATA"], files=[("stray", b"DATA")])
    yield typed("Mail", name="Mail with an empty file", words=["empty.bin"], files=[("empty.bin", b"")])
    yield typed("Mail", name="Mail without a body", words=["tokSubject"], body=None)
    yield typed("Mail", name="Mail with an empty body", words=["tokSubject"], body=b"")
    yield typed("Mail", files(("Header.txt", "Header.txt", 9), ("MIME.822", "MIME.822", 4)), name="a forwarded Mail", words=["Header.txt", "Priority: ", "MIME.822", "mime"],
                files=[("Header.txt", b"Priority: High"), ("MIME.822", b"mime")])
    yield typed("Mail", name="Mail in code page 437", words=["Größe ╬ ½"], body="Größe ╬ ½".encode("cp437"))
    yield typed("Mail", name="Mail with DOS's end of file", words=["end"], body=b"end\x1a")
    yield typed("Mail", "To-CC= \r\n    WPD= Exchange; WPPO= HQ; WPU= carl; ; \r\nTo-BC= \r\n    WPD= Exchange; WPPO= HQ; WPU= eve; ; \r\n", name="Mail to three kinds")
    yield typed("Appt", "Begin-Time= 26/11/2026 9:0; \r\nEnd-Time= 26/11/2026 10:0; \r\nLocation= tokPlace é; \r\n", words=["tokPlace é", "the body"])
    yield typed("Appt", "Begin-Time= rubbish; \r\nLocation= tokPlace; \r\n", name="Appt without a time", words=["tokPlace", "the body"])
    yield typed("Note", "Begin-Time= 26/11/2026 0:0; \r\n", words=["26", "the body"])
    yield typed("Task", "Begin-Time= 26/11/2026 0:0; \r\nEnd-Time= 28/11/2026 0:0; \r\nTask-Category= A; \r\nTask-Priority= 1; \r\n", words=["28", "A", "the body"])
    yield typed("Todo", "Task-Priority= 7; \r\n", words=["7", "the body"])
    yield typed("Phone", "Caller-Name= tokCaller; \r\nCaller-Company= tokFirm; \r\nCaller-Phone= +49 1; \r\nCall-Action= tokAction; \r\n",
                words=["tokCaller", "tokFirm", "+49 1", "tokAction", "the body"])
    for action in ("Delivered", "Opened", "Accepted", "Declined", "Delegated", "Completed", "Deleted", "Undeliverable"):
        yield typed("Mail", "Orig-Msg-ID= VIADUCT-unknown; \r\nStatus-Report= \r\n    Action= %s; \r\n    Time= 26/11/2026 9:0; ; \r\n" % action,
                    name="a status %s of a message nobody remembers" % action, words=[action])
    yield typed("Status", "Set-Status= Archived; \r\n", name="a status without meaning", becomes="nothing", words=["Archived"])
    yield Item("Search", "Msg-Type= SEARCH; \r\nMsg-Id= 45A1.B2; \r\n" + FROM + TO + "Begin-Time= 25/11/2026 0:0; \r\nEnd-Time= 2/12/2026 0:0; \r\n", "answered", body=None)
    yield Item("a Search's answer", "Msg-Type= SEARCH; \r\nMsg-Id= 45A1.B2; \r\nOrig-Msg-ID= X:1:2:3; \r\n" + FROM + TO, "nothing", ["nobody here asked"], None)
    yield Item("Admin", "Msg-Type= Admin; \r\nDS-User= \r\n    Operation= List; \r\n    Domain= HARBOUR; ; \r\n", "directory", body=None)
    yield typed("PassThrough", becomes="bad", name="PassThrough", words=["PassThrough"])
    yield typed("tokUnheard", becomes="bad", name="an unknown type", words=["tokUnheard"])
    yield Item("no type, but a mail", FROM + TO + "Subject= tokTypeless; \r\n" + ID, words=["tokTypeless"])
    yield Item("no type, and no mail", FROM + TO, "bad", ["no Msg-Type"])
    yield Item("dotted", "Msg-Type= Mail; \r\nFROM=HARBOUR.Quay.crew;\r\nTO=Exchange.HQ.anna,Exchange.HQ.carl;\r\nSUBJECT=tokDotted;\r\n", words=["tokDotted", "dotted"])
    yield Item("to nobody", "Msg-Type= Mail; \r\n" + FROM + "To=; \r\nSubject= x; \r\n", "bad", ["no active recipients"])
    yield Item("from nobody", "Msg-Type= Mail; \r\n" + TO + "Subject= x; \r\n", "bad", ["sender"])
    yield Item("without end", "WPC-API= 1.2; \r\nMsg-Type= Mail; \r\n" + FROM + TO + "Subject= x; \r\n", "bad", ["-END-"], frame=False)
    yield Item("empty", "", "bad", ["no header file"], frame=False)
    yield Item("binary", "".join(chr(i) for i in range(1, 127)) * 50, "bad", frame=False)
    yield typed("Mail", "Subject= " + "long " * 20000 + "; \r\n", name="a subject of 100,000 octets", words=["the body"])
    yield Item("ten thousand recipients", "Msg-Type= Mail; \r\n" + FROM + "To= " + " ,".join("\r\n    WPD= Exchange; WPPO= HQ; WPU= u%d; " % i for i in range(10000)) + "; \r\n"
               + "Subject= tokMany; \r\n", words=["tokMany", "the body"])
