-- Held until the end of the transaction: whoever changes facts next waits for it.
UPDATE change_sequence SET last = last + $1 RETURNING last
