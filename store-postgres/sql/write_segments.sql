-- Segments that begin with their first use.
INSERT INTO segment (
    tenant, id, subscription, plan_version, invoicing, period_index,
    period_start_at, period_end_at, start_at, end_at, state
)
SELECT *, 'open' FROM unnest(
    $1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::bigint[],
    $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[]
)
ON CONFLICT DO NOTHING
