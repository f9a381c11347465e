-- A sum stands under the segment of its use, or under one that follows it once that is closed.
-- An engine is told of the sums of its segments, but for those that may become less.
WITH RECURSIVE follower (tenant, origin, segment) AS (
    SELECT segment.tenant, segment.id, segment.successor
    FROM sum JOIN segment ON segment.tenant = sum.tenant AND segment.id = sum.origin
    WHERE sum.segment <> sum.origin AND segment.successor IS NOT NULL
    UNION
    SELECT follower.tenant, follower.origin, segment.successor
    FROM follower
    JOIN segment ON segment.tenant = follower.tenant AND segment.id = follower.segment
    WHERE segment.successor IS NOT NULL
),
kept_last AS (
    SELECT DISTINCT record.meter
    FROM tallied JOIN record USING (key, tenant, position)
    WHERE tallied.tally = '"last"'
)
SELECT shown('seg', sum.segment) || ' of ' || shown('seg', sum.origin) AS id,
    CASE
        WHEN payer.id IS NULL THEN 'the segment that pays is not there'
        WHEN payer.state = 'announced' THEN 'it holds use and is only announced'
        WHEN sum.by_engine <> (payer.invoicing = 'by_engine' AND kept_last.meter IS NULL)
            THEN 'it is invoiced by another than its segment'
        WHEN sum.segment <> sum.origin AND follower.segment IS NULL
            THEN 'the segment that pays does not follow that of the use'
    END AS problem
FROM sum
LEFT JOIN segment AS payer ON payer.tenant = sum.tenant AND payer.id = sum.segment
LEFT JOIN kept_last ON kept_last.meter = sum.meter
LEFT JOIN follower ON follower.tenant = sum.tenant AND follower.origin = sum.origin
    AND follower.segment = sum.segment
