/* smtp.h - the SMTP and LMTP module: both roles, for the host and for connectors of type smtp
 *
 * The server (smtp_inbound_ops) reads the configuration itself (services->conf_root, conf_connector); it serves
 * the host's listeners in the host's inbound gateway, and a connector's own listeners in the connector's. Where
 * a connector says `from`, sessions from those networks on the host's port are that connector's:
 * viaduct_envelope_in.connector tells.
 *
 * Sources: RFC 5321, 2033 (LMTP), 1870 (SIZE), 2920 (PIPELINING), 6152 (8BITMIME), 6531 (SMTPUTF8), 3461 (DSN),
 * 2034 and 3463 (enhanced status codes), 3207 (STARTTLS), 8314 (implicit TLS), 3848 (protocol names); Postfix's
 * XCLIENT_README.
 */
#ifndef VIADUCT_SMTP_H
#define VIADUCT_SMTP_H

#include "systems/viaduct/system.h"

extern const struct viaduct_inbound_ops smtp_inbound_ops;
extern const struct viaduct_outbound_ops smtp_outbound_ops;

#endif
