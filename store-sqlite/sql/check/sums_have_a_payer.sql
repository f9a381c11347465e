-- A sum stands under the segment of its use, or under one that follows it once that is closed.
-- An engine is told of the sums of its segments, but for those that may become less.
WITH RECURSIVE follower (origin, number) AS (
    SELECT segment.number, segment.successor
    FROM sum JOIN segment ON segment.number = sum.origin
    WHERE sum.segment <> sum.origin AND segment.successor IS NOT NULL
    UNION
    SELECT follower.origin, segment.successor
    FROM follower JOIN segment ON segment.number = follower.number
    WHERE segment.successor IS NOT NULL
),
kept_last AS MATERIALIZED (SELECT DISTINCT meter FROM tallied WHERE tally = '"last"')
SELECT 'seg_' || lower(hex(payer.id)) || ' of seg_' || lower(hex(origin.id)) AS id,
    CASE
        WHEN payer.state = 'announced' THEN 'it holds use and is only announced'
        WHEN sum.by_engine <> (payer.invoicing = 'by_engine' AND sum.meter NOT IN kept_last)
            THEN 'it is invoiced by another than its segment'
        WHEN sum.segment <> sum.origin AND NOT EXISTS (
            SELECT 1 FROM follower
            WHERE follower.origin = sum.origin AND follower.number = sum.segment
        ) THEN 'the segment that pays does not follow that of the use'
    END AS problem
FROM sum
JOIN segment AS payer ON payer.number = sum.segment
JOIN segment AS origin ON origin.number = sum.origin
