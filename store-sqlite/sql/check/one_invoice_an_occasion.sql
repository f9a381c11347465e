-- Core makes one invoice for the start of a subscription, and one for each of its periods. Bundles
-- may be bought again and again.
SELECT body ->> 'id' AS id,
    iif(
        count(*) OVER (
            PARTITION BY body ->> 'subscription', body ->> '$.occasion.kind',
                body ->> '$.occasion.index'
        ) > 1,
        'there is another for ' || (body ->> 'subscription') || ', '
            || coalesce('period ' || (body ->> '$.occasion.index'), 'start'),
        NULL
    ) AS problem
FROM fact WHERE kind = 'invoice' AND body ->> 'invoicing' = 'by_core' AND body ->> '$.occasion.kind' <> 'bundle'
