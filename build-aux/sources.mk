# sources.mk - what is built of what, in the order of the road; included by Makefile.am

# ---- the map, the words, the skeleton: what everything stands on ----

noinst_LIBRARIES += libviaduct.a
libviaduct_a_SOURCES = spool-layout/flow.def spool-layout/layout.h spool-layout/layout.c \
	common/events.def common/mte.def conf/config.def \
	common/address.c common/address.h common/address_form.c common/address_form.h common/address_imcea.c \
	common/address_pattern.c common/address_smtp.c common/arena.c common/arena.h common/base64.c common/base64.h common/base.c common/base.h \
	common/buf.c common/buf.h common/commit.c common/commit.h common/correlation.c common/correlation.h common/counters.c common/crc32c.c \
	common/crc32c.h common/csv.c common/csv.h common/dsn.c common/dsn.h common/dsn_status.c common/dsn_subject.c common/dsn_text.c \
	common/dsn_value.c common/envelope.c common/envelope.h common/envelope_inside.h \
	common/envelope_journal.c common/envelope_record.c common/header_address.c common/header_scan.c \
	common/header_scan.h common/hex.h common/id.c common/id.h common/json_out.c common/json_out.h common/ldif.c common/ldif.h common/listen.c \
	common/listen.h common/log.c common/log.h common/log_inside.h common/log_pair.c common/log_target.c common/looking.c common/looking.h \
	common/metrics.c common/metrics.h common/ownership.c common/ownership.h common/planted.h \
	common/queue_file.c common/queue_file.h common/quiet.c common/quiet.h common/secret.c common/secret.h common/shown.c common/shown.h common/sip.h \
	common/spool_census.c common/spool_census.h common/state_page.c common/track.c common/track_files.c \
	common/track_line.c common/track_read.c common/track_read.h common/track_seen.c common/track_seen.h \
	common/utc.c common/utc.h common/utf8.c common/utf8.h conf/conf.h conf/conf_check.c conf/conf_check_directory.c conf/conf_check_net.c conf/conf_check_policy.c \
	directory/address_type.c directory/filter.c directory/filter_entry.c directory/filter_inside.h directory/filter_read.c \
	directory/template.c directory/template_inside.h directory/template_read.c directory/template_rules.c \
	conf/conf_check_times.c conf/conf_doc.c conf/conf_file.c conf/conf_option.c conf/conf_option.h \
	conf/conf_print.c conf/conf_read.c conf/conf_scan.c conf/conf_scan.h conf/conf_schedule.c \
	conf/conf_schema.c conf/conf_schema.h conf/conf_token.c conf/conf_token.h conf/conf_value.c
VIADUCT_LIBS = libviaduct.a $(CONFUSE_LIBS) $(IDN2_LIBS) $(CDB_LIBS) $(EVENT_LIBS)

noinst_LIBRARIES += libbook.a
libbook_a_SOURCES = \
	common/book.c common/book.h common/book_build.c common/book_builder.h common/book_cdb.c common/book_cdb.h common/book_csv.c \
	common/book_entry.c common/book_internal.h common/book_ldif.c common/book_manifest.c common/book_people.c common/book_publish.c \
	common/book_shard.c common/mapping.c common/mapping.h common/mapping_table.c common/mapping_table.h \
	common/route.c common/translate.c common/translate.h common/translate_header.c common/translate_internal.h

noinst_LIBRARIES += libworker.a
libworker_a_SOURCES = \
	common/maker.c common/parts.c common/sandbox.c common/sandbox_calls.c common/worker.c common/worker.h common/worker_book.c common/worker_control.c \
	common/worker_folders.c common/worker_inside.h common/worker_jobs.c common/worker_names.c \
	common/worker_recover.c common/worker_state.c common/worker_state.h
WORKER_LIBS = libworker.a libbook.a $(VIADUCT_LIBS) $(SECCOMP_LIBS)

# ---- systems: one module for each ----

