SELECT state, reason, parked_at FROM intent WHERE tenant = $1 AND id = $2
