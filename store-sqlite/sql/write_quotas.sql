-- Counters that begin with their first use.
INSERT INTO quota (number, tenant, subscription, quota, start_at, end_at, committed, leased)
SELECT *, 0, 0 FROM (VALUES {rows}) WHERE column1 IS NOT NULL
