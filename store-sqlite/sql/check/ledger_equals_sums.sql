-- For each segment and meter, the records count what the sums of that origin hold, own and late.
WITH
either (origin, meter, counted, held) AS (
    -- Corrected one by one: what was counted may be more than any sum holds.
    SELECT record.segment, record.meter, sum(record.quantity + coalesce(tallied.correction, 0)), 0
    FROM record LEFT JOIN tallied ON tallied.key = record.key
        AND tallied.segment = record.segment AND tallied.meter = record.meter
    GROUP BY record.segment, record.meter
    UNION ALL
    SELECT origin, meter, 0, sum(total) FROM sum GROUP BY origin, meter
),
matched (origin, meter, counted, held) AS (
    SELECT origin, meter, sum(counted), sum(held) FROM either GROUP BY origin, meter
)
SELECT 'seg_' || lower(hex(segment.id)) || ' mtr_' || lower(hex(meter.id)) AS id,
    iif(counted = held, NULL, format('records count %d, sums hold %d', counted, held)) AS problem
FROM matched
LEFT JOIN segment ON segment.number = matched.origin
LEFT JOIN meter ON meter.number = matched.meter
