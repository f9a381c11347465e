-- By a key that stands once in the whole store.
SELECT fact.* FROM fact_key AS key
JOIN fact ON fact.kind = key.kind AND fact.id = key.id
WHERE key.index_name = ? AND key.scope = x'' AND key.value = ?
