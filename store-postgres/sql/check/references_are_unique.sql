-- A subscription and an invoice are one object at one engine, and no object there is two here.
WITH
parsed AS MATERIALIZED (
    SELECT body::jsonb AS body FROM fact WHERE kind = 'reference'
),
reference AS (
    SELECT body ->> 'id' AS id, body ->> 'engine' AS engine, body ->> 'account' AS account,
        body ->> 'object' AS object, body ->> 'ours' AS ours, body ->> 'external' AS external
    FROM parsed
)
SELECT id,
    CASE
        WHEN object IN ('subscription', 'invoice')
            AND count(*) OVER (PARTITION BY object, ours) > 1
            THEN format('%s %s is more than one object at engines', object, ours)
        WHEN count(*) OVER (PARTITION BY engine, account, object, external) > 1
            THEN format('%s %s at %s is more than one here', object, external, engine)
    END AS problem
FROM reference
