-- What was used is confirmed by the engine, on its way, held for an operator, written off, or not
-- sealed yet.
WITH sent AS (
    SELECT tenant, segment, origin, meter,
        sum(CASE WHEN state = 'confirmed' THEN to_total - from_total ELSE 0 END) AS confirmed,
        sum(CASE WHEN state = 'sealed' THEN to_total - from_total ELSE 0 END) AS under_way,
        sum(
            CASE WHEN state IN ('rejected', 'unknown', 'parked') THEN to_total - from_total ELSE 0 END
        ) AS held,
        sum(CASE WHEN state = 'written_off' THEN to_total - from_total ELSE 0 END) AS written_off
    FROM batch GROUP BY tenant, segment, origin, meter
)
SELECT shown('seg', segment) || ' of ' || shown('seg', origin) || ' ' || shown('mtr', meter) AS id,
    CASE
        WHEN NOT sum.by_engine AND sum.sealed > 0 THEN 'no engine invoices it, and it is sealed'
        WHEN coalesce(confirmed + under_way + held + written_off, 0) + (total - sealed) <> total
            THEN format(
                'used %s: confirmed %s, under way %s, held %s, written off %s, unsealed %s',
                total, confirmed, under_way, held, written_off, total - sealed
            )
    END AS problem
FROM sum
LEFT JOIN sent USING (tenant, segment, origin, meter)
