# setup.sh - what ./check and ./demo share: steps that say how long they took, packages, the build
#
# Sourced by bash in the root of the tree. Steps write what they do to $build/NAME.log and show it only when they fail.

build=$PWD/_build
libevent_needed=2.1.12-stable-8+deb12u1 # the first one in Debian 12 with the fixes of 2.1.13
started=$SECONDS
policy_made=

say() { printf '%s\n' "$*"; }

fail() {
    printf 'failed: %s\n' "$*" >&2
    exit 1
}

# step NAME "TEXT" COMMAND...: runs the command quietly, and tells how long it took
step() {
    local name=$1 text=$2 begun=$SECONDS log status
    shift 2
    mkdir -p "$build"
    log=$build/$name.log
    printf '%-64s' "== $text ..."
    "$@" >"$log" 2>&1 </dev/null
    status=$?
    if [ $status -ne 0 ]; then
        printf ' failed after %d s\n' $((SECONDS - begun))
        tail -n 60 "$log" >&2
        fail "$text (all of it is in $log)"
    fi
    printf ' %d s\n' $((SECONDS - begun))
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo ${CI:+-n} -- "$@"
    fi
}

# packages_of KIND...: their names
packages_of() { awk -v kinds=" $* " '!/^#/ && NF > 2 && index(kinds, " " $2 " ") { print $1 }' build-aux/packages.txt; }

version_of() { dpkg-query -W -f '${db:Status-Status} ${Version}' "$1" 2>/dev/null | sed -n 's/^installed //p'; }

libevent_is_old() { dpkg --compare-versions "$(version_of libevent-dev)" lt "$libevent_needed"; }

missing_of() {
    local name
    for name in $(packages_of "$@"); do
        [ -n "$(version_of "$name")" ] || printf '%s ' "$name"
    done
}

# Mail servers are wanted as programs, not running: nothing is started while packages are installed.
forbid_start() {
    [ ! -e /usr/sbin/policy-rc.d ] || return 0
    printf '#!/bin/sh\nexit 101\n' | as_root tee /usr/sbin/policy-rc.d >/dev/null
    as_root chmod 755 /usr/sbin/policy-rc.d
    policy_made=yes
}

allow_start() {
    [ -z "$policy_made" ] || as_root rm -f /usr/sbin/policy-rc.d
    policy_made=
}

install_packages() {
    as_root apt-get update -q || return
    if [[ " $* " = *" postfix "* ]]; then
        printf 'postfix postfix/main_mailer_type select Local only\n' | as_root debconf-set-selections || return
    fi
    if [[ " $* " = *" slapd "* ]]; then # no database of its own
        printf 'slapd slapd/no_configuration boolean true\n' | as_root debconf-set-selections || return
    fi
    trap allow_start EXIT
    forbid_start
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
        -o Dpkg::Options::=--force-confold "$@"
    local status=$?
    allow_start
    trap - EXIT
    return $status
}

# need_packages KIND...: installs what is missing; asks apt for nothing when all is there
need_packages() {
    local wanted
    command -v dpkg-query >/dev/null || fail "this needs a Debian system; on others install what build-aux/packages.txt lists, then configure and make"
    wanted=$(missing_of "$@")
    if [ -n "$wanted" ] || libevent_is_old; then
        if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
            fail "needs root to install: $wanted"
        fi
        [[ $wanted = *libevent-dev* ]] || ! libevent_is_old || wanted+="libevent-dev "
        # shellcheck disable=SC2086
        step packages "installing $(wc -w <<<"$wanted") packages" install_packages $wanted
    fi
    ! libevent_is_old || fail "libevent-dev $(version_of libevent-dev) is older than $libevent_needed: add Debian's security archive to apt's sources"
}

newer_than() {
    local target=$1
    shift
    [ ! -e "$target" ] || [ -n "$(find "$@" -newer "$target" -print -quit)" ]
}

# build_programs CONFIGURE-OPTIONS...: an up-to-date _build/
build_programs() {
    local jobs
    jobs=$(nproc)
    [ ! -e config.status ] || fail "the tree itself was configured; run make distclean first"
    if newer_than configure configure.ac || newer_than Makefile.in Makefile.am build-aux/*.mk; then
        step autoreconf "writing configure and Makefile.in" autoreconf -fi
    fi
    if newer_than "$build/config.status" configure Makefile.in || [ "$(cat "$build/options" 2>/dev/null)" != "$*" ]; then
        step configure "configuring" configure_build "$@"
    fi
    step build "building ($jobs at a time)" make -C "$build" -j"$jobs" all
}

configure_build() {
    (cd "$build" && ../configure "$@") && printf '%s\n' "$*" >"$build/options"
}
