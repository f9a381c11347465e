SELECT
    json_object(
        'id', hex(event.id), 'tenant', hex(segment.tenant), 'segment', hex(segment.id),
        'key', hex(event.key), 'digest', '\x' || hex(event.digest), 'source', event.source,
        'name', event.name
    ) AS row,
    json_array(hex(event.id), event.segment) AS place
FROM event
JOIN segment ON segment.number = event.segment
WHERE (event.id, event.segment) > (coalesce(unhex(?1 ->> 0), x''), coalesce(?1 ->> 1, 0))
ORDER BY event.id, event.segment
LIMIT ?2
