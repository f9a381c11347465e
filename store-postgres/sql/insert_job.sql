INSERT INTO job (
    tenant, name, fence, state, started_at, ended_at, done, failed, lease_lapses_at
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, coalesce($9, now_micros()) + $10)
ON CONFLICT DO NOTHING
