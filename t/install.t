#!/bin/bash
# `make install` puts everything where --prefix and DESTDIR say, a system can be built against it, `make uninstall` leaves nothing.
build=$(realpath "${VIADUCT_BUILD:-.}")
dest=$(mktemp -d)
run=0 failed=0
unset MAKEFLAGS MFLAGS MAKELEVEL

ok() { # ok NAME COMMAND...
    local name=$1
    shift
    run=$((run + 1))
    if "$@" >"$dest.log" 2>&1; then
        echo "ok $run - $name"
    else
        echo "not ok $run - $name"
        sed 's/^/# /' "$dest.log" | tail -n 20
        failed=$((failed + 1))
    fi
}

man_page() { [ -s "$at/share/man/man1/$1.1" ] || [ -s "$at/share/man/man8/$1.8" ]; }

# As man does: a line ".so FILE" stands for the file.
man_shows() {
    local page=$at/share/man/man8/$1.8 other
    other=$(sed -n 's/^\.so //p' "$page")
    grep -q -- "$2" "$at/share/man/${other:-man8/$1.8}"
}

if [ ! -f "$build/Makefile" ]; then
    echo "1..0 # SKIP there is no Makefile in $build"
    exit 0
fi
at=$dest/opt/v
ok "it installs below DESTDIR and a prefix given late" make -s -C "$build" install DESTDIR="$dest" prefix=/opt/v
for file in bin/viaduct bin/viaduct-sendmail bin/viaduct-mailq bin/viaduct-qshape libexec/viaduct/viaduct-master \
    libexec/viaduct/viaduct-cleanup; do
    ok "$file is a program" test -x "$at/$file"
done
for file in share/viaduct/templates/failed.txt share/man/man5/viaduct.conf.5 etc/viaduct/viaduct.conf.sample \
    include/viaduct/system.h lib/pkgconfig/viaduct.pc lib/systemd/system/viaduct.service; do
    ok "$file is there" test -s "$at/$file"
done
for path in "$at"/bin/* "$at"/libexec/viaduct/viaduct-*; do
    name=${path##*/}
    ok "man $name: there is a page" man_page "$name"
done
ok "man viaduct-router shows what the workers do" man_shows viaduct-router 'chooses connectors, splits'
ok "man viaduct-mailq shows the command" man_shows viaduct-mailq 'operate the mail connector'
ok "the command's other names are links to it" test "$(readlink "$at/bin/viaduct-mailq")" = viaduct
ok "nothing is set-uid or set-gid" test -z "$(find "$dest" -type f -perm /6000)"
ok "nothing is outside the prefix" test "$(find "$dest" -not -type d -not -path "$at/*" | wc -l)" = 0
ok "the sample configuration is valid" "$at/bin/viaduct" -c "$at/etc/viaduct/viaduct.conf.sample" config show

cat >"$dest/zz.c" <<'C'
#include <viaduct/system.h>
const struct viaduct_system *viaduct_system_entry(void);
static const struct viaduct_system zz = {.size = sizeof zz, .abi = VIADUCT_SYSTEM_ABI, .name = "zz", .address_type = "ZZ"};
const struct viaduct_system *
viaduct_system_entry(void)
{
    return &zz;
}
C
flags=$(PKG_CONFIG_PATH="$at/lib/pkgconfig" PKG_CONFIG_SYSROOT_DIR='' pkg-config --define-variable=prefix="$at" --cflags viaduct)
# shellcheck disable=SC2086
ok "a system is built outside the tree with the installed header alone" \
    cc -std=c11 -Wall -Wextra -Werror -shared -fPIC $flags -o "$dest/zz.so" "$dest/zz.c"
ok "it uninstalls" make -s -C "$build" uninstall DESTDIR="$dest" prefix=/opt/v
ok "and leaves nothing" test "$(find "$at" -not -type d | wc -l)" = 0

rm -rf "$dest" "$dest.log"
echo "1..$run"
[ $failed -eq 0 ]
