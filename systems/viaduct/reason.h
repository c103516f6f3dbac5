/* reason.h - reasons filled in, for modules of this tree (others need nothing but system.h) */
#ifndef VIADUCT_REASON_H
#define VIADUCT_REASON_H

#include <stdarg.h>
#include <stdio.h>

#include "common/base.h"
#include "systems/viaduct/system.h"

/* A reason that we keep in our own form. */
static inline void
reason_from(struct viaduct_reason *reason, const struct why *why)
{
    memcpy(reason->status, why->status, sizeof reason->status);
    memcpy(reason->text, why->text, sizeof reason->text);
}

/* An enhanced status (RFC 3463) and words for it. `reason` may be NULL. */
static inline void __attribute__((format(printf, 3, 4)))
reason_fill(struct viaduct_reason *reason, const char *status, const char *format, ...)
{
    struct why why;
    char text[sizeof why.text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    why_set(&why, status, "%s", text);
    if (reason != NULL)
        reason_from(reason, &why);
}

#endif
