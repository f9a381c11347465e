-- The credits of an invoice are above zero, come to no more than its total, and each is asked of the engine.
WITH
credit AS (
    SELECT invoice.body ->> 'id' AS id,
        CAST(replace(invoice.body ->> '$.total.amount', '.', '') AS INTEGER) AS total,
        credit.value ->> 'number' AS number,
        CAST(replace(credit.value ->> '$.amount.amount', '.', '') AS INTEGER) AS amount,
        credit.value ->> 'external' IS NOT NULL AS is_given,
        credit.value ->> 'refused_because' IS NOT NULL AS is_refused
    FROM fact AS invoice, json_each(invoice.body, '$.credits') AS credit
    WHERE invoice.kind = 'invoice'
),
asked AS MATERIALIZED (
    SELECT operation ->> 'invoice' AS invoice, operation ->> 'number' AS number, state
    FROM intent WHERE operation ->> 'operation' = 'credit_invoice'
)
SELECT credit.id,
    CASE
        WHEN amount <= 0 THEN format('its credit %d is not above zero', credit.number)
        WHEN sum(iif(is_refused, 0, amount)) OVER (PARTITION BY credit.id) > total
            THEN 'its credits come to more than its total'
        WHEN asked.invoice IS NULL
            THEN format('no intent asks the engine for its credit %d', credit.number)
        WHEN asked.state = 'done' AND NOT is_given AND NOT is_refused
            THEN format('the intent of its credit %d is done, and the engine was not asked', credit.number)
    END AS problem
FROM credit
LEFT JOIN asked ON asked.invoice = credit.id AND asked.number = credit.number
