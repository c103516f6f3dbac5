#!/usr/bin/python3
"""What a shell offers for the next word comes from the tables: real shells are asked, with a line as they have it."""
import os
import re
import shutil
import subprocess

from spooltest import FOLDERS, TOP, Spool, done, is_, ok, program

VIADUCT = program("viaduct")
spool = Spool(connectors=("branch", "brook"))
os.environ["VIADUCT_CONF"] = spool.conf


def script(shell):
    r = subprocess.run([VIADUCT, "completion", shell], capture_output=True, text=True, timeout=30)
    path = os.path.join(spool.top, shell)
    with open(path, "w") as f:
        f.write(r.stdout)
    return path


def table(pattern):
    with open(os.path.join(TOP, "commands", "commands.def")) as f:
        return re.findall(pattern, f.read(), re.M)


VERBS = table(r'^VERB\("([a-z]+)", "([a-z]*)",')
hidden = table(r'^VERB\("([a-z]+)", "([a-z]*)", .*, NULL\)$')
nouns = sorted({noun for noun, verb in VERBS if (noun, verb) not in hidden})


def words(*line):
    r = subprocess.run([VIADUCT, "completion", "words", "--"] + list(line), capture_output=True, text=True, timeout=30)
    return [w.split("\t")[0] for w in r.stdout.splitlines()]


def bash(*line):
    """COMP_WORDS as bash makes them: parted at = and :."""
    parted = []
    for word in line:
        parted += [p for p in re.split(r"(=+|:+)", word) if p] or [""]
    code = '. "$1"; shift; COMP_WORDS=(viaduct "$@"); COMP_CWORD=$#; _viaduct %s viaduct; printf "%%s\\n" "${COMPREPLY[@]}"' % VIADUCT
    r = subprocess.run(["bash", "-c", code, "x", script("bash")] + parted, capture_output=True, text=True, timeout=30, cwd=spool.top)
    if r.stderr:
        print("# " + r.stderr.replace("\n", "\n# "))
    return [w for w in r.stdout.splitlines() if w]


# ---- what is offered ----

is_(sorted(words("")), nouns, "every noun of commands.def, and no hidden one")
for noun in nouns:
    verbs = [v for n, v in VERBS if n == noun and v and (n, v) not in hidden]
    ok(set(verbs) <= set(words(noun, "")) if verbs else True, "every verb of %s" % noun)
    ok(not [v for n, v in hidden if n == noun and v in words(noun, "")], "no hidden one of %s" % noun)
is_(words("queue", "hold", "--u"), ["--until"], "the options that the verb takes")
is_(words("queue", "show", "--u"), [], "and no others")
is_(words("q", "ho", "connector=bro"), ["connector=brook"], "connectors of the configuration; nouns and verbs may be shortened")
is_(words("connector", "show", "b"), ["branch", "brook"], "where one is named")
is_(words("queue", "reroute", "all", "--to", "br"), ["branch", "brook"], "as an option's value")
is_(words("queue", "reroute", "all", "--to=br"), ["--to=branch", "--to=brook"], "in either form")
is_(words("connector", "hold", "branch", "b"), ["both"], "the second operand")
is_(words("queue", "list", "folder=Def"), ["folder=Deferred"], "folders")
asked = {w[7:] for w in words("queue", "list", "folder=")}
queues = {path.split("/")[-1] for path, _, kind in FOLDERS.values() if kind in ("QUEUE", "READY")}
is_(asked, queues, "all of the map that hold messages")
ok({"sender=", "age=", "reason="} <= set(words("queue", "retry", "")) and "all" in words("queue", "retry", "a"), "the fields of filters")
is_(words("track", "event=DEL"), ["event=DELIVER", "event=DELETE"], "those of the tracking log are its own")
is_(words("queue", "list", "--columns", "id,si"), ["id,size", "id,signature"], "columns, one behind the other")
is_(words("log", "level", "all", "m"), ["minimum", "medium", "maximum"], "words that the table spells out")
is_(words("-c", spool.conf, "connector", "show", "bro"), ["brook"], "options before the noun are stepped over, and the configuration they name is read")
is_(words("-c", "/nonexistent", "connector", "show", ""), ["host"], "without a configuration there is only the host")
is_((words("simulate", ""), words("queue", "export", "")), ([":files"], [":folders"]), "files and folders are the shell's")

# ---- bash ----

is_(sorted(bash("")), nouns, "bash: the nouns")
is_(bash("queue", "re"), ["retry", "release", "reroute", "reconvert", "reason=", "remote="], "the verbs, and the fields of the one that is meant when none is said")
is_(bash("queue", "list", "connector=b"), ["branch", "brook"], "bash has the value alone in its word, and gets it so")
is_(bash("queue", "list", "conn"), ["connector="], "a field waits for its value")
is_(bash("queue", "list", "--li"), ["--limit"], "the options")
is_(bash("queue", "list", "--sort=si"), ["size", "signature"], "their values")
with open(os.path.join(spool.top, "a message.eml"), "w") as f:
    f.write("x")
is_(bash("simulate", "a"), ["a message.eml"], "files, with blanks in their names")
ok("spool" in bash("queue", "export", "s") and "a message.eml" not in bash("queue", "export", ""), "folders are folders alone")

# ---- the others, where they are ----

if shutil.which("zsh"):
    stub = "compdef() { :; }; _describe() { shift 2; shift; print -l -- ${(P)1}; }; _files() { print files; }; . $1; shift; words=(%s \"$@\"); CURRENT=$#words; _viaduct" % VIADUCT

    def zsh(*line):
        r = subprocess.run(["zsh", "-fc", stub, "x", script("zsh")] + list(line), capture_output=True, text=True, timeout=30)
        return [w.split(":")[0] for w in r.stdout.splitlines()]

    is_(sorted(zsh("")), nouns, "zsh: the nouns")
    is_(zsh("queue", "list", "connector=b"), ["connector=branch", "connector=brook"], "values of filters")
    is_(zsh("queue", "list", "connec"), ["connector="], "fields")
    is_(zsh("simulate", ""), ["files"], "files")
else:
    ok(True, "zsh # SKIP it is not installed")
if shutil.which("fish"):
    def fish(line):
        r = subprocess.run(["fish", "--no-config", "-c", "source $argv[1]; complete -C $argv[2]", script("fish"), line], capture_output=True, text=True, timeout=30,
                           env=dict(os.environ, PATH=os.path.dirname(VIADUCT) + ":" + os.environ["PATH"], HOME=spool.top))
        return [w.split("\t")[0] for w in r.stdout.splitlines()]

    is_(sorted(fish("viaduct ")), nouns, "fish: the nouns")
    is_(fish("viaduct queue list connector=b"), ["connector=branch", "connector=brook"], "values of filters")
    is_(fish("viaduct queue reroute all --to br"), ["branch", "brook"], "values of options")
else:
    ok(True, "fish # SKIP it is not installed")

spool.remove()
done()
