SELECT 1 FROM lease
WHERE state = 'open' AND NOT EXISTS (SELECT 1 FROM opening WHERE number = lease.opening)
ORDER BY tenant, id
FOR UPDATE
