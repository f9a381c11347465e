-- As the closing has it: the end may have moved since the row was made.
UPDATE segment SET
    subscription = $3, plan_version = $4, invoicing = $5, period_index = $6,
    period_start_at = $7, period_end_at = $8, start_at = $9, end_at = $10,
    state = 'closed', successor = $11
WHERE tenant = $1 AND id = $2 AND state <> 'closed'
