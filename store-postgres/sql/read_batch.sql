SELECT id, tenant, segment, origin, meter, from_total, to_total, engine, account, realm, mode, used_at,
    body, state, reason, decided_because, sent_again_after, sent_again_at, attempts, first_sent_at,
    settled_at, fence
FROM batch WHERE tenant = $1 AND id = $2
