SELECT batch.*, segment.id AS segment_id, origin.id AS origin_id, meter.id AS meter_id
FROM segment
JOIN batch ON batch.segment = segment.number
JOIN segment AS origin ON origin.number = batch.origin
JOIN meter ON meter.number = batch.meter
WHERE segment.tenant = ? AND segment.id = ?
ORDER BY origin.id, meter.id, batch.from_total
