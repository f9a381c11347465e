WITH free (quota, units) AS (
    SELECT quota, sum(units - committed) FROM lease
    WHERE state = 'open' AND opening <> ? GROUP BY quota
)
UPDATE quota SET leased = leased - free.units
FROM free WHERE quota.number = free.quota
