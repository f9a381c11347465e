SELECT
    json_object(
        'tenant', hex(segment.tenant), 'segment', hex(segment.id), 'origin', hex(origin.id),
        'meter', hex(meter.id), 'total', sum.total, 'sealed', sum.sealed,
        'by_engine', sum.by_engine
    ) AS row,
    json_array(sum.segment, sum.origin, sum.meter) AS place
FROM sum
JOIN segment ON segment.number = sum.segment
JOIN segment AS origin ON origin.number = sum.origin
JOIN meter ON meter.number = sum.meter
WHERE (sum.segment, sum.origin, sum.meter) > (
    coalesce(?1 ->> 0, 0), coalesce(?1 ->> 1, 0), coalesce(?1 ->> 2, 0)
)
ORDER BY sum.segment, sum.origin, sum.meter
LIMIT ?2
