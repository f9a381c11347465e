SELECT sum.tenant, sum.segment, sum.origin, sum.meter, sum.total
FROM unnest($1::uuid[], $2::uuid[]) AS asked (tenant, segment)
JOIN sum ON sum.tenant = asked.tenant AND sum.segment = asked.segment
ORDER BY sum.tenant, sum.segment, sum.origin, sum.meter
FOR NO KEY UPDATE OF sum
