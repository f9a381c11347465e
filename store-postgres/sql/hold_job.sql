-- Held until the end of the transaction.
SELECT fence, state, started_at, ended_at, done, failed,
    lease_lapses_at <= coalesce($3, now_micros()) AS lapsed
FROM job WHERE tenant = $1 AND name = $2
FOR UPDATE
