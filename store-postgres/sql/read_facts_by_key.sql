SELECT fact.kind, fact.id, fact.tenant, version, due_at, keys, body, change_seq
FROM fact_key AS key
JOIN fact ON fact.kind = key.kind AND fact.id = key.id
WHERE key.kind = $1 AND fact.tenant = $2 AND ($3::uuid IS NULL OR key.id > $3)
    AND key.index_name = $5 AND key.scope = $6 AND key.value = $7
ORDER BY key.id LIMIT $4
