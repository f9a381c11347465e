SELECT quota.tenant, quota.subscription, quota.quota, quota.start_at, quota.end_at, quota.leased
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::bigint[])
    AS asked (tenant, subscription, quota, start_at, end_at)
JOIN quota ON quota.subscription = asked.subscription AND quota.quota = asked.quota
    AND quota.start_at = asked.start_at AND quota.end_at = asked.end_at
    AND quota.tenant = asked.tenant
ORDER BY quota.subscription, quota.quota, quota.start_at, quota.end_at, quota.tenant
FOR NO KEY UPDATE OF quota
