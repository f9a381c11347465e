-- Held until the end of the transaction: whoever changes facts next waits for it. Who listens is told
-- with the commit.
UPDATE change_sequence SET last = last + $1
RETURNING last, pg_notify('monetization_change', last::text)::text
