UPDATE batch SET
    state = $1, reason = $2, decided_because = coalesce($3, decided_because),
    first_sent_at = greatest(coalesce(first_sent_at, $4), $4), fence = fence + 1,
    claim_lapses_at = NULL
WHERE id = $5 AND engine = $6 AND account IS NOT DISTINCT FROM $7 AND realm = $8 AND mode = $9
    AND ($10::uuid IS NULL OR tenant = $10)
    AND (
        (state = 'confirmed' AND $1 = 'written_off')
        OR (
            $1 = 'rejected'
            AND CASE
                WHEN sent_again_at IS NULL THEN decided_because IS NULL
                ELSE sent_again_at <= $4
            END
            AND (
                state = 'confirmed'
                OR (state = 'sealed' AND (first_sent_at IS NOT NULL OR fence > attempts))
            )
        )
    )
