-- Held against closing until the end of the transaction, in an order that all keep to. One row, of
-- as many elements in each column as there are segments: a row for each would cost more than it holds.
WITH held AS (
    SELECT segment.tenant, segment.id, segment.state, segment.invoicing, segment.successor
    FROM unnest($1::uuid[], $2::uuid[]) AS asked (tenant, id)
    JOIN segment ON segment.tenant = asked.tenant AND segment.id = asked.id
    ORDER BY segment.tenant, segment.id
    FOR KEY SHARE OF segment
)
SELECT coalesce(array_agg(tenant), '{}') AS tenants, coalesce(array_agg(id), '{}') AS ids,
    coalesce(array_agg(state), '{}') AS states,
    coalesce(array_agg(invoicing = 'by_engine'), '{}') AS by_engine,
    coalesce(array_agg(successor), '{}') AS successors
FROM held
