package maincf

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/internal/cflines"
)

// Set gives name a value. The assignment that counts (the last one) gets it,
// on one line; the text before the value and its line ending stay, and comments
// that stood between the lines of the old value follow the new one. Earlier
// assignments of the name are left alone, see [File.FoldDuplicates]. A name
// that is not set yet gets a line at the end of the file. A value that is
// already there changes nothing.
//
// White space around the value is dropped, as Postfix does when reading. A
// value with a newline or NUL byte in it, and a name that cannot be read back,
// are errors.
func (f *File) Set(name, value string) error {
	if err := checkName(name); err != nil {
		return err
	}
	if strings.ContainsAny(value, "\n\x00") {
		return fmt.Errorf("maincf: value of %s has a newline or NUL byte in it", name)
	}
	value = trim(value)
	a := f.Find(name)
	if a == nil {
		f.add(name, value)
		return nil
	}
	if a.Value() == value {
		return nil
	}
	keep := a.raw[:a.eq+1]
	lead := a.raw[a.eq+1 : a.valStart]
	tail := a.raw[len(trimRight(a.raw)):]
	switch {
	case value == "":
		lead = ""
	case lead == "" || strings.Contains(lead, "\n"):
		lead = " "
	}
	if a.valStart == a.valEnd || value == "" {
		tail = lineEnding(a.raw)
		if value != "" {
			lead = " "
		}
	}
	var comments strings.Builder
	_, more, _ := strings.Cut(a.raw[a.eq+1:], "\n")
	for line := range strings.Lines(more) {
		if trim(line) != "" && trim(line)[0] == '#' {
			comments.WriteString(line)
		}
	}
	if comments.Len() > 0 && !strings.HasSuffix(tail, "\n") {
		tail += f.eol()
	}
	f.replaceRaw(a, keep+lead+value+tail+comments.String())
	return nil
}

// Delete removes every assignment of name, with the comments inside its value,
// and returns how many there were. Comments above it stay.
func (f *File) Delete(name string) (n int) {
	return f.replaceWhere(name, nil, func(*Assignment) []Entry { return nil })
}

// FoldDuplicates removes every assignment of name that a later one overrides,
// and returns how many there were. The value does not change. See
// [File.Check], which finds them.
func (f *File) FoldDuplicates(name string) (n int) {
	return f.replaceWhere(name, f.Find(name), func(*Assignment) []Entry { return nil })
}

// CommentOut puts "#" before every line of every assignment of name and
// returns how many assignments there were. Comments inside a value stay as
// they are. [File.Uncomment] is the way back.
func (f *File) CommentOut(name string) (n int) {
	return f.replaceWhere(name, nil, func(a *Assignment) []Entry {
		var text strings.Builder
		for line := range strings.Lines(a.raw) {
			if t := trim(line); t != "" && t[0] != '#' {
				text.WriteByte('#')
			}
			text.WriteString(line)
		}
		return parseEntries(text.String())
	})
}

// replaceWhere puts entries that are no assignments in the place of every
// assignment of name but keep, in one pass, and returns how many there were.
func (f *File) replaceWhere(name string, keep *Assignment, with func(*Assignment) []Entry) (n int) {
	if f.Find(name) == nil {
		return 0
	}
	f.settle()
	var all []Entry
	at := diag.Position{Line: 1, Col: 1}
	for i, e := range f.entries {
		a, ok := e.(*Assignment)
		if !ok || a == keep || a.Name() != name {
			if n > 0 {
				at = put(e, at)
				all = append(all, e)
			}
			continue
		}
		if n++; n == 1 {
			all = append(make([]Entry, 0, len(f.entries)), f.entries[:i]...)
			at = e.Span().Start
		}
		a.file = nil
		for _, w := range with(a) {
			w.base().file = f
			at = put(w, at)
			all = append(all, w)
		}
	}
	if n == 0 {
		return 0
	}
	f.src, f.entries, f.size = "", all, at.Offset
	if keep == nil {
		delete(f.names(), name)
	}
	return n
}

// put sets an entry at a place, which is the start of a line, and returns
// where the next one starts.
func put(e Entry, at diag.Position) diag.Position {
	b := e.base()
	b.offset, b.line = at.Offset, at.Line
	return b.end()
}

