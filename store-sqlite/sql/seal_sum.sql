-- From ?6 to ?1, if it still is sealed up to ?6 and has reached ?1.
UPDATE sum SET sealed = ?1
WHERE segment = (SELECT number FROM segment WHERE tenant = ?2 AND id = ?3)
    AND origin = (SELECT number FROM segment WHERE tenant = ?2 AND id = ?4)
    AND meter = (SELECT number FROM meter WHERE id = ?5)
    AND sealed = ?6 AND total >= ?1
RETURNING segment, origin, meter
