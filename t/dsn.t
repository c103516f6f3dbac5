#!/usr/bin/python3
"""Reports as another implementation of MIME reads them: Python's email module."""
import email
import email.policy
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)
BUILD = os.environ.get("VIADUCT_BUILD", TOP)
run = failed = 0


def ok(condition, name):
    global run, failed
    run += 1
    failed += not condition
    print(("ok" if condition else "not ok"), run, "-", name, flush=True)


def is_(got, want, name):
    ok(got == want, name)
    if got != want:
        print("#   got %r\n#  want %r" % (got, want))


def parts_of(folder, name):
    with open(os.path.join(folder, name + ".eml"), "rb") as f:
        message = email.message_from_binary_file(f, policy=email.policy.default)
    parts = message.get_payload() if message.is_multipart() else []
    return message, parts


def fields(part):
    """The groups of a delivery status, read line by line: the module knows no message/global-delivery-status."""
    if part.get_content_type() == "message/delivery-status":
        return [dict((k.lower(), str(v)) for k, v in group.items()) for group in part.get_payload()]
    data = part.get_payload(decode=True)
    if data is None:
        data = part.get_payload(0).as_bytes()
    groups = []
    for block in data.decode("utf-8").strip("\n").split("\n\n"):
        group, last = {}, None
        for line in block.split("\n"):
            if line[:1] in " \t":
                group[last] += line
            else:
                last, _, value = line.partition(":")
                last = last.lower()
                group[last] = value.strip()
        groups.append(group)
    return groups


def check_frame(name, message, parts, types):
    is_(message.get_content_type(), "multipart/report", name + ": the message is a report")
    is_(message.get_param("report-type"), "delivery-status", name + ": on delivery")
    is_([p.get_content_type() for p in parts], types, name + ": of three parts")
    is_([str(d) for d in message.defects] + [str(d) for p in parts for d in p.defects], [], name + ": without defects")
    is_(message["Auto-Submitted"], "auto-replied", name + ": answered by no automaton")
    ok(message["MIME-Version"] == "1.0" and message["Date"] and message["Message-ID"] and message["From"],
       name + ": with the fields that a message needs")
    for field in ("X-Evil", "Bcc"):
        ok(field not in message, "%s: no field %s was smuggled in" % (name, field))


def check_failed(folder):
    message, parts = parts_of(folder, "failed")
    check_frame("failed", message, parts, ["text/plain", "message/delivery-status", "message/rfc822"])
    groups = fields(parts[1])
    is_(groups[0]["reporting-mta"], "dns; gw1.contoso.example", "failed: who reports")
    is_(groups[0]["original-envelope-id"], "QQ+1", "failed: the sender's own identifier comes back")
    is_([(g["action"], g["status"], g["final-recipient"]) for g in groups[1:]],
        [("failed", "5.1.1", "rfc822; bob@branch.example"), ("failed", "5.4.7", "rfc822; dora@branch.example")],
        "failed: two recipients")
    is_(groups[1]["original-recipient"], "rfc822; Bob+news@branch.example", "failed: as the sender wrote it")
    is_(groups[1]["diagnostic-code"], "smtp; 550 5.1.1 <bob@branch.example>: no such user", "failed: the far end's words")
    is_(parts[2].get_payload(0)["Message-ID"], "<m1@contoso.example>", "failed: the message is returned")
    is_(parts[2].get_payload(0).get_payload(), "The body.\n", "failed: with its body")
    is_(message["References"].split(), ["<r0@x>", "<r1@x>", "<m1@contoso.example>"], "failed: in its thread")


def check_others(folder):
    message, parts = parts_of(folder, "mixed")
    check_frame("mixed", message, parts, ["text/plain", "message/delivery-status", "text/rfc822-headers"])
    is_([(g["action"], g["status"]) for g in fields(parts[1])[1:]],
        [("failed", "5.2.2"), ("relayed", "2.0.0"), ("delayed", "4.4.1")], "mixed: three actions in one report")
    ok("The body" not in parts[2].get_content(), "mixed: RET=HDRS is obeyed")
    text = parts[0].get_content()
    ok(all(a in text for a in ("bob@branch.example", "carl@branch.example", "GWISE:Dom.PO.dora")),
       "mixed: people are told of all three")
    is_(text.count("If you need help"), 1, "mixed: the closing stands once")
    message, parts = parts_of(folder, "relayed")
    check_frame("relayed", message, parts, ["text/plain", "message/delivery-status", "text/rfc822-headers"])
    is_(fields(parts[1])[1]["remote-mta"], "dns; mx.branch.example", "relayed: who took it")
    message, parts = parts_of(folder, "ascii")
    check_frame("ascii", message, parts, ["text/plain", "message/delivery-status", "text/rfc822-headers"])
    is_(str(message["Subject"]), "Delayed: Gr\u00fc\u00dfe", "ascii: the subject is readable")
    ok("zo\u00eb@branch.example" in parts[0].get_content(), "ascii: so is the address in the text")
    ok("will-retry-until" in fields(parts[1])[1], "ascii: a delay says until when")


def check_utf8(folder):
    message, parts = parts_of(folder, "utf8")
    check_frame("utf8", message, parts, ["text/plain", "message/global-delivery-status", "message/global"])
    groups = fields(parts[1])
    is_([(g["final-recipient"], g["action"]) for g in groups[1:]],
        [("utf-8; zo\u00eb@branch.example", "failed"), ("rfc822; carl@branch.example", "failed")], "utf8: two recipients")
    is_(groups[1]["original-recipient"], "utf-8; zo\u00eb@branch.example", "utf8: as the sender wrote it")
    message, parts = parts_of(folder, "hostile")
    check_frame("hostile", message, parts, ["text/plain", "message/delivery-status", "message/rfc822"])
    groups = fields(parts[1])
    is_(len(groups), 3, "hostile: no group was smuggled in")
    ok(not any("x-evil" in g for g in groups), "hostile: nor a field")
    is_([g["status"] for g in groups[1:]], ["5.0.0", "5.1.1"], "hostile: a malformed status is replaced")


def check_templates(folder):
    for name in ("failed.txt", "delayed.txt", "relayed.txt", "delivered.txt"):
        with open(os.path.join(folder, name)) as a, open(os.path.join(TOP, "conf", "templates", name)) as b:
            is_(a.read(), b.read(), "conf/templates/%s is the built-in text" % name)


with tempfile.TemporaryDirectory() as folder:
    if subprocess.run([os.path.join(BUILD, "t", "dsn-t"), folder]).returncode != 0:
        print("Bail out! dsn-t could not write its samples")
        sys.exit(1)
    check_failed(folder)
    check_others(folder)
    check_utf8(folder)
    check_templates(folder)
print("1..%d" % run)
sys.exit(failed > 0)
