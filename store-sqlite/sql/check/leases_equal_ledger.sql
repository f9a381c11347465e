-- Of a block of a quota, as much is committed as records say they spent of it.
WITH spent (lease, quota, units) AS MATERIALIZED (
    SELECT CAST(spent.value ->> 1 AS INTEGER), max(spent.value ->> 0), sum(spent.value ->> 2)
    FROM record, json_each(record.spent) AS spent
    WHERE spent.value ->> 1 IS NOT NULL GROUP BY 1
)
SELECT 'lse_' || lower(hex(lease.id)) AS id,
    CASE
        WHEN spent.quota <> lease.quota THEN 'records spent of it for another quota'
        WHEN lease.committed <> coalesce(spent.units, 0)
            THEN format('committed %d, records spent %d', lease.committed, spent.units)
    END AS problem
FROM lease LEFT JOIN spent ON spent.lease = lease.number
UNION ALL
SELECT 'lease ' || spent.lease, 'records spent of it, and it is not there'
FROM spent WHERE spent.lease NOT IN (SELECT number FROM lease)
