SELECT
    json_object(
        'index_name', fact_key.index_name,
        'scope', iif(fact_key.scope = x'', '00000000-0000-0000-0000-000000000000', hex(fact_key.scope)),
        'value', fact_key.value, 'kind', fact_key.kind, 'id', hex(fact_key.id),
        'tenant', hex(fact.tenant), 'once', fact_key.once
    ) AS row,
    json_array(
        fact_key.index_name, hex(fact_key.scope), fact_key.value, fact_key.kind, hex(fact_key.id)
    ) AS place
FROM fact_key
JOIN fact ON fact.kind = fact_key.kind AND fact.id = fact_key.id
WHERE (fact_key.index_name, fact_key.scope, fact_key.value, fact_key.kind, fact_key.id) > (
    coalesce(?1 ->> 0, ''), coalesce(unhex(?1 ->> 1), x''), coalesce(?1 ->> 2, ''),
    coalesce(?1 ->> 3, ''), coalesce(unhex(?1 ->> 4), x'')
)
ORDER BY fact_key.index_name, fact_key.scope, fact_key.value, fact_key.kind, fact_key.id
LIMIT ?2
