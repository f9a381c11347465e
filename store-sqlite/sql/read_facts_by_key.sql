SELECT fact.* FROM fact_key AS key
JOIN fact ON fact.kind = key.kind AND fact.id = key.id
WHERE key.index_name = ? AND key.scope = ? AND key.value = ? AND key.kind = ? AND key.id > ?
    AND fact.tenant = ?
ORDER BY key.id LIMIT ?
