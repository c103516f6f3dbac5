"""book.py - the address book beside bare loops of tinycdb over the same records: building it, and looking up as the router does.

Two bare loops look up: one maps the files, the other reads them, as the book must (a file that shrinks under a reader shall not
kill a worker). Runs are made in turns; medians of the times, and of the shares of each turn, are told.
"""
import os
import shutil
import statistics
import subprocess

HEAD = ["address book of %s addresses", "viaduct, s", "bare tinycdb, s", "share"]
ADDRESSES = int(os.environ.get("BENCH_BOOK", "1000000"))
LOOK_UPS = ADDRESSES // 2
ROUNDS = 5


def head():
    return [HEAD[0] % format(ADDRESSES, ",")] + HEAD[1:]


def seconds(build, *words):
    return float(subprocess.run([os.path.join(build, "t/book-bench")] + [str(w) for w in words], check=True, stdout=subprocess.PIPE).stdout)


def rows(build, top, say):
    os.makedirs(top, exist_ok=True)
    took = {}
    try:
        for _ in range(ROUNDS):
            for word, more in (("build", ()), ("bare-build", ()), ("find", (LOOK_UPS,)), ("bare-find", (LOOK_UPS,)), ("bare-seek", (LOOK_UPS,))):
                took.setdefault(word, []).append(seconds(build, word, top, ADDRESSES, *more))
    finally:
        shutil.rmtree(top, ignore_errors=True)

    def row(what, ours, bare, share):
        return [what, "%.2f" % statistics.median(took[ours]), "%.2f" % statistics.median(took[bare]),
                "%.0f %%" % (100 * statistics.median(share(a, b) for a, b in zip(took[ours], took[bare])))]

    def longer(ours, bare):
        return ours / bare

    def rate(ours, bare):
        return bare / ours

    found = [row("built and published, time (150 % allowed)", "build", "bare-build", longer),
             row("%s look-ups, rate beside a loop that reads the files (80 %% asked)" % format(LOOK_UPS, ","), "find", "bare-seek", rate),
             row("... beside a loop that maps them, which a worker must not", "find", "bare-find", rate)]
    for line in found:
        say("  book  " + "  ".join(line))
    return found
