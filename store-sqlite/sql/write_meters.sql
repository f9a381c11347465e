INSERT INTO meter (number, id)
SELECT * FROM (VALUES {rows}) WHERE column1 IS NOT NULL
