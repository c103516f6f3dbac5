# tests-list.mk - written by list-tests.sh: do not edit

UNIT_TESTS = \
	t/address-t \
	t/base-t \
	t/book-csv-t \
	t/book-ldif-t \
	t/book-shard-t \
	t/book-t \
	t/calendar-t \
	t/commit-t \
	t/conf-file-t \
	t/conf-mistakes-t \
	t/conf-t \
	t/correlation-t \
	t/counters-t \
	t/crc32c-t \
	t/csv-t \
	t/dir-file-t \
	t/dir-filter-t \
	t/dir-gwise-t \
	t/dir-plan-doubt-t \
	t/dir-plan-file-t \
	t/dir-plan-random-t \
	t/dir-plan-rules-t \
	t/dir-plan-t \
	t/dir-set-t \
	t/dir-settle-t \
	t/dsn-t \
	t/envelope-t \
	t/filter-t \
	t/flow-t \
	t/gwise-api-t \
	t/gwise-calendar-t \
	t/gwise-carrier-t \
	t/gwise-convert-t \
	t/gwise-directory-t \
	t/gwise-field-t \
	t/gwise-status-t \
	t/gwise-tnef-t \
	t/header-address-t \
	t/header-scan-t \
	t/id-t \
	t/injection-t \
	t/json-out-t \
	t/ldif-t \
	t/log-t \
	t/maildir-t \
	t/metrics-t \
	t/mime-seek-t \
	t/notice-t \
	t/policy-t \
	t/queue-file-t \
	t/recover-t \
	t/route-t \
	t/rtf-t \
	t/settle-t \
	t/side-ldap-entry-t \
	t/side-ldap-read-t \
	t/side-ldap-write-t \
	t/smtp-client-hops-t \
	t/smtp-client-rounds-t \
	t/smtp-client-t \
	t/smtp-client-tls-t \
	t/smtp-data-t \
	t/smtp-dotstuff-t \
	t/smtp-downgrade-t \
	t/smtp-resolve-t \
	t/smtp-server-limits-t \
	t/smtp-server-t \
	t/smtp-server-tls-t \
	t/smtp-url-t \
	t/template-t \
	t/tnef-t \
	t/track-read-t \
	t/track-t \
	t/translate-t

TEST_TOOLS = \
	t/balance \
	t/book-bench \
	t/cost-directory \
	t/cost-file \
	t/cost-message \
	t/cost-rich \
	t/cost-session \
	t/cost-text \
	t/crash/crashpoint \
	t/crash/logdisk \
	t/dir-plan-bench \
	t/dirside \
	t/gwconvert \
	t/gwside \
	t/ldap-bench \
	t/ldapread \
	t/mkmsg \
	t/racer

SCENARIO_TESTS = \
	t/background.t \
	t/bad-input.t \
	t/book-early.t \
	t/book-source.t \
	t/bouncer.t \
	t/cleanup.t \
	t/clock.t \
	t/command-badmail.t \
	t/command-control.t \
	t/command-convert.t \
	t/command-exchange.t \
	t/command-listing.t \
	t/command-queue.t \
	t/command-route.t \
	t/command-tree.t \
	t/completion.t \
	t/confine.t \
	t/corpora.t \
	t/cost-directory.t \
	t/cost.t \
	t/crash.t \
	t/damage.t \
	t/descriptors.t \
	t/dirsync-ad.t \
	t/dirsync-cut.t \
	t/dirsync-domino.t \
	t/dirsync-example.t \
	t/dirsync-gwise.t \
	t/dirsync-pairs.t \
	t/dirsync-runs.t \
	t/dirsync.t \
	t/downgrade.t \
	t/drop-races.t \
	t/dsn.t \
	t/duplicates.t \
	t/ending.t \
	t/equal-cost.t \
	t/full-spool.t \
	t/gwise-corpus.t \
	t/gwise-hostile.t \
	t/gwise-soak.t \
	t/hours.t \
	t/injection.t \
	t/install.t \
	t/ldap-ad.t \
	t/ldap-fake.t \
	t/ldap-slapd.t \
	t/lifecycle.t \
	t/limits.t \
	t/log-rotation.t \
	t/looking.t \
	t/loops.t \
	t/modules.t \
	t/never-starts.t \
	t/observer.t \
	t/one-master.t \
	t/operate.t \
	t/peer-dovecot.t \
	t/peer-postfix.t \
	t/peer-swaks.t \
	t/pickup.t \
	t/poison.t \
	t/postmaster.t \
	t/readiness.t \
	t/readme.t \
	t/reconvert.t \
	t/recover.t \
	t/relay.t \
	t/reports.t \
	t/road-gwise-calendar.t \
	t/road-gwise-directory.t \
	t/road-gwise-status.t \
	t/road-gwise.t \
	t/router.t \
	t/sendmail.t \
	t/settle.t \
	t/side-ldap-ad.t \
	t/side-ldap-domino.t \
	t/side-ldap-plain.t \
	t/side-ldap-samba.t \
	t/soak.t \
	t/style.t \
	t/supervise.t \
	t/syncs.t \
	t/tarball.t \
	t/torn-book.t \
	t/trouble.t \
	t/unit.t

