UPDATE quota SET leased = quota.leased - free.units
FROM (
    SELECT subscription, quota, start_at, end_at, tenant, sum(units - committed)::bigint AS units
    FROM lease
    WHERE state = 'open' AND NOT EXISTS (SELECT 1 FROM opening WHERE number = lease.opening)
    GROUP BY subscription, quota, start_at, end_at, tenant
) AS free
WHERE quota.subscription = free.subscription AND quota.quota = free.quota
    AND quota.start_at = free.start_at AND quota.end_at = free.end_at
    AND quota.tenant = free.tenant
