UPDATE batch SET
    state = $3, reason = $4, settled_at = $5, attempts = attempts + 1, claim_lapses_at = NULL
WHERE id = $1 AND fence = $2 AND claim_lapses_at IS NOT NULL
