#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What action.yml runs: replays VMALAB_REPLAY (recordings, separated by white space) as VMALAB_KERNEL,
# with annotations; runs the tests of the VMA core on VMALAB_TREE, in KTAP. Ends with the worst status.
# Inputs come by the environment, never as part of a command: what is in them is not executed.

set -uo pipefail

worst=0
run() {
    "$@"
    local status=$?
    [ "$status" -le "$worst" ] || worst=$status
}

if [ -z "${VMALAB_REPLAY:-}" ] && [ -z "${VMALAB_TREE:-}" ]; then
    echo "::error::vmalab: nothing to do; name recordings (replay) or a kernel tree (tree)"
    exit 2
fi
if [ -n "${VMALAB_REPLAY:-}" ]; then
    # Split at white space, but let no name be a pattern.
    set -f
    # shellcheck disable=SC2206
    recordings=($VMALAB_REPLAY)
    set +f
    options=(--github)
    [ -z "${VMALAB_KERNEL:-}" ] || options+=("--kernel=$VMALAB_KERNEL")
    run vmalab replay "${options[@]}" -- "${recordings[@]}"
fi
if [ -n "${VMALAB_TREE:-}" ]; then
    run vmalab test --ktap "--tree=$VMALAB_TREE"
fi
exit "$worst"