// Uncomment brings back the last commented-out setting of name: a comment line
// "#name = value", with the comment lines that continue it. Such a line has
// two spaces or a tab after its "#"; one is enough while the value is empty or
// ends with a comma. It reports whether there was one. Other assignments of
// the name stay; the last one counts.
func (f *File) Uncomment(name string) bool {
	for i := len(f.entries) - 1; i >= 0; i-- {
		c, ok := f.entries[i].(*Comment)
		if !ok || name == "" || disabledName(c) != name {
			continue
		}
		var text strings.Builder
		line := c.raw[strings.Index(c.raw, name):]
		text.WriteString(line)
		end := i + 1
		for ; end < len(f.entries); end++ {
			more, ok := f.entries[end].(*Comment)
			if !ok || disabledName(more) != "" {
				break
			}
			rest := strings.TrimPrefix(more.raw, "#")
			before := trimRight(line)
			if !continues(rest, strings.HasSuffix(before, ",") || strings.HasSuffix(before, "=")) {
				break
			}
			line = rest
			text.WriteString(line)
		}
		if f.looseAfter(end) {
			return false
		}
		f.splice(i, end-i, parseEntries(text.String())...)
		return true
	}
	return false
}

// continues reports whether the text after "#" of a comment line is the next
// line of a commented-out setting.
func continues(rest string, open bool) bool {
	if t := trim(rest); t == "" || t[0] == '#' || rest == "" || !cflines.IsSpace(rest[0]) {
		return false
	}
	return open || rest[0] == '\t' || cflines.IsSpace(rest[1])
}

// disabledName returns the name of the setting a comment line holds, or "".
func disabledName(c *Comment) string {
	text := trim(strings.TrimLeft(trim(c.raw), "#"))
	n := 0
	for n < len(text) && isNameByte(text[n]) {
		n++
	}
	if !strings.HasPrefix(trim(text[n:]), "=") {
		return ""
	}
	return text[:n]
}

