#!/bin/sh
# The house style, as far as a program can see it.
exec "${VIADUCT_SRC:-$(dirname "$0")/..}/build-aux/check-style.sh"
