-- A lease that is settled takes no more; these rows are held already.
UPDATE lease SET committed = lease.committed + more.committed
FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS more (tenant, id, committed)
WHERE lease.tenant = more.tenant AND lease.id = more.id AND lease.state = 'open'
