-- What waits for an operator: the newest $1 of each kind, and how many there are of it.
(
    SELECT 'operation' AS kind, shown('int', id) AS id, operation || ': ' || reason AS reason,
        count(*) OVER () AS of_its_kind
    FROM intent WHERE state = 'parked' ORDER BY parked_at DESC, id LIMIT $1
)
UNION ALL
(
    SELECT 'batch', shown('bat', id), state || ': ' || reason, count(*) OVER ()
    FROM batch WHERE state IN ('rejected', 'unknown', 'parked') ORDER BY number DESC LIMIT $1
)
UNION ALL
(
    SELECT 'invoice', body::jsonb ->> 'id', 'given up, and not paid', count(*) OVER ()
    FROM fact WHERE kind = 'invoice' AND body::jsonb ->> 'state' = 'uncollectible'
    ORDER BY change_seq DESC LIMIT $1
)
UNION ALL
-- The period of an aftermath has the greatest number there is.
(
    SELECT 'use', shown('seg', segment.id),
        format('%s came after the last invoice', sum.total), count(*) OVER ()
    FROM sum
    JOIN segment ON segment.tenant = sum.tenant AND segment.id = sum.segment
    WHERE segment.period_index = 4294967295 AND segment.invoicing = 'by_core' AND sum.total > 0
    ORDER BY segment.start_at DESC, segment.id LIMIT $1
)
