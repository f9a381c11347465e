SELECT committed, leased FROM quota
WHERE subscription = ? AND quota = ? AND start_at = ? AND end_at = ? AND tenant = ?
