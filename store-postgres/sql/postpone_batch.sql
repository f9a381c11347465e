UPDATE batch SET
    due_at = $3, first_sent_at = coalesce(first_sent_at, $4), attempts = attempts + 1,
    claim_lapses_at = NULL
WHERE id = $1 AND fence = $2 AND claim_lapses_at IS NOT NULL
