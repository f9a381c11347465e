#!/usr/bin/env bash
# The longer runs: tests of the suite at larger sizes, in release, one command each.
#
#   scripts/prove.sh list          what there is
#   scripts/prove.sh NAME...       one or several of them
#   scripts/prove.sh all           all of them
#
# A test takes its size from `monetization_conformance::size`, which answers the long one here; a
# property test takes its cases from PROPTEST_CASES. What the environment has set already wins:
# PROPTEST_CASES=5000 scripts/prove.sh money
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# NAME | cases of each property, or -, or "servers" | what it shows | its tests
#
# Those with "servers" have no properties, and run beside a throwaway PostgreSQL and Redis.
runs() {
  cat <<'RUNS'
kill    | -       | the server killed 200 times under load: one row for each 2xx, strict quotas exact | every_answer_received_has_its_row_after_a_kill a_strict_quota_is_reached_exactly_and_never_exceeded_through_kills
hangups | -       | 10,000 clients that hang up at random points: each call recorded once | clients_that_hang_up_anywhere_dodge_no_record_r_m2 every_call_the_upstream_saw_is_recorded_once
credit  | -       | one unit left and many callers at once, 1,000 times: one passes | the_last_unit_goes_to_one_taker_r_q2
sim     | -       | 20,000 simulated lives of a marketplace, 400 of them on a file; every planted mistake found within 2,000 | what_must_hold_holds_after_every_step_of_any_life what_must_hold_holds_after_every_step_of_another_life what_must_hold_holds_after_every_step_of_a_third_life what_must_hold_holds_after_every_step_of_a_fourth_life what_must_hold_holds_on_a_file_too every_planted_mistake_is_found
lives   | -       | 20,000 random lives of a subscription: every unit billed once or kept | whatever_happens_every_unit_is_billed_once_or_kept_r_t8
books   | servers | 2,000 random lives over SQLite and 200 over PostgreSQL: every invariant of the database holds all along | whatever_happens_every_invariant_holds_in_the_database_r_v8
drain   | -       | 100 terminations under load: what was answered is recorded | a_termination_drains_what_is_under_way
drains  | servers | three servers on one PostgreSQL, one of them terminated 100 times under load; a PostgreSQL that stalls for 30 s: what was answered is recorded | a_termination_among_three_servers_drains_what_is_under_way_r_m4 a_gateway_whose_database_stalls_loses_no_call_and_recovers_by_itself_r_m4
disk    | -       | a disk that fills up 100 times: refused, whole, recovered | a_full_disk_refuses_and_recovers
soak    | servers | 60 minutes with a fault a second, over SQLite and with three gateways over PostgreSQL and Redis: client log, ledger and provider agree to the unit, memory is flat | after_a_fault_each_second_clients_ledger_and_provider_agree_to_the_unit after_a_fault_each_second_three_gateways_two_publishers_and_the_provider_agree_to_the_unit_r_z2
crashes | -       | subscribing, changing, cancelling, publishing, closing and crediting over Stripe, broken off 400 times each, at every call: one of each in the end | a_process_that_dies_anywhere_in_subscribing_leaves_one_of_each_r_p1 a_process_that_dies_anywhere_in_an_upgrade_by_core_leaves_one_change_r_p1 a_process_that_dies_anywhere_in_an_upgrade_by_stripe_leaves_one_change_r_p1 a_process_that_dies_anywhere_in_a_change_with_the_period_leaves_one_change_r_p1 a_process_that_dies_anywhere_in_cancelling_at_once_leaves_one_last_invoice_r_p1 a_process_that_dies_anywhere_in_cancelling_with_the_period_leaves_one_last_invoice_r_p1 a_process_that_dies_anywhere_in_publishing_to_stripe_reports_every_unit_once_r_p1_r_p2 a_process_that_dies_anywhere_in_closing_leaves_one_invoice_of_the_period_r_p1 a_process_that_dies_anywhere_in_crediting_gives_one_credit_r_p1
unpaid  | -       | 200 payments that fail at Stripe: calls stop as soon as a gate has to ask | calls_stop_as_soon_as_a_gate_has_to_ask_after_a_payment_failed_r_t10
publish | -       | killed while publishing: every unit reported once | a_crash_while_publishing_reports_every_unit_once
publishers | -    | 2 and 5 publishers, and 2 to Stripe, 1,000 faults, 100,000 units; 500 sleeps past a lease: every unit reported once | publishers_side_by_side_report_every_unit_to_stripe_exactly_once_r_p3 publishers_side_by_side_report_every_unit_exactly_once_r_p3 five_publishers_side_by_side_report_every_unit_exactly_once_r_p3 a_publisher_that_sleeps_past_its_lease_changes_nothing_r_p4
nodes   | servers | two servers and two publishers on one PostgreSQL, 1,000 faults, 100,000 units: every unit reported once, and reconcile agrees | two_nodes_and_two_publishers_report_every_unit_once_and_reconcile_agrees_r_p3
faults  | -       | 12 faults of the mock and 12 of Stripe, before and after their effect, 1,000 times each: none lost, none doubled | what_stripe_answers_with_a_failure_it_has_not_counted_is_counted_once_r_p5_r_p9 what_stripe_answers_with_a_failure_though_it_has_counted_it_is_counted_once_r_p5_r_p9 what_stripe_has_not_counted_and_says_nothing_of_is_counted_once_r_p5_r_p9 what_stripe_has_counted_and_says_nothing_of_is_counted_once_r_p5_r_p9 twelve_faults_before_and_after_the_effect_lose_and_double_nothing_r_p5
refused | -       | 100,000 reports to the mock and to Stripe, of which one in a hundred is refused later: all are told, none is billed | of_reports_to_the_mock_one_in_a_hundred_is_refused_later_and_none_is_billed_r_p7 of_reports_to_stripe_one_in_a_hundred_is_refused_later_and_none_is_billed_r_p7
frozen  | -       | 10,000 random lives of reports: each batch is the same bytes whenever it is sent | a_batch_is_the_same_bytes_each_time_it_is_sent_r_p9
restore | -       | 50 databases put back from a back-up, to engines that remember and that have forgotten: nothing twice | a_restored_database_reports_nothing_to_stripe_twice_r_p10 a_restored_database_reports_nothing_twice_to_a_stripe_that_forgot_r_p10 a_restored_database_reports_nothing_twice_and_tells_what_it_cannot_know_r_p10 a_restored_database_reports_nothing_twice_to_an_engine_that_forgot_r_p10
network | -       | 50 networks that cut, reset, delay and drop: each call of the mock done once in the end | over_any_network_each_call_is_done_once_in_the_end
junk    | -       | a million mistyped keys: none reaches the store | junk_keys_never_reach_the_store_r_a5
secrets | -       | 10,000 keys issued: none stands in what is stored; 1,000 of a server: none in what it says or writes | no_key_stands_in_what_is_stored_r_a2 secrets_stand_nowhere_but_where_they_are_told_once
forgery | 1000000 | a million mutations of a signed message: of the mock and of Stripe: what says the same is believed, nothing else | no_changed_message_is_believed_r_w1 no_changed_message_of_stripe_is_believed_r_w1
inbox   | -       | 1,000 messages of the mock and of Stripe, 8 deliveries of each at once to each of two who share a file: one effect each; 1,000 of the mock broken off anywhere: none lost | messages_delivered_eight_times_at_once_to_two_have_one_effect_each_r_w3 events_delivered_eight_times_at_once_to_two_have_one_effect_each_r_w3 a_delivery_that_breaks_off_anywhere_loses_no_message_r_w3
inboxes | servers | 1,000 messages of the mock and of Stripe, 8 deliveries of each at once to each of three on one PostgreSQL: one effect each; 1,000 broken off anywhere, 200 servers killed between a message and its work: none lost | messages_delivered_eight_times_at_once_to_each_of_three_have_one_effect_each_r_w3 events_delivered_eight_times_at_once_to_each_of_three_have_one_effect_each_r_w3 a_delivery_to_one_of_three_that_breaks_off_anywhere_loses_no_message_r_w3 a_node_killed_between_a_message_and_its_work_loses_none_r_w3
polls   | -       | 500 subscribers of the mock and of Stripe, three in ten messages lost: one poll finds them all | three_in_ten_messages_of_the_mock_are_lost_and_one_poll_finds_them_r_w6 three_in_ten_messages_of_stripe_are_lost_and_one_poll_finds_them_r_w6
orders  | -       | the seven messages of a life, of the mock and of Stripe, in all 5,040 orders, and 100,000 times mixed, each up to four times: one state in the end | the_messages_of_a_life_end_in_one_state_in_whichever_order_they_come_r_w4 the_messages_of_a_life_at_stripe_end_in_one_state_in_whichever_order_they_come_r_w4 the_messages_of_a_life_end_in_one_state_however_often_and_mixed_they_come_r_w4 the_messages_of_a_life_at_stripe_end_in_one_state_however_often_and_mixed_they_come_r_w4
outages | -       | 200 outages of an hour to forty days, and those at the edges, of the mock and of Stripe: every unit counted once, or held where it is too old | an_outage_of_an_hour_or_of_forty_days_doubles_nothing_and_loses_nothing_r_p6 after_an_outage_of_stripe_of_up_to_forty_days_nothing_is_doubled_or_dropped_r_p6 use_of_a_month_that_stripe_has_billed_waits_for_an_operator_r_p6
repeats | -       | 1,000,000 uses delivered up to 5 times by 16 writers, 10,000 reports that contradict: each counts once | use_delivered_up_to_five_times_by_sixteen_at_once_counts_once_r_m3 every_report_under_a_known_id_that_says_something_else_is_a_conflict_r_m3
shares  | servers | 1,000,000 uses delivered up to 5 times by 16 writers to three on one PostgreSQL, 10,000 reports to three servers that contradict: each counts once | use_delivered_up_to_five_times_by_sixteen_to_three_nodes_counts_once_r_m3 a_report_posted_a_thousand_times_at_once_to_three_servers_counts_once_r_m3 every_report_that_says_something_else_to_one_of_three_servers_is_a_conflict_r_m3
replies | -       | 2,500 strict quotas over stores that lose a reply of twenty: every counter equals the ledger | counters_equal_the_ledger_though_replies_of_a_store_in_memory_get_lost_r_q5 counters_equal_the_ledger_though_replies_of_a_file_get_lost_r_q5
clocks  | -       | 100,000 uses at five gateways whose clocks are up to 20 minutes apart, over a month's end: each in one period | of_five_gateways_ten_minutes_apart_each_use_is_in_one_period_r_t1
slow    | -       | 2,000 slow clients: all let go in time, others served meanwhile | slow_clients_are_let_go_in_time_and_keep_nobody_from_being_served_r_g5
parity  | servers | 100,000 steps over memory, SQLite and PostgreSQL at once: the same answers and the same states | the_same_steps_leave_three_stores_in_equal_states_r_d11
strangers | servers | 100,000 operations on each store in the name of one tenant with the ids of another: nothing found, nothing changed | a_stranger_finds_and_changes_nothing_r_a7
cuts    | servers | connections to PostgreSQL cut at each of the last 600 bytes of an append, both ways: none lost, none doubled | a_connection_cut_at_any_byte_of_an_append_loses_and_doubles_nothing_r_d1
restarts | servers | PostgreSQL killed 200 times while 1,000,000 records are written: what it answered is there, once | a_server_killed_while_it_is_written_to_has_all_it_answered_once_r_d2
shared  | servers | three processes on one PostgreSQL: 2,000 batches appended twice beside closings, 1,000 last units, 6,000 appends sealed | three_processes_that_append_and_close_at_once_count_each_record_once_r_d3 the_last_unit_goes_to_one_of_three_processes_r_q2 what_three_processes_append_is_sealed_once_by_three_others_r_p8
crowds  | servers | PostgreSQL: 500 callers on 5 connections, 5,000 callers that go away anywhere, 50 starts of four at once, 1,000 steps of clocks | five_hundred_callers_on_five_connections_all_get_their_turn_r_d8 callers_dropped_at_any_poll_leave_no_transaction_and_lose_nothing_r_d7 four_processes_that_start_at_once_migrate_once_r_d10 processes_whose_clocks_step_steal_no_claim_and_open_no_window_twice_r_t5
gateways | servers | 100,000 uses at five gateways whose clocks are up to 20 minutes apart, over a file and over PostgreSQL: each in one period | of_five_gateways_over_a_file_each_use_is_in_one_period_r_t1 of_five_gateways_that_share_a_database_each_use_is_in_one_period_r_t1
tallies | servers | 1,000 batches of random use against a plain count, over each store | random_use_is_tallied_as_a_plain_count_says
rates   | servers | limits through Redis: a million calls against one limiter, the grid of limits and nodes, 1,000 last units, 10,000 calls that are given up | calls_of_three_nodes_are_decided_as_by_one_limiter_r_q8 asked_for_each_call_all_that_is_free_passes_and_no_more_r_q1 in_blocks_nearly_all_that_is_free_passes_and_no_more_r_q1 a_rate_in_blocks_never_lets_a_burst_and_a_half_through_r_q1 the_last_unit_is_had_once_r_q2 calls_that_are_given_up_leave_no_answer_to_others_r_q6 a_shifted_answer_closes_the_connection_and_reaches_nobody_r_q6
quotas  | servers | strict quotas of 10 to 10,000 at 1, 3, 5 and 9 gateways, 0.9 to 3 times the load, in memory and over PostgreSQL: none over, 99 % had at first ask | gatekeepers_over_one_store_sell_a_strict_quota_once_and_whole_r_q1 gatekeepers_over_one_database_sell_a_strict_quota_once_and_whole_r_q1
forgets | servers | Redis emptied 100 times, away 200 times, and a million holders that are over: at most a limit once more, nothing uncounted, no memory | each_loss_lets_at_most_a_limit_through_again_r_q3 open_calls_go_on_closed_ones_leak_nothing_and_it_recovers_r_q3 what_is_over_takes_no_memory_r_q7
givenup | -       | 1,000 writes to SQLite given up at any point; 500 readers on 5 connections: whole or not at all, and no wait without end | any_write_that_is_given_up_anywhere_is_done_whole_or_not_at_all_r_d7 five_hundred_readers_on_five_connections_beside_writers_all_get_their_turn_r_d8
loom    | -       | every order in which two threads can meet on one cell, and three with 3 preemptions at most: never more than the limit | two_callers_in_any_order_get_exactly_the_limit_r_q8 three_equal_callers_in_any_order_get_exactly_the_limit_r_q8 three_callers_of_different_weights_in_any_order_get_exactly_the_limit_r_q8 callers_around_the_end_of_a_window_get_no_third_one_r_q8
money   | 1000000 | money, prices and quantities against big integers | addition_is_exact_or_refused subtraction_is_exact_or_refused a_price_times_a_quantity_is_the_exact_product_rounded_once quantities_read_back any_price_text_is_answered_without_panic
rating  | 1000000 | lines and totals against counting unit by unit | a_period_costs_what_its_parts_cost_however_often_its_plan_changes_r_t7 a_price_is_what_a_count_unit_by_unit_says_r_v5 parts_add_up_to_the_price_and_name_every_unit paper_agrees_with_core_under_every_model a_segment_costs_what_a_count_unit_by_unit_says lines_add_up_to_the_total late_use_costs_what_it_would_have_added paper_agrees_with_core_and_with_big_integers
periods | 1000000 | periods and segments against a naive calendar, 40 years, every anchor | periods_partition_time months_agree_with_the_naive_calendar segments_partition_time a_first_period_is_the_end_of_its_cycle
zones   | 20000   | aligned periods and local times of 40 years in 16 time zones against a count by days and minutes | a_local_time_is_where_a_search_minute_by_minute_finds_it aligned_boundaries_are_local_midnights_of_the_dates_in_utc_r_t2 aligned_periods_agree_with_a_count_day_by_day_r_t2 periods_partition_time_in_every_zone_r_t2
limits  | 200000  | the limiter against a scan of all calls | several_limits_admit_exactly_what_a_scan_of_all_calls_admits a_packed_cell_says_the_same_as_a_bucket exchanged_limits_count_every_unit_in_every_kind_they_name no_stretch_of_time_sees_more_than_the_rate_and_one_burst a_clock_that_wanders_counts_as_one_that_stands_still_while_it_is_behind a_refused_call_passes_at_its_retry_instant_and_not_a_microsecond_sooner
windows | 1000000 | windows and instants against the calendar | windows_agree_with_the_calendar instants_survive_their_text
plans   | 1000000 | plan files and quantities of junk, cut off or mutated: answered at places that are there | any_bytes_are_answered_without_panic any_text_of_the_letters_of_toml_is_answered_without_panic a_file_that_is_cut_off_anywhere_is_answered a_file_with_mutations_is_answered any_text_for_quantities_and_instants_is_answered_without_panic_r_v3
estimates | 100000 | estimates and break-evens against prices and against counting unit by unit | an_estimate_is_the_price_rounded_once_and_its_lines_add_up_r_v4 the_cheaper_plan_changes_where_it_is_said_and_not_before
logs    | 20000000 | lines of access logs, junk or with mistakes: a call or a reason, whatever they are | any_bytes_are_a_call_or_a_reason lines_with_mistakes_are_a_call_or_a_reason any_text_has_as_many_lines_as_it_is_long any_text_is_a_time_or_none
replay  | -       | 300 logs written up to five minutes late have the result of those in order; a line of 4 GiB is never held | lines_that_lie_up_to_five_minutes_behind_change_nothing a_line_of_a_gigabyte_is_never_held
million | -       | a million lines of a log have the totals of a naive count, in flat memory; told are the lines of a second | a_million_lines_have_the_totals_of_a_naive_count_and_take_no_memory
fuzz    | -       | half an hour of bytes that coverage leads to for each parser of plan files, access logs, numbers and messages of Stripe's; needs a nightly toolchain and "cargo install cargo-fuzz --locked"
live    | -       | at Stripe itself, from a meter to the total of an invoice, by a test clock; needs STRIPE_TEST_KEY, the key of a sandbox | use_reported_to_stripe_itself_is_on_its_invoice_as_core_estimates_it
mutants | 64      | mistakes planted one at a time in rating, money and periods, looked for by the core's own tests; needs "cargo install cargo-mutants --locked"
stripe  | -       | the fake Stripe: 1,000 prices in tiers against counting unit by unit, 100,000 forms read back | tiers_come_to_what_counting_unit_by_unit_comes_to whatever_is_written_as_a_form_is_read_again
texts   | 1000000 | decimals and keys from any text: read back exactly, or refused | what_is_accepted_reads_back any_text_is_answered_without_panic
RUNS
}

