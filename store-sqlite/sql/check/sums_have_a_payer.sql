-- A sum stands under the segment of its use, or under one that follows it once that is closed.
WITH RECURSIVE follower (origin, number) AS (
    SELECT segment.number, segment.successor
    FROM sum JOIN segment ON segment.number = sum.origin
    WHERE sum.segment <> sum.origin AND segment.successor IS NOT NULL
    UNION
    SELECT follower.origin, segment.successor
    FROM follower JOIN segment ON segment.number = follower.number
    WHERE segment.successor IS NOT NULL
)
SELECT 'seg_' || lower(hex(payer.id)) || ' of seg_' || lower(hex(origin.id)) AS id,
    CASE
        WHEN payer.state = 'announced' THEN 'it holds use and is only announced'
        WHEN sum.by_engine <> (payer.invoicing = 'by_engine')
            THEN 'it is invoiced by another than its segment'
        WHEN sum.segment <> sum.origin AND NOT EXISTS (
            SELECT 1 FROM follower
            WHERE follower.origin = sum.origin AND follower.number = sum.segment
        ) THEN 'the segment that pays does not follow that of the use'
    END AS problem
FROM sum
JOIN segment AS payer ON payer.number = sum.segment
JOIN segment AS origin ON origin.number = sum.origin
