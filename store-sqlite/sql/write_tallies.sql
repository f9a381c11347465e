INSERT INTO tally (tenant, subscription, since_at, meter, value, known, used_at)
SELECT * FROM (VALUES {rows}) WHERE column1 IS NOT NULL
ON CONFLICT (subscription, since_at, meter, value, tenant)
DO UPDATE SET known = excluded.known, used_at = excluded.used_at
