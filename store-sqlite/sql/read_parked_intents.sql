SELECT * FROM intent
WHERE tenant = ?1 AND state = 'parked' AND id > coalesce(?2, x'')
ORDER BY id LIMIT ?3
