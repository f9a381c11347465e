UPDATE job SET
    fence = $3, state = $4, started_at = $5, ended_at = $6, done = $7, failed = $8,
    lease_lapses_at = coalesce($9, now_micros()) + $10
WHERE tenant = $1 AND name = $2
