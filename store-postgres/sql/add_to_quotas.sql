-- Counters begin with their first use.
INSERT INTO quota (tenant, subscription, quota, start_at, end_at, committed, leased)
SELECT * FROM unnest(
    $1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[]
)
ON CONFLICT (subscription, quota, start_at, end_at, tenant) DO UPDATE SET
    committed = quota.committed + excluded.committed, leased = quota.leased + excluded.leased
