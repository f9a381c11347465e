-- The lines of an invoice that core made add up to its total, in one currency.
WITH
invoice AS MATERIALIZED (
    SELECT body::jsonb AS body FROM fact WHERE kind = 'invoice'
),
added AS (
    SELECT invoice.body ->> 'id' AS id, invoice.body ->> 'currency' AS currency,
        invoice.body #>> '{total,currency}' AS total_currency,
        replace(invoice.body #>> '{total,amount}', '.', '')::numeric AS total,
        lines.total AS lines, lines.foreign_lines
    FROM invoice
    CROSS JOIN LATERAL (
        SELECT
            coalesce(sum(replace(line.value #>> '{amount,amount}', '.', '')::numeric), 0) AS total,
            count(*) FILTER (
                WHERE line.value #>> '{amount,currency}' <> invoice.body ->> 'currency'
            ) AS foreign_lines
        FROM jsonb_array_elements(invoice.body -> 'lines') AS line
    ) AS lines
    WHERE invoice.body ->> 'invoicing' = 'by_core'
)
SELECT id,
    CASE
        WHEN foreign_lines > 0 OR currency <> total_currency
            THEN 'not all of its amounts are in ' || currency
        WHEN lines <> total
            THEN format('its lines add up to %s of the minor unit, its total says %s', lines, total)
    END AS problem
FROM added
