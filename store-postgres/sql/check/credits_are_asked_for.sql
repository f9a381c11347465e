-- The credits of an invoice are above zero, come to no more than its total, and each is asked of the engine.
WITH
invoice AS MATERIALIZED (
    SELECT body::jsonb AS body FROM fact WHERE kind = 'invoice'
),
credit AS (
    SELECT invoice.body ->> 'id' AS id,
        replace(invoice.body #>> '{total,amount}', '.', '')::numeric AS total,
        credit.value ->> 'number' AS number,
        replace(credit.value #>> '{amount,amount}', '.', '')::numeric AS amount,
        credit.value ->> 'external' IS NOT NULL AS is_given,
        credit.value ->> 'refused_because' IS NOT NULL AS is_refused
    FROM invoice, jsonb_array_elements(invoice.body -> 'credits') AS credit
),
intended AS MATERIALIZED (
    SELECT operation::jsonb AS operation, state FROM intent
),
asked AS (
    SELECT operation ->> 'invoice' AS invoice, operation ->> 'number' AS number, state
    FROM intended WHERE operation ->> 'operation' = 'credit_invoice'
)
SELECT credit.id,
    CASE
        WHEN amount <= 0 THEN format('its credit %s is not above zero', credit.number)
        WHEN sum(CASE WHEN is_refused THEN 0 ELSE amount END) OVER (PARTITION BY credit.id) > total
            THEN 'its credits come to more than its total'
        WHEN asked.invoice IS NULL
            THEN format('no intent asks the engine for its credit %s', credit.number)
        WHEN asked.state = 'done' AND NOT is_given AND NOT is_refused
            THEN format('the intent of its credit %s is done, and the engine was not asked', credit.number)
    END AS problem
FROM credit
LEFT JOIN asked ON asked.invoice = credit.id AND asked.number = credit.number
