WITH asked (id, tenant) AS (VALUES {rows})
SELECT lease.number, lease.id, lease.units, lease.committed, lease.state = 'open' AS open,
    quota.tenant, quota.subscription, quota.quota, quota.start_at, quota.end_at
FROM asked
CROSS JOIN lease ON lease.id = asked.id AND lease.tenant = asked.tenant
JOIN quota ON quota.number = lease.quota
