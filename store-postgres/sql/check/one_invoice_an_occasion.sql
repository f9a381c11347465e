-- Core makes one invoice for the start of a subscription, and one for each of its periods. Bundles
-- may be bought again and again.
WITH
parsed AS MATERIALIZED (
    SELECT body::jsonb AS body FROM fact WHERE kind = 'invoice'
),
invoice AS (
    SELECT body ->> 'id' AS id, body ->> 'subscription' AS subscription,
        body #>> '{occasion,kind}' AS kind, body #>> '{occasion,index}' AS index
    FROM parsed WHERE body ->> 'invoicing' = 'by_core'
)
SELECT id,
    CASE WHEN count(*) OVER (PARTITION BY subscription, kind, index) > 1 THEN
        format('there is another for %s, %s', subscription, coalesce('period ' || index, 'start'))
    END AS problem
FROM invoice WHERE kind <> 'bundle'
