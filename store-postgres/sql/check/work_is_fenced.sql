-- Nothing was tried, claimed or ended more often than it was claimed.
SELECT shown('int', id) AS id,
    CASE
        WHEN attempts > fence THEN format('tried %s times, claimed %s times', attempts, fence)
        WHEN fence = 0 AND (state <> 'open' OR claim_lapses_at IS NOT NULL)
            THEN 'it is ' || state || ' and was never claimed'
    END AS problem
FROM intent
UNION ALL
SELECT shown('bat', id),
    CASE
        WHEN attempts > fence THEN format('tried %s times, claimed %s times', attempts, fence)
        WHEN fence = 0 AND claim_lapses_at IS NOT NULL THEN 'it is claimed without a fence'
        -- One that was held back from the beginning was never claimed, nor was what a restore has left.
        WHEN fence = 0 AND state NOT IN ('sealed', 'parked', 'unknown')
            AND decided_because IS NULL
            THEN 'it is ' || state || ' and was never claimed'
    END
FROM batch
