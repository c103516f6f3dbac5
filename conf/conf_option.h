/* conf_option.h - an option of a connector as text, for modules that know the configuration by names only */
#ifndef VIADUCT_CONF_OPTION_H
#define VIADUCT_CONF_OPTION_H

#include "conf/conf.h"

/* The option with a dotted name ("peer.root", "limits.message") of a connector, or of the host where
 * `connector` is NULL. Lists have one element a line; numbers, sizes and times are plain decimal numbers
 * (bytes, seconds), switches "yes" or "no". Returns false for an unknown name or an option that is not set;
 * `out` is reset first. */
bool conf_option_text(const struct conf_root *root, const struct conf_connector *connector, const char *name,
                      struct buf *out);

#endif
