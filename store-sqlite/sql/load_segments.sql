WITH asked (tenant, id) AS (VALUES {rows})
SELECT segment.number, segment.tenant, segment.id, segment.state,
    segment.invoicing = 'by_engine' AS by_engine, successor.id AS successor_id
FROM asked
CROSS JOIN segment ON segment.tenant = asked.tenant AND segment.id = asked.id
LEFT JOIN segment AS successor ON successor.number = segment.successor
