SELECT id FROM fact_key
WHERE index_name = ? AND scope = ? AND value = ? AND once = 1 AND NOT (kind = ? AND id = ?)
