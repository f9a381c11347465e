INSERT INTO tallied (key, segment, meter, correction, tally)
SELECT * FROM (VALUES {rows}) WHERE column1 IS NOT NULL
