-- A fact is found by all of its keys and no others, and what falls due some day has a time.
WITH
wanted (kind, id, keys) AS (
    SELECT fact.kind, fact.id, array_agg(DISTINCT wanted.value)
    FROM fact, jsonb_array_elements(fact.keys::jsonb) AS wanted
    WHERE fact.keys <> '[]' GROUP BY fact.kind, fact.id
),
found (kind, id, keys) AS (
    SELECT kind, id,
        array_agg(jsonb_build_array(index_name, value) ORDER BY jsonb_build_array(index_name, value))
    FROM fact_key GROUP BY kind, id
),
known AS MATERIALIZED (
    SELECT fact.kind, fact.id, fact.due_at, fact.body::jsonb AS body, wanted.keys AS wanted,
        found.keys AS found
    FROM fact LEFT JOIN wanted USING (kind, id) LEFT JOIN found USING (kind, id)
)
SELECT kind || ' ' || coalesce(body ->> 'id', replace(known.id::text, '-', '')) AS id,
    CASE
        WHEN right(body ->> 'id', 32) <> replace(known.id::text, '-', '')
            THEN 'its body is that of another'
        WHEN coalesce(cardinality(wanted), 0) <> coalesce(cardinality(found), 0)
            THEN 'it is found by more keys than it has, or by fewer'
        WHEN wanted <> found THEN 'it is found by other keys than it has'
        WHEN kind = 'subscription' AND (due_at IS NULL) <> (
            body ->> 'state' IN ('pending_approval', 'rejected', 'ended')
        ) THEN 'no job looks at it when its period ends, or one does though it is over'
        WHEN kind = 'invoice' AND (due_at IS NULL) = (
            body ->> 'state' = 'open' OR (
                body ->> 'state' = 'draft' AND body ->> 'invoicing' <> 'by_engine'
            ) OR (
                body ->> 'state' IN ('past_due', 'uncollectible')
                AND body #>> '{occasion,kind}' = 'bundle'
            ) OR (body ->> 'state' = 'past_due' AND body ->> 'grace_ends_at' IS NOT NULL)
        )
            THEN 'no job looks at it when it is past due, or one does though it is settled'
    END AS problem
FROM known