noinst_LIBRARIES += libsystems.a
libsystems_a_SOURCES = systems/calendar/calendar.h systems/calendar/calendar_clock.c systems/calendar/calendar_inside.h \
	systems/calendar/calendar_lines.c systems/calendar/calendar_read.c systems/calendar/calendar_repeat.c \
	systems/calendar/calendar_rules.c systems/calendar/calendar_when.c systems/calendar/calendar_write.c \
	systems/calendar/calendar_write_zone.c systems/calendar/calendar_zone.c systems/calendar/calendar_zone.h \
	systems/viaduct/system.h systems/viaduct/reason.h systems/registry.h systems/registry.c \
	systems/module_note.c systems/module_note.h systems/readiness.c systems/readiness.h systems/readiness_files.c \
	systems/smtp/client.c systems/smtp/client.h systems/smtp/client_command.c systems/smtp/client_data.c \
	systems/smtp/client_data.h systems/smtp/client_hello.c systems/smtp/client_hops.c \
	systems/smtp/client_mail.c systems/smtp/client_outcome.c systems/smtp/client_pool.c \
	systems/smtp/client_round.c systems/smtp/client_session.c systems/smtp/client_test.c systems/smtp/conn.c systems/smtp/conn.h \
	systems/smtp/conn_inside.h systems/smtp/conn_io.c systems/smtp/netlist.c systems/smtp/netlist.h \
	systems/smtp/proxy.c systems/smtp/proxy.h systems/smtp/resolve.c systems/smtp/resolve.h \
	systems/smtp/server.c systems/smtp/server_admit.c systems/smtp/server_command.c systems/smtp/server_data.c \
	systems/smtp/server_data.h systems/smtp/server_inside.h systems/smtp/server_mail.c \
	systems/smtp/server_message.c systems/smtp/server_rcpt.c systems/smtp/server_session.c \
	systems/smtp/server_xclient.c systems/smtp/smtp.h systems/smtp/smtp_client.h systems/smtp/smtp_downgrade.c \
	systems/smtp/smtp_downgrade.h systems/smtp/smtp_downgrade_address.c systems/smtp/smtp_downgrade_body.c \
	systems/smtp/smtp_downgrade_field.c systems/smtp/smtp_downgrade_parameter.c systems/smtp/smtp_downgrade_seal.c \
	systems/smtp/smtp_downgrade_word.c systems/smtp/smtp_reply.c systems/smtp/smtp_reply.h \
	systems/smtp/smtp_system.c systems/smtp/smtp_system.h systems/smtp/smtp_url.c systems/smtp/smtp_url.h \
	systems/smtp/tls.c systems/smtp/tls.h \
	systems/maildir/maildir.c systems/maildir/maildir.h systems/maildir/maildir_aside.c \
	systems/maildir/maildir_aside.h systems/maildir/maildir_box.c \
	systems/maildir/maildir_box.h systems/maildir/maildir_envelope.c systems/maildir/maildir_envelope.h \
	systems/maildir/maildir_file.c systems/maildir/maildir_in.c systems/maildir/maildir_in.h \
	systems/maildir/maildir_out.c \
	systems/gwise/api_read.c systems/gwise/api_read.h systems/gwise/api_value.c systems/gwise/api_write.c \
	systems/gwise/api_write.h systems/gwise/carrier.c systems/gwise/carrier.h systems/gwise/carrier_claim.c \
	systems/gwise/carrier_in.c systems/gwise/carrier_in.h systems/gwise/carrier_judge.c \
	systems/gwise/carrier_out.c systems/gwise/carrier_out.h systems/gwise/carrier_watch.c systems/gwise/carrier_write.c \
	systems/gwise/choices.c systems/gwise/choices.def systems/gwise/choices.h systems/gwise/convert_time.c systems/gwise/convert_time.h \
	systems/gwise/meeting_find.c systems/gwise/meeting_in.c systems/gwise/meeting_out.c \
	systems/gwise/container.c systems/gwise/container.h systems/gwise/convert.c systems/gwise/convert.h \
	systems/gwise/convert_fields.c systems/gwise/convert_header.c systems/gwise/convert_in.c systems/gwise/directory.def systems/gwise/directory.h systems/gwise/directory_read.c systems/gwise/directory_write.c systems/gwise/files.c systems/gwise/kept.c systems/gwise/kept.h systems/gwise/search.c systems/gwise/status_in.c systems/gwise/status_out.c \
	systems/gwise/convert_in.h systems/gwise/convert_message.c systems/gwise/convert_ops.c systems/gwise/convert_out.c systems/gwise/convert_plan.c systems/gwise/convert_tnef.c \
	systems/gwise/convert_out.h systems/gwise/gwise.c systems/gwise/gwise.h systems/gwise/html_text.c \
	systems/gwise/html_text.h \
	systems/mime/best_fit_table.h systems/mime/charset.c systems/mime/charset.h systems/mime/codepage.c \
	systems/mime/codepage_table.h systems/mime/mime_decode.c systems/mime/mime_decode.h \
	systems/mime/mime_header.c systems/mime/mime_header.h systems/mime/mime_parameter.c systems/mime/mime_walk.c \
	systems/mime/mime_walk.h systems/mime/mime_seek.c systems/mime/mime_seek.h systems/mime/notice.h systems/mime/notice_read.c systems/mime/notice_write.c \
	systems/mime/charset_number.c systems/mime/rtf_compressed.c systems/mime/rtf_compressed.h \
	systems/mime/rtf_inside.h systems/mime/rtf_out.c systems/mime/rtf_text.c systems/mime/rtf_text.h systems/mime/rtf_word.c \
	systems/mime/tnef.c systems/mime/tnef.h systems/mime/tnef_attribute.c systems/mime/tnef_body.c systems/mime/tnef_field.c \
	systems/mime/tnef_field.h systems/mime/tnef_gather.h systems/mime/tnef_inside.h systems/mime/tnef_message.c \
	systems/mime/tnef_message.h systems/mime/tnef_property.c
