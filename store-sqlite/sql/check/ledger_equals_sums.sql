-- For each segment and meter, the records count what the sums of that origin hold, own and late.
WITH
counted (origin, meter, quantity) AS (
    SELECT segment, meter, sum(quantity) FROM record GROUP BY segment, meter
),
summed (origin, meter, quantity) AS (
    SELECT origin, meter, sum(total) FROM sum GROUP BY origin, meter
)
SELECT 'seg_' || lower(hex(segment.id)) || ' mtr_' || lower(hex(meter.id)) AS id,
    iif(
        coalesce(counted.quantity, 0) = coalesce(summed.quantity, 0), NULL,
        format('records count %d, sums hold %d', counted.quantity, summed.quantity)
    ) AS problem
FROM counted
FULL JOIN summed ON summed.origin = counted.origin AND summed.meter = counted.meter
LEFT JOIN segment ON segment.number = coalesce(counted.origin, summed.origin)
LEFT JOIN meter ON meter.number = coalesce(counted.meter, summed.meter)
