#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Makes the virtual environment and installs vmalab into it, with the extras asked for.
# Does nothing, in a few milliseconds, where that has been done for this pyproject.toml.
#
# usage: tools/venv.sh VENV [EXTRA]...       from the top of the source tree
# environment: PYTHON, the interpreter to use (default: the first suitable one)

set -eu

venv=$1
shift
candidates=${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}
log=$venv.log

die() {
    printf 'vmalab: %s\n' "$@" >&2
    exit 1
}

# The first candidate that runs, is new enough and has the venv module; sets $python.
find_python() {
    seen=
    for python in $candidates; do
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
        seen="$seen $python is $version;"
        "$python" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
        return 0
    done
    die "Python 3.11 or newer, with its venv module, was not found (looked for: $candidates)." \
        "found:${seen:- none}" \
        "Install one (on Debian and Ubuntu: apt-get install python3 python3-venv)," \
        "or name it: make PYTHON=/path/to/python3.12 ..."
}

# An environment whose interpreter runs, lives here and is the version that was asked for.
usable() {
    [ -x "$venv/bin/python" ] || return 1
    [ "$("$venv/bin/python" -c 'import sys; print(sys.prefix)' 2>/dev/null)" = "$PWD/$venv" ] || return 1
    [ -z "${PYTHON:-}" ] && return 0
    same='import sys; print(sys.version_info[:3])'
    [ "$("$venv/bin/python" -c "$same")" = "$("$PYTHON" -c "$same" 2>/dev/null)" ]
}

create() {
    find_python
    if [ -e "$venv" ] && [ ! -e "$venv/pyvenv.cfg" ]; then
        die "$venv exists and is no virtual environment; move it away."
    fi
    rm -rf "$venv"
    echo "vmalab: making $venv with $python $version" >&2
    "$python" -m venv "$venv" >"$log" 2>&1 && return 0
    # Debian splits ensurepip off into python3-venv. Whatever else can make an environment will do.
    rm -rf "$venv"
    "$python" -m virtualenv -q "$venv" >>"$log" 2>&1 && return 0
    rm -rf "$venv"
    "$python" -m venv --without-pip "$venv" >>"$log" 2>&1 &&
        "$python" -m pip --python "$venv/bin/python" install -q pip >>"$log" 2>&1 && return 0
    rm -rf "$venv"
    sed 's/^/    /' "$log" >&2
    rm -f "$log"
    die "$python $version cannot make a virtual environment (its reasons are above)." \
        "On Debian and Ubuntu: apt-get install python3-venv"
}

usable || create
rm -f "$log"
key="$PWD $(cat pyproject.toml setup.py 2>/dev/null | cksum)"
wanted=
for extra in run "$@"; do
    stamp=$venv/.vmalab-$extra
    [ -e "$stamp" ] && [ "$(cat "$stamp")" = "$key" ] || wanted="$wanted $extra"
done
[ -n "$wanted" ] || exit 0

extras=$(echo "$wanted" | sed 's/^ *//; s/ /,/g; s/^run,*//')
echo "vmalab: installing vmalab${extras:+ and what it takes to $extras} into $venv" >&2
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable ".${extras:+[$extras]}"
for extra in $wanted; do
    printf '%s\n' "$key" >"$venv/.vmalab-$extra"
done
