UPDATE intent SET state = 'open', reason = NULL, parked_at = NULL, due_at = ?, attempts = 0
WHERE tenant = ? AND id = ? AND state = 'parked'
