SELECT committed, leased FROM quota
WHERE subscription = $1 AND quota = $2 AND start_at = $3 AND end_at = $4 AND tenant = $5
