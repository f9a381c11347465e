SELECT
    json_object(
        'tenant', hex(tally.tenant), 'subscription', hex(tally.subscription),
        'since_at', tally.since_at, 'meter', hex(meter.id), 'value', '\x' || hex(tally.value),
        'known', tally.known, 'used_at', tally.used_at
    ) AS row,
    json_array(
        hex(tally.subscription), tally.since_at, tally.meter, hex(tally.value), hex(tally.tenant)
    ) AS place
FROM tally
JOIN meter ON meter.number = tally.meter
WHERE (tally.subscription, tally.since_at, tally.meter, tally.value, tally.tenant) > (
    coalesce(unhex(?1 ->> 0), x''), coalesce(?1 ->> 1, 0), coalesce(?1 ->> 2, 0),
    coalesce(unhex(?1 ->> 3), x''), coalesce(unhex(?1 ->> 4), x'')
)
ORDER BY tally.subscription, tally.since_at, tally.meter, tally.value, tally.tenant
LIMIT ?2
