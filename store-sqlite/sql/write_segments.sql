-- Segments that begin with their first use.
INSERT INTO segment (
    number, tenant, id, subscription, plan_version, invoicing, period_index,
    period_start_at, period_end_at, start_at, end_at, state
)
SELECT *, 'open' FROM (VALUES {rows}) WHERE column1 IS NOT NULL
