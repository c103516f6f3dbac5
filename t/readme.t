#!/bin/sh
# The README's figure of the road is what flow.def declares.
set -u
readme=$VIADUCT_SRC/README.md
shown=$(sed -n '/^<!-- manual --map -->$/,/^<!-- end -->$/p' "$readme" | sed '1d;$d')
wanted=$("$VIADUCT_BUILD/manual" --map)
echo 1..2
if [ -n "$wanted" ]; then echo "ok 1 - the map has lines"; else echo "not ok 1 - the map has lines"; fi
if [ "$shown" = "$wanted" ]; then
    echo "ok 2 - the README shows it as flow.def declares it"
else
    echo "not ok 2 - the README shows it as flow.def declares it"
    echo "# put the output of \`manual --map\` between the markers of README.md"
fi
