UPDATE intent SET fence = fence + 1, claim_lapses_at = ?
WHERE id IN (
    SELECT id FROM intent
    WHERE state = 'open' AND due_at <= ?
        AND (claim_lapses_at IS NULL OR claim_lapses_at <= ?)
    ORDER BY due_at, id LIMIT ?
)
RETURNING *
