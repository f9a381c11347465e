UPDATE fact SET
    change_seq = (SELECT max(change_seq) + 1 FROM fact),
    version = ?, due_at = ?, body = ?, keys = ?
WHERE kind = ? AND id = ? AND tenant = ? AND version = ?
