-- An invoice that is not at the engine, and a subscription that is to begin there, has its intent.
WITH
asked AS (
    SELECT operation::jsonb ->> 'operation' AS operation, state,
        coalesce(operation::jsonb ->> 'invoice', operation::jsonb ->> 'subscription') AS thing
    FROM intent
),
owed AS (
    SELECT body::jsonb ->> 'id' AS id, 'issue_invoice' AS operation, 'done' AS too_early FROM fact
    WHERE kind = 'invoice' AND body::jsonb ->> 'invoicing' = 'by_core'
        AND body::jsonb ->> 'state' = 'draft'
    UNION ALL
    SELECT body::jsonb ->> 'id', 'start_subscription', NULL FROM fact
    WHERE kind = 'subscription' AND body::jsonb ->> 'invoicing' = 'by_engine'
        AND body::jsonb ->> 'state' = 'awaiting_payment'
)
SELECT owed.id,
    CASE
        WHEN asked.thing IS NULL THEN 'no intent asks the engine for it'
        WHEN asked.state = owed.too_early THEN 'its intent is done, and the engine was not asked'
    END AS problem
FROM owed LEFT JOIN asked ON asked.thing = owed.id AND asked.operation = owed.operation
