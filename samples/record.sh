#!/bin/sh
# Records the samples anew, each with its twin as text. Usage: record.sh AFTERIMAGE FOLDER. Needs root.
#
# The recorder runs from a folder of its own, without a parent, so that nothing of the machine it runs on but its name
# and kernel gets into the samples.
set -eu

program=$(realpath "$1")
folder=$(realpath "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$program" "$work/afterimage"
cd "$work"

for story in break-in crash-loop quiet-web; do
    # An orphan: the subshell that starts it is gone before it records.
    (env -i PATH="$work:/usr/sbin:/usr/bin:/sbin:/bin" LANG=C.UTF-8 sh -c \
        "sleep 0.2; afterimage demo $story --no-docker --no-inspect -o $story.aft > /dev/null 2> $story.log; echo \$? > $story.ended" &)
    while [ ! -e "$story.ended" ]; do sleep 0.2; done
    case $(cat "$story.ended") in
        0) ;;
        *) cat "$story.log" >&2; echo "$story: not recorded, or with loss" >&2; exit 1 ;;
    esac
    ./afterimage verify "$story.aft"
    ./afterimage read --whole "$story.aft" > "$story.json"
    install -m 644 "$story.aft" "$story.json" "$folder"
done
