-- As its first record has it: the end may have moved since it was announced.
UPDATE segment SET
    plan_version = ?, invoicing = ?, period_index = ?, period_start_at = ?, period_end_at = ?,
    start_at = ?, end_at = ?, state = 'open'
WHERE number = ?
