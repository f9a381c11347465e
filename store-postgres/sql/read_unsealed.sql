-- Sums and segments are looked up one by one, for the reason that is given where facts are read by a key.
SELECT sum.segment, sum.origin, sum.meter, sum.total, sum.sealed,
    segment.id, segment.subscription, segment.plan_version, segment.invoicing,
    segment.period_index, segment.period_start_at, segment.period_end_at, segment.start_at,
    segment.end_at
FROM unsealed
CROSS JOIN LATERAL (
    SELECT * FROM sum
    WHERE sum.tenant = unsealed.tenant AND sum.segment = unsealed.segment
        AND sum.origin = unsealed.origin AND sum.meter = unsealed.meter
    LIMIT 1
) AS sum
CROSS JOIN LATERAL (
    SELECT * FROM segment
    WHERE segment.tenant = unsealed.tenant AND segment.id = unsealed.segment
    LIMIT 1
) AS segment
WHERE unsealed.tenant = $1 AND sum.sealed < sum.total
    AND (
        $2::uuid IS NULL
        OR (unsealed.segment, unsealed.origin, unsealed.meter) > ($2, $3::uuid, $4::uuid)
    )
ORDER BY unsealed.segment, unsealed.origin, unsealed.meter
LIMIT $5
