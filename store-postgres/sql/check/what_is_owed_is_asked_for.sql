-- An invoice that is not at the engine, and a subscription that is to begin there, has its intent.
WITH
intended AS MATERIALIZED (
    SELECT operation::jsonb AS operation, state FROM intent
),
asked AS (
    SELECT operation ->> 'operation' AS operation, state,
        coalesce(operation ->> 'invoice', operation ->> 'subscription') AS thing
    FROM intended
),
parsed AS MATERIALIZED (
    SELECT kind, body::jsonb AS body FROM fact WHERE kind IN ('invoice', 'subscription')
),
owed AS (
    SELECT body ->> 'id' AS id, 'issue_invoice' AS operation, 'done' AS too_early FROM parsed
    WHERE kind = 'invoice' AND body ->> 'invoicing' = 'by_core' AND body ->> 'state' = 'draft'
    UNION ALL
    SELECT body ->> 'id', 'start_subscription', NULL FROM parsed
    WHERE kind = 'subscription' AND body ->> 'invoicing' = 'by_engine'
        AND body ->> 'state' = 'awaiting_payment'
)
SELECT owed.id,
    CASE
        WHEN asked.thing IS NULL THEN 'no intent asks the engine for it'
        WHEN asked.state = owed.too_early THEN 'its intent is done, and the engine was not asked'
    END AS problem
FROM owed LEFT JOIN asked ON asked.thing = owed.id AND asked.operation = owed.operation
