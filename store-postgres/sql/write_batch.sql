INSERT INTO batch (
    id, tenant, segment, origin, meter, from_total, to_total, engine, account, realm, mode,
    used_at, body, state, reason, attempts, first_sent_at, settled_at, due_at, fence
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
