/* taken.h - who has which address, shared by policy.c and taken.c and by nobody else (see policy.h) */
#ifndef VIADUCT_DIRECTORY_TAKEN_H
#define VIADUCT_DIRECTORY_TAKEN_H

#include "directory/policy.h"

/* The next number to try behind an address that is taken: 2, 3, 4... for the same one, over a whole run. */
unsigned taken_next_number(struct dir_taken *taken, struct span stem);

#endif
