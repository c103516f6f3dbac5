/* smtp_system.h - the module "smtp": server, client, and the converter for peers that take less */
#ifndef VIADUCT_SMTP_SYSTEM_H
#define VIADUCT_SMTP_SYSTEM_H

#include "systems/viaduct/system.h"

extern const struct viaduct_system smtp_system;
extern const struct viaduct_convert_ops smtp_convert_ops; /* smtp_downgrade.c: 8-bit and SMTPUTF8 to 7-bit */

#endif
