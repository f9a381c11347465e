UPDATE batch SET fence = fence + 1, claim_lapses_at = ?
WHERE number IN (
    SELECT number FROM batch
    WHERE tenant = ? AND state = 'sealed' AND due_at <= ?
        AND (claim_lapses_at IS NULL OR claim_lapses_at <= ?)
    ORDER BY number LIMIT ?
)
RETURNING number
