package cflines

import (
	"bytes"
	"io"
	"iter"
)

// Nodes are a whole file: entries, and what stands between them. An edit
// swaps one node; the others keep their bytes.
type Nodes[E any] []Node[E]

// A Node is a stretch of a file: an entry, or without one a comment, a blank
// line, or a line Postfix ignores. The zero Node is one that was deleted.
type Node[E any] struct {
	Raw   []byte
	Entry *E
}

// WriteTo writes the text of the file to w.
func (nodes Nodes[E]) WriteTo(w io.Writer) (n int64, err error) {
	for _, nd := range nodes {
		if len(nd.Raw) > 0 {
			m, err := w.Write(nd.Raw)
			if n += int64(m); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// Bytes returns the text of the file.
func (nodes Nodes[E]) Bytes() []byte {
	var b bytes.Buffer
	nodes.WriteTo(&b)
	return b.Bytes()
}

// Entries returns the entries in the order of the file.
func (nodes Nodes[E]) Entries() iter.Seq[*E] {
	return func(yield func(*E) bool) {
		for _, n := range nodes {
			if n.Entry != nil && !yield(n.Entry) {
				return
			}
		}
	}
}

// Last returns the node of the last entry, the zero Node without one.
func (nodes Nodes[E]) Last() (last Node[E]) {
	for i := len(nodes) - 1; i >= 0; i-- {
		if nodes[i].Entry != nil {
			return nodes[i]
		}
	}
	return last
}

// EndLastLine adds a final newline when the file has none.
func (nodes Nodes[E]) EndLastLine() {
	for i := len(nodes) - 1; i >= 0; i-- {
		if raw := nodes[i].Raw; len(raw) > 0 {
			if raw[len(raw)-1] != '\n' {
				nodes[i].Raw = append(bytes.Clone(raw), '\n')
			}
			return
		}
	}
}
