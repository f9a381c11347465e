UPDATE batch SET
    state = $1, reason = NULL, decided_because = $2,
    sent_again_after = CASE WHEN $3 THEN state END,
    sent_again_at = CASE WHEN $3 THEN $8 END,
    due_at = CASE WHEN $3 THEN $4 ELSE due_at END,
    attempts = CASE WHEN $3 THEN fence::integer ELSE attempts END,
    first_sent_at = CASE WHEN $3 THEN NULL ELSE first_sent_at END,
    settled_at = CASE WHEN $3 THEN NULL ELSE settled_at END
WHERE tenant = $5 AND id = $6 AND state = $7
