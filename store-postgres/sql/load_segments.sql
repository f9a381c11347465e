-- Held against closing until the end of the transaction, in an order that all keep to.
SELECT segment.tenant, segment.id, segment.state,
    segment.invoicing = 'by_engine' AS by_engine, segment.successor
FROM unnest($1::uuid[], $2::uuid[]) AS asked (tenant, id)
JOIN segment ON segment.tenant = asked.tenant AND segment.id = asked.id
ORDER BY segment.tenant, segment.id
FOR KEY SHARE OF segment
