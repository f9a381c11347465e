-- When the newest record was written. The ledger grows at its end, nearly in order.
SELECT max(recorded_at) AS newest_at
FROM (SELECT recorded_at FROM record ORDER BY key DESC LIMIT 1000) AS latest
