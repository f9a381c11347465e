SELECT
    json_object('engine', engine, 'event', event, 'change_set', hex(change_set)) AS row,
    json_array(engine, event) AS place
FROM inbox
WHERE (engine, event) > (coalesce(?1 ->> 0, ''), coalesce(?1 ->> 1, ''))
ORDER BY engine, event
LIMIT ?2
