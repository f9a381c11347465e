-- There is one intent for each operation at an engine.
SELECT 'int_' || lower(hex(id)) AS id,
    iif(
        count(*) OVER (PARTITION BY tenant, json(operation)) > 1,
        'there is another to do the same: ' || operation, NULL
    ) AS problem
FROM intent
