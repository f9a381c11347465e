SELECT segment.*, successor.id AS successor_id
FROM segment
LEFT JOIN segment AS successor ON successor.number = segment.successor
WHERE segment.tenant = ? AND segment.id = ? AND segment.state <> 'announced'
