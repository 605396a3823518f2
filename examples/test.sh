#!/usr/bin/env bash
# The wheels of raise-agent and of ask_first in an empty environment, and the tests of ask_first there, away from the
# checkout: nothing but the base install can be found. Takes the python that builds; its environment stays as it is.
set -euo pipefail
python=$1
cd "$(dirname "$0")/.."
away=$(mktemp -d)
trap 'rm -rf "$away"' EXIT
mkdir "$away/raise-agent"
cp -r raise envs planners conf experiments setup.py pyproject.toml README.md LICENSE "$away/raise-agent"
cp -r examples/ask_first constraints.txt "$away"
cd "$away"
pip=("$python" -m pip --quiet --disable-pip-version-check)
"${pip[@]}" wheel --no-deps --no-build-isolation --wheel-dir wheels ./raise-agent ./ask_first
"$python" -m venv --without-pip empty
"${pip[@]}" --python empty/bin/python install --constraint constraints.txt wheels/ask_first-*.whl wheels/raise_agent-*.whl
rm -r raise-agent ask_first/src
"${pip[@]}" --python empty/bin/python install --constraint constraints.txt pytest
cd ask_first
../empty/bin/python -I -m pytest -p no:cacheprovider
