//! What the store would never do to its database.

/// The invariant that is broken, and how, where core invoices.
pub const OF_CORE: [(&str, &str); 25] = [
    (
        "ledger_equals_sums",
        "UPDATE sum SET total = total + 1
        WHERE segment IN (SELECT number FROM segment WHERE state = 'open')",
    ),
    (
        "ledger_equals_sums",
        "INSERT INTO record SELECT randomblob(16), segment.number, meter.number, 1, 0, 0, NULL, NULL,
            NULL, NULL, NULL, 0
        FROM segment JOIN meter WHERE segment.state = 'open'",
    ),
    (
        "sums_have_a_payer",
        "UPDATE segment SET successor = number
        WHERE number IN (SELECT origin FROM sum WHERE segment <> origin)",
    ),
    (
        "events_count_once",
        "INSERT INTO event SELECT randomblob(16), segment, key, digest, source, name FROM event",
    ),
    (
        "quotas_equal_ledger",
        "UPDATE quota SET leased = leased + 1 WHERE quota = 'day'",
    ),
    (
        "leases_equal_ledger",
        "INSERT INTO lease (tenant, id, quota, units, committed, state, opening)
        SELECT tenant, randomblob(16), number, 5, 5, 'settled', 1 FROM quota",
    ),
    (
        "quotas_within_limit",
        "UPDATE fact SET body = json_set(body, '$.terms.quotas[0].max', 1)
        WHERE kind = 'plan_version'",
    ),
    (
        "billed_periods_are_closed",
        "INSERT INTO segment (tenant, id, subscription, plan_version, invoicing, period_index,
            period_start_at, period_end_at, start_at, end_at, state)
        SELECT tenant, randomblob(16), subscription, plan_version, invoicing, period_index,
            period_start_at, period_end_at, start_at, end_at, 'open'
        FROM segment WHERE state = 'closed'",
    ),
    (
        "use_is_invoiced_once",
        "UPDATE fact SET body = json_set(body, '$.lines[0].item.used', 99)
        WHERE kind = 'invoice' AND body ->> '$.lines[0].item.kind' = 'usage'",
    ),
    (
        "use_is_invoiced_once",
        r#"UPDATE fact SET body = replace(body, '"kind":"usage"', '"kind":"mirrored"')
        WHERE kind = 'invoice' AND body ->> '$.occasion.index' = 0"#,
    ),
    (
        "late_use_is_invoiced_once",
        r#"UPDATE fact SET body = replace(body, '"kind":"late_usage"', '"kind":"mirrored"')
        WHERE kind = 'invoice' AND body LIKE '%"late_usage"%'"#,
    ),
    (
        "one_invoice_an_occasion",
        "WITH copy (id) AS MATERIALIZED (SELECT randomblob(16))
        INSERT INTO fact SELECT change_seq + 1000000, kind, copy.id, tenant, version, due_at,
            json_remove(json_set(body, '$.id', 'inv_' || lower(hex(copy.id))), '$.credits'), '[]'
        FROM fact JOIN copy
        WHERE kind = 'invoice' AND body ->> '$.occasion.kind' = 'start'
            AND body ->> 'state' = 'paid'",
    ),
    (
        "lines_equal_total",
        "UPDATE fact SET body = json_set(body, '$.total.amount', '3.01') WHERE kind = 'invoice'",
    ),
    (
        "lines_equal_total",
        "UPDATE fact SET body = json_set(body, '$.lines[0].amount.currency', 'EUR')
        WHERE kind = 'invoice'",
    ),
    (
        "unpaid_is_blocked",
        "UPDATE fact SET body = json_set(body, '$.blocks', json('[]'))
        WHERE kind = 'subscription' AND body -> 'blocks' <> '[]'",
    ),
    (
        "unpaid_is_blocked",
        "UPDATE fact SET body = json_set(body, '$.grace_ends_at', '2027-01-01T00:00:00Z')
        WHERE kind = 'invoice' AND body ->> 'state' = 'paid'",
    ),
    (
        "what_is_owed_is_asked_for",
        "DELETE FROM intent WHERE state = 'open' AND operation ->> 'operation' = 'issue_invoice'",
    ),
    (
        "credits_are_asked_for",
        "UPDATE fact SET body = json_set(body, '$.credits[0].amount.amount', '99.00')
        WHERE kind = 'invoice' AND body ->> '$.credits[0].number' = 1",
    ),
    (
        "credits_are_asked_for",
        "UPDATE fact SET body = json_remove(body, '$.credits[0].external')
        WHERE kind = 'invoice' AND body ->> '$.credits[0].number' = 1",
    ),
    (
        "credits_are_asked_for",
        "DELETE FROM intent WHERE operation ->> 'operation' = 'credit_invoice'",
    ),
    (
        "operations_are_asked_once",
        "INSERT INTO intent SELECT randomblob(16), tenant, operation, due_at, attempts, state, reason,
            parked_at, fence, claim_lapses_at
        FROM intent WHERE state = 'done'",
    ),
    (
        "references_are_unique",
        "WITH copy (id) AS MATERIALIZED (SELECT randomblob(16))
        INSERT INTO fact SELECT change_seq + 1000000, kind, copy.id, tenant, version, due_at,
            json_set(body, '$.id', 'ref_' || lower(hex(copy.id)), '$.external', 'another'), '[]'
        FROM fact JOIN copy
        WHERE kind = 'reference' AND body ->> 'object' = 'invoice' LIMIT 1",
    ),
    ("work_is_fenced", "UPDATE intent SET attempts = fence + 1"),
    (
        "facts_are_found",
        "DELETE FROM fact_key WHERE index_name = 'invoices_of_subscription'",
    ),
    (
        "facts_are_found",
        "UPDATE fact SET due_at = NULL WHERE kind = 'subscription' AND due_at IS NOT NULL",
    ),
];

/// The same where the engine invoices.
pub const OF_ENGINE: [(&str, &str); 6] = [
    (
        "batches_tile_sums",
        "UPDATE batch SET from_total = from_total - 1, to_total = to_total - 1
        WHERE from_total = (SELECT max(from_total) FROM batch)",
    ),
    (
        "use_is_conserved",
        "UPDATE sum SET sealed = sealed - 1 WHERE sealed > 0",
    ),
    ("use_is_conserved", "UPDATE sum SET sealed = sealed + 1"),
    (
        "work_is_fenced",
        "UPDATE batch SET fence = 0, attempts = 0 WHERE state = 'confirmed'",
    ),
    (
        "tenants_are_apart",
        "UPDATE batch SET tenant = randomblob(16)",
    ),
    (
        "sums_have_a_payer",
        "UPDATE segment SET invoicing = 'by_core' WHERE state = 'open'",
    ),
];
