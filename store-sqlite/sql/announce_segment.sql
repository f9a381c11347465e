INSERT INTO segment (
    tenant, id, subscription, plan_version, invoicing, period_index,
    period_start_at, period_end_at, start_at, end_at, state
)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'announced')
ON CONFLICT (tenant, id) DO NOTHING
