#!/usr/bin/env bash
# The longer runs: tests of the suite with larger sizes, in release, one command each.
#
#   scripts/prove.sh list          what there is
#   scripts/prove.sh NAME...       one or several of them
#   scripts/prove.sh all           all of them
#
# A test takes its size from `monetization_conformance::size(usual, long)`, which answers the
# long one here; a property test takes its cases from PROPTEST_CASES. Whatever is set in the
# environment already wins: PROPTEST_CASES=5000 scripts/prove.sh money
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Every run: run NAME CASES "TEST..." "WHAT IT SHOWS"
runs() {
run kill     -       "every_answer_received_has_its_row_after_a_kill" "the server killed 200 times under load: one row for each 2xx received, strict quotas exact"
run hangups  -       "every_call_the_upstream_saw_is_recorded_once" "10,000 clients that hang up at random points"
run credit   -       "one_credit_admits_one_of_many" "one unit left, 1,000 callers at once, 1,000 times"
run money    1000000 "addition_is_exact_or_refused subtraction_is_exact_or_refused a_price_times_a_quantity_is_the_exact_product_rounded_once quantities_read_back any_price_text_is_answered_without_panic" "money, prices and quantities against big integers"
run rating   200000  "a_segment_costs_what_a_count_unit_by_unit_says lines_add_up_to_the_total late_use_costs_what_it_would_have_added amounts_too_large_are_an_error paper_agrees_with_core_and_with_big_integers" "lines and totals against counting one by one"
run periods  1000000 "periods_partition_time months_agree_with_the_naive_calendar segments_partition_time" "periods and segments against a naive calendar, 40 years, every anchor"
run limits   100000  "several_limits_admit_exactly_what_a_scan_of_all_calls_admits a_packed_cell_says_the_same_as_a_bucket exchanged_limits_count_every_unit_in_every_kind_they_name no_stretch_of_time_sees_more_than_the_rate_and_one_burst a_clock_that_wanders_counts_as_one_that_stands_still_while_it_is_behind" "the limiter against a scan of all calls"
run windows  1000000 "windows_agree_with_the_calendar instants_survive_their_text a_refused_call_passes_at_its_retry_instant_and_not_a_microsecond_sooner" "windows and retry instants against the calendar"
run texts    1000000 "what_is_accepted_reads_back any_text_is_answered_without_panic every_single_changed_character_is_noticed" "decimals and keys from any text"
}

show() { printf '  %-9s %s\n' "$1" "$4"; }

list() {
  run() { show "$@"; }
  runs
}

names() {
  run() { echo "$1"; }
  runs
}

# Runs the tests of one row, exactly these.
prove_one() {
  local name="$1" cases="$2" tests="$3" what="$4"
  local filter="" test began=$SECONDS
  for test in $tests; do
    filter+="${filter:+ | }test(/(^|::)${test}\$/)"
  done
  printf '\n==> %s: %s\n' "$name" "$what"
  (
    export MONETIZATION_PROVE="${MONETIZATION_PROVE:-1}"
    if [[ "$cases" != - ]]; then
      export PROPTEST_CASES="${PROPTEST_CASES:-$cases}"
      echo "    cases: $PROPTEST_CASES"
    fi
    cargo nextest run --workspace --locked --release --profile prove --no-tests fail -E "$filter"
  )
  printf '<== %s: proven in %d s\n' "$name" "$((SECONDS - began))"
}

prove() {
  local wanted="$1" is_found=""
  run() {
    if [[ "$1" == "$wanted" ]]; then
      is_found=1
      prove_one "$@"
    fi
  }
  runs
  if [[ -z "$is_found" ]]; then
    printf 'there is no run %q; there are:\n' "$wanted" >&2
    list >&2
    return 2
  fi
}

case "${1:-list}" in
  list | -h | --help)
    list
    ;;
  all)
    for name in $(names); do
      prove "$name"
    done
    ;;
  *)
    for name in "$@"; do
      prove "$name"
    done
    ;;
esac
