SELECT
    json_object(
        'key', hex(tallied.key), 'tenant', hex(segment.tenant), 'position', record.position,
        'correction', tallied.correction, 'tally', tallied.tally
    ) AS row,
    json_array(hex(tallied.key), tallied.segment, tallied.meter) AS place
FROM tallied
JOIN record ON record.key = tallied.key AND record.segment = tallied.segment
    AND record.meter = tallied.meter
JOIN segment ON segment.number = tallied.segment
WHERE (tallied.key, tallied.segment, tallied.meter) > (
    coalesce(unhex(?1 ->> 0), x''), coalesce(?1 ->> 1, 0), coalesce(?1 ->> 2, 0)
)
ORDER BY tallied.key, tallied.segment, tallied.meter
LIMIT ?2
