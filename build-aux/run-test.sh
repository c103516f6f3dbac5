#!/bin/bash
# run-test.sh - runs one test for prove: a folder of its own, a limit on its time, all it says kept in a file
#
#     prove -e build-aux/run-test.sh t/NAME.t t/NAME-t
#
# The test runs in the root of the tree. Its TMPDIR is removed when it ends. Its whole output is kept in
# VIADUCT_BUILD/t/log/NAME.log; what it says on stderr is shown only when it fails. One that bails out fails alone: the others
# still run. A test that hangs is ended and fails: VIADUCT_TEST_SECONDS (600) is its limit.
set -u
test=$1
[[ $test = /* ]] || test=$PWD/$test
name=$(basename "$test")
build=${VIADUCT_BUILD:?VIADUCT_BUILD names the folder with the programs}
mkdir -p "$build/t/log"
log=$build/t/log/$name.log
TMPDIR=$(mktemp -d "${TMPDIR:-/tmp}/vt-XXXXXX") || exit 1
chmod 755 "$TMPDIR"
export TMPDIR PYTHONDONTWRITEBYTECODE=1
cd "${VIADUCT_SRC:-.}" || exit

# Confined workers cannot be traced, which is how LeakSanitizer looks: leaks are looked for in unit tests only.
[[ $test != *.t ]] || export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0

timeout --kill-after=10 "${VIADUCT_TEST_SECONDS:-600}" "$test" 2>"$log.err" | sed -u 's/^Bail out!/# gave up:/' | tee "$log"
status=${PIPESTATUS[0]}

cat "$log.err" >>"$log"
if [ "$status" -ne 0 ]; then
    [ "$status" -ne 124 ] || echo "# $name: ended after ${VIADUCT_TEST_SECONDS:-600} s" >&2
    sed 's/^/# /' "$log.err" | tail -n 40 >&2
    echo "# $name: all of it is in $log" >&2
fi
rm -f "$log.err"
chmod -R u+rwX "$TMPDIR" 2>/dev/null
rm -rf "$TMPDIR"
exit "$status"
