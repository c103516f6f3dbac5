#!/usr/bin/python3
"""A meeting goes to GroupWise, is accepted there, and the organizer's calendar understands it; and the other way about.

All in the real converters, within their sandbox: time zones and calendars are the libraries' tables, no file is opened.
"""
import email
import os
import re

from gateway import Gateway
from rig import Session, Sink, Viaduct, done, free_port, is_, like, message, ok, private_folder, send, until

gateway, host = Gateway(), Sink()
port = free_port()
book = private_folder() + "/people.csv"
with open(book, "w") as f:
    f.write("""display,primary,proxies,side
Anna Berg,SMTP:anna@contoso.example,GWISE:Exchange.HQ.anna,host
Lena Nowak,GWISE:Harbour.Quay.lnowak,SMTP:lnowak@gw.contoso.example,groupwise
""")
viaduct = Viaduct("""host {
    domains = { "contoso.example" }
    unknown = "pass"
    smtp { listen = { "127.0.0.1:%d" } }
    deliver { to = { "smtp://127.0.0.1:%d" } }
}
connector "groupwise" {
    type = "gwise"
    peer { root = "%s" poll = "1s" domain = "Exchange" settle = "1s" }
    address-space { type = "GWISE" pattern = "*" }
    address-space { type = "SMTP" pattern = "*@gw.contoso.example" }
    retry { first = "1s" }
    convert { timezone = "Europe/Berlin" reports = "status" }
}
book { source = { "%s" } }
admin-address = "postmaster@contoso.example"
""" % (port, host.port, gateway.root, book)).start()
ANNA, LENA = "anna@contoso.example", "lnowak@gw.contoso.example"


def calendar(method, lines):
    return "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "METHOD:" + method, "BEGIN:VEVENT"] + lines + ["END:VEVENT", "END:VCALENDAR", ""])


def mail(subject, method, lines):
    session = Session(port)
    data = ("From: Anna <%s>\r\nTo: Lena <%s>\r\nSubject: %s\r\nMessage-ID: <%s@contoso.example>\r\nMIME-Version: 1.0\r\n"
            "Content-Type: text/calendar; charset=utf-8; method=%s\r\n\r\n%s" % (ANNA, LENA, subject, subject, method, calendar(method, lines))).encode()
    ok(session.mail(ANNA, ["RCPT TO:<%s>" % LENA], data)[-1].startswith("250"), subject + " is taken")
    session.close()


def calendar_of(mail_of_host):
    """The calendar in a mail that the host got: its lines, unfolded, and the media type's method."""
    for part in email.message_from_bytes(mail_of_host.data).walk():
        if part.get_content_type() == "text/calendar":
            text = part.get_payload(decode=True).decode("utf-8").replace("\r\n", "\n")
            return re.sub("\n ", "", text), part.get_param("method")
    return "", None


viaduct.wait_log("by=router .*using book generation")


def book_in_use():
    send(port, ANNA, LENA, message(ANNA, LENA, "probe"))
    with gateway.changed:
        return gateway.changed.wait_for(lambda: gateway.taken, 1)


until(book_in_use, "the book is in use")
viaduct.wait_empty("the probes are gone")
host.mails.clear()

# ---- the host asks, GroupWise answers ----

mail("plan", "REQUEST", ["UID:plan-1@contoso.example", "ORGANIZER:mailto:" + ANNA, "ATTENDEE;RSVP=TRUE:mailto:" + LENA, "SUMMARY:plan",
                         "DTSTART;TZID=Eastern Standard Time:20260701T090000", "DTEND;TZID=Eastern Standard Time:20260701T100000", "LOCATION:Room 4"])
item = gateway.wait("Subject= plan;")
like(item["raw"], r"(?s)Msg-Type= APPT;.*Begin-Time= 1/7/2026 15:0; \r\nEnd-Time= 1/7/2026 16:0; \r\nLocation= Room 4;",
     "it is an appointment, by the clocks of the gateway's site")
ok("Attach-File" not in item["raw"], "and no file")
gateway.tell(item, "Harbour.Quay.lnowak", "Accepted")
answer = host.one(lambda m: "REPLY" in m.text(), what="the answer")
text, method = calendar_of(answer)
is_(method, "REPLY", "the host gets an answer")
like(text, r"(?s)METHOD:REPLY.*UID:plan-1@contoso\.example.*ATTENDEE[^\n]*PARTSTAT=ACCEPTED[^\n]*:mailto:lnowak@gw\.contoso\.example", "that its calendar understands")
like(answer.text(), r"Subject: Accepted: plan", "and people too")
is_(answer.sender, LENA, "from who answered")

# ---- GroupWise asks, the host answers ----

base = "4abc0001"
header = ("WPC-API= 1.2; \r\nHeader-Char= T50; \r\nMsg-Type= APPT; \r\n"
          "From= \r\n    WPD= Harbour; \r\n    WPPO= Quay; \r\n    WPU= lnowak; ; \r\nTo= \r\n    WPD= Exchange; \r\n    WPPO= HQ; \r\n    WPU= anna; ; \r\n"
          "Subject= Br\x81cke; \r\nMsg-Id= 4ABC0001.0001.000B.000; \r\nDate-Sent= 30/6/2026 9:0:0; \r\nMsg-File= %s.bdy; \r\n"
          "Begin-Time= 1/7/2026 9:0; \r\nEnd-Time= 1/7/2026 10:0; \r\n-END-\r\n" % base)
for name, data in (("ATT_OUT/%s.bdy" % base, b"Kommt\r\n"), ("API_OUT/%s.tmp" % base, header.encode("latin-1"))):
    with open(gateway.path(name), "wb") as f:
        f.write(data)
        os.fchmod(f.fileno(), 0o666)
os.rename(gateway.path("API_OUT/%s.tmp" % base), gateway.path("API_OUT/%s.API" % base))
text, method = calendar_of(host.one(lambda m: "REQUEST" in m.text(), what="the appointment"))
is_(method, "REQUEST", "an appointment is a request")
like(text, r"(?s)BEGIN:VTIMEZONE.*TZID:Europe/Berlin.*DTSTART;TZID=Europe/Berlin:20260701T090000\n", "with its time, and the whole zone")
like(text, r"SUMMARY:Brücke\n", "and its subject")
like(text, r"ORGANIZER[^\n]*:mailto:lnowak@gw\.contoso\.example\n", "to be answered to who asks")
uid = re.search(r"UID:(.*)", text)
mail("reply", "REPLY", ["UID:" + (uid.group(1) if uid else ""), "ORGANIZER:mailto:" + LENA, "ATTENDEE;PARTSTAT=DECLINED:mailto:" + ANNA, "DTSTART:20260701T070000Z"])
status = gateway.wait("Status-Report")
like(status["raw"], r"(?s)Msg-Type= APPT;.*Orig-Msg-ID= 4ABC0001\.0001\.000B\.000;.*Action= Declined;", "the answer is a status of the appointment")
viaduct.wait_empty("and the spool is empty")
viaduct.stop()
done()
