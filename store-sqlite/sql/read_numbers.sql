-- The greatest number given to a row.
SELECT (SELECT coalesce(max(number), 0) FROM segment) AS segment,
    (SELECT coalesce(max(number), 0) FROM meter) AS meter,
    (SELECT coalesce(max(number), 0) FROM quota) AS quota
