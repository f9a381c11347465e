UPDATE intent SET state = 'open', reason = NULL, parked_at = NULL, due_at = $3, attempts = 0
WHERE tenant = $1 AND id = $2 AND state = 'parked'
