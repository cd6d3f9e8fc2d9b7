#!/usr/bin/env bash
# Starts a stage of notebook-ci: finds a Python for its tools and hands over to launch.py.
#
#   launch.sh [--env NAME] <stage> [arguments]            runs the stage in its tool environment
#   launch.sh --env NAME --exec PROGRAM [arguments]       runs a program of a tool environment
#
# Written for bash 3.2 (macOS). It hands over by exec: a runner signals only the process that it started.
[ -n "${BASH_VERSION-}" ] || { echo "error: $0 needs bash. Run: bash $0" >&2; exit 2; }
set -eu

here=.
case ${BASH_SOURCE[0]} in
  */*) here=${BASH_SOURCE[0]%/*} ;;
esac

# Remove the action's inputs from the environment, so that no later process finds them in its own environment or in
# that of an ancestor; launch.py gets them on standard input.
inputs=${INPUTS-}
from_stdin=${INPUTS+yes}
unset INPUTS

if [ -n "${NOTEBOOK_CI_CACHE-}" ]; then
  cache=$NOTEBOOK_CI_CACHE
elif [ "${GITHUB_ACTIONS-}" = true ] && [ -n "${RUNNER_TEMP-}" ]; then
  cache=$RUNNER_TEMP/notebook-ci-tools
elif [ "${TF_BUILD-}" = True ] && [ -n "${AGENT_TEMPDIRECTORY-}" ]; then
  cache=$AGENT_TEMPDIRECTORY/notebook-ci-tools
elif [ -n "${XDG_CACHE_HOME-}" ]; then
  cache=$XDG_CACHE_HOME/notebook-ci
else
  cache=~/.cache/notebook-ci
fi

# Each line of this file is a Python that was found, and the variables it was found with. Other lines are ignored.
memo=$cache/pythons
tool_cache=${RUNNER_TOOL_CACHE-${AGENT_TOOLSDIRECTORY-}}
key="|${NOTEBOOK_CI_PYTHON-}|$tool_cache|$PATH"

# Prints the path and the version (X.Y) of the Python `$1`, if it is usable. It has to be run to know that: shims of
# pyenv and the Windows store exist and fail. For a virtual environment, prints the path of its base Python, because the
# environment may be deleted. Free-threaded builds are not usable: some tools have no wheels for them.
probe() {
  "$1" -I -S -c '
import os, sys
executable = getattr(sys, "_base_executable", "") or sys.executable
usable = executable and sys.implementation.name == "cpython" and sys.version_info[3] == "final"
if not usable or "free-threading" in sys.version:
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

# Sets `python` to $NOTEBOOK_CI_PYTHON if that is usable (the installed command sets it to its own Python); else to the
# newest usable Python on PATH or in the runner's tool cache.
find_python() {
  local version folder program unversioned line
  local -a folders named versions=(3.14 3.13 3.12 3.11)
  if line=$(probe "${NOTEBOOK_CI_PYTHON-}"); then
    for version in "${versions[@]}"; do
      if [ "${line##*|}" = "$version" ]; then
        python=${line%|*}
        return 0
      fi
    done
  fi
  IFS=: read -r -d '' -a folders <<<"$PATH:" || true
  # A program without a version in its name has to be run to know its version: do so once, also if it has several names.
  unversioned=$(
    known=()
    for folder in "${folders[@]}"; do
      for program in "$folder/python3" "$folder/python"; do
        [ -n "$folder" ] && [ -x "$program" ] && [ ! -d "$program" ] || continue
        for other in ${known[@]+"${known[@]}"}; do
          [ ! "$program" -ef "$other" ] || continue 2
        done
        known+=("$program")
        if probe "$program"; then echo; fi
      done
    done
  )
  for version in "${versions[@]}"; do
    named=()
    for folder in "${folders[@]}"; do
      [ -z "$folder" ] || named+=("$folder/python$version")
    done
    if [ -n "$tool_cache" ]; then
      named+=("$tool_cache/Python/$version".*/*/bin/python3 "$tool_cache/Python/$version".*/*/python.exe)
    fi
    # Before bash 4.4, an empty list counts as unset, which `set -u` refuses.
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
    message='No Python for the tools was found on PATH or in the tool cache of the runner. Install CPython 3.11, 3.12, 3.13 or 3.14, for example with `actions/setup-python` or `apt-get install python3 python3-venv`.'
    if [ "${GITHUB_ACTIONS-}" = true ]; then
      printf '::error title=notebook-ci::%s\n' "$message"
    elif [ "${TF_BUILD-}" = True ]; then
      printf '##vso[task.logissue type=error;]%s\n' "$message"
    else
      printf 'error: %s\n' "$message" >&2
    fi
    exit 3
  fi
  # A failure here only costs time in the next run: launch.py reports what is wrong with the folder.
  { mkdir -p -- "$cache" && printf '%s%s\n' "$python" "$key" >>"$memo"; } 2>/dev/null || true
fi

if [ -n "$from_stdin" ]; then
  exec "$python" -I -S "$here/launch.py" "$cache" --inputs-from-stdin "$@" <<<"$inputs"
fi
exec "$python" -I -S "$here/launch.py" "$cache" "$@"
