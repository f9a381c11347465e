SELECT * FROM fact
WHERE kind = ? AND due_at <= ? AND (due_at, id) > (?, ?)
ORDER BY due_at, id LIMIT ?
