"""ends.py - where a message ends: every short string of CR, LF, dot and NUL behind a text, and whether a second message gets through.

Only CRLF . CRLF ends a message (RFC 5321 section 4.1.1.4). Behind each string that does not hold it stand commands that
would send another message; where the system or, behind it, the next server takes these for commands, mail was smuggled.
"""
import collections
import itertools
import re
import socket
import threading

END = b"\r\n.\r\n"
SECOND = b"MAIL FROM:<evil@contoso.example>\r\nRCPT TO:<bob@branch.example>\r\nDATA\r\nX-Token: evil\r\n\r\nsecond" + END
Result = collections.namedtuple("Result", "strings taken refused smuggled bare undotted")


class RawSink:
    """Takes mail, ends it at CRLF . CRLF alone, and keeps the bytes as they came."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port, self.mails = self.listener.getsockname()[1], []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(peer,), daemon=True).start()

    def talk(self, peer):
        lines, sender = peer.makefile("rb"), b""
        peer.sendall(b"220 sink ESMTP\r\n")
        try:
            while line := lines.readline():
                verb = line[:4].upper()
                if verb == b"MAIL":
                    sender = line
                if verb == b"DATA":
                    peer.sendall(b"354 go on\r\n")
                    data = b"\r\n"
                    while not data.endswith(END):
                        piece = lines.readline()
                        if not piece:
                            return
                        data += piece
                    self.mails.append((sender, data[2:-3]))
                peer.sendall(b"250-sink\r\n250 8BITMIME\r\n" if verb == b"EHLO" else b"250 2.0.0 ok\r\n")
                if verb == b"QUIT":
                    return
        except OSError:
            pass
        finally:
            peer.close()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def strings(longest):
    """All of them that end no message, and whose last octets do not begin what would."""
    for length in range(1, longest + 1):
        for octets in itertools.product((b"\r", b"\n", b".", b"\0"), repeat=length):
            text = b"".join(octets)
            if END not in b"first" + text + b"MAIL":
                yield text


def reply(lines):
    while True:
        line = lines.readline()
        if line[3:4] != b"-":
            return line


def attempt(port, number, text):
    """The answer to the first message's end; anything the server says beyond it is read until it closes."""
    with socket.create_connection(("127.0.0.1", port), 30) as s:
        lines = s.makefile("rb")
        reply(lines)
        for line in (b"EHLO client.contoso.example", b"MAIL FROM:<anna@contoso.example>", b"RCPT TO:<bob@branch.example>", b"DATA"):
            s.sendall(line + b"\r\n")
            reply(lines)
        s.sendall(b"From: <anna@contoso.example>\r\nX-Token: s%d\r\n\r\nfirst" % number + text + SECOND + b"QUIT\r\n")
        answer = reply(lines)
        while lines.readline():
            pass
        return answer


def ends(system, sink, longest, settle):
    """`settle` waits until the system is empty."""
    taken = refused = count = 0
    for count, text in enumerate(strings(longest), 1):
        try:
            answer = attempt(system.port, count, text)
        except OSError:
            answer = b""
        taken += answer.startswith(b"2")
        refused += not answer.startswith(b"2")
    settle()
    bare = [data for _, data in sink.mails if re.search(rb"\r(?!\n)|(?<!\r)\n", data)]
    undotted = [data for _, data in sink.mails if re.search(rb"[\r\n]\.(?!\.)", data)]
    return Result(count, taken, refused, sum(b"evil" in sender for sender, _ in sink.mails), len(bare), len(undotted))
