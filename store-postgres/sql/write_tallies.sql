UPDATE tally SET known = more.known, used_at = more.used_at
FROM unnest(
    $1::uuid[], $2::uuid[], $3::bigint[], $4::uuid[], $5::bytea[], $6::bigint[], $7::bigint[]
) AS more (tenant, subscription, since_at, meter, value, known, used_at)
WHERE tally.subscription = more.subscription AND tally.since_at = more.since_at
    AND tally.meter = more.meter AND tally.value = more.value AND tally.tenant = more.tenant