SYSTEMS_LIBS = libsystems.a libbook.a libviaduct.a $(SSL_LIBS) $(CARES_LIBS) -ldl

# Who converts needs more libraries; who does not says so, and gets neither them nor the code that calls them.
CONVERT_LIBS = $(SYSTEMS_LIBS) $(CALENDAR_LIBS)
no_convert = systems/no_convert.c

# ---- directories: their sides, plans and runs ----

noinst_LIBRARIES += libdirectory.a
libdirectory_a_SOURCES = directory/attributes.def directory/change.h directory/entry.h directory/ldap.h directory/plan.h \
	directory/policy.h directory/run.c directory/run.h directory/run_apply.c directory/run_book.c directory/run_names.c directory/side.h \
	directory/status.c directory/status.h \
	directory/ldap_answer.c directory/ldap_certificate.c directory/ldap_changes.c directory/ldap_dirsync.c directory/ldap_inside.h directory/ldap_keytab.c \
	directory/ldap_link.c directory/ldap_patience.c directory/ldap_read.c directory/ldap_syncrepl.c \
	directory/ldap_server.c directory/ldap_words.c directory/ldap_write.c \
	directory/entry.c directory/set.c directory/set_file.c directory/set_index.c directory/set_inside.h directory/set_record.c \
	directory/pending.c directory/policy.c directory/taken.c directory/taken.h directory/words.c directory/words.h \
	directory/plan.c directory/plan_copy.c directory/plan_draft.c directory/plan_flow.c directory/plan_gone.c directory/plan_group.c \
	directory/plan_guard.c directory/plan_inside.h directory/plan_move.c directory/plan_name.c directory/plan_new.c directory/plan_parts.c directory/plan_policy.c \
	directory/plan_proxy.c directory/plan_read.c directory/plan_source.c directory/plan_write.c \
	directory/side_ldap.c directory/side_ldap.h directory/side_ldap_add.c directory/side_ldap_differ.c directory/side_ldap_domino.c directory/side_ldap_entry.c \
	directory/side_ldap_filter.c directory/side_ldap_mods.c directory/side_ldap_names.c directory/side_ldap_raw.c \
	directory/side_ldap_prove.c directory/side_ldap_read.c directory/side_ldap_result.c directory/side_ldap_settle.c directory/side_ldap_slots.def \
	directory/side_ldap_value.c directory/side_ldap_write.c directory/side_ldap_write.h \
	directory/edit.c directory/edit.h directory/side_file.c directory/side_file.h directory/side_file_csv.c directory/side_file_entry.c \
	directory/side_file_ldif.c directory/side_file_read.c directory/side_file_write.c directory/side_gwise.c directory/side_gwise.h \
	directory/side_gwise_ask.c directory/side_gwise_entry.c directory/side_gwise_write.c \
	directory/names.c
DIRECTORY_LIBS = libdirectory.a $(SYSTEMS_LIBS) $(LDAP_LIBS)

# ---- the road: pickup and inbound-gateway, cleanup, router, outbound-gateway, bouncer ----

gateway_sources = daemons/gateway.h daemons/gateway.c
intake_sources = daemons/intake.h daemons/intake.c daemons/intake_envelope.c daemons/intake_header.c \
	daemons/intake_inside.h daemons/recipient_check.c
converter_sources = daemons/converter.h daemons/converter.c daemons/converter_memory.c

pkglibexec_PROGRAMS += viaduct-pickup
viaduct_pickup_SOURCES = daemons/pickup.c daemons/pickup.h daemons/pickup_envelope.c daemons/pickup_message.c
viaduct_pickup_LDADD = $(WORKER_LIBS)

pkglibexec_PROGRAMS += viaduct-inbound-gateway
viaduct_inbound_gateway_SOURCES = daemons/inbound-gateway.c $(gateway_sources) $(intake_sources) $(no_convert)
viaduct_inbound_gateway_LDADD = $(SYSTEMS_LIBS) $(WORKER_LIBS)

pkglibexec_PROGRAMS += viaduct-inbound-converter
viaduct_inbound_converter_SOURCES = daemons/inbound-converter.c $(converter_sources) $(gateway_sources) $(intake_sources)
viaduct_inbound_converter_LDADD = $(CONVERT_LIBS) $(WORKER_LIBS)

