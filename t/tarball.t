#!/bin/bash
# What `make dist` packs is whole: it builds by itself, in a folder beside a source that cannot be written to, and installs.
# This is the cheap part of `make distcheck`, which runs every test once more.
build=$(realpath "${VIADUCT_BUILD:-.}")
top=$(mktemp -d)
run=0 failed=0
unset MAKEFLAGS MFLAGS MAKELEVEL VIADUCT_SRC

ok() { # ok NAME COMMAND...
    local name=$1
    shift
    run=$((run + 1))
    if "$@" >"$top/said" 2>&1; then
        echo "ok $run - $name"
    else
        echo "not ok $run - $name"
        sed 's/^/# /' "$top/said" | tail -n 20
        failed=$((failed + 1))
    fi
}

clean() {
    chmod -R u+w "$top"
    rm -rf "$top"
}
trap clean EXIT
trap 'exit 143' TERM

if [ ! -f "$build/Makefile" ]; then
    echo "1..0 # SKIP there is no Makefile in $build"
    exit 0
fi
ok "it is packed" make -C "$build" distdir distdir="$top/tree"
ok "and no test was run for that" test -z "$(grep -w prove "$top/said")"
for file in check demo INSTALL build-aux/setup.sh build-aux/packages.txt t/rig.py man/viaduct-master.8 fuzz/run-corpus.c; do
    ok "$file is there" test -s "$top/tree/$file"
done
chmod -R a-w "$top/tree"
mkdir "$top/build"
cd "$top/build" || exit
ok "it is configured beside its source" "$top/tree/configure" -q CFLAGS=-O0
ok "it builds" make -s -j2 all
ok "it installs, and all that t/install.t asks for" env VIADUCT_BUILD="$top/build" "$top/tree/t/install.t"
ok "nothing was written into the source" test -z "$(find "$top/tree" -newer "$top/build/config.status" -not -type d)"
echo "1..$run"
[ $failed -eq 0 ]
