SELECT segment, origin, meter, total, sealed FROM sum
WHERE tenant = $1 AND origin = $2
ORDER BY segment, meter
