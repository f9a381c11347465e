-- The lines of an invoice that core made add up to its total, in one currency.
WITH invoice AS (
    SELECT body ->> 'id' AS id, body ->> 'currency' AS currency,
        body ->> '$.total.currency' AS total_currency,
        CAST(replace(body ->> '$.total.amount', '.', '') AS INTEGER) AS total,
        (
            SELECT coalesce(
                sum(CAST(replace(line.value ->> '$.amount.amount', '.', '') AS INTEGER)), 0
            )
            FROM json_each(body, '$.lines') AS line
        ) AS lines,
        (
            SELECT count(*) FROM json_each(body, '$.lines') AS line
            WHERE line.value ->> '$.amount.currency' <> body ->> 'currency'
        ) AS foreign_lines
    FROM fact WHERE kind = 'invoice' AND body ->> 'invoicing' = 'by_core'
)
SELECT id,
    CASE
        WHEN foreign_lines > 0 OR currency <> total_currency
            THEN 'not all of its amounts are in ' || currency
        WHEN lines <> total
            THEN format('its lines add up to %d of the minor unit, its total says %d', lines, total)
    END AS problem
FROM invoice
