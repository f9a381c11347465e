-- From $6 to $5, if it still is sealed up to $6 and has reached $5.
UPDATE sum SET sealed = $5
WHERE tenant = $1 AND segment = $2 AND origin = $3 AND meter = $4
    AND sealed = $6 AND total >= $5
RETURNING total
