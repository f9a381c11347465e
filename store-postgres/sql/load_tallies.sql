SELECT tally.tenant, tally.subscription, tally.since_at, tally.meter, tally.value, tally.known,
    tally.used_at
FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::uuid[], $5::bytea[])
    AS asked (tenant, subscription, since_at, meter, value)
JOIN tally ON tally.subscription = asked.subscription AND tally.since_at = asked.since_at
    AND tally.meter = asked.meter AND tally.value = asked.value AND tally.tenant = asked.tenant
ORDER BY tally.subscription, tally.since_at, tally.meter, tally.value, tally.tenant
FOR NO KEY UPDATE OF tally