FUZZ_TARGETS = \
	fuzz/address-fuzz \
	fuzz/book-fuzz \
	fuzz/calendar-fuzz \
	fuzz/conf-fuzz \
	fuzz/dir-file-fuzz \
	fuzz/dir-plan-fuzz \
	fuzz/dir-set-fuzz \
	fuzz/drop-envelope-fuzz \
	fuzz/dsn-value-fuzz \
	fuzz/envelope-fuzz \
	fuzz/exchange-fuzz \
	fuzz/filter-fuzz \
	fuzz/gwise-api-fuzz \
	fuzz/gwise-convert-fuzz \
	fuzz/header-scan-fuzz \
	fuzz/html-text-fuzz \
	fuzz/ldif-fuzz \
	fuzz/log-pair-fuzz \
	fuzz/maildir-envelope-fuzz \
	fuzz/notice-fuzz \
	fuzz/queue-file-fuzz \
	fuzz/rtf-fuzz \
	fuzz/side-ldap-fuzz \
	fuzz/smtp-downgrade-fuzz \
	fuzz/smtp-reply-fuzz \
	fuzz/smtp-server-fuzz \
	fuzz/tnef-fuzz \
	fuzz/translate-header-fuzz

CORPUS_RUNNERS = \
	fuzz/address-corpus \
	fuzz/book-corpus \
	fuzz/calendar-corpus \
	fuzz/conf-corpus \
	fuzz/dir-file-corpus \
	fuzz/dir-plan-corpus \
	fuzz/dir-set-corpus \
	fuzz/drop-envelope-corpus \
	fuzz/dsn-value-corpus \
	fuzz/envelope-corpus \
	fuzz/exchange-corpus \
	fuzz/filter-corpus \
	fuzz/gwise-api-corpus \
	fuzz/gwise-convert-corpus \
	fuzz/header-scan-corpus \
	fuzz/html-text-corpus \
	fuzz/ldif-corpus \
	fuzz/log-pair-corpus \
	fuzz/maildir-envelope-corpus \
	fuzz/notice-corpus \
	fuzz/queue-file-corpus \
	fuzz/rtf-corpus \
	fuzz/side-ldap-corpus \
	fuzz/smtp-downgrade-corpus \
	fuzz/smtp-reply-corpus \
	fuzz/smtp-server-corpus \
	fuzz/tnef-corpus \
	fuzz/translate-header-corpus

