#!/usr/bin/python3
"""Hands a message to an SMTP server, as the host's mail server would.

    smtp-send.py PORT FILE SENDER RECIPIENT...
"""
import smtplib
import sys

port, path, sender, *recipients = sys.argv[1:]
with open(path, "rb") as f:
    message = f.read().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
with smtplib.SMTP("127.0.0.1", int(port), timeout=30) as smtp:
    smtp.ehlo("mail.contoso.example")
    code, answer = smtp.mail(sender)
    print("   MAIL FROM:<%s> -> %d" % (sender, code))
    for recipient in recipients:
        code, answer = smtp.rcpt(recipient)
        print("   RCPT TO:<%s> -> %d %s" % (recipient, code, answer.decode()))
    code, answer = smtp.data(message)
    print("   DATA -> %d %s" % (code, answer.decode()))
sys.exit(0 if code == 250 else 1)
