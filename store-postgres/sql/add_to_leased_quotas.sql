-- Of these, a part was leased before; each is held first, in the order of the key.
WITH more AS (
    SELECT * FROM unnest(
        $1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[]
    ) AS more (tenant, subscription, quota, start_at, end_at, committed, leased)
),
held AS MATERIALIZED (
    SELECT quota.tenant, quota.subscription, quota.quota, quota.start_at, quota.end_at,
        more.committed, more.leased
    FROM more
    JOIN quota USING (subscription, quota, start_at, end_at, tenant)
    ORDER BY quota.subscription, quota.quota, quota.start_at, quota.end_at, quota.tenant
    FOR NO KEY UPDATE OF quota
)
UPDATE quota SET committed = quota.committed + held.committed, leased = quota.leased + held.leased
FROM held
WHERE quota.subscription = held.subscription AND quota.quota = held.quota
    AND quota.start_at = held.start_at AND quota.end_at = held.end_at
    AND quota.tenant = held.tenant
