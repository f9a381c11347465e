WITH asked (tenant, subscription, quota, start_at, end_at) AS (VALUES {rows})
SELECT quota.* FROM asked
CROSS JOIN quota ON quota.subscription = asked.subscription AND quota.quota = asked.quota
    AND quota.start_at = asked.start_at AND quota.end_at = asked.end_at
    AND quota.tenant = asked.tenant
