#!/usr/bin/env bash
# Create a virtual environment with a Python of at least 3.11, or keep the one that is there.
# Usage: venv.sh DIRECTORY. Honours PYTHON when it is set.
set -euo pipefail

directory=$1
oldest='(3, 11)'

suits() { # a name on the path is not enough: a version manager may put a shim there that starts nothing
    "$1" -c "import sys; sys.exit(sys.version_info < $oldest)" >/dev/null 2>&1
}

if [[ -x $directory/bin/python ]] && suits "$directory/bin/python"; then
    exit 0
fi

chosen=
for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
    if suits "$candidate"; then
        chosen=$candidate
        break
    fi
done
if [[ -z $chosen ]]; then
    found=$(python3 --version 2>/dev/null || echo 'no python3')
    echo "whodid needs Python 3.11 or newer; this machine has ${PYTHON:+$PYTHON, which does not suit, and }$found." >&2
    echo "Install a newer Python, or name one: make run PYTHON=/path/to/python3.13" >&2
    exit 1
fi

echo "Creating $directory with $("$chosen" --version) …"
rm -rf "$directory"
if ! "$chosen" -m venv "$directory"; then
    rm -rf "$directory"
    echo "$chosen cannot create a virtual environment. On Debian and Ubuntu: apt-get install python3-venv" >&2
    exit 1
fi
