SELECT segment, origin, meter, total, sealed FROM sum
WHERE tenant = $1 AND segment = $2
ORDER BY origin, meter
