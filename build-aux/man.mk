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
