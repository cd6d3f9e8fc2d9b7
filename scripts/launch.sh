#!/usr/bin/env bash
# Starts a stage of notebook-ci: finds a Python for its tools and hands over to launch.py.
#
#   launch.sh [--env NAME] <stage> [arguments]            runs the stage in its tool environment
#   launch.sh --env NAME --exec PROGRAM [arguments]       runs a program of a tool environment
#
# Written for bash 3.2 (macOS). Everything is handed on by exec: a runner signals only the process that it started.
[ -n "${BASH_VERSION-}" ] || { echo "error: $0 is written for another shell. Run it with bash." >&2; exit 2; }
set -eu

here=.
case ${BASH_SOURCE[0]} in
  */*) here=${BASH_SOURCE[0]%/*} ;;
esac

# The inputs of an action leave the environment here, so that no child of any later process finds them in its own or
# in an ancestor's environment; launch.py gets them on standard input.
inputs=${INPUTS-}
from_stdin=${INPUTS+yes}
unset INPUTS

if [ -n "${NOTEBOOK_CI_CACHE-}" ]; then
  cache=$NOTEBOOK_CI_CACHE
elif [ "${GITHUB_ACTIONS-}" = true ] && [ -n "${RUNNER_TEMP-}" ]; then
  cache=$RUNNER_TEMP/notebook-ci-tools
elif [ -n "${XDG_CACHE_HOME-}" ]; then
  cache=$XDG_CACHE_HOME/notebook-ci
else
  cache=~/.cache/notebook-ci
fi

# A line of this file is a Python that was found, and what it was found with. A line that does not match is of no harm.
memo=$cache/pythons
key="|${NOTEBOOK_CI_PYTHON-}|${RUNNER_TOOL_CACHE-}|$PATH"

# Prints the path and the version (X.Y) of the Python `$1`, if it is one to use. Running it is the only proof:
# shims of pyenv and the Windows store exist and fail. The path is that of the Python behind a virtual environment,
# because the environment may go away. Free-threaded builds have no wheels of some tools.
probe() {
  "$1" -I -S -c '
import os, sys, sysconfig
executable = getattr(sys, "_base_executable", "") or sys.executable
usable = executable and sys.implementation.name == "cpython" and sys.version_info[3] == "final"
if not usable or sysconfig.get_config_var("Py_GIL_DISABLED"):
    sys.exit(1)
sys.stdout.buffer.write(os.fsencode("%s|%d.%d" % (executable, *sys.version_info[:2])))
' </dev/null 2>/dev/null
}

# Sets `python` to the first usable Python `$1` (X.Y) among the programs that follow.
take() {
  local version=$1 program found
  shift
  for program; do
    if [ -x "$program" ] && [ ! -d "$program" ] && found=$(probe "$program") && [ "${found##*|}" = "$version" ]; then
      python=${found%|*}
      return 0
    fi
  done
  return 1
}

# Sets `python` to $NOTEBOOK_CI_PYTHON, which the installed command sets to its own Python, if that is usable; else to
# the newest usable Python of PATH and of the runner's tool cache.
find_python() {
  local version folder program unversioned line
  local -a folders named versions=(3.14 3.13 3.12 3.11)
  for version in "${versions[@]}"; do
    take "$version" "${NOTEBOOK_CI_PYTHON-}" && return 0
  done
  IFS=: read -r -d '' -a folders <<<"$PATH:" || true
  # Without a version in its name a program has to be run to know what it is: once.
  unversioned=$(for folder in "${folders[@]}"; do
    for program in "$folder/python3" "$folder/python"; do
      if [ -n "$folder" ] && [ -x "$program" ] && [ ! -d "$program" ] && probe "$program"; then echo; fi
    done
  done)
  for version in "${versions[@]}"; do
    named=()
    for folder in "${folders[@]}"; do
      [ -z "$folder" ] || named+=("$folder/python$version")
    done
    if [ -n "${RUNNER_TOOL_CACHE-}" ]; then
      named+=("$RUNNER_TOOL_CACHE/Python/$version".*/*/bin/python3 "$RUNNER_TOOL_CACHE/Python/$version".*/*/python.exe)
    fi
    # So written, because an empty list counts as unset before bash 4.4.
    take "$version" ${named[@]+"${named[@]}"} && return 0
    while IFS= read -r line; do
      if [ "${line##*|}" = "$version" ]; then
        python=${line%|*}
        return 0
      fi
    done <<<"$unversioned"
  done
  return 1
}

python=
if [ -r "$memo" ]; then
  while IFS= read -r line; do
    case $line in
      *"$key") [ ! -x "${line%"$key"}" ] || python=${line%"$key"} ;;
    esac
  done <"$memo"
fi

if [ -z "$python" ]; then
  if ! find_python; then
    message='No Python to run the tools with was found on PATH or in the tool cache of the runner. Install CPython 3.11, 3.12, 3.13 or 3.14, for example with the action actions/setup-python or with "apt-get install python3 python3-venv".'
    if [ "${GITHUB_ACTIONS-}" = true ]; then
      printf '::error title=notebook-ci::%s\n' "$message"
    else
      printf 'error: %s\n' "$message" >&2
    fi
    exit 3
  fi
  # Not being able to remember costs time, and nothing else: launch.py tells what is wrong with the folder.
  { mkdir -p -- "$cache" && printf '%s%s\n' "$python" "$key" >>"$memo"; } 2>/dev/null || true
fi

if [ -n "$from_stdin" ]; then
  exec "$python" -I -S "$here/launch.py" "$cache" --inputs-from-stdin "$@" <<<"$inputs"
fi
exec "$python" -I -S "$here/launch.py" "$cache" "$@"
