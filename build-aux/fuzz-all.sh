#!/bin/bash
# fuzz-all.sh - runs fuzz targets one after the other, FUZZ_SECONDS (60) each; speaks TAP
#
#     fuzz-all.sh CORPUS TARGET...
#
# What the fuzzer finds grows in ./corpus/NAME; inputs that crash or hang are left in ./crashes, named after the target.
set -u
corpus=$1
shift
seconds=${FUZZ_SECONDS:-60}
run=0 failed=0
export ASAN_OPTIONS=${ASAN_OPTIONS:-allocator_may_return_null=1} UBSAN_OPTIONS=${UBSAN_OPTIONS:-halt_on_error=1:print_stacktrace=1}
mkdir -p crashes

echo "1..$#"
for target in "$@"; do
    name=$(basename "$target" -fuzz)
    mkdir -p "corpus/$name"
    run=$((run + 1))
    if "./$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 -verbosity=0 \
        -artifact_prefix="crashes/$name-" "corpus/$name" "$corpus/$name" >"crashes/$name.log" 2>&1; then
        rounds=$(sed -n 's/^stat::number_of_executed_units: *//p' "crashes/$name.log")
        echo "ok $run - $name: $seconds s, ${rounds:-?} inputs"
    else
        echo "not ok $run - $name: see crashes/$name.log"
        tail -n 30 "crashes/$name.log" | sed 's/^/# /'
        failed=$((failed + 1))
    fi
done
[ $failed -eq 0 ]
