-- A subscription and an invoice are one object at one engine, and no object there is two here.
WITH reference AS (
    SELECT body::jsonb ->> 'id' AS id, body::jsonb ->> 'engine' AS engine,
        body::jsonb ->> 'account' AS account, body::jsonb ->> 'object' AS object,
        body::jsonb ->> 'ours' AS ours, body::jsonb ->> 'external' AS external
    FROM fact WHERE kind = 'reference'
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
