SELECT segment.*, segment.id AS segment_id, origin.id AS origin_id, meter.id AS meter_id,
    sum.total, sum.sealed
FROM sum INDEXED BY sum_unsealed
JOIN segment ON segment.number = sum.segment
JOIN segment AS origin ON origin.number = sum.origin
JOIN meter ON meter.number = sum.meter
WHERE sum.by_engine = 1 AND sum.sealed < sum.total AND segment.tenant = ?
    AND (segment.id, origin.id, meter.id) > (?, ?, ?)
ORDER BY segment.id, origin.id, meter.id
LIMIT ?
