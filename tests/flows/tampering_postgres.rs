//! What the store would never do to its tables in PostgreSQL.

/// The invariant that is broken, and how, where core invoices.
pub const OF_CORE: [(&str, &str); 27] = [
    (
        "ledger_equals_sums",
        "UPDATE sum SET total = total + 1
        WHERE segment IN (SELECT id FROM segment WHERE state = 'open')",
    ),
    (
        "ledger_equals_sums",
        "INSERT INTO record (key, tenant, segment, meter, quantity, occurred_at, recorded_at, position)
        SELECT gen_random_uuid(), tenant, segment, meter, 1, 0, 0, 0 FROM sum",
    ),
    (
        "sums_have_a_payer",
        "UPDATE segment SET successor = id
        WHERE id IN (SELECT origin FROM sum WHERE segment <> origin)",
    ),
    (
        "events_count_once",
        "INSERT INTO event
        SELECT gen_random_uuid(), tenant, segment, key, digest, source, name FROM event",
    ),
    (
        "quotas_equal_ledger",
        "UPDATE quota SET leased = leased + 1 WHERE quota = 'day'",
    ),
    (
        "quotas_equal_ledger",
        "DELETE FROM quota WHERE quota = 'day'",
    ),
    (
        "leases_equal_ledger",
        "INSERT INTO lease (
            tenant, id, subscription, quota, start_at, end_at, units, committed, state, opening
        )
        SELECT tenant, gen_random_uuid(), subscription, quota, start_at, end_at, 5, 5, 'settled', 1
        FROM quota",
    ),
    (
        "quotas_within_limit",
        "UPDATE fact SET body = jsonb_set(body::jsonb, '{terms,quotas,0,max}', '1')
        WHERE kind = 'plan_version'",
    ),
    (
        "billed_periods_are_closed",
        "INSERT INTO segment (tenant, id, subscription, plan_version, invoicing, period_index,
            period_start_at, period_end_at, start_at, end_at, state)
        SELECT tenant, gen_random_uuid(), subscription, plan_version, invoicing, period_index,
            period_start_at, period_end_at, start_at, end_at, 'open'
        FROM segment WHERE state = 'closed'",
    ),
    (
        "use_is_invoiced_once",
        "UPDATE fact SET body = jsonb_set(body::jsonb, '{lines,0,item,used}', '99')
        WHERE kind = 'invoice' AND body::jsonb #>> '{lines,0,item,kind}' = 'usage'",
    ),
    (
        "use_is_invoiced_once",
        r#"UPDATE fact SET body = replace(body, '"kind":"usage"', '"kind":"mirrored"')
        WHERE kind = 'invoice' AND body::jsonb #>> '{occasion,index}' = '0'"#,
    ),
    (
        "late_use_is_invoiced_once",
        r#"UPDATE fact SET body = replace(body, '"kind":"late_usage"', '"kind":"mirrored"')
        WHERE kind = 'invoice' AND body LIKE '%"late_usage"%'"#,
    ),
    (
        "one_invoice_an_occasion",
        "WITH copy AS MATERIALIZED (
            SELECT *, gen_random_uuid() AS as_id FROM fact
            WHERE kind = 'invoice' AND body::jsonb #>> '{occasion,kind}' = 'start'
                AND body::jsonb ->> 'state' = 'paid'
        )
        INSERT INTO fact (kind, id, tenant, version, change_seq, due_at, body, keys)
        SELECT kind, as_id, tenant, version, change_seq + 1000000, due_at,
            jsonb_set(body::jsonb - 'credits', '{id}', to_jsonb(shown('inv', as_id))), '[]'
        FROM copy",
    ),
    (
        "lines_equal_total",
        r#"UPDATE fact SET body = jsonb_set(body::jsonb, '{total,amount}', '"3.01"')
        WHERE kind = 'invoice'"#,
    ),
    (
        "lines_equal_total",
        r#"UPDATE fact SET body = jsonb_set(body::jsonb, '{lines,0,amount,currency}', '"EUR"')
        WHERE kind = 'invoice'"#,
    ),
    (
        "unpaid_is_blocked",
        "UPDATE fact SET body = jsonb_set(body::jsonb, '{blocks}', '[]')
        WHERE kind = 'subscription' AND body::jsonb -> 'blocks' <> '[]'",
    ),
    (
        "unpaid_is_blocked",
        r#"UPDATE fact SET body = jsonb_set(body::jsonb, '{grace_ends_at}', '"2027-01-01T00:00:00Z"')
        WHERE kind = 'invoice' AND body::jsonb ->> 'state' = 'paid'"#,
    ),
    (
        "what_is_owed_is_asked_for",
        "DELETE FROM intent
        WHERE state = 'open' AND operation::jsonb ->> 'operation' = 'issue_invoice'",
    ),
    (
        "credits_are_asked_for",
        r#"UPDATE fact SET body = jsonb_set(body::jsonb, '{credits,0,amount,amount}', '"99.00"')
        WHERE kind = 'invoice' AND body::jsonb #>> '{credits,0,number}' = '1'"#,
    ),
    (
        "credits_are_asked_for",
        "UPDATE fact SET body = body::jsonb #- '{credits,0,external}'
        WHERE kind = 'invoice' AND body::jsonb #>> '{credits,0,number}' = '1'",
    ),
    (
        "credits_are_asked_for",
        "DELETE FROM intent WHERE operation::jsonb ->> 'operation' = 'credit_invoice'",
    ),
    (
        "operations_are_asked_once",
        "INSERT INTO intent SELECT gen_random_uuid(), tenant, operation, due_at, attempts, state,
            reason, parked_at, fence, claim_lapses_at
        FROM intent WHERE state = 'done'",
    ),
    (
        "references_are_unique",
        r#"WITH copy AS MATERIALIZED (
            SELECT *, gen_random_uuid() AS as_id FROM fact
            WHERE kind = 'reference' AND body::jsonb ->> 'object' = 'invoice' LIMIT 1
        )
        INSERT INTO fact (kind, id, tenant, version, change_seq, due_at, body, keys)
        SELECT kind, as_id, tenant, version, change_seq + 1000000, due_at,
            body::jsonb || jsonb_build_object('id', shown('ref', as_id), 'external', 'another'), '[]'
        FROM copy"#,
    ),
    (
        "work_is_fenced",
        "UPDATE intent SET attempts = (fence + 1)::integer",
    ),
    (
        "facts_are_found",
        "DELETE FROM fact_key WHERE index_name = 'invoices_of_subscription'",
    ),
    (
        "facts_are_found",
        "UPDATE fact SET due_at = NULL WHERE kind = 'subscription' AND due_at IS NOT NULL",
    ),
    (
        "tenants_are_apart",
        "UPDATE fact SET tenant = gen_random_uuid() WHERE kind = 'subscription'",
    ),
];

/// The same where the engine invoices.
pub const OF_ENGINE: [(&str, &str); 9] = [
    (
        "batches_tile_sums",
        "UPDATE batch SET from_total = from_total - 1, to_total = to_total - 1
        WHERE from_total = (SELECT max(from_total) FROM batch)",
    ),
    (
        "use_is_conserved",
        "UPDATE sum SET sealed = sealed - 1 WHERE sealed > 0",
    ),
    (
        "use_is_conserved",
        "UPDATE sum SET sealed = sealed + 1 WHERE NOT by_engine",
    ),
    (
        "work_is_fenced",
        "UPDATE batch SET fence = 0, attempts = 0 WHERE state = 'confirmed'",
    ),
    (
        "tenants_are_apart",
        "UPDATE fact_key SET tenant = gen_random_uuid()",
    ),
    (
        "sums_have_a_payer",
        "UPDATE segment SET invoicing = 'by_core' WHERE state = 'open'",
    ),
    ("sums_have_a_payer", "DELETE FROM segment"),
    ("unsealed_use_is_found", "DELETE FROM unsealed"),
    (
        "unsealed_use_is_found",
        "INSERT INTO unsealed SELECT tenant, segment, origin, meter FROM sum WHERE NOT by_engine",
    ),
];
