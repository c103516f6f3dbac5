# bench.mk - viaduct beside Postfix; included by Makefile.am
#
# `make bench` measures and prints a table (8 minutes; as root, so that both run as in production and a journaled file system can
# be mounted). `make bench RESULTS=1` also writes it into bench/RESULTS.md. BENCH_PARTS, BENCH_PAIRS, BENCH_FS and others: see
# bench/bench.py.

bench: all t/mkmsg
	VIADUCT_BUILD='$(abs_builddir)' BENCH_RESULTS='$(RESULTS)' '$(srcdir)/bench/bench.py'

.PHONY: bench