fuzz_address_corpus_SOURCES = fuzz/address-fuzz.c fuzz/run-corpus.c
fuzz_address_fuzz_LDFLAGS = $(LIBFUZZER_LINK)
fuzz_book_corpus_SOURCES = fuzz/book-fuzz.c fuzz/run-corpus.c
fuzz_book_fuzz_LDFLAGS = $(LIBFUZZER_LINK)
fuzz_calendar_corpus_SOURCES = fuzz/calendar-fuzz.c fuzz/run-corpus.c
fuzz_calendar_fuzz_LDFLAGS = $(LIBFUZZER_LINK)
fuzz_conf_corpus_SOURCES = fuzz/conf-fuzz.c fuzz/run-corpus.c
fuzz_conf_fuzz_LDFLAGS = $(LIBFUZZER_LINK)
fuzz_dir_file_corpus_SOURCES = fuzz/dir-file-fuzz.c fuzz/run-corpus.c
fuzz_dir_file_fuzz_LDFLAGS = $(LIBFUZZER_LINK)
fuzz_dir_plan_corpus_SOURCES = fuzz/dir-plan-fuzz.c fuzz/run-corpus.c
fuzz_dir_plan_fuzz_LDFLAGS = $(LIBFUZZER_LINK)
fuzz_dir_set_corpus_SOURCES = fuzz/dir-set-fuzz.c fuzz/run-corpus.c
fuzz_dir_set_fuzz_LDFLAGS = $(LIBFUZZER_LINK)
fuzz_drop_envelope_corpus_SOURCES = fuzz/drop-envelope-fuzz.c fuzz/run-corpus.c
fuzz_drop_envelope_fuzz_LDFLAGS = $(LIBFUZZER_LINK)
fuzz_dsn_value_corpus_SOURCES = fuzz/dsn-value-fuzz.c fuzz/run-corpus.c
fuzz_dsn_value_fuzz_LDFLAGS = $(LIBFUZZER_LINK)
fuzz_envelope_corpus_SOURCES = fuzz/envelope-fuzz.c fuzz/run-corpus.c
fuzz_envelope_fuzz_LDFLAGS = $(LIBFUZZER_LINK)
fuzz_exchange_corpus_SOURCES = fuzz/exchange-fuzz.c fuzz/run-corpus.c
fuzz_exchange_fuzz_LDFLAGS = $(LIBFUZZER_LINK)
fuzz_filter_corpus_SOURCES = fuzz/filter-fuzz.c fuzz/run-corpus.c
fuzz_filter_fuzz_LDFLAGS = $(LIBFUZZER_LINK)
fuzz_gwise_api_corpus_SOURCES = fuzz/gwise-api-fuzz.c fuzz/run-corpus.c
fuzz_gwise_api_fuzz_LDFLAGS = $(LIBFUZZER_LINK)
fuzz_gwise_convert_corpus_SOURCES = fuzz/gwise-convert-fuzz.c fuzz/run-corpus.c
fuzz_gwise_convert_fuzz_LDFLAGS = $(LIBFUZZER_LINK)
fuzz_header_scan_corpus_SOURCES = fuzz/header-scan-fuzz.c fuzz/run-corpus.c
fuzz_header_scan_fuzz_LDFLAGS = $(LIBFUZZER_LINK)
fuzz_html_text_corpus_SOURCES = fuzz/html-text-fuzz.c fuzz/run-corpus.c
fuzz_html_text_fuzz_LDFLAGS = $(LIBFUZZER_LINK)
fuzz_ldif_corpus_SOURCES = fuzz/ldif-fuzz.c fuzz/run-corpus.c
fuzz_ldif_fuzz_LDFLAGS = $(LIBFUZZER_LINK)
fuzz_log_pair_corpus_SOURCES = fuzz/log-pair-fuzz.c fuzz/run-corpus.c
fuzz_log_pair_fuzz_LDFLAGS = $(LIBFUZZER_LINK)
fuzz_maildir_envelope_corpus_SOURCES = fuzz/maildir-envelope-fuzz.c fuzz/run-corpus.c
fuzz_maildir_envelope_fuzz_LDFLAGS = $(LIBFUZZER_LINK)
fuzz_notice_corpus_SOURCES = fuzz/notice-fuzz.c fuzz/run-corpus.c
fuzz_notice_fuzz_LDFLAGS = $(LIBFUZZER_LINK)
fuzz_queue_file_corpus_SOURCES = fuzz/queue-file-fuzz.c fuzz/run-corpus.c
fuzz_queue_file_fuzz_LDFLAGS = $(LIBFUZZER_LINK)
fuzz_rtf_corpus_SOURCES = fuzz/rtf-fuzz.c fuzz/run-corpus.c
fuzz_rtf_fuzz_LDFLAGS = $(LIBFUZZER_LINK)
fuzz_side_ldap_corpus_SOURCES = fuzz/side-ldap-fuzz.c fuzz/run-corpus.c
fuzz_side_ldap_fuzz_LDFLAGS = $(LIBFUZZER_LINK)
fuzz_smtp_downgrade_corpus_SOURCES = fuzz/smtp-downgrade-fuzz.c fuzz/run-corpus.c
fuzz_smtp_downgrade_fuzz_LDFLAGS = $(LIBFUZZER_LINK)
fuzz_smtp_reply_corpus_SOURCES = fuzz/smtp-reply-fuzz.c fuzz/run-corpus.c
fuzz_smtp_reply_fuzz_LDFLAGS = $(LIBFUZZER_LINK)
fuzz_smtp_server_corpus_SOURCES = fuzz/smtp-server-fuzz.c fuzz/run-corpus.c
fuzz_smtp_server_fuzz_LDFLAGS = $(LIBFUZZER_LINK)
fuzz_tnef_corpus_SOURCES = fuzz/tnef-fuzz.c fuzz/run-corpus.c
fuzz_tnef_fuzz_LDFLAGS = $(LIBFUZZER_LINK)
fuzz_translate_header_corpus_SOURCES = fuzz/translate-header-fuzz.c fuzz/run-corpus.c
fuzz_translate_header_fuzz_LDFLAGS = $(LIBFUZZER_LINK)

