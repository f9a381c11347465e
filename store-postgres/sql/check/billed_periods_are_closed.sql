-- No segment of a period that was billed takes use any more.
WITH subscription AS (
    SELECT id, (body::jsonb ->> 'closed_periods')::bigint AS closed_periods
    FROM fact WHERE kind = 'subscription'
)
SELECT shown('seg', segment.id) AS id,
    CASE WHEN segment.state = 'open' AND segment.period_index < subscription.closed_periods THEN
        format(
            'it is open, and period %s of %s is closed',
            segment.period_index, shown('sub', segment.subscription)
        )
    END AS problem
FROM segment
LEFT JOIN subscription ON subscription.id = segment.subscription
