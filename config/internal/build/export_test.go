package build

// Prepared is how many rules the last update made, others having been kept.
func (m *Mesh) Prepared() int { return m.prepared }
