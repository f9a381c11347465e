-- Of a block of a quota, as much is committed as records say they spent of it.
WITH spent (lease, quota, units) AS (
    SELECT spent.value ->> 1, max(spent.value ->> 0), sum(spent.value ->> 2)
    FROM record, json_each(record.spent) AS spent
    WHERE spent.value ->> 1 IS NOT NULL GROUP BY 1
)
SELECT coalesce('lse_' || lower(hex(lease.id)), 'lease ' || spent.lease) AS id,
    CASE
        WHEN lease.number IS NULL THEN 'records spent of it, and it is not there'
        WHEN spent.quota <> lease.quota THEN 'records spent of it for another quota'
        WHEN lease.committed <> coalesce(spent.units, 0)
            THEN format('committed %d, records spent %d', lease.committed, spent.units)
    END AS problem
FROM lease FULL JOIN spent ON spent.lease = lease.number
