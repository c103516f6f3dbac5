#!/bin/bash
# check-style.sh - the house style, as far as a program can see it; speaks TAP
#
#     build-aux/check-style.sh          (make check-style; t/style.t, so `make check` too)
#     build-aux/check-style.sh --fix    lays the sources out anew
#
# Exceptions stand in style-exceptions.txt, one a line: rule, file or folder/, reason. One that is no longer needed fails too.
set -u
shopt -s lastpipe # report counts, at the end of pipes
export LC_ALL=C
cd "$(dirname "$0")/.." || exit
git() { command git -c safe.directory='*' "$@"; } # root may check a tree that is another's
exceptions=build-aux/style-exceptions.txt
run=0 failed=0

# sources [FOLDER...]: our C files
sources() {
    local folders=("${@:-.}")
    if [ -e .git ]; then
        git ls-files -- "${folders[@]}" | grep '\.[ch]$'
    else
        (cd . && find "${folders[@]}" \( -name '_*' -o -name '.?*' -o -name '=*' \) -prune -o -name '*.[ch]' -print) | sed 's,^\./,,' | sort
    fi
}

programs() { sources commands common conf daemons spool-layout systems; }

# code FILE...: "file:line:code", with comments blanked out, literals too where BLANK is set
code() {
    perl -e '
        for my $file (@ARGV) {
            open(my $f, "<", $file) or die "$file: $!"; local $/; my $text = <$f>;
            $text =~ s{("(?:\\.|[^"\\\n])*"|\x27(?:\\.|[^\x27\\\n])+\x27)|(/\*.*?\*/|//[^\n]*)}
                      {defined $1 ? ($ENV{BLANK} && $1 !~ /^"[\w.\/-]+\.(?:h|def)"$/ ? q("") : $1) : $2 =~ tr/\n//cdr}gse;
            my $n = 0;
            print "$file:", ++$n, ":$_\n" for split /\n/, $text, -1;
        }' "$@"
}

# report NAME: reads findings ("file:..."), passes or fails the test
report() {
    local name=$1 found
    found=$(cat)
    run=$((run + 1))
    if [ -z "$found" ]; then
        echo "ok $run - $name"
    else
        echo "not ok $run - $name"
        head -n 40 <<<"$found" | sed 's/^/# /'
        failed=$((failed + 1))
    fi
}

# except RULE: takes out the findings in files (or below folders) that are exceptions to the rule, adds exceptions without a
# finding
except() {
    awk -v rule="$1" -v list="$exceptions" '
        BEGIN { while ((getline line < list) > 0) { split(line, f, " "); if (f[1] == rule) allowed[f[2]] = 1 } }
        { file = $0; sub(/:.*/, "", file); folder = file; sub(/[^\/]*$/, "", folder) }
        file in allowed { used[file] = 1; next }
        folder in allowed { used[folder] = 1; next }
        { print }
        END { for (file in allowed) if (!(file in used)) print file ": is no exception to \"" rule "\" any more" }'
}

layout() {
    sources | xargs clang-format --dry-run 2>&1 |
        sed -n 's/^\([^:]*\):\([0-9]*\):.*-Wclang-format-violations.*/\1:\2/p' | awk -F: '!seen[$1]++ { print $0 ": clang-format lays it out otherwise" }'
}

banned_calls() {
    local words='strcpy|stpcpy|strcat|strncat|sprintf|vsprintf|strtok|strtok_r|system|popen|atoi|atol|atoll|alloca|gets|tmpnam|tempnam|mktemp|asctime|ctime|setjmp|longjmp'
    sources | BLANK=1 xargs_code | grep -E ":.*\b($words)\(" | grep -vE '[.>](system)\('
}

xargs_code() { mapfile -t files && code "${files[@]}"; }

moves() {
    programs | grep -v '^spool-layout/layout\.c$' | BLANK=1 xargs_code | grep -E '(^|[^.>_a-z])(rename|renameat|renameat2|link|linkat|unlink|unlinkat|remove)\(|SYS_(rename|link|unlink)'
}

# The map names the folders. A literal names one where a component of a path is its name; a name of small letters is also a
# word, so it counts only beside a slash.
folder_literals() {
    local names proper words
    names=$(sed -n 's/^FOLDER([A-Z_]*, "\([^"]*\)".*/\1/p' spool-layout/flow.def | tr / '\n' | grep -v %s | sort -u)
    proper=$(grep '[A-Z]' <<<"$names" | paste -sd'|')
    words=$(grep -v '[A-Z]' <<<"$names" | paste -sd'|')
    programs | xargs_code | grep -E "\"([^\" ]*/)?($proper)(/[^\" ]*)?\"|\"([^\" ]*/)($words)(/[^\" ]*)?\"|\"($words)/[^\" ]*\"" | grep -v '#include'
}

first_lines() {
    local file
    sources | while read -r file; do
        grep -qE "^/\* ${file##*/} - |^/\* $(basename "${file%.*}") - " <(head -n 1 "$file") || echo "$file:1: does not begin with its name and what it is"
    done
}

includes() { sources | xargs_code | grep -E '#include "[^/"]*"'; }

unfinished() { sources | xargs grep -nE '\b(TODO|FIXME|XXX:)'; }

# A source that no makefile names is not built, or not distributed.
unbuilt() {
    programs | while read -r file; do
        grep -qE "(^|[[:space:]])$file([[:space:]]|\$)" build-aux/*.mk || echo "$file: no makefile under build-aux/ names it"
    done
}

scenarios() {
    local file
    for file in t/*.t; do
        [ -x "$file" ] && head -n 1 "$file" | grep -q '^#!/' || echo "$file: cannot be executed"
    done
}

# A table of promises is worth what the tests that it names are.
promised() {
    local file
    grep -oE '(^|[^A-Za-z0-9_./-])(t|bench|build-aux|common|fuzz)/[A-Za-z0-9_./-]*[A-Za-z0-9_]' t/PROMISES.md | sed 's/^[^a-z]*//' | sort -u |
        while read -r file; do
            [ -e "$file" ] || echo "t/PROMISES.md: there is no $file"
        done
    grep -qF t/PROMISES.md HACKING.md || echo "HACKING.md: does not point to t/PROMISES.md"
}

# A protection that a test can take out is told of, with the test.
planted() {
    local name
    sed -n 's/^ \*     \([a-z]*\)  .*/\1/p' common/planted.h | while read -r name; do
        grep -qF "\`$name\`" t/PROMISES.md || echo "t/PROMISES.md: does not tell of $name"
    done
}

list_is_current() { build-aux/list-tests.sh --print | diff build-aux/tests-list.mk - | grep '^[<>]' | sed 's,^,build-aux/tests-list.mk: run list-tests.sh: ,'; }

odd_names() { git ls-files | grep -vE '^[A-Za-z0-9._/@+-]+$'; }

if [ "${1:-}" = --fix ]; then
    sources | xargs clang-format -i
    exit
fi

if command -v clang-format >/dev/null; then
    layout | report "clang-format is content with every file"
else
    run=$((run + 1))
    echo "ok $run - layout # SKIP clang-format is not installed"
fi
banned_calls | except banned | report "no call is made that cannot be made safely"
moves | except move | report "only spool-layout/layout.c moves and removes files of the spool"
folder_literals | except folder | report "only flow.def names the folders of the spool"
first_lines | report "every file begins with its name and what it is"
includes | report "headers are included from the root of the tree"
unfinished | report "nothing is marked as unfinished"
unbuilt | report "every source is built of something"
scenarios | report "every scenario can be executed"
promised | report "every file that the table of promises names is there"
planted | report "every protection that can be taken out stands in the table of promises"
if [ -e .git ]; then
    list_is_current | report "tests-list.mk names every file that git tracks"
    odd_names | report "names of files are plain, so that make can carry them"
fi
echo "1..$run"
[ $failed -eq 0 ]
