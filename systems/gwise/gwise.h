/* gwise.h - Novell GroupWise through its API gateway, as a module of the kit
 *
 * Mail goes both ways as files: headers in API_IN and API_OUT, bodies and attachments in ATT_IN and ATT_OUT
 * below the gateway's root (option peer.root). Addresses are GWISE: Domain.PostOffice.User, where the user may
 * hold dots.
 *
 * What is carried stands in convert.h, what was chosen where the format is not known in choices.def. Not yet: directory
 * synchronisation by ADMIN files (its answers are handed to dirsync's folder), times of a host calendar for busy searches.
 */
#ifndef VIADUCT_GWISE_H
#define VIADUCT_GWISE_H

#include "systems/viaduct/system.h"

extern const struct viaduct_system gwise_system;

#endif
