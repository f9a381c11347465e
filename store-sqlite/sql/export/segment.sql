SELECT
    json_object(
        'tenant', hex(segment.tenant), 'id', hex(segment.id),
        'subscription', hex(segment.subscription), 'plan_version', hex(segment.plan_version),
        'invoicing', segment.invoicing, 'period_index', segment.period_index,
        'period_start_at', segment.period_start_at, 'period_end_at', segment.period_end_at,
        'start_at', segment.start_at, 'end_at', segment.end_at, 'state', segment.state,
        'successor', nullif(hex(successor.id), '')
    ) AS row,
    json_array(segment.number) AS place
FROM segment
LEFT JOIN segment AS successor ON successor.number = segment.successor
WHERE segment.number > coalesce(?1 ->> 0, 0)
ORDER BY segment.number
LIMIT ?2
