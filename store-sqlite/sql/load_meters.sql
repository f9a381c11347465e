WITH asked (id) AS (VALUES {rows})
SELECT meter.number, meter.id FROM asked CROSS JOIN meter ON meter.id = asked.id
