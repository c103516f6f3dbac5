/* conf_scan.h - what the scanner keeps beside its story (private to the scanner) */
#ifndef VIADUCT_CONF_SCAN_H
#define VIADUCT_CONF_SCAN_H

#include "conf/conf_token.h"

/* Begins to read the file that an include names; `open` sections are open. Errors are reported at `place`. */
void conf_scan_include(struct conf_sources *sources, struct span file, struct conf_place place, size_t open);

#endif
