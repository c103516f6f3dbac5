/* trial_inside.h - what the two sides of a trial share: the letters of the child's lines */
#ifndef VIADUCT_COMMANDS_TRIAL_INSIDE_H
#define VIADUCT_COMMANDS_TRIAL_INSIDE_H

#include "commands/trial.h"

/* A digit is the answer, and the last line. */
enum tells {
    TELLS_LOST = 'l',
    TELLS_ENVELOPE = 'e',
    TELLS_ADDRESS = 'h',
    TELLS_FILE = 'f',
    TELLS_STATUS = 's',
    TELLS_REASON = 't'
};

/* Does all in the child, whose lines go to `fd`. */
_Noreturn void trial_child(struct trial *trial, int fd);

/* A name that can only mean a file in its folder, and can be shown. */
static inline bool
trial_name_fine(struct span name)
{
    for (size_t i = 0; i < name.len; i++)
        if ((unsigned char)name.at[i] < ' ' || name.at[i] == '/' || name.at[i] == 0x7f)
            return false;
    return name.len > 0 && name.len < 256 && name.at[0] != '.';
}

#endif