pkglibexec_PROGRAMS += viaduct-cleanup
viaduct_cleanup_SOURCES = daemons/cleanup.c
viaduct_cleanup_LDADD = $(WORKER_LIBS)

pkglibexec_PROGRAMS += viaduct-router
viaduct_router_SOURCES = daemons/router.c
viaduct_router_LDADD = $(WORKER_LIBS)

pkglibexec_PROGRAMS += viaduct-outbound-gateway
viaduct_outbound_gateway_SOURCES = daemons/outbound-gateway.c daemons/delivery.h daemons/delivery.c daemons/settle.c \
	$(gateway_sources) $(no_convert)
viaduct_outbound_gateway_LDADD = $(SYSTEMS_LIBS) $(WORKER_LIBS)

pkglibexec_PROGRAMS += viaduct-outbound-converter
viaduct_outbound_converter_SOURCES = daemons/outbound-converter.c $(converter_sources) $(gateway_sources)
viaduct_outbound_converter_LDADD = $(CONVERT_LIBS) $(WORKER_LIBS)

pkglibexec_PROGRAMS += viaduct-bouncer
viaduct_bouncer_SOURCES = daemons/bouncer.c
viaduct_bouncer_LDADD = $(WORKER_LIBS)

# ---- beside the road: the book, the watcher, the supervisor ----

pkglibexec_PROGRAMS += viaduct-dirsync
viaduct_dirsync_SOURCES = daemons/dirsync.c $(no_convert)
viaduct_dirsync_LDADD = libdirectory.a libworker.a $(SYSTEMS_LIBS) $(WORKER_LIBS) $(LDAP_LIBS)

pkglibexec_PROGRAMS += viaduct-observer
viaduct_observer_SOURCES = daemons/observer.c daemons/observer_health.c daemons/observer_health.h daemons/observer_http.c daemons/observer_http.h
viaduct_observer_LDADD = $(WORKER_LIBS)

pkglibexec_PROGRAMS += viaduct-master
viaduct_master_SOURCES = daemons/master.c daemons/master.h daemons/master_child.c daemons/master_hold.c daemons/master_listener.c daemons/master_log.c daemons/master_plan.c daemons/master_status.c daemons/master_tree.c $(no_convert)
viaduct_master_LDADD = libworker.a $(SYSTEMS_LIBS) $(WORKER_LIBS)

# ---- what operators and programs call ----

bin_PROGRAMS += viaduct viaduct-sendmail
viaduct_SOURCES = \
	commands/act.c commands/act.h commands/act_hold.c commands/address.c commands/address_types.c commands/badmail.c commands/badmail.h \
	commands/badmail_note.c commands/become.c commands/become.h commands/book.c commands/book.h commands/book_check.c commands/book_check.h commands/book_check_tracked.c commands/command.h commands/config.c commands/connector.c commands/exchange_write.c \
	commands/exchange.h commands/exchange_inside.h commands/exchange_object.c commands/exchange_read.c commands/grid.c commands/grid.h \
	commands/completion.c commands/connector.h commands/convert.c commands/convert.h commands/convert_show.c commands/dirsync.c commands/dirsync.h commands/dirsync_status.c commands/filter.c commands/filter.h commands/finding.c commands/finding.h \
	commands/help.c commands/instance.c \
	commands/instance.h commands/kit.c commands/kit.h commands/listing.c commands/listing.h commands/log_level.c \
	commands/lookup.c commands/lookup.h commands/master.c commands/readable.c commands/simulate.c commands/simulate.h \
	commands/simulate_show.c commands/simulate_side.c \
	commands/master.h commands/master_state.c commands/message_fields.c commands/message_report.c commands/message_show.c \
	commands/message_show.h commands/probe.c commands/probe.h commands/queue.c commands/queue_change.c \
	commands/queue_export.c commands/route.c commands/shape.c commands/spool_map.c commands/spool_walk.c \
	commands/spool_walk.h commands/stats.c commands/status.c commands/text.c commands/track.c \
	commands/track_balance.c commands/track_balance.h commands/tree.c \
	commands/tree.h commands/trial.c commands/trial.h commands/trial_child.c commands/trial_inside.h commands/viaduct.c commands/commands.def
viaduct_LDADD = libdirectory.a libworker.a $(CONVERT_LIBS) $(WORKER_LIBS) $(LDAP_LIBS)

viaduct_sendmail_SOURCES = commands/sendmail.c commands/sendmail.h commands/sendmail_message.c
viaduct_sendmail_LDADD = $(VIADUCT_LIBS)

noinst_PROGRAMS += conf-doc
conf_doc_SOURCES = conf/conf-doc.c
conf_doc_LDADD = $(VIADUCT_LIBS)
