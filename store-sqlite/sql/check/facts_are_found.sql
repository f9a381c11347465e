-- A fact is found by all of its keys and no others, and what falls due some day has a time.
SELECT fact.kind || ' ' || coalesce(body ->> 'id', lower(hex(fact.id))) AS id,
    CASE
        WHEN substr(body ->> 'id', -32) <> lower(hex(fact.id)) THEN 'its body is that of another'
        WHEN (SELECT count(DISTINCT value) FROM json_each(keys)) <> (
            SELECT count(*) FROM fact_key WHERE fact_key.kind = fact.kind AND fact_key.id = fact.id
        ) THEN 'it is found by more keys than it has, or by fewer'
        WHEN EXISTS (
            SELECT 1 FROM json_each(keys) AS wanted WHERE NOT EXISTS (
                SELECT 1 FROM fact_key
                WHERE fact_key.kind = fact.kind AND fact_key.id = fact.id
                    AND fact_key.index_name = wanted.value ->> 0
                    AND fact_key.value = wanted.value ->> 1
            )
        ) THEN 'it is found by other keys than it has'
        WHEN kind = 'subscription' AND (due_at IS NULL) <> (
            body ->> 'state' IN ('pending_approval', 'rejected', 'ended')
        ) THEN 'no job looks at it when its period ends, or one does though it is over'
        WHEN kind = 'invoice' AND (due_at IS NULL) = (
            body ->> 'state' = 'open' OR (
                body ->> 'state' = 'draft' AND body ->> 'invoicing' <> 'by_engine'
            ) OR (
                body ->> 'state' IN ('past_due', 'uncollectible')
                AND body ->> '$.occasion.kind' = 'bundle'
            ) OR (body ->> 'state' = 'past_due' AND body ->> 'grace_ends_at' IS NOT NULL)
        )
            THEN 'no job looks at it when it is past due, or one does though it is settled'
    END AS problem
FROM fact
