UPDATE sum SET total = total + $5
WHERE tenant = $1 AND segment = $2 AND origin = $3 AND meter = $4
