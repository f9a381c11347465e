INSERT INTO batch (
    id, tenant, segment, origin, meter, from_total, to_total, engine, account, realm, mode,
    used_at, body, state, reason, attempts, first_sent_at, settled_at, due_at, fence
)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
