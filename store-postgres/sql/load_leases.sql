SELECT lease.tenant, lease.id, lease.subscription, lease.quota, lease.start_at, lease.end_at,
    lease.units, lease.committed, lease.state = 'open' AS open
FROM unnest($1::uuid[], $2::uuid[]) AS asked (tenant, id)
JOIN lease ON lease.tenant = asked.tenant AND lease.id = asked.id
ORDER BY lease.tenant, lease.id
FOR NO KEY UPDATE OF lease
