SELECT json_object('id', hex(id), 'decided_at', decided_at) AS row, json_array(hex(id)) AS place
FROM change_set
WHERE id > coalesce(unhex(?1 ->> 0), x'')
ORDER BY id
LIMIT ?2
