/* intake.h - a message on its way in: from the module's bytes to a queue file in MTS-IN
 *
 * Fills in the intake services of the kit (systems/viaduct/system.h) and the checks of recipients.
 */
#ifndef VIADUCT_INTAKE_H
#define VIADUCT_INTAKE_H

#include "daemons/gateway.h"

/* Prepares translators for every connector whose mail this gateway may take (its own; for the host's also those
 * with `from`), and fills in the services. -errno after it said why. */
int intake_open(struct viaduct_gateway *gateway);

/* May this system's mail go to this recipient (recipient_check.c)? As in viaduct_services.recipient_check.
 * `origin` is a connector's name. */
int recipient_check(struct viaduct_gateway *gateway, const char *origin, struct translator *translator,
                    struct span address, struct arena *arena, struct why *why);

/* Adds an entry to the journal that the message begins with; before intake_commit(). Its time and author are filled in. */
void intake_journal(struct viaduct_intake *intake, struct journal_entry entry);

#endif
