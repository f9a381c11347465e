-- There is one intent for each operation at an engine.
SELECT shown('int', id) AS id,
    CASE WHEN count(*) OVER (PARTITION BY tenant, operation::jsonb) > 1 THEN
        'there is another to do the same: ' || operation
    END AS problem
FROM intent
