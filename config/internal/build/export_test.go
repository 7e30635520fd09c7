package build

// Prepared is how many rules the last update made, others having been kept.
func (m *Mesh) Prepared() int { return m.prepared }

// Users is how many requests are on their way to be sent.
func (m *Mesh) Users() int64 { return m.now.Load().users.count.Load() }
