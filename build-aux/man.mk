# man.mk - manual pages made of templates and the tables that are the truth; included by Makefile.am

noinst_PROGRAMS += manual
manual_SOURCES = man/manual.c

GENERATED_PAGES = man/viaduct-queue-file.5 man/viaduct-log.5 man/viaduct.8 man/viaduct-workers.8
nodist_man_MANS += $(GENERATED_PAGES)
CLEANFILES += $(GENERATED_PAGES)

man/viaduct-queue-file.5: man/viaduct-queue-file.5.in manual$(EXEEXT)
man/viaduct-log.5: man/viaduct-log.5.in manual$(EXEEXT)
man/viaduct.8: man/viaduct.8.in manual$(EXEEXT)
man/viaduct-workers.8: man/viaduct-workers.8.in manual$(EXEEXT)
$(GENERATED_PAGES):
	$(AM_V_GEN)$(MKDIR_P) man && ./manual$(EXEEXT) '$(srcdir)/$@.in' >$@.new && mv $@.new $@

# ---- pages that are another's: by whatever name a program is called, `man` finds it ----

WORKER_PAGES = man/viaduct-pickup.8 man/viaduct-inbound-gateway.8 man/viaduct-inbound-converter.8 man/viaduct-cleanup.8 \
	man/viaduct-router.8 man/viaduct-outbound-gateway.8 man/viaduct-outbound-converter.8 man/viaduct-bouncer.8 \
	man/viaduct-dirsync.8 man/viaduct-observer.8
COMMAND_PAGES = man/viaduct-mailq.8 man/viaduct-qshape.8
nodist_man_MANS += $(WORKER_PAGES) $(COMMAND_PAGES)
CLEANFILES += $(WORKER_PAGES) $(COMMAND_PAGES)

$(WORKER_PAGES): $(srcdir)/build-aux/man.mk
	$(AM_V_GEN)$(MKDIR_P) man && echo '.so man8/viaduct-workers.8' >$@
$(COMMAND_PAGES): $(srcdir)/build-aux/man.mk
	$(AM_V_GEN)$(MKDIR_P) man && echo '.so man8/viaduct.8' >$@
