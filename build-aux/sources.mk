# sources.mk - what is built of what, in the order of the road; included by Makefile.am

# ---- the map, the words, the skeleton: what everything stands on ----

noinst_LIBRARIES += libviaduct.a
libviaduct_a_SOURCES = \
	spool-layout/flow.def spool-layout/layout.h spool-layout/layout.c \
	common/base.h common/base.c common/arena.h common/arena.c common/buf.h common/buf.c \
	common/crc32c.h common/crc32c.c common/id.h common/id.c common/utc.h common/utc.c common/utf8.h common/utf8.c \
	common/shown.h common/shown.c common/json_out.h common/json_out.c \
	common/events.def common/log.h common/log_inside.h common/log.c common/log_pair.c common/log_target.c \
	common/track.c common/counters.c \
	common/address.h common/address.c common/address_form.h common/address_form.c common/address_imcea.c \
	common/address_pattern.c common/address_smtp.c common/header_address.c \
	common/header_scan.h common/header_scan.c \
	common/mte.def common/envelope.h common/envelope.c common/queue_file.h common/queue_file.c \
	common/commit.h common/commit.c common/listen.h common/listen.c \
	conf/config.def conf/conf.h conf/conf_schema.h conf/conf_schema.c conf/conf_token.h conf/conf_token.c \
	conf/conf_scan.h conf/conf_scan.c conf/conf_file.c conf/conf_value.c conf/conf_read.c conf/conf_check.c \
	conf/conf_check_times.c conf/conf_check_net.c conf/conf_print.c conf/conf_doc.c conf/conf_schedule.c \
	conf/conf_option.h conf/conf_option.c
VIADUCT_LIBS = libviaduct.a $(CONFUSE_LIBS) $(IDN2_LIBS) $(CDB_LIBS) $(EVENT_LIBS)

noinst_LIBRARIES += libbook.a
libbook_a_SOURCES = \
	common/book.h common/translate.h common/translate_internal.h common/translate.c common/translate_header.c \
	common/mapping.h common/mapping.c common/mapping_table.c common/route.c \
	common/book_internal.h common/book.c common/book_build.c common/book_csv.c common/book_entry.c \
	common/book_manifest.c common/book_shard.c

noinst_LIBRARIES += libworker.a
libworker_a_SOURCES = \
	common/worker.h common/worker_inside.h common/worker_state.h \
	common/worker.c common/worker_names.c common/worker_jobs.c common/worker_state.c common/worker_recover.c \
	common/worker_control.c common/worker_folders.c common/maker.c common/parts.c common/sandbox.c
WORKER_LIBS = libworker.a libbook.a $(VIADUCT_LIBS) $(SECCOMP_LIBS)

# ---- systems: one module for each ----

noinst_LIBRARIES += libsystems.a
libsystems_a_SOURCES = \
	systems/viaduct/system.h systems/registry.h systems/registry.c \
	systems/smtp/client.c systems/smtp/client.h systems/smtp/client_command.c systems/smtp/client_data.c \
	systems/smtp/client_data.h systems/smtp/client_hops.c systems/smtp/client_mail.c systems/smtp/client_outcome.c \
	systems/smtp/client_pool.c systems/smtp/client_session.c systems/smtp/client_test.c systems/smtp/conn.c \
	systems/smtp/conn.h systems/smtp/conn_inside.h systems/smtp/conn_io.c systems/smtp/netlist.c \
	systems/smtp/netlist.h systems/smtp/proxy.c systems/smtp/proxy.h systems/smtp/resolve.c \
	systems/smtp/resolve.h systems/smtp/server.c systems/smtp/server_admit.c systems/smtp/server_command.c \
	systems/smtp/server_data.c systems/smtp/server_data.h systems/smtp/server_inside.h systems/smtp/server_mail.c \
	systems/smtp/server_message.c systems/smtp/server_rcpt.c systems/smtp/server_session.c systems/smtp/server_xclient.c \
	systems/smtp/smtp.h systems/smtp/smtp_client.h systems/smtp/smtp_reply.c systems/smtp/smtp_reply.h \
	systems/smtp/smtp_system.c systems/smtp/smtp_system.h systems/smtp/smtp_url.c systems/smtp/smtp_url.h \
	systems/smtp/tls.c systems/smtp/tls.h
SYSTEMS_LIBS = libsystems.a $(SSL_LIBS) $(CARES_LIBS) -ldl

# ---- the road: inbound-gateway and pickup, cleanup, router, outbound-gateway, bouncer ----

pkglibexec_PROGRAMS += viaduct-inbound-gateway viaduct-cleanup viaduct-router viaduct-outbound-gateway

viaduct_inbound_gateway_SOURCES = daemons/inbound-gateway.c daemons/gateway.h daemons/gateway.c daemons/intake.h \
	daemons/intake.c daemons/recipient_check.c
viaduct_inbound_gateway_LDADD = $(SYSTEMS_LIBS) $(WORKER_LIBS)

viaduct_cleanup_SOURCES = daemons/cleanup.c
viaduct_cleanup_LDADD = $(WORKER_LIBS)

viaduct_router_SOURCES = daemons/router.c
viaduct_router_LDADD = $(WORKER_LIBS)

viaduct_outbound_gateway_SOURCES = daemons/outbound-gateway.c daemons/gateway.h daemons/gateway.c daemons/delivery.h \
	daemons/delivery.c daemons/settle.c
viaduct_outbound_gateway_LDADD = $(SYSTEMS_LIBS) $(WORKER_LIBS)
