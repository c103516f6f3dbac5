# bench.mk - viaduct beside Postfix; included by Makefile.am
#
# `make bench` measures and prints a table (8 minutes; as root, so that both run as in production and a journaled file system can
# be mounted). `make bench RESULTS=1` also writes it into bench/RESULTS.md. BENCH_PARTS, BENCH_PAIRS, BENCH_FS and others: see
# bench/bench.py.

bench: all t/mkmsg t/dir-plan-bench
	VIADUCT_BUILD='$(abs_builddir)' BENCH_RESULTS='$(RESULTS)' '$(srcdir)/bench/bench.py'

# The rigs of t/PROMISES.md, against Postfix and viaduct alike: what is lost and what comes twice where processes are killed, what ends
# a message, how often it is synced. PROMISES='--part soak --messages 20000' for a part: see bench/promises.py.
bench-promises: all
	VIADUCT_BUILD='$(abs_builddir)' '$(srcdir)/bench/promises.py' $(PROMISES)

.PHONY: bench bench-promises
