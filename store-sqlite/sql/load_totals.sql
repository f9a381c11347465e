WITH asked (segment) AS (VALUES {rows})
SELECT sum.segment, sum.origin, sum.meter, sum.total
FROM asked CROSS JOIN sum ON sum.segment = asked.segment
