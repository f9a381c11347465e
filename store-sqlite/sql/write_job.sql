INSERT INTO job (
    tenant, name, fence, state, started_at, ended_at, done, failed, lease_lapses_at
)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (tenant, name) DO UPDATE SET
    fence = excluded.fence, state = excluded.state, started_at = excluded.started_at,
    ended_at = excluded.ended_at, done = excluded.done, failed = excluded.failed,
    lease_lapses_at = excluded.lease_lapses_at
