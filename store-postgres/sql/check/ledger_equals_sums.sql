-- For each segment and meter, the records count what the sums of that origin hold, own and late.
WITH
either (tenant, origin, meter, counted, held) AS (
    SELECT tenant, segment, meter, sum(quantity), 0 FROM record GROUP BY tenant, segment, meter
    UNION ALL
    SELECT record.tenant, record.segment, record.meter, sum(tallied.correction), 0
    FROM tallied
    JOIN record USING (key, tenant, position)
    GROUP BY record.tenant, record.segment, record.meter
    UNION ALL
    SELECT tenant, origin, meter, 0, sum(total) FROM sum GROUP BY tenant, origin, meter
),
matched (origin, meter, counted, held) AS (
    SELECT origin, meter, sum(counted), sum(held) FROM either GROUP BY tenant, origin, meter
)
SELECT shown('seg', origin) || ' ' || shown('mtr', meter) AS id,
    CASE WHEN counted <> held THEN
        format('records count %s, sums hold %s', counted, held)
    END AS problem
FROM matched
