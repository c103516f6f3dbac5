/* maildir.c - what the module for folder trees gives to viaduct (see maildir.h)
 *
 * Addresses are SMTP addresses, and belong to the core: the module has no rules of its own for them.
 */
#include "systems/maildir/maildir.h"

const struct viaduct_system maildir_system = {.size = sizeof maildir_system,
                                              .abi = VIADUCT_SYSTEM_ABI,
                                              .name = "maildir",
                                              .address_type = "SMTP",
                                              .version = "1",
                                              .inbound = &maildir_inbound_ops,
                                              .outbound = &maildir_outbound_ops};
