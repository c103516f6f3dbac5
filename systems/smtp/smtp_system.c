/* smtp_system.c - the module "smtp" (see smtp_system.h) */
#include "systems/smtp/smtp_system.h"

#include <stdio.h>

#include "common/address.h"
#include "systems/smtp/smtp.h"
#include "systems/viaduct/reason.h"

static int
kit_address_check(struct viaduct_text value, struct viaduct_reason *reason)
{
    struct mailbox_parts parts;
    struct why why;
    if (mailbox_parse((struct span){value.at, value.len}, &parts, &why) == 0)
        return 0;
    reason_from(reason, &why);
    return -1;
}

static const struct viaduct_address_ops address_ops = {.size = sizeof address_ops, .check = kit_address_check};

const struct viaduct_system smtp_system = {
    .size = sizeof smtp_system,
    .abi = VIADUCT_SYSTEM_ABI,
    .name = "smtp",
    .address_type = "SMTP",
    .version = PACKAGE_VERSION,
    .address = &address_ops,
    .inbound = &smtp_inbound_ops,
    .outbound = &smtp_outbound_ops,
    .convert = &smtp_convert_ops,
};
