"""What came back of a message, held against what it was: equal, changed or lost with a line in the report, or wrong."""
import email
import email.header
import email.policy
import email.utils
import re

EQUAL, CHANGED, LOST, WRONG, NONE = "equal", "changed", "lost", "WRONG", "none"
# What a line of the report must say to account for a difference in a feature.
PAGE = r"not in the gateway's code page"
ACCOUNTS = {
    "sender": r"field From\b",
    "sender's name": PAGE,
    "recipients": r"addresses of the field|addresses of (To|Cc)",
    "subject": PAGE + r"|the subject has",
    "date": r"\bdate\b",
    "text": PAGE + r"|HTML body|body.* sent as|octets of the body|stands in the body|is empty and not sent|as it came|subject has|as one file|character set",
    "file names": PAGE + r"|name of the file|as one file",
    "file contents": r"is empty and not sent|as it came|as one file|winmail|TNEF",
    "importance": r"importance",
    "sensitivity": r"sensitivity",
    "threading": r"thread",
    "no text is missed": r"HTML form|as one file|winmail|TNEF|part.* left out|outside",
}


def words_of(text):
    """A field's text without encoded words."""
    if text is None:
        return None
    out = "".join(part.decode(charset or "latin-1", "replace") if isinstance(part, bytes) else part for part, charset in email.header.decode_header(re.sub(r"\r?\n", "", text)))
    return re.sub(r"\s+", " ", out).strip()


def squeeze(text):
    return re.sub(r"\s+", " ", text).strip()


def file_name(part):
    """The form of RFC 2231 where there is one; email's own takes the other, which is in ASCII."""
    said = [value for name, value in part.get_params([], "content-disposition") if name.lower() == "filename"]
    said.sort(key=lambda value: isinstance(value, tuple))
    return email.utils.collapse_rfc2231_value(said[-1]) if said else None


def body_of(message):
    """The text, and the files as (name, octets)."""
    text, files = "", []
    for part in message.walk():
        if part.is_multipart():
            continue
        data = part.get_payload(decode=True) or b""
        name = file_name(part)
        if part.get_content_type() == "text/plain" and name is None:
            text += data.decode("utf-8")
        else:
            files.append((name, data))
    return text, files


def bare(text):
    return "\n".join(line.rstrip() for line in text.split("\n")).strip("\n")


def in_lines(data):
    return data.replace(b"\r\n", b"\n")


class Back:
    def __init__(self, raw, report, who, reply):
        self.raw, self.report = raw, report
        self.message = email.message_from_bytes(raw, policy=email.policy.compat32)
        self.text, self.files = body_of(self.message)
        self.who, self.reply = who, email.message_from_bytes(reply, policy=email.policy.compat32)

    def addresses(self, field):
        return [a for _, a in email.utils.getaddresses([words_of(v) if "=?" not in v else re.sub(r"\s+", " ", v) for v in self.message.get_all(field, [])]) if a]

    def accounted(self, feature):
        return any(re.search(ACCOUNTS[feature], line) for line in self.report.splitlines())


def verdict(back, feature, same, lost=False):
    if same:
        return EQUAL
    return (LOST if lost else CHANGED) if back.accounted(feature) else WRONG


def importance(back):
    return (back.message["Importance"] or "normal").lower()


def compare(case, back):
    """{feature: verdict}, and what differs."""
    said = {}
    if case.sender is not None:
        said["sender"] = verdict(back, "sender", [a.lower() for a in back.addresses("From")] == [case.sender.lower()])
    if case.sender_name is not None:
        name = words_of(re.sub(r"<[^>]*>\s*$", "", back.message["From"] or "")).strip('" ')
        said["sender's name"] = verdict(back, "sender's name", name == case.sender_name)
    said["envelope"] = EQUAL if sorted(back.who[1:]) == sorted("%d:HARBOUR.Quay.%s" % (k, a.split("@")[0]) for k, a in case.envelope) else WRONG
    if case.to is not None:
        shown = back.addresses("To") == case.to and back.addresses("Cc") == case.cc
        said["recipients"] = verdict(back, "recipients", shown, True)
    if case.subject is not None:
        said["subject"] = verdict(back, "subject", words_of(back.message["Subject"]) == squeeze(case.subject))
    if case.date is not None:
        when = email.utils.parsedate_tz(back.message["Date"] or "")
        said["date"] = verdict(back, "date", when is not None and email.utils.mktime_tz(when) == case.date)
    if case.text is not None:
        said["text"] = verdict(back, "text", bare(back.text) == bare(case.text))
    if case.files is not None:
        names = [(n or "") for n, _ in case.files]
        got = [(n or "") for n, _ in back.files]
        fine = len(names) == len(got) and all(a in ("", b) for a, b in zip(names, got))
        said["file names"] = verdict(back, "file names" if len(names) == len(got) else "file contents", fine, len(got) < len(names))
        fine = len(names) == len(got) and all(a is None or a == b for (_, a), (_, b) in zip(case.files, back.files))
        said["file contents"] = verdict(back, "file contents", fine, len(got) < len(names))
    said["importance"] = verdict(back, "importance", importance(back) == case.importance)
    said["sensitivity"] = verdict(back, "sensitivity", (back.message["Sensitivity"] or "normal").lower() == case.sensitivity)
    if case.message_id is not None:
        said["threading"] = verdict(back, "threading", back.reply["In-Reply-To"] == case.message_id == back.reply["References"])
    everything = [back.text.encode()] + [data for _, data in back.files]
    missing = [t for t in case.tokens if not any(t.encode() in piece for piece in everything)]
    forms = [t for t in case.html if not any(t.encode() in piece for piece in everything)]
    if case.tokens or case.html:
        said["no text is missed"] = verdict(back, "no text is missed", not missing and not forms, True) if not missing else WRONG
    return said
