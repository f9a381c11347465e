SELECT * FROM intent
WHERE tenant = ?1 AND state = 'parked' AND (?2 IS NULL OR id > ?2)
ORDER BY id LIMIT ?3
