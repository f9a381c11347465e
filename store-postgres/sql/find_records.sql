SELECT record.tenant, record.key AS id, NULL::bytea AS digest
FROM unnest($1::uuid[], $2::uuid[]) AS asked (tenant, id)
JOIN record ON record.key = asked.id AND record.tenant = asked.tenant AND record.position = 0
WHERE record.event IS NULL
