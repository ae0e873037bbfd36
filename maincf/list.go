package maincf

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/postfixkit/postfixkit/table"
)

// list is the value of an assignment as a list, with the place of its elements
// in the raw text.
type list struct {
	items []listItem
}

type listItem struct {
	text       string
	start, end int // offsets into raw
}

func (a *Assignment) list() list {
	var l list
	p := a.places()
	for at, item := range table.Elements(a.Value()) {
		l.items = append(l.items, listItem{item, p.raw(at).Offset, p.raw(at+len(item)-1).Offset + 1})
	}
	return l
}

// find returns the index of the first place where the elements of want follow
// each other, or -1.
func (l list) find(want []string) int {
next:
	for i := 0; i+len(want) <= len(l.items); i++ {
		for k, w := range want {
			if l.items[i+k].text != w {
				continue next
			}
		}
		return i
	}
	return -1
}

// AddItem appends an element to the list that is the value of name, in the
// list's own layout: on the same line, or on a line of its own with the same
// indentation, with a comma where the others have one. Nothing else changes,
// comments between the elements included. An element that is there already
// changes nothing. item may consist of several elements that belong together,
// such as "check_client_access hash:/etc/postfix/access".
//
// When name is not set the list starts with its default, as Postfix would
// otherwise lose it: "mydestination" becomes "$myhostname, …, item". A default
// that only the running machine knows (mynetworks) is an error: say what it
// shall be with [File.Set] first.
func (f *File) AddItem(name, item string) (changed bool, err error) {
	if err := checkName(name); err != nil {
		return false, err
	}
	item = trim(item)
	want, err := checkItem(item)
	if err != nil {
		return false, err
	}
	a := f.Find(name)
	if a == nil {
		start, err := listDefault(name)
		if err != nil {
			return false, err
		}
		elems := SplitList(start)
		if (list{items: listOf(elems)}).find(want) >= 0 {
			return false, nil
		}
		return true, f.Set(name, JoinList(append(elems, item)))
	}
	l := a.list()
	if l.find(want) >= 0 {
		return false, nil
	}
	if err := a.editable(); err != nil {
		return false, err
	}
	if len(l.items) == 0 {
		if a.Value() != "" { // nothing but commas
			return true, f.Set(name, a.Value()+" "+item)
		}
		return true, f.Set(name, item)
	}
	return true, f.setItems(a, a.withItem(l.items, item), append(a.Items(), want...))
}

// setItems gives a its new text after checking that it reads as the elements
// meant: an element that starts with "#" must not come to stand first on a
// line, where it is a comment.
func (f *File) setItems(a *Assignment, raw string, want []string) error {
	var got []string
	entries := parseEntries(raw)
	if n, ok := entries[0].(*Assignment); ok {
		got = n.Items()
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("maincf: the list of %s cannot be edited in its layout: it would read %q", a.Name(), got)
	}
	f.replaceRaw(a, raw)
	return nil
}

func listOf(elems []string) []listItem {
	items := make([]listItem, len(elems))
	for i, e := range elems {
		items[i].text = e
	}
	return items
}

// withItem returns the raw text with one more element.
func (a *Assignment) withItem(items []listItem, item string) string {
	raw, last := a.raw, items[len(items)-1]
	gap := "" // between the last two elements
	if len(items) > 1 {
		gap = raw[items[len(items)-2].end:last.start]
	}
	lineStart := strings.LastIndexByte(raw[:last.start], '\n') + 1
	indent, tail := raw[lineStart:last.start], raw[last.end:]
	// Reads "a, b," as a list that ends every element with a comma.
	tailComma := strings.Contains(tail, ",")
	if lineStart > int(a.eq) && isSeparators(indent) {
		comma := ""
		if strings.Contains(gap, ",") && !tailComma && !strings.Contains(indent, ",") {
			comma = ","
		}
		end := len(trimRight(raw))
		eol := raw[end:]
		closing := ""
		if tailComma {
			closing = ","
		}
		newline := lineEnding(raw)
		if newline == "" {
			newline, _, _ = strings.Cut(raw, "\n")
			newline = lineEnding(newline + "\n")
		}
		return raw[:last.end] + comma + raw[last.end:end] + newline + indent + item + closing + eol
	}
	sep := ", "
	if gap != "" && !strings.Contains(gap, "\n") {
		sep = gap
	}
	return raw[:last.end] + sep + item + tail
}

// RemoveItem removes an element, wherever it is in the list, from the value of
// name. A line that held nothing else goes with it; comments and the layout of
// the other elements stay. item may consist of several elements, as for
// [File.AddItem]. When name is not set, or the list has no such element,
// nothing changes.
func (f *File) RemoveItem(name, item string) (changed bool, err error) {
	if err := checkName(name); err != nil {
		return false, err
	}
	want, err := checkItem(trim(item))
	if err != nil {
		return false, err
	}
	a := f.Find(name)
	if a == nil {
		return false, nil
	}
	l := a.list()
	gone, left := l.without(want)
	if len(gone) == 0 {
		return false, nil
	}
	if err := a.editable(); err != nil {
		return false, err
	}
	if err := f.setItems(a, a.withoutItems(l.items, gone), left); err != nil {
		return false, err
	}
	return true, nil
}

