UPDATE intent SET
    state = ?, reason = ?, parked_at = ?, attempts = attempts + 1, claim_lapses_at = NULL
WHERE id = ? AND fence = ? AND claim_lapses_at IS NOT NULL
