-- A lease that is settled takes no more, whatever the program remembers of it.
WITH more (number, committed) AS (VALUES {rows})
UPDATE lease
SET committed = lease.committed + more.committed
FROM more WHERE lease.number = more.number AND lease.state = 'open'
