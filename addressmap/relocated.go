package addressmap

import (
	"context"
	"fmt"
	"strings"
)

// Moved is the reply for a recipient that has moved.
type Moved struct{ Status, Text string }

// Relocated returns the reply for a recipient that has moved, as relocated(5)
// has it. found is false for others. With NoRelocatedPrefix a value must have a
// status and a text; found is true with the error for one that has not.
func (m *Map) Relocated(ctx context.Context, addr string) (moved Moved, found bool, err error) {
	hit, found, err := m.Find(ctx, addr)
	if !found || err != nil {
		return Moved{}, false, err
	}
	if !m.NoRelocatedPrefix {
		return Moved{"5.1.6", "User has moved to " + hit.Value}, true, nil
	}
	status, text, _ := strings.Cut(hit.Value, " ")
	if text = strings.TrimLeft(text, " \t"); !isStatus(status) || text == "" {
		return Moved{}, true, fmt.Errorf("addressmap: relocated value %q, want 4.n.n or 5.n.n and text", hit.Value)
	}
	return Moved{status, text}, true, nil
}

// isStatus reports whether s is an enhanced status of a failure (RFC 3463).
func isStatus(s string) bool {
	parts := strings.Split(s, ".")
	if len(parts) != 3 || parts[0] != "4" && parts[0] != "5" {
		return false
	}
	for _, p := range parts[1:] {
		if p == "" || len(p) > 3 || strings.Trim(p, "0123456789") != "" {
			return false
		}
	}
	return true
}
