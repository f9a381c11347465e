INSERT INTO lease (
    tenant, id, subscription, quota, start_at, end_at, units, committed, state, opening
)
VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 'open', $8)