// without returns the indices of the elements to take away until those of want
// follow each other nowhere, and the elements that are left.
func (l list) without(want []string) (gone []int, left []string) {
	var kept []int
	for i, item := range l.items {
		kept, left = append(kept, i), append(left, item.text)
		if n := len(left) - len(want); n >= 0 && slices.Equal(left[n:], want) {
			gone = append(gone, kept[n:]...)
			kept, left = kept[:n], left[:n]
		}
	}
	slices.Sort(gone)
	return gone, left
}

// withoutItems returns the raw text without the elements of these indices,
// which rise. It goes from the last to the first, so that all that is before
// an element is still as it was.
func (a *Assignment) withoutItems(items []listItem, gone []int) string {
	raw, first := a.raw, int(a.eq)+1
	cut := len(raw) // raw[:cut] is still to be looked at
	t := tail{buf: make([]byte, len(raw)), start: len(raw), next: -1}
	for k := len(gone) - 1; k >= 0; k-- {
		i := gone[k]
		item, prev := items[i], first
		if i > 0 {
			prev = items[i-1].end
		}
		next := -1
		if i+1 < len(items) && (k+1 == len(gone) || gone[k+1] > i+1) {
			next = items[i+1].start - item.end
		}
		t.push(raw[item.end:cut], next)
		cut = item.start
		gap := raw[prev:item.start]
		newline := strings.LastIndexByte(gap, '\n')
		before, after := gap[newline+1:], ""
		if t.next < 0 || t.next >= t.lineEnd() {
			after = string(t.buf[t.start:t.lineEnd()])
		}
		switch {
		case t.next >= 0 && t.next < t.lineEnd():
			t.cut(t.next)
		case newline >= 0 && isSeparators(before) && isSeparators(after):
			t.cut(t.start + len(after))
			cut = prev + newline + 1
			if t.next < 0 && i > 0 && !strings.Contains(before, ",") && !strings.Contains(after, ",") {
				// The element before is the last one now.
				if comma := strings.IndexByte(gap[:newline+1], ','); comma >= 0 && isSeparators(gap[:comma]) {
					t.push(gap[comma+1:newline+1], -1)
					cut = prev + comma
				}
			}
		case i > 0 && newline < 0:
			cut = prev
		default:
			// First and last on the line of the name, or what is left of it.
			if strings.HasPrefix(after, ",") {
				t.cut(t.start + 1)
			}
			head := strings.TrimRight(raw[:cut], " \t")
			if strings.HasSuffix(head, "=") && strings.HasPrefix(trimBlanks(string(t.buf[t.start:t.lineEnd()])), "\n") {
				cut = len(head)
			}
		}
	}
	t.push(raw[:cut], -1)
	return string(t.buf[t.start:])
}

// A tail is a text that is put together from its end.
type tail struct {
	buf   []byte // buf[start:] is the text
	start int
	next  int   // where its first element is in buf; -1: it has none
	lines []int // where its newlines are in buf, the first one last
}

// push puts s before the text; its first element is at s[next:], or -1.
func (t *tail) push(s string, next int) {
	t.start -= len(s)
	copy(t.buf[t.start:], s)
	if next >= 0 {
		t.next = t.start + next
	}
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] == '\n' {
			t.lines = append(t.lines, t.start+i)
		}
	}
}

// cut takes away what is before buf[start:].
func (t *tail) cut(start int) {
	t.start = start
	for n := len(t.lines); n > 0 && t.lines[n-1] < start; n-- {
		t.lines = t.lines[:n-1]
	}
}

// lineEnd is the end of the first line in buf.
func (t *tail) lineEnd() int {
	if n := len(t.lines); n > 0 {
		return t.lines[n-1] + 1
	}
	return len(t.buf)
}

func trimBlanks(s string) string { return strings.TrimLeft(s, " \t\r") }

// isSeparators reports whether s separates elements and holds nothing else.
func isSeparators(s string) bool { return strings.Trim(s, ", \t\r\n") == "" }

// editable reports why the elements of a value cannot be told apart safely.
func (a *Assignment) editable() error {
	if strings.Contains(a.raw, "\x00") {
		return fmt.Errorf("maincf: %s has a NUL byte in its value", a.Name())
	}
	if !balanced(a.Value()) {
		return fmt.Errorf("maincf: %s has unbalanced braces in its value", a.Name())
	}
	return nil
}

// checkItem cuts what shall be added or removed into its elements.
func checkItem(item string) ([]string, error) {
	want := SplitList(item)
	switch {
	case len(want) == 0:
		return nil, errors.New("maincf: list element is empty")
	case strings.ContainsAny(item, "\n\x00"):
		return nil, fmt.Errorf("maincf: list element %q has a newline or NUL byte in it", item)
	case !balanced(item):
		return nil, fmt.Errorf("maincf: list element %q has unbalanced braces", item)
	}
	// White space that is not a separator would be lost at the end of a line.
	if slices.ContainsFunc(want, func(s string) bool { return trim(s) != s }) {
		return nil, fmt.Errorf("maincf: list element %q has white space that separates nothing", item)
	}
	return want, nil
}

func balanced(s string) bool {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth < 0 {
				return false
			}
		}
	}
	return depth == 0
}
