# install.mk - what is installed beside the programs, and what is generated for it; included by Makefile.am

# ---- the names that other mail systems gave to our command ----

COMMAND_LINKS = viaduct-mailq viaduct-qshape

all-local: $(COMMAND_LINKS)

$(COMMAND_LINKS): viaduct$(EXEEXT)
	$(AM_V_at)rm -f $@ && $(LN_S) viaduct$(EXEEXT) $@

install-exec-hook:
	cd '$(DESTDIR)$(bindir)' && for link in $(COMMAND_LINKS); do rm -f $$link && $(LN_S) viaduct$(EXEEXT) $$link || exit; done

uninstall-hook:
	cd '$(DESTDIR)$(bindir)' && rm -f $(COMMAND_LINKS)

# ---- texts of reports; the header for systems built elsewhere; what starts at boot ----

dist_templates_DATA = $(REPORT_TEXTS)

viaductincludedir = $(includedir)/viaduct
viaductinclude_HEADERS = systems/viaduct/system.h

pkgconfigdir = $(libdir)/pkgconfig
pkgconfig_DATA = viaduct.pc

unitdir = $(prefix)/lib/systemd/system
unit_DATA = conf/viaduct.service

conf/viaduct.service: conf/viaduct.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) conf && sed -e 's,[@]bindir[@],$(bindir),g' -e 's,[@]sysconfdir[@],$(sysconfdir),g' \
		'$(srcdir)/conf/viaduct.service.in' >$@.new && mv $@.new $@

# ---- manual and sample, generated from the tables where there is one ----

dist_man_MANS = $(MAN_PAGES)
nodist_man_MANS = man/viaduct.conf.5
sysconfpkg_DATA = conf/viaduct.conf.sample

man/viaduct.conf.5: conf-doc$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) man && ./conf-doc$(EXEEXT) manual >$@.new && mv $@.new $@

conf/viaduct.conf.sample: conf-doc$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) conf && ./conf-doc$(EXEEXT) sample >$@.new && mv $@.new $@

EXTRA_DIST += conf/viaduct.service.in
CLEANFILES = $(COMMAND_LINKS) conf/viaduct.service man/viaduct.conf.5 conf/viaduct.conf.sample

install-data-hook:
	$(MKDIR_P) '$(DESTDIR)$(modulesdir)'
