#!/usr/bin/env bash
# Everything that has to be right before a change goes in. Works on a fresh Debian machine with
# Rust: what is missing is installed first.
#
# CI=true                     plain output, nextest's profile `ci`, and no test is left out; dependencies are
#                             checked as far as cargo-deny and the database of advisories are there
# MONETIZATION_REQUIRE=a,b    what must fail, not be ignored, where it is absent: outside, servers
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/common.sh

export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-$([[ -t 1 ]] && echo always || echo never)}"
export MONETIZATION_REQUIRE="${MONETIZATION_REQUIRE:-}"
nextest_profile=default
if [[ "${CI:-}" == true ]]; then
  nextest_profile=ci
  MONETIZATION_REQUIRE="${MONETIZATION_REQUIRE:+$MONETIZATION_REQUIRE,}outside,servers"
fi

step=""
step_began=$SECONDS

# Ends the step before and begins the next one: begin NAME
begin() {
  finish
  step="$1"
  step_began=$SECONDS
  printf '\n==> %s\n' "$step"
}

finish() {
  if [[ -n "$step" ]]; then
    printf '<== %s: %d s (%d s in all)\n' "$step" "$((SECONDS - step_began))" "$SECONDS"
    step=""
  fi
}

explain_failure() {
  local code=$?
  if [[ $code -ne 0 ]]; then
    printf '\n%s failed after %d s (%d s in all)\n' "${step:-setup}" "$((SECONDS - step_began))" "$SECONDS" >&2
  fi
}
trap explain_failure EXIT

install_what_is_missing() {
  if ! has cargo; then
    echo "Rust is missing: install it with rustup, then run this again" >&2
    return 1
  fi
  # The linker, and the compiler of SQLite, which is built from source.
  if ! has cc; then
    from_debian gcc libc6-dev
  fi
  local component
  for component in rustfmt clippy; do
    if ! cargo "${component/rustfmt/fmt}" --version >/dev/null 2>&1; then
      rustup component add "$component"
    fi
  done
  if ! cargo nextest --version >/dev/null 2>&1; then
    echo "cargo-nextest is missing: building it, which takes some minutes, once"
    cargo install cargo-nextest --locked
  fi
  cargo --version
  cargo nextest --version | head -n 1
  echo "servers required: ${MONETIZATION_REQUIRE:-none}"
}

check_dependencies() {
  if cargo deny --version >/dev/null 2>&1; then
    cargo deny --locked --all-features check licenses bans sources
    # The database of advisories is fetched; without it the rest still holds.
    if cargo deny fetch db >/dev/null 2>&1; then
      cargo deny --locked --all-features check advisories
    else
      echo "skipped: advisories (their database cannot be reached)"
    fi
  else
    echo "skipped: cargo-deny is not installed (cargo install cargo-deny --locked)"
  fi
}

# What needs WHAT to be there goes on without it, unless that is required: missing NAME WHAT
missing() {
  if [[ ",$MONETIZATION_REQUIRE," == *,"$1",* ]]; then
    echo "$2 is required, and could not be installed" >&2
    return 1
  fi
  echo "ignored: the tests that need $2, which could not be installed"
}

# Tests against programs of others, which are ignored in every other run.
test_against_others() {
  if scripts/outside.sh install; then
    test_all --run-ignored only -E 'binary(stripe_outside)'
  else
    missing outside "what others wrote"
  fi
}

# All others: with those that need a server, beside throwaway ones.
test_beside_servers() {
  local which="not (binary(stripe_outside) | binary(stripe_live))"
  if ! mounts; then
    echo "this machine lets nobody mount: a_full_disk_refuses_and_recovers is left out" >&2
    [[ "$nextest_profile" == ci ]] || which+=" & not test(/a_full_disk_refuses_and_recovers$/)"
  fi
  if scripts/servers.sh install; then
    beside=scripts/servers.sh test_all --run-ignored all -E "$which"
  else
    missing servers "PostgreSQL and Redis"
    test_all -E "$which"
  fi
}

# With `beside` set, beside throwaway servers.
test_all() {
  ${beside:-} cargo nextest run --workspace --all-features --locked --profile "$nextest_profile" "$@"
}

# Whether a test may mount a disk of its own.
mounts() {
  unshare --mount true 2>/dev/null || unshare --user --map-root-user --mount true 2>/dev/null
}

begin "tools"
install_what_is_missing

begin "format"
cargo fmt --all --check

begin "lints"
cargo clippy --workspace --all-targets --all-features --locked -- -D warnings

# Without what is built on request only, such as Stripe.
begin "lints of the server as it is built by default"
cargo clippy -p reference-server --locked -- -D warnings

begin "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --all-features --no-deps --locked

begin "examples in the documentation"
cargo test --workspace --all-features --doc --locked

begin "dependencies"
check_dependencies

begin "tests against what others wrote"
test_against_others

# Last, so that the runner's own summary closes the output.
begin "tests"
test_beside_servers
