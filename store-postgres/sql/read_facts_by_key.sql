-- Each fact is looked up by its own id. Joined, they may all be read for each key where the server knows
-- too little of the tables yet.
SELECT fact.kind, fact.id, fact.tenant, fact.version, fact.due_at, fact.keys, fact.body,
    fact.change_seq
FROM fact_key AS key
CROSS JOIN LATERAL (
    SELECT * FROM fact
    WHERE fact.kind = key.kind AND fact.id = key.id AND fact.tenant = $2
    LIMIT 1
) AS fact
WHERE key.kind = $1 AND ($3::uuid IS NULL OR key.id > $3)
    AND key.index_name = $5 AND key.scope = $6 AND key.value = $7
ORDER BY key.id LIMIT $4
