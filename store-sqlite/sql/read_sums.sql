SELECT segment.id AS segment_id, origin.id AS origin_id, meter.id AS meter_id,
    sum.total, sum.sealed
FROM segment
JOIN sum ON sum.segment = segment.number
JOIN segment AS origin ON origin.number = sum.origin
JOIN meter ON meter.number = sum.meter
WHERE segment.tenant = ? AND segment.id = ?
ORDER BY origin.id, meter.id