# One field of the run of that name; nothing where there is no such run.
field() {
  runs | awk -F ' *[|] *' -v name="$1" -v field="$2" '$1 == name { print $field }'
}

list() {
  runs | awk -F ' *[|] *' '{ printf "  %-10s %s\n", $1, $3 }'
}

# The parts of the core whose mistakes are somebody's money. Survivors are listed in CONTRIBUTING.md.
mutants() {
  local code=0
  if ! command -v cargo-mutants > /dev/null; then
    printf 'the run "mutants" needs cargo-mutants: cargo install cargo-mutants --locked\n' >&2
    return 2
  fi
  # Only periods depend on changes of clocks, whose test takes longer than all others together.
  plant money "decisions/rating decisions/pricing decisions/metering words/money words/decimal
    facts/usage/tally facts/plan/price" -- --skip no_change_of_clocks || code=$?
  plant periods words/period || code=$?
  return "$code"
}

# Plants mistakes in these modules: plant NAME "MODULES" [ARGUMENTS OF THE TESTS]
plant() {
  local path core=monetization-core/src out="${CARGO_TARGET_DIR:-target}/mutants"
  local -a files=()
  for path in $2; do
    files+=(-f "$core/$path.rs" -f "$core/$path/*.rs")
  done
  mkdir -p "$out"
  env "PROPTEST_CASES=${PROPTEST_CASES:-$(field mutants 2)}" cargo mutants -p monetization-core \
    "${files[@]}" --timeout 60 -j 2 -o "$out/$1" -- --lib "${@:3}"
}

