#!/bin/bash
# check-static.sh - what can be seen of the programs without running them: clang-tidy, cppcheck, gcc -fanalyzer; speaks TAP
#
#     check-static.sh SOURCE-FOLDER BUILD-FOLDER          (make check-static)
#
# Exceptions: .clang-tidy says why a check is left out; the lists below say it for the other two.
set -u
export LC_ALL=C
source=$1 build=$2
cd "$source" || exit
flags="-std=c11 -D_GNU_SOURCE -I. $(pkg-config --cflags libevent openssl libconfuse libidn2 libcares libseccomp)"
for name in PACKAGE_VERSION VIADUCT_SYSCONFDIR VIADUCT_LIBEXECDIR VIADUCT_BINDIR VIADUCT_TEMPLATES VIADUCT_MODULES; do
    flags+=" -D$name=\"x\""
done
logs=$build/static
run=0 failed=0
mkdir -p "$logs"
mapfile -t files < <(find commands common conf daemons spool-layout systems -name '*.c' | sort)

# cppcheck's reasons: what the libraries' headers would tell is not read (missingInclude); functions of the kit are called by
# other programs (unusedFunction); one-line tables of tests for style are the compiler's business (the style group is off);
# unknownMacro and ConfigurationNotChecked: it cannot follow the X-macros of *.def.
cppcheck_exceptions=(missingInclude missingIncludeSystem unusedFunction unknownMacro ConfigurationNotChecked
    preprocessorErrorDirective)

# gcc 12's analyzer: takes what is kept in structures that others own for leaks and for file descriptors' leaks, since it sees
# one file at a time; and knows neither abort() behind BUG_UNLESS nor xmalloc() of other files, so "possible NULL" is noise.
analyzer_off=(-Wno-analyzer-malloc-leak -Wno-analyzer-possible-null-dereference -Wno-analyzer-possible-null-argument
    -Wno-analyzer-fd-leak -Wno-analyzer-file-leak)

run_tidy() { printf '%s\n' "${files[@]}" | xargs -P 2 -I{} sh -c 'clang-tidy --quiet "$1" -- $2 2>/dev/null' sh {} "$flags"; }

run_cppcheck() {
    # shellcheck disable=SC2046
    cppcheck -j 2 --quiet --error-exitcode=1 --enable=warning,portability --std=c11 --inline-suppr -D_GNU_SOURCE -I. \
        $(printf -- '--suppress=%s ' "${cppcheck_exceptions[@]}") "${files[@]}" 2>&1
}

run_analyzer() {
    printf '%s\n' "${files[@]}" |
        xargs -P 2 -I{} sh -c 'gcc $2 -O1 -fanalyzer $3 -Werror -c -o /dev/null "$1" 2>&1' sh {} "$flags" "${analyzer_off[*]}"
}

tool() { # tool NAME FUNCTION
    run=$((run + 1))
    if "$2" >"$logs/$1.log"; then
        echo "ok $run - $1 finds nothing in ${#files[@]} files"
    else
        echo "not ok $run - $1: all of it is in $logs/$1.log"
        grep -E '(warning|error|portability)' "$logs/$1.log" | sort -u | head -n 60 | sed 's/^/# /'
        failed=$((failed + 1))
    fi
}

tool clang-tidy run_tidy
tool cppcheck run_cppcheck
tool gcc-analyzer run_analyzer
echo "1..$run"
[ $failed -eq 0 ]
