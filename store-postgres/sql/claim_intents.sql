-- Chosen once: a subquery might be asked again for each row, and choose others each time.
WITH due AS MATERIALIZED (
    SELECT id FROM intent
    WHERE state = 'open' AND due_at <= $1
        AND (claim_lapses_at IS NULL OR claim_lapses_at <= coalesce($2, now_micros()))
    ORDER BY due_at, id LIMIT $4
    FOR UPDATE SKIP LOCKED
)
UPDATE intent SET fence = fence + 1, claim_lapses_at = coalesce($2, now_micros()) + $3
FROM due WHERE intent.id = due.id
RETURNING intent.id, tenant, operation, due_at, attempts, fence
