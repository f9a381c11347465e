-- A sum that the engine invoices stands among the unsealed ones while it holds more than is sealed.
WITH wanted AS (
    SELECT tenant, segment, origin, meter, true AS is_wanted
    FROM sum WHERE by_engine AND sealed < total
),
noted AS (
    SELECT tenant, segment, origin, meter, true AS is_noted FROM unsealed
)
SELECT shown('seg', segment) || ' of ' || shown('seg', origin) || ' ' || shown('mtr', meter) AS id,
    CASE
        WHEN is_noted IS NULL THEN 'it is to be sealed, and publishing does not find it'
        WHEN is_wanted IS NULL THEN 'publishing finds it, and nothing of it is to be sealed'
    END AS problem
FROM wanted
FULL JOIN noted USING (tenant, segment, origin, meter)
