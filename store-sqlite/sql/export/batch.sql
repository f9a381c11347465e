-- Whoever had claimed one is gone.
SELECT
    json_object(
        'number', batch.number, 'id', hex(batch.id), 'tenant', hex(batch.tenant),
        'segment', hex(segment.id), 'origin', hex(origin.id), 'meter', hex(meter.id),
        'from_total', batch.from_total, 'to_total', batch.to_total, 'engine', batch.engine,
        'account', batch.account, 'realm', batch.realm, 'mode', batch.mode,
        'used_at', batch.used_at, 'body', '\x' || hex(batch.body), 'state', batch.state,
        'reason', batch.reason, 'decided_because', batch.decided_because,
        'sent_again_after', batch.sent_again_after, 'sent_again_at', batch.sent_again_at,
        'attempts', batch.attempts, 'first_sent_at', batch.first_sent_at,
        'settled_at', batch.settled_at, 'due_at', batch.due_at, 'fence', batch.fence,
        'claim_lapses_at', NULL
    ) AS row,
    json_array(batch.number) AS place
FROM batch
JOIN segment ON segment.number = batch.segment
JOIN segment AS origin ON origin.number = batch.origin
JOIN meter ON meter.number = batch.meter
WHERE batch.number > coalesce(?1 ->> 0, 0)
ORDER BY batch.number
LIMIT ?2
