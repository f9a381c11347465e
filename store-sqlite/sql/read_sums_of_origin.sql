SELECT segment.id AS segment_id, origin.id AS origin_id, meter.id AS meter_id,
    sum.total, sum.sealed
FROM segment AS origin
JOIN sum ON sum.origin = origin.number
JOIN segment ON segment.number = sum.segment
JOIN meter ON meter.number = sum.meter
WHERE origin.tenant = ? AND origin.id = ?
ORDER BY segment.id, meter.id
