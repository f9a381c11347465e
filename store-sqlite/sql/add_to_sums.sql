-- Rows are segment, origin, meter, quantity, by_engine.
INSERT INTO sum (segment, origin, meter, total, sealed, by_engine)
SELECT column1, column2, column3, column4, 0, column5
FROM (VALUES {rows}) WHERE column1 IS NOT NULL
ON CONFLICT (segment, origin, meter) DO UPDATE SET total = total + excluded.total
