/* smtp_client.h - the SMTP and LMTP client, as the outbound half of the module "smtp"
 *
 * Where it sends is `peer.to` of a connector, or `host.deliver.to` for the host: next hops in order of
 * preference (smtp_url.h). How: `tls`, `limits.concurrency`, `limits.connection-messages` and `timeouts` beside
 * it.
 */
#ifndef VIADUCT_SMTP_CLIENT_H
#define VIADUCT_SMTP_CLIENT_H

#include "systems/viaduct/system.h"

extern const struct viaduct_outbound_ops smtp_outbound_ops;

#endif
