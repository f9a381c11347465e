WITH more (number, committed, leased) AS (VALUES {rows})
UPDATE quota
SET committed = quota.committed + more.committed, leased = quota.leased + more.leased
FROM more WHERE quota.number = more.number
