SELECT event.tenant, event.id, event.digest
FROM unnest($1::uuid[], $2::uuid[]) AS asked (tenant, id)
JOIN event ON event.id = asked.id AND event.tenant = asked.tenant
