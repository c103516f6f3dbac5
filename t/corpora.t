#!/bin/bash
# Every parser of outside bytes survives its corpus, and each beginning of its files.
build=${VIADUCT_BUILD:-.}
source=${VIADUCT_SRC:-$(dirname "$0")/..}
run=0 failed=0

for target in "$source"/fuzz/*-fuzz.c; do
    name=$(basename "$target" -fuzz.c)
    corpus=("$source/fuzz/corpus/$name"/*)
    run=$((run + 1))
    if [ ! -f "${corpus[0]}" ]; then
        echo "not ok $run - $name has a corpus"
        failed=$((failed + 1))
    elif timeout 120 "$build/fuzz/$name-corpus" "${corpus[@]}" >/dev/null; then
        echo "ok $run - $name survives ${#corpus[@]} files and their beginnings"
    else
        echo "not ok $run - $name survives ${#corpus[@]} files and their beginnings"
        failed=$((failed + 1))
    fi
done
echo "1..$run"
[ $run -gt 0 ] && [ $failed -eq 0 ]