REPORT_TEXTS = \
	conf/templates/delayed.txt \
	conf/templates/delivered.txt \
	conf/templates/failed.txt \
	conf/templates/relayed.txt

MAN_PAGES = \
	man/viaduct-dirsync.7 \
	man/viaduct-gwise.7 \
	man/viaduct-master.8 \
	man/viaduct-sendmail.1

TRACKED_FILES = \
	.ci/run \
	.clang-format \
	.clang-tidy \
	bench/RESULTS.md \
	bench/bench.py \
	bench/book.py \
	bench/convert.py \
	bench/directory.py \
	bench/ends.py \
	bench/explore.py \
	bench/machine.py \
	bench/measure.py \
	bench/peers.py \
	bench/poison.py \
	bench/promises.py \
	bench/scale.py \
	bench/soak.py \
	bench/systems.py \
	build-aux/check-static.sh \
	build-aux/check-style.sh \
	build-aux/demo/answer.txt \
	build-aux/demo/gateway.py \
	build-aux/demo/lost.eml \
	build-aux/demo/offer.eml \
	build-aux/demo/people.csv \
	build-aux/demo/smtp-send.py \
	build-aux/demo/viaduct.conf.in \
	build-aux/fuzz-all.sh \
	build-aux/list-tests.sh \
	build-aux/packages.txt \
	build-aux/run-test.sh \
	build-aux/setup.sh \
	build-aux/style-exceptions.txt \
	$(srcdir)/check \
	conf/conf-doc.c \
	conf/conf.h \
	conf/conf_check.c \
	conf/conf_check_directory.c \
	conf/conf_check_net.c \
	conf/conf_check_policy.c \
	conf/conf_check_times.c \
	conf/conf_doc.c \
	conf/conf_file.c \
	conf/conf_option.c \
	conf/conf_option.h \
	conf/conf_print.c \
	conf/conf_read.c \
	conf/conf_scan.c \
	conf/conf_scan.h \
	conf/conf_schedule.c \
	conf/conf_schema.c \
	conf/conf_schema.h \
	conf/conf_token.c \
	conf/conf_token.h \
	conf/conf_value.c \
	conf/config.def \
	conf/templates/delayed.txt \
	conf/templates/delivered.txt \
	conf/templates/failed.txt \
	conf/templates/relayed.txt \
	conf/viaduct.service.in \
	$(srcdir)/demo \
	fuzz/address-fuzz.c \
	fuzz/book-fuzz.c \
	fuzz/calendar-fuzz.c \
	fuzz/conf-fuzz.c \
	fuzz/corpus/address/header \
	fuzz/corpus/address/idna \
	fuzz/corpus/address/imcea \
	fuzz/corpus/address/mailbox \
	fuzz/corpus/address/oneoff \
	fuzz/corpus/address/path \
	fuzz/corpus/address/pattern \
	fuzz/corpus/address/x400 \
	fuzz/corpus/book/csv \
	fuzz/corpus/book/entry \
	fuzz/corpus/book/manifest \
	fuzz/corpus/book/shard \
	fuzz/corpus/calendar/lines \
	fuzz/corpus/calendar/note \
	fuzz/corpus/calendar/request \
	fuzz/corpus/calendar/task \
	fuzz/corpus/calendar/values \
	fuzz/corpus/conf/sample.conf \
	fuzz/corpus/conf/whole.conf \
	fuzz/corpus/conf/wrong.conf \
	fuzz/corpus/dir-file/csv-broken \
	fuzz/corpus/dir-file/csv-people \
	fuzz/corpus/dir-file/gwise-answer \
	fuzz/corpus/dir-file/ldif-people \
	fuzz/corpus/dir-plan/name \
	fuzz/corpus/dir-plan/plan \
	fuzz/corpus/dir-set/file \
	fuzz/corpus/dir-set/records \
	fuzz/corpus/drop-envelope/header \
	fuzz/corpus/drop-envelope/lines \
	fuzz/corpus/dsn-value/mixed \
	fuzz/corpus/dsn-value/status \
	fuzz/corpus/envelope/attempt \
	fuzz/corpus/envelope/full \
	fuzz/corpus/envelope/journal \
	fuzz/corpus/envelope/mark \
	fuzz/corpus/envelope/small \
	fuzz/corpus/envelope/torn \
	fuzz/corpus/exchange/notes-groupwise \
	fuzz/corpus/exchange/smtp \
	fuzz/corpus/filter/ccmail \
	fuzz/corpus/filter/gwise \
	fuzz/corpus/filter/notes \
	fuzz/corpus/filter/smtp \
	fuzz/corpus/filter/x400 \
	fuzz/corpus/gwise-api/busy-answer.api \
	fuzz/corpus/gwise-api/directory-answer.api \
	fuzz/corpus/gwise-api/mail-from-gateway.api \
	fuzz/corpus/gwise-api/refused.api \
	fuzz/corpus/gwise-convert/calendar \
	fuzz/corpus/gwise-convert/calendar-empty \
	fuzz/corpus/gwise-convert/html \
	fuzz/corpus/gwise-convert/item-appointment \
	fuzz/corpus/gwise-convert/item-busy-answer \
	fuzz/corpus/gwise-convert/item-directory-answer \
	fuzz/corpus/gwise-convert/item-mail-from-gateway \
	fuzz/corpus/gwise-convert/item-refused \
	fuzz/corpus/gwise-convert/mixed \
	fuzz/corpus/header-scan/folded \
	fuzz/corpus/header-scan/none \
	fuzz/corpus/header-scan/plain \
	fuzz/corpus/html-text/comments \
	fuzz/corpus/html-text/odd \
	fuzz/corpus/html-text/page \
	fuzz/corpus/html-text/references \
	fuzz/corpus/html-text/table \
	fuzz/corpus/ldif/change \
	fuzz/corpus/ldif/people \
	fuzz/corpus/log-pair/line \
	fuzz/corpus/log-pair/record \
	fuzz/corpus/log-pair/torn \
	fuzz/corpus/maildir-envelope/addresses \
	fuzz/corpus/maildir-envelope/delivered \
	fuzz/corpus/maildir-envelope/drop-form \
	fuzz/corpus/notice/delivered \
	fuzz/corpus/notice/displayed \
	fuzz/corpus/notice/global \
	fuzz/corpus/notice/odd \
	fuzz/corpus/queue-file/entry \
	fuzz/corpus/queue-file/made \
	fuzz/corpus/queue-file/raw \
	fuzz/corpus/queue-file/torn \
	fuzz/corpus/rtf/compressed \
	fuzz/corpus/rtf/fromtext \
	fuzz/corpus/rtf/html \
	fuzz/corpus/rtf/stored \
	fuzz/corpus/rtf/text \
	fuzz/corpus/side-ldap/ad-contact \
	fuzz/corpus/side-ldap/ad-group \
	fuzz/corpus/side-ldap/ad-user \
	fuzz/corpus/side-ldap/cut-name \
	fuzz/corpus/side-ldap/domino-group \
	fuzz/corpus/side-ldap/domino-person \
	fuzz/corpus/side-ldap/plain-person \
	fuzz/corpus/smtp-downgrade/boundary-comment \
	fuzz/corpus/smtp-downgrade/global \
	fuzz/corpus/smtp-downgrade/multipart \
	fuzz/corpus/smtp-downgrade/no-boundary \
	fuzz/corpus/smtp-downgrade/odd-boundary \
	fuzz/corpus/smtp-downgrade/plain-8bit \
	fuzz/corpus/smtp-downgrade/two-boundaries \
	fuzz/corpus/smtp-reply/code-changes \
	fuzz/corpus/smtp-reply/ehlo \
	fuzz/corpus/smtp-reply/pipelined \
	fuzz/corpus/smtp-reply/refused \
	fuzz/corpus/smtp-reply/short \
	fuzz/corpus/smtp-server/bare \
	fuzz/corpus/smtp-server/lmtp \
	fuzz/corpus/smtp-server/proxy1 \
	fuzz/corpus/smtp-server/proxy2 \
	fuzz/corpus/smtp-server/session \
	fuzz/corpus/smtp-server/xclient \
	fuzz/corpus/tnef/meeting \
	fuzz/corpus/tnef/nested \
	fuzz/corpus/tnef/note \
	fuzz/corpus/tnef/types \
	fuzz/corpus/translate-header/fields \
	fuzz/corpus/translate-header/odd \
	fuzz/dir-file-fuzz.c \
	fuzz/dir-plan-fuzz.c \
	fuzz/dir-set-fuzz.c \
	fuzz/drop-envelope-fuzz.c \
	fuzz/dsn-value-fuzz.c \
	fuzz/envelope-fuzz.c \
	fuzz/exchange-fuzz.c \
	fuzz/filter-fuzz.c \
	fuzz/gwise-api-fuzz.c \
	fuzz/gwise-convert-fuzz.c \
	fuzz/header-scan-fuzz.c \
	fuzz/html-text-fuzz.c \
	fuzz/ldif-fuzz.c \
	fuzz/log-pair-fuzz.c \
	fuzz/maildir-envelope-fuzz.c \
	fuzz/notice-fuzz.c \
	fuzz/queue-file-fuzz.c \
	fuzz/rtf-fuzz.c \
	fuzz/run-corpus.c \
	fuzz/side-ldap-fuzz.c \
	fuzz/smtp-downgrade-fuzz.c \
	fuzz/smtp-reply-fuzz.c \
	fuzz/smtp-server-fuzz.c \
	fuzz/tnef-fuzz.c \
	fuzz/translate-header-fuzz.c \
	man/manual.c \
	man/viaduct-dirsync.7 \
	man/viaduct-gwise.7 \
	man/viaduct-log.5.in \
	man/viaduct-master.8 \
	man/viaduct-queue-file.5.in \
	man/viaduct-sendmail.1 \
	man/viaduct-workers.8.in \
	man/viaduct.8.in \
	t/PROMISES.md \
	t/address-t.c \
	t/background.t \
	t/bad-input.t \
	t/balance.c \
	t/base-t.c \
	t/book-bench.c \
	t/book-csv-t.c \
	t/book-early.t \
	t/book-ldif-t.c \
	t/book-rig.h \
	t/book-shard-t.c \
	t/book-source.t \
	t/book-t.c \
	t/bouncer.t \
	t/calendar-t.c \
	t/cleanup.t \
	t/clock-so.c \
	t/clock.t \
	t/clockwork.py \
	t/command-badmail.t \
	t/command-control.t \
	t/command-convert.t \
	t/command-exchange.t \
	t/command-listing.t \
	t/command-queue.t \
	t/command-route.t \
	t/command-tree.t \
	t/commit-t.c \
	t/completion.t \
	t/conf-file-t.c \
	t/conf-mistakes-t.c \
	t/conf-t.c \
	t/confine.t \
	t/confined-so.c \
	t/corpora.t \
	t/corpus/compare.py \
	t/corpus/fields.py \
	t/corpus/items.py \
	t/corpus/mail.py \
	t/corpus/odd.py \
	t/corpus/programs.py \
	t/corpus/shapes.py \
	t/correlation-t.c \
	t/cost-directory.c \
	t/cost-directory.t \
	t/cost-file.c \
	t/cost-message.c \
	t/cost-rich.c \
	t/cost-session.c \
	t/cost-text.c \
	t/cost.t \
	t/cost_rig.h \
	t/counters-t.c \
	t/crash.t \
	t/crash/bugs.py \
	t/crash/crash_calls.h \
	t/crash/crashcheck.py \
	t/crash/crashpoint.c \
	t/crash/crashrig.py \
	t/crash/disk.py \
	t/crash/diskerror.py \
	t/crash/hang.py \
	t/crash/logdisk.c \
	t/crash/powercut.py \
	t/crash/race.py \
	t/crash/routes.py \
	t/crash/sweep.py \
	t/crc32c-t.c \
	t/csv-t.c \
	t/damage.t \
	t/descriptors.t \
	t/dir-file-t.c \
	t/dir-filter-t.c \
	t/dir-gwise-t.c \
	t/dir-plan-bench.c \
	t/dir-plan-doubt-t.c \
	t/dir-plan-file-t.c \
	t/dir-plan-random-t.c \
	t/dir-plan-rules-t.c \
	t/dir-plan-t.c \
	t/dir-set-t.c \
	t/dir-settle-t.c \
	t/dir_plan_rig.h \
	t/directory.py \
	t/directory/adlike.schema \
	t/directory/domino.schema \
	t/dirside.c \
	t/dirside.py \
	t/dirsync-ad.t \
	t/dirsync-cut.t \
	t/dirsync-domino.t \
	t/dirsync-example.t \
	t/dirsync-gwise.t \
	t/dirsync-pairs.t \
	t/dirsync-runs.t \
	t/dirsync.t \
	t/downgrade.t \
	t/drop-races.t \
	t/dsn-t.c \
	t/dsn.t \
	t/duplicates.t \
	t/ending.py \
	t/ending.t \
	t/envelope-t.c \
	t/equal-cost.t \
	t/fakeldap.py \
	t/filter-t.c \
	t/fixtures/gwise/busy-answer.api \
	t/fixtures/gwise/directory-answer.api \
	t/fixtures/gwise/mail-from-gateway.api \
	t/fixtures/gwise/refused.api \
	t/flow-t.c \
	t/full-spool.t \
	t/gateway.py \
	t/gateway_standin.py \
	t/gwconvert.c \
	t/gwise-api-t.c \
	t/gwise-calendar-t.c \
	t/gwise-carrier-t.c \
	t/gwise-convert-t.c \
	t/gwise-corpus.t \
	t/gwise-directory-t.c \
	t/gwise-field-t.c \
	t/gwise-hostile.t \
	t/gwise-soak.t \
	t/gwise-status-t.c \
	t/gwise-tnef-t.c \
	t/gwise_convert_rig.h \
	t/gwside.c \
	t/header-address-t.c \
	t/header-scan-t.c \
	t/hours.t \
	t/id-t.c \
	t/injection-t.c \
	t/injection.t \
	t/install.t \
	t/json-out-t.c \
	t/kit_fake.h \
	t/ldap-ad.t \
	t/ldap-bench.c \
	t/ldap-fake.t \
	t/ldap-slapd.t \
	t/ldapread.c \
	t/ldif-t.c \
	t/lifecycle.t \
	t/limits.t \
	t/log-rotation.t \
	t/log-t.c \
	t/looking.t \
	t/loops.t \
	t/maildir-t.c \
	t/metrics-t.c \
	t/mime-seek-t.c \
	t/mkmsg.c \
	t/modules.t \
	t/never-starts.t \
	t/notice-t.c \
	t/observer.t \
	t/one-master.t \
	t/operate.t \
	t/peer-dovecot.t \
	t/peer-postfix.t \
	t/peer-swaks.t \
	t/pickup.t \
	t/poison.t \
	t/policy-t.c \
	t/postmaster.t \
	t/queue-file-t.c \
	t/racer.c \
	t/readiness.t \
	t/readme.t \
	t/reconvert.t \
	t/recover-t.c \
	t/recover.t \
	t/relay.t \
	t/reports.t \
	t/rig.py \
	t/road-gwise-calendar.t \
	t/road-gwise-directory.t \
	t/road-gwise-status.t \
	t/road-gwise.t \
	t/route-t.c \
	t/router.t \
	t/rtf-t.c \
	t/samba.py \
	t/sendmail.t \
	t/settle-t.c \
	t/settle.t \
	t/side-ldap-ad.t \
	t/side-ldap-domino.t \
	t/side-ldap-entry-t.c \
	t/side-ldap-plain.t \
	t/side-ldap-read-t.c \
	t/side-ldap-samba.t \
	t/side-ldap-write-t.c \
	t/side_ldap_fake.h \
	t/smtp-client-hops-t.c \
	t/smtp-client-rounds-t.c \
	t/smtp-client-t.c \
	t/smtp-client-tls-t.c \
	t/smtp-data-t.c \
	t/smtp-dotstuff-t.c \
	t/smtp-downgrade-t.c \
	t/smtp-resolve-t.c \
	t/smtp-server-limits-t.c \
	t/smtp-server-rig.h \
	t/smtp-server-t.c \
	t/smtp-server-tls-t.c \
	t/smtp-url-t.c \
	t/smtp_downgrade_rig.h \
	t/smtp_fake.h \
	t/soak.t \
	t/spooltest.py \
	t/style.t \
	t/supervise.t \
	t/syncs.t \
	t/tap.h \
	t/tarball.t \
	t/template-t.c \
	t/tnef-t.c \
	t/tnef_build.h \
	t/torn-book.t \
	t/track-read-t.c \
	t/track-t.c \
	t/translate-t.c \
	t/trouble.t \
	t/unit.t

