#!/usr/bin/python3
"""`viaduct convert` says without a running system what a conversion makes of a message, and of another system's item."""
import json
import os
import shutil
import subprocess
import tempfile

from spooltest import done, is_, ok, program

top = tempfile.mkdtemp(prefix="viaduct-t-")
conf, book = os.path.join(top, "viaduct.conf"), os.path.join(top, "people.csv")
with open(conf, "w") as f:
    f.write("""node = "gw1.contoso.example"
node-id = 1
spool = "%s/spool"
host { domains = { "contoso.example" } deliver { to = { "smtp://127.0.0.1:2526" } } }
connector "groupwise" { type = "gwise" peer { root = "%s/gateway" domain = "Exchange" }
                        address-space { type = "GWISE" pattern = "*" } }
""" % (top, top))
with open(book, "w") as f:
    f.write("display,primary,proxies,side\nAnna Berg,SMTP:anna@contoso.example,GWISE:Exchange.HQ.anna,host\n"
            "Lena Nowak,GWISE:Harbour.Quay.lnowak,SMTP:lnowak@gw.contoso.example,groupwise\n")


def viaduct(*args, text=None):
    r = subprocess.run([program("viaduct"), "-c", conf, *args], input=text, capture_output=True, timeout=60)
    return r.returncode, r.stdout.decode("utf-8", "replace"), r.stderr.decode("utf-8", "replace")


def write(name, data):
    path = os.path.join(top, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data)
    return path


viaduct("spool", "create")
is_(viaduct("book", "build", book)[0], 0, "a book is built, nothing runs")
mail = write("mail.eml", "From: Anna <anna@contoso.example>\nTo: Lena <lnowak@gw.contoso.example>\nReply-To: x@y.example\nSubject: Grüße\n"
             "Content-Type: multipart/mixed; boundary=M\n\n--M\nContent-Type: text/html; charset=utf-8\n\n<p>hello</p>\n"
             "--M\nContent-Type: application/pdf; name=plan.pdf\n\nPDF\n--M--\n".encode())

# ---- to GroupWise ----

code, out, err = viaduct("convert", mail, "--to", "gwise", "--report")
is_((code, err), (0, ""), "a message is converted")
ok("Subject= Grüße; " in out and "WPU= lnowak; " in out and "hello" in out, "the header file and the body are shown")
ok("plan.pdf" in out, "and the file")
ok("lost or changed:" in out and "Reply-To" in out and "HTML" in out, "with --report what was lost or changed")
ok("lnowak@gw.contoso.example -> Harbour.Quay.lnowak" in out, "and what addresses became")
folder = os.path.join(top, "out")
is_(viaduct("convert", mail, "--to", "gwise", "--out", folder)[0], 0, "with --out it is written")
names = sorted(os.listdir(folder))
is_([n.split(".")[1] for n in names], ["001", "api", "bdy"], "as the files that a gateway gets")
with open(os.path.join(folder, names[1]), "rb") as f:
    ok("Subject= Grüße; \r\n".encode("cp437") in f.read(), "in the gateway's code page")
with open(os.path.join(folder, names[0]), "rb") as f:
    ok(f.read().startswith(b"PDF"), "with the attachment's octets")
with open(mail, "rb") as f:
    code, piped, _ = viaduct("convert", "-", "--to", "groupwise", text=f.read())
ok(code == 0 and "Harbour.Quay.lnowak" in piped, "a message may come by a pipe, and --to name the connector")
is_(os.listdir(os.path.join(top, "spool", "mailbox", "groupwise", "Convert")), [], "nothing is sent")

# ---- to the host ----

item = write("gateway/API_OUT/4003A1B2.API", b"WPC-API= 1.2; \r\nMsg-Type= Mail; \r\nFrom= \r\n WPD= Harbour; WPPO= Quay; WPU= lnowak; ; \r\n"
             b"To= \r\n WPD= Exchange; WPPO= HQ; WPU= anna; ; \r\nSubject= Gr\x81\xe1e; \r\nMsg-Id= 4003A1B2.1; \r\nMsg-File= 4003a1b2.bdy; \r\n-END-\r\n")
write("gateway/ATT_OUT/4003A1B2.BDY", b"body\r\n")
code, out, _ = viaduct("convert", item, "--to", "host", "--report")
ok(code == 0 and "From: Lena Nowak <lnowak@gw.contoso.example>" in out and "body" in out, "an item of GroupWise's is converted, its body found beside it")
ok("nothing is lost or changed" in out, "nothing of it is lost, and it says so")
ok(os.path.exists(item), "it stays where it is")

# ---- bad input ----

for args, status, word, name in (
        (("convert", mail), 2, "--to", "without --to"),
        (("convert", "--to", "gwise"), 2, "FILE", "without a file"),
        (("convert", mail, "--to", "x400"), 2, "x400", "to what no connector is"),
        (("convert", os.path.join(top, "none"), "--to", "gwise"), 1, "No such file", "of a file that is not there"),
        (("convert", mail, "--to", "host"), 1, "no header file", "of a mail as if it were an item")):
    code, out, err = viaduct(*args)
    ok(code == status and word in out + err, "%s: %s" % (name, (code, (out + err).strip()[:100])))
stranger = write("stranger.eml", b"From: nobody@else.example\nTo: who@knows.example\n\ntext\n")
code, out, _ = viaduct("convert", stranger, "--to", "gwise")
ok(code == 1 and "5.1" in out, "what has no address there is refused with its status")
code, out, err = viaduct("convert", write("empty.eml", b""), "--to", "gwise")
ok(code == 1 and "no message" in err, "an empty message gets an answer, not a crash: %d" % code)
code, out, _ = viaduct("convert", mail, "--to", "gwise", "--json")
ok(code == 0 and all(isinstance(json.loads(line), dict) for line in out.splitlines()), "--json gives lines of JSON")
shutil.rmtree(top)
done()
