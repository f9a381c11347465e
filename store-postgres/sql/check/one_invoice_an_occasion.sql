-- Core makes one invoice for the start of a subscription, and one for each of its periods. Bundles
-- may be bought again and again.
WITH invoice AS (
    SELECT body::jsonb ->> 'id' AS id, body::jsonb ->> 'subscription' AS subscription,
        body::jsonb #>> '{occasion,kind}' AS kind, body::jsonb #>> '{occasion,index}' AS index
    FROM fact WHERE fact.kind = 'invoice' AND body::jsonb ->> 'invoicing' = 'by_core'
)
SELECT id,
    CASE WHEN count(*) OVER (PARTITION BY subscription, kind, index) > 1 THEN
        format('there is another for %s, %s', subscription, coalesce('period ' || index, 'start'))
    END AS problem
FROM invoice WHERE kind <> 'bundle'
