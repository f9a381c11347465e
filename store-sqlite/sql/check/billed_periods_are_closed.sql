-- No segment of a period that was billed takes use any more.
SELECT 'seg_' || lower(hex(segment.id)) AS id,
    iif(
        segment.state = 'open' AND segment.period_index < fact.body ->> 'closed_periods',
        'it is open, and period ' || segment.period_index || ' of '
            || (fact.body ->> 'id') || ' is closed',
        NULL
    ) AS problem
FROM segment
LEFT JOIN fact ON fact.kind = 'subscription' AND fact.id = segment.subscription