// isNameByte reports whether $name can hold c.
func isNameByte(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// InsertBefore inserts text, which must be whole lines that can stand on their
// own: assignments, comments and blank lines. A missing final newline is
// added. A nil at means the end of the file.
func (f *File) InsertBefore(at Entry, text string) error {
	i := len(f.entries)
	if at != nil {
		if i = f.index(at); i < 0 {
			return ErrNotInFile
		}
	}
	if text == "" {
		return nil
	}
	if !strings.HasSuffix(text, "\n") {
		text += f.eol()
	}
	entries := parseEntries(text)
	settings := false
	for _, e := range entries {
		switch e := e.(type) {
		case *Bad:
			return fmt.Errorf("maincf: cannot insert %q: %s", trim(e.raw), e.why)
		case *Assignment:
			settings = true
		}
	}
	if settings && f.looseAfter(i) {
		return errors.New("maincf: the next line starts with white space and would continue the inserted one")
	}
	f.endLine(i)
	f.splice(i, 0, entries...)
	return nil
}

// looseAfter reports whether the next logical line from entry i on starts with
// white space, so that a setting put before it would swallow it.
func (f *File) looseAfter(i int) bool {
	for _, e := range f.entries[i:] {
		switch e := e.(type) {
		case *Assignment:
			return false
		case *Bad:
			return cflines.IsSpace(e.raw[0])
		}
	}
	return false
}

// add appends a setting.
func (f *File) add(name, value string) {
	text := name + " ="
	if value != "" {
		text += " " + value
	}
	f.endLine(len(f.entries))
	f.splice(len(f.entries), 0, parseEntries(text+f.eol())...)
}

// endLine gives the entry before i a final newline if it has none, which only
// the last one of a file can lack.
func (f *File) endLine(i int) {
	if i == 0 {
		return
	}
	n := f.entries[i-1].base()
	if !strings.HasSuffix(n.raw, "\n") {
		eol := f.eol()
		n.raw += eol
		f.size += len(eol)
		f.src = ""
	}
}

// eol is the line ending of the file: that of its first line.
func (f *File) eol() string {
	if len(f.entries) > 0 {
		first, _, ended := strings.Cut(f.entries[0].base().raw, "\n")
		if ended && strings.HasSuffix(first, "\r") {
			return "\r\n"
		}
	}
	return "\n"
}

// lineEnding returns the final newline of raw, with the CR before it.
func lineEnding(raw string) string {
	switch {
	case strings.HasSuffix(raw, "\r\n"):
		return "\r\n"
	case strings.HasSuffix(raw, "\n"):
		return "\n"
	}
	return ""
}

// replaceRaw gives a new text, which may go on with comments and blank lines
// that are entries of their own from now on.
func (f *File) replaceRaw(a *Assignment, raw string) {
	i := f.index(a)
	entries := parseEntries(raw)
	f.splice(i, 1, entries...)
	*a = *entries[0].(*Assignment)
	f.entries[i] = a
}

// splice replaces n entries at i and moves the ones behind. An assignment may
// go only when another of its name, or itself, comes instead.
func (f *File) splice(i, n int, entries ...Entry) {
	f.src = ""
	if len(entries) < n || len(entries) > n && i+n < len(f.entries) {
		f.settle() // moves count entries
	}
	at := diag.Position{Line: 1, Col: 1}
	switch {
	case n > 0:
		b := f.entries[i].base()
		at.Offset, at.Line = b.offset, b.line
	case i > 0:
		at = f.entries[i-1].base().end()
	}
	bytes, lines := -at.Offset, -at.Line
	for _, e := range f.entries[i : i+n] {
		b := e.base()
		bytes -= len(b.raw)
		lines -= strings.Count(b.raw, "\n")
		b.file = nil
	}
	for _, e := range entries {
		e.base().file = f
		at = put(e, at)
	}
	bytes, lines = bytes+at.Offset, lines+at.Line
	if i+n < len(f.entries) {
		f.moveLater(move{i + len(entries), bytes, lines})
	}
	if len(entries) == n {
		copy(f.entries[i:], entries) // Replace would go through all that is behind
	} else {
		f.entries = slices.Replace(f.entries, i, i+n, entries...)
	}
	f.size += bytes
	if f.last.Load() == nil {
		return
	}
	last := f.names()
	for _, e := range entries {
		if a, ok := e.(*Assignment); ok {
			if old := last[a.Name()]; old == nil || old.offset < a.offset {
				last[a.Name()] = a
			}
		}
	}
}

// moveLater notes a move, so that many edits in a row do not each touch all
// entries.
func (f *File) moveLater(m move) {
	if m.bytes == 0 && m.lines == 0 {
		return
	}
	f.moves = append(f.moves, m)
	f.moved.Store(true)
	if len(f.moves) > len(f.entries)+16 {
		f.settle()
	}
}

// settle makes the moves that are left to be made.
func (f *File) settle() {
	if !f.moved.Load() {
		return
	}
	f.placing.Lock()
	defer f.placing.Unlock()
	slices.SortFunc(f.moves, func(a, b move) int { return a.from - b.from })
	var sum move
	for i, m := range f.moves {
		sum.bytes += m.bytes
		sum.lines += m.lines
		to := len(f.entries)
		if i+1 < len(f.moves) {
			to = f.moves[i+1].from
		}
		for _, e := range f.entries[m.from:to] {
			b := e.base()
			b.offset += sum.bytes
			b.line += sum.lines
		}
	}
	f.moves = f.moves[:0]
	f.moved.Store(false)
}

// parseEntries returns the entries of a text, with positions inside it.
func parseEntries(text string) []Entry {
	p := parser{text: text}
	var entries []Entry
	for it := range cflines.Split([]byte(text)) {
		entries = append(entries, p.entry(it))
	}
	return entries
}

// checkName reports why a name could not be read back from a file.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("maincf: parameter name is empty")
	case name[0] == '#':
		return fmt.Errorf("maincf: parameter name %q starts a comment", name)
	}
	for i := 0; i < len(name); i++ {
		if c := name[i]; c == '=' || c == 0 || cflines.IsSpace(c) {
			return fmt.Errorf("maincf: parameter name %q has %q in it", name, c)
		}
	}
	return nil
}
