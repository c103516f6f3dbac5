#!/bin/bash
# check-static.sh - what can be seen of the programs without running them: clang-tidy, cppcheck, gcc -fanalyzer; speaks TAP
#
#     check-static.sh SOURCE-FOLDER BUILD-FOLDER [FILE.c ...]          (make check-static; FILES='common/id.c ...' for some)
#
# Ends with 1 on any finding, and prints each with its file and line. Two files at a time (JOBS=n for another number).
# Exceptions: .clang-tidy says why a check is left out; cppcheck and gcc leave none out. A line that is an exception has its
# suppression, and the reason, beside it in the source.
set -u
export LC_ALL=C
source=$1 build=$2
cd "$source" || exit
shift 2
jobs=${JOBS:-2}
flags="-std=c11 -D_GNU_SOURCE -I. $(pkg-config --cflags libevent openssl libconfuse libidn2 libcares libseccomp libical icu-i18n)"
for name in PACKAGE_VERSION VIADUCT_SYSCONFDIR VIADUCT_LIBEXECDIR VIADUCT_BINDIR VIADUCT_TEMPLATES VIADUCT_MODULES; do
    flags+=" -D$name=\"x\""
done
logs=$build/static
run=0 failed=0
mkdir -p "$logs"
files=("$@")
[ $# -gt 0 ] || mapfile -t files < <(find commands common conf daemons directory spool-layout systems -name '*.c' | sort)

each() { printf '%s\n' "${files[@]}" | xargs -P "$jobs" -I{} sh -c "$1" sh {} "$flags"; }

run_tidy() { each 'clang-tidy --quiet --config-file=.clang-tidy "$1" -- $2'; }

# The style group is the compilers' business, in the warnings of the build.
run_cppcheck() {
    cppcheck -j "$jobs" --quiet --error-exitcode=1 --enable=warning,performance,portability --std=c11 --inline-suppr \
        -D_GNU_SOURCE -I. "${files[@]}"
}

run_analyzer() { each 'gcc $2 -O1 -fanalyzer -Werror -c -o /dev/null "$1"'; }

tool() { # tool NAME FUNCTION
    run=$((run + 1))
    if "$2" >"$logs/$1.log" 2>&1; then
        echo "ok $run - $1 finds nothing in ${#files[@]} files"
    else
        echo "not ok $run - $1: all of it is in $logs/$1.log"
        sed "s,^$PWD/,," "$logs/$1.log" | grep -E '^[^ :]+:[0-9]+(:[0-9]+)?: [a-z ]+: ' | grep -v ': note: ' | sort -u |
            sed 's/^/# /' | grep . || tail -n 20 "$logs/$1.log" | sed 's/^/# /' # a tool that did not run says so
        failed=$((failed + 1))
    fi
}

tool clang-tidy run_tidy
tool cppcheck run_cppcheck
tool gcc-analyzer run_analyzer
echo "1..$run"
[ $failed -eq 0 ]
