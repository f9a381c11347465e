INSERT INTO segment (
    tenant, id, subscription, plan_version, invoicing, period_index,
    period_start_at, period_end_at, start_at, end_at, state
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'announced')
ON CONFLICT DO NOTHING
