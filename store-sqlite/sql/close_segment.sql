-- As the closing has it: the end may have moved since the row was made.
INSERT INTO segment (
    tenant, id, subscription, plan_version, invoicing, period_index,
    period_start_at, period_end_at, start_at, end_at, state, successor
)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 'closed', number
FROM segment WHERE tenant = ?1 AND id = ?11
ON CONFLICT (tenant, id) DO UPDATE SET
    plan_version = excluded.plan_version, invoicing = excluded.invoicing,
    period_index = excluded.period_index, period_start_at = excluded.period_start_at,
    period_end_at = excluded.period_end_at, start_at = excluded.start_at,
    end_at = excluded.end_at, state = excluded.state, successor = excluded.successor
WHERE state <> 'closed'