# What libFuzzer finds stays in the target folder, and the next run goes on from there.
fuzz() {
  local target seeds corpus
  if ! command -v cargo-fuzz > /dev/null || ! cargo +nightly --version > /dev/null; then
    printf 'the run "fuzz" needs a nightly toolchain and cargo-fuzz: cargo install cargo-fuzz --locked\n' >&2
    return 2
  fi
  for target in plan_file access_log quantity stripe_event; do
    corpus="${CARGO_TARGET_DIR:-target}/fuzz/$target"
    seeds="$corpus-seeds"
    mkdir -p "$corpus" "$seeds"
    case "$target" in
      plan_file) cp examples/reference-server/plans.toml "$seeds/" ;;
      access_log) split -l 5 examples/reference-server/tests/data/replay.log "$seeds/lines." ;;
      quantity) printf '%s' 1.50 > "$seeds/number" && printf '%s' 'P1M day 31' > "$seeds/words" ;;
      stripe_event) cp tests/fuzz/seeds/stripe_event/* "$seeds/" ;;
    esac
    cargo +nightly fuzz run --fuzz-dir tests/fuzz "$target" "$corpus" "$seeds" -- \
      "-max_total_time=${FUZZ_SECONDS:-1800}" -max_len=16384 -timeout=10 -rss_limit_mb=1024 \
      -print_final_stats=1
  done
}

prove() {
  local name="$1" cases filter="" test began=$SECONDS
  if [[ "$name" == mutants || "$name" == fuzz ]]; then
    "$name"
    return
  fi
  local -a which=() beside=()
  if [[ "$name" == live ]]; then
    if [[ -z "${STRIPE_TEST_KEY:-}" ]]; then
      printf '\n==> live: ignored, because STRIPE_TEST_KEY is not set\n'
      return
    fi
    which=(--run-ignored only)
  fi
  cases="$(field "$name" 2)"
  for test in $(field "$name" 4); do
    filter+="${filter:+ | }test(/(^|::)${test}\$/)"
  done
  if [[ -z "$filter" ]]; then
    printf 'there is no run "%s"; there are:\n' "$name" >&2
    list >&2
    return 2
  fi

  printf '\n==> %s: %s\n' "$name" "$(field "$name" 3)"
  local -a sizes=("MONETIZATION_PROVE=1") packages=(--workspace --all-features)
  if [[ "$cases" == servers ]]; then
    beside=(scripts/servers.sh)
    which=(--run-ignored all)
  elif [[ "$cases" != - ]]; then
    sizes+=("PROPTEST_CASES=${PROPTEST_CASES:-$cases}")
  fi
  if [[ "$name" == loom ]]; then
    # A build of its own, in which a model checker stands in for the atomics.
    sizes+=("RUSTFLAGS=${RUSTFLAGS:-} --cfg loom" "CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/loom")
    packages=(-p monetization-rate-limiter --test interleavings)
  fi
  printf '    %s\n' "${sizes[*]}"
  "${beside[@]}" env "${sizes[@]}" cargo nextest run "${packages[@]}" --locked --release --profile prove \
    --no-tests fail "${which[@]}" -E "$filter"
  printf '<== %s: proven in %d s\n' "$name" "$((SECONDS - began))"
}

case "${1:-list}" in
  list | -h | --help)
    list
    ;;
  all)
    for name in $(runs | cut -d ' ' -f 1); do
      prove "$name"
    done
    ;;
  *)
    for name in "$@"; do
      prove "$name"
    done
    ;;
esac
