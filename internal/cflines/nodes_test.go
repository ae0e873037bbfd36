package cflines

import (
	"slices"
	"testing"
)

func TestNodes(t *testing.T) {
	one, two := 1, 2
	nodes := Nodes[int]{{Raw: []byte("# c\n")}, {Raw: []byte("one\n"), Entry: &one}, {}, {Raw: []byte("two\n"), Entry: &two}, {Raw: []byte("#")}, {}}
	if got := slices.Collect(nodes.Entries()); !slices.Equal(got, []*int{&one, &two}) {
		t.Errorf("entries: %v", got)
	}
	if nodes.Last().Entry != &two || (Nodes[int]{{}}).Last().Entry != nil {
		t.Error("Last")
	}
	source := nodes[4].Raw
	for range 2 {
		nodes.EndLastLine()
		if got := string(nodes.Bytes()); got != "# c\none\ntwo\n#\n" {
			t.Errorf("got %q", got)
		}
	}
	if string(source) != "#" {
		t.Error("the source was changed")
	}
	var empty Nodes[int]
	if empty.EndLastLine(); len(empty.Bytes()) != 0 {
		t.Error("an empty file has a line now")
	}
}
