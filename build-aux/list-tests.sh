#!/bin/bash
# list-tests.sh - writes build-aux/tests-list.mk: tests, fuzz targets, manual pages and other files that make must know by name
#
#     build-aux/list-tests.sh            writes the list of what git tracks
#     build-aux/list-tests.sh --print    prints it
#
# Run it after adding a file under t/, fuzz/, conf/, man/, bench/ or build-aux/; the style test says when it was forgotten.
# Automake takes no wildcards, and a list made by hand drifts: a test that is not in it never runs.
set -eu
export LC_ALL=C
cd "$(dirname "$0")/.."

tracked() { git -c safe.directory='*' ls-files -- "$@" | sort -u; }

# list NAME WORD...: one makefile variable
list() {
    local name=$1
    shift
    printf '%s =' "$name"
    [ $# -eq 0 ] || printf ' \\\n\t%s' "$@"
    printf '\n\n'
}

make_list() {
    local units tools scenarios targets texts pages others f name
    mapfile -t units < <(tracked 't/*-t.c' | sed 's/\.c$//')
    mapfile -t tools < <(tracked 't/*.c' | grep -v -- '-\(t\|so\)\.c$' | sed 's/\.c$//')
    mapfile -t scenarios < <(tracked 't/*.t')
    mapfile -t targets < <(tracked 'fuzz/*-fuzz.c' | sed 's/\.c$//')
    mapfile -t others < <(tracked t fuzz conf man bench build-aux check demo .ci .clang-format .clang-tidy | grep -v '^build-aux/.*\.mk$' | sed 's,^\(check\|demo\)$,$(srcdir)/&,')
    printf '# tests-list.mk - written by list-tests.sh: do not edit\n\n'
    list UNIT_TESTS "${units[@]}"
    list TEST_TOOLS "${tools[@]}"
    list SCENARIO_TESTS "${scenarios[@]}"
    list FUZZ_TARGETS "${targets[@]}"
    list CORPUS_RUNNERS "${targets[@]/%-fuzz/-corpus}"
    for f in "${targets[@]}"; do
        name=${f//[^A-Za-z0-9]/_}
        printf '%s_SOURCES = %s.c fuzz/run-corpus.c\n' "${name%_fuzz}_corpus" "$f"
        printf '%s_LDFLAGS = $(LIBFUZZER_LINK)\n' "$name"
    done
    printf '\n'
    mapfile -t texts < <(tracked conf/templates)
    mapfile -t pages < <(tracked 'man/*.[1-9]')
    list REPORT_TEXTS "${texts[@]}"
    list MAN_PAGES "${pages[@]}"
    list TRACKED_FILES "${others[@]}"
}

if [ "${1:-}" = --print ]; then
    make_list
else
    make_list >build-aux/tests-list.mk.new
    mv build-aux/tests-list.mk.new build-aux/tests-list.mk
fi
