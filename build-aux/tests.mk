# tests.mk - unit tests, scenarios, corpora, fuzzing, static checks; included by Makefile.am
#
# `make check` runs everything under t/ by prove: the unit tests t/*-t.c, and the scenarios t/*.t, which use the programs of
# the build folder. tests-list.mk names them; list-tests.sh writes it. `make check CHECK='t/log-t ../t/dsn.t'` runs some.

include build-aux/tests-list.mk

EXTRA_DIST += $(TRACKED_FILES) build-aux/tests-list.mk
LIBFUZZER_LINK = $(AM_LDFLAGS) -fsanitize=fuzzer

# What unit tests, tools and fuzz targets are linked with; each takes of it what it needs. libtested.a holds the sources of
# programs that a test looks into.
check_LIBRARIES = libtested.a
libtested_a_SOURCES = daemons/pickup_envelope.c commands/exchange_object.c commands/exchange_read.c commands/filter.c commands/grid.c commands/text.c
LDADD = libtested.a libdirectory.a $(CONVERT_LIBS) $(WORKER_LIBS) $(LDAP_LIBS)

check_PROGRAMS += $(UNIT_TESTS) $(TEST_TOOLS) $(CORPUS_RUNNERS)
EXTRA_PROGRAMS = $(FUZZ_TARGETS)

# What scenarios load into the real programs: not of the programs' flags, since they are shared objects.
PRELOADS = t/confined.so t/clock.so
t/confined.so: t/confined-so.c
	$(MKDIR_P) t
	$(CC) -std=gnu11 -O1 -g $(WARNINGS) -fPIC -shared -o $@ '$(srcdir)/t/confined-so.c' -ldl
t/clock.so: t/clock-so.c
	$(MKDIR_P) t
	$(CC) -std=gnu11 -O1 -g $(WARNINGS) -fPIC -shared -o $@ '$(srcdir)/t/clock-so.c' -ldl

PROVE = prove
TEST_JOBS = 2
CHECK_TESTS = $(UNIT_TESTS) $(addprefix $(srcdir)/,$(SCENARIO_TESTS))

check-programs: $(check_LIBRARIES) $(check_PROGRAMS) $(PRELOADS)

check-local:
	@VIADUCT_BUILD='$(abs_builddir)' VIADUCT_SRC="`cd '$(srcdir)' && pwd`" \
	$(PROVE) -j$(TEST_JOBS) --timer -e '$(srcdir)/build-aux/run-test.sh' $(PROVEFLAGS) $(or $(CHECK),$(CHECK_TESTS))

# ---- the same under AddressSanitizer and UndefinedBehaviorSanitizer, in a build folder of its own ----
# (without --enable-dev: instrumented code has warnings of its own)

check-sanitize:
	$(MKDIR_P) _sanitize
	test -f _sanitize/Makefile || (cd _sanitize && '$(abs_srcdir)/configure' -q --enable-sanitizers CFLAGS='-g -O1')
	cd _sanitize && $(MAKE) check PROVEFLAGS='$(PROVEFLAGS)'

# ---- fuzzing: every parser of outside bytes for FUZZ_SECONDS, with clang's libFuzzer ----

FUZZ_SECONDS = 60

check-fuzz:
	$(MKDIR_P) _fuzz
	test -f _fuzz/Makefile || (cd _fuzz && '$(abs_srcdir)/configure' -q --enable-sanitizers CC=clang CFLAGS='-g -O1 -fsanitize=fuzzer-no-link')
	cd _fuzz && $(MAKE) $(check_LIBRARIES) $(FUZZ_TARGETS)
	cd _fuzz && FUZZ_SECONDS='$(FUZZ_SECONDS)' '$(abs_srcdir)/build-aux/fuzz-all.sh' '$(abs_srcdir)/fuzz/corpus' $(FUZZ_TARGETS)

# ---- what can be seen without running it ----

check-static:
	'$(abs_srcdir)/build-aux/check-static.sh' '$(abs_srcdir)' '$(abs_builddir)' $(FILES)

check-style:
	'$(abs_srcdir)/build-aux/check-style.sh'

clean-local:
	rm -rf t/log _sanitize _fuzz $(PRELOADS)

.PHONY: check-programs check-sanitize check-fuzz check-static check-style

# ---- races about files in drop: 100,000 of them ----

check-races: check-programs
	VIADUCT_RACES=100000 VIADUCT_BUILD='$(abs_builddir)' '$(abs_srcdir)/t/drop-races.t'

.PHONY: check-races

# ---- kills at random while mail comes and goes: four times the messages and kills that `make check` has ----

SOAK = 20000

check-soak: check-programs
	VIADUCT_SOAK='$(SOAK)' VIADUCT_BUILD='$(abs_builddir)' '$(abs_srcdir)/t/soak.t'

.PHONY: check-soak

# ---- crashes, errors, hangs, races and power cuts: all of them, and the planted bugs that they must find (root, for what
# needs a disk). Some half an hour; CRASH=--quick is a look whether it runs, CRASH="--only power" a part of it ----

CRASH_TOOLS = t/balance t/crash/crashpoint t/crash/logdisk

check-crash: check-programs
	$(MKDIR_P) _bugs
	test -f _bugs/Makefile || (cd _bugs && '$(abs_srcdir)/configure' -q --enable-planted-bugs)
	cd _bugs && $(MAKE) all $(CRASH_TOOLS)
	VIADUCT_BUILD='$(abs_builddir)' VIADUCT_BUGGY_BUILD='$(abs_builddir)/_bugs' '$(abs_srcdir)/t/crash/crashcheck.py' $(CRASH)

clean-local: clean-crash
clean-crash:
	rm -rf _bugs

.PHONY: check-crash clean-crash
