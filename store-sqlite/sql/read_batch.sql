SELECT batch.*, segment.id AS segment_id, origin.id AS origin_id, meter.id AS meter_id
FROM batch
JOIN segment ON segment.number = batch.segment
JOIN segment AS origin ON origin.number = batch.origin
JOIN meter ON meter.number = batch.meter
WHERE batch.tenant = ? AND batch.id = ?
