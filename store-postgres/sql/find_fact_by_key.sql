-- By a key that stands once in the whole store.
SELECT fact.kind, fact.id, fact.tenant, version, due_at, keys, body, change_seq
FROM fact_key AS key
JOIN fact ON fact.kind = key.kind AND fact.id = key.id
WHERE key.index_name = $1 AND key.scope = '00000000-0000-0000-0000-000000000000'
    AND key.value = $2
