#!/usr/bin/env bash
# What others wrote, for the tests of Stripe's engine against it: stripe-stateful-mock, localstripe and
# Stripe's own Python SDK. Pinned by versions and hashes in tests/stripe_outside, kept in the target
# folder, and installed once.
#
#   scripts/outside.sh install     what is not there yet
#   scripts/outside.sh             that, and the tests
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/common.sh

pinned=tests/stripe_outside
folder="${CARGO_TARGET_DIR:-target}/outside"

# Whether all that is pinned was installed: is_installed FOLDER FILE...
is_installed() {
  local into="$1" file
  for file in "${@:2}"; do
    cmp -s "$pinned/$file" "$into/$file" || return 1
  done
}

install_for_node() {
  local into="$folder/node" files=(package.json package-lock.json)
  if is_installed "$into/pinned" "${files[@]}"; then
    return
  fi
  if ! has node || ! has npm; then
    from_debian nodejs npm
  fi
  rm -rf "$into"
  mkdir -p "$into/pinned"
  cp "${files[@]/#/$pinned/}" "$into/"
  npm ci --prefix "$into" --ignore-scripts --no-audit --no-fund --loglevel=error
  cp "${files[@]/#/$pinned/}" "$into/pinned/"
}

install_for_python() {
  local into="$folder/python" files=(build.txt requirements.txt)
  if is_installed "$into/pinned" "${files[@]}"; then
    return
  fi
  rm -rf "$into"
  mkdir -p "$folder"
  if ! python3 -m venv "$into" >/dev/null 2>&1; then
    from_debian python3-venv
    rm -rf "$into"
    python3 -m venv "$into"
  fi
  local -a install=("$into/bin/python" -m pip --disable-pip-version-check install -q --require-hashes --no-deps)
  "${install[@]}" --only-binary :all: -r "$pinned/build.txt"
  # localstripe comes as a source; it is built with what the line above has installed.
  "${install[@]}" --no-build-isolation -r "$pinned/requirements.txt"
  mkdir "$into/pinned"
  cp "${files[@]/#/$pinned/}" "$into/pinned/"
}

case "${1:-test}" in
  install | test)
    install_for_node
    install_for_python
    ;;
  *)
    echo "usage: scripts/outside.sh [install]" >&2
    exit 2
    ;;
esac
if [[ "${1:-test}" == test ]]; then
  cargo nextest run --workspace --all-features --locked --run-ignored only -E 'binary(stripe_outside)'
fi
