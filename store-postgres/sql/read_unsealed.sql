SELECT sum.segment, sum.origin, sum.meter, sum.total, sum.sealed,
    segment.id, segment.subscription, segment.plan_version, segment.invoicing,
    segment.period_index, segment.period_start_at, segment.period_end_at, segment.start_at,
    segment.end_at
FROM unsealed
JOIN sum USING (tenant, segment, origin, meter)
JOIN segment ON segment.tenant = sum.tenant AND segment.id = sum.segment
WHERE unsealed.tenant = $1 AND sum.sealed < sum.total
    AND (
        $2::uuid IS NULL
        OR (unsealed.segment, unsealed.origin, unsealed.meter) > ($2, $3::uuid, $4::uuid)
    )
ORDER BY unsealed.segment, unsealed.origin, unsealed.meter
LIMIT $5
