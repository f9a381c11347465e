-- Chosen once: a subquery might be asked again for each row, and choose others each time.
WITH due AS MATERIALIZED (
    SELECT number FROM batch
    WHERE tenant = $1 AND state = 'sealed' AND due_at <= $2
        AND (claim_lapses_at IS NULL OR claim_lapses_at <= coalesce($3, now_micros()))
    ORDER BY number LIMIT $5
    FOR UPDATE SKIP LOCKED
)
UPDATE batch SET fence = fence + 1, claim_lapses_at = coalesce($3, now_micros()) + $4
FROM due WHERE batch.number = due.number
RETURNING batch.number, batch.id, batch.tenant, batch.segment, batch.origin, batch.meter, batch.from_total, batch.to_total, batch.engine, batch.account, batch.realm, batch.mode, batch.used_at,
    batch.body, batch.state, batch.reason, batch.decided_because, batch.sent_again_after, batch.sent_again_at, batch.attempts, batch.first_sent_at,
    batch.settled_at, batch.fence
