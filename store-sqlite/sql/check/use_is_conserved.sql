-- What was used is confirmed by the engine, on its way, held for an operator, written off, or not
-- sealed yet.
WITH sent AS (
    SELECT segment, origin, meter,
        sum(iif(state = 'confirmed', to_total - from_total, 0)) AS confirmed,
        sum(iif(state = 'sealed', to_total - from_total, 0)) AS under_way,
        sum(iif(state IN ('rejected', 'unknown', 'parked'), to_total - from_total, 0)) AS held,
        sum(iif(state = 'written_off', to_total - from_total, 0)) AS written_off
    FROM batch GROUP BY segment, origin, meter
)
SELECT 'seg_' || lower(hex(payer.id)) || ' of seg_' || lower(hex(origin.id))
        || ' mtr_' || lower(hex(meter.id)) AS id,
    CASE
        WHEN sum.by_engine = 0 AND sum.sealed > 0 THEN 'no engine invoices it, and it is sealed'
        WHEN coalesce(confirmed + under_way + held + written_off, 0) + (total - sealed) <> total
            THEN format(
                'used %d: confirmed %d, under way %d, held %d, written off %d, unsealed %d',
                total, confirmed, under_way, held, written_off, total - sealed
            )
    END AS problem
FROM sum
JOIN segment AS payer ON payer.number = sum.segment
JOIN segment AS origin ON origin.number = sum.origin
JOIN meter ON meter.number = sum.meter
LEFT JOIN sent ON sent.segment = sum.segment AND sent.origin = sum.origin
    AND sent.meter = sum.meter
