SELECT id, subscription, plan_version, invoicing, period_index, period_start_at, period_end_at,
    start_at, end_at
FROM segment WHERE tenant = $1 AND id = $2
