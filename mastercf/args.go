package mastercf

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/internal/cflines"
)

// SetOption sets a main.cf parameter for this service: the value of its last
// "-o name=" is replaced where it stands; without one, a line "-o name=value"
// comes behind the last option. A value with white space is written as
// { name = value }, which Postfix 3.0 and later understand. White space at the
// ends of a value cannot be kept by Postfix and is an error. Earlier options
// of the same name, which have no effect, are left alone.
func (s *Service) SetOption(name, value string) error {
	if s.file == nil {
		return ErrDeleted
	}
	if name == "" || strings.ContainsAny(name, "= \t\r\n\v\f\x00{}") {
		return fmt.Errorf("mastercf: %q is no parameter name", name)
	}
	if value != strings.Trim(value, " \t\r\n\v\f") || strings.ContainsAny(value, "\n\x00") {
		return fmt.Errorf("mastercf: %s: value %q has white space at an end, or a line end or NUL in it", name, value)
	}
	old, ok := s.Option(name)
	if ok && old == value {
		return nil
	}
	want := slices.Clone(s.args)
	for i := len(want) - 1; i >= 0 && ok; i-- {
		a := want[i]
		if a.kind != argValue || s.text.s[a.name.start:a.name.end] != name {
			continue
		}
		want[i].text = name + "=" + value
		done := s.expect(want)
		if err := s.file.try(s.text.replace(a.value.start, a.value.end, value), s, nil, done); err == nil {
			return nil
		}
		return s.file.try(s.replaceValue(i, name+"="+value), s, nil, done)
	}
	at := 0
	for at < len(want) && want[at].kind != argWord {
		at++
	}
	want = slices.Insert(want, at, argument{kind: argO, text: "-o"}, argument{kind: argValue, text: name + "=" + value})
	return s.file.try(s.insert(at, []string{"-o", name + "=" + value}), s, nil, s.expect(want))
}

// DeleteOption removes every "-o name=…" and returns how many there were. A
// line nothing is left of goes away.
func (s *Service) DeleteOption(name string) (n int) {
	if s.file == nil {
		return 0
	}
	named := func(i int) bool {
		a := s.args[i]
		return i > 0 && a.kind == argValue && a.name.end > a.name.start && s.text.s[a.name.start:a.name.end] == name
	}
	// All at once; what stands side by side goes as one.
	var edits []diag.Edit
	var want []argument
	for i := 0; i < len(s.args); i++ {
		first := i
		for i+1 < len(s.args) && named(i+1) {
			n++
			i += 2
		}
		if i > first {
			edits = append(edits, s.remove(first, i-1)...)
		}
		if i < len(s.args) {
			want = append(want, s.args[i])
		}
	}
	if n == 0 || s.file.try(edits, s, nil, s.expect(want)) == nil {
		return n
	}
	// One that cannot go is left.
	n = 0
	for i := len(s.args) - 1; i > 0 && s.file != nil; i-- {
		if !named(i) {
			continue
		}
		want := slices.Delete(slices.Clone(s.args), i-1, i+1)
		if s.file.try(s.remove(i-1, i), s, nil, s.expect(want)) == nil {
			n++
			i--
		}
	}
	return n
}

// SetArgs makes args, as [Service.Args] gives them, the arguments. Those that
// stay at the beginning and at the end of the list keep their layout; what is
// replaced one for one is replaced where it stands. Arguments that are empty
// or hold white space are put in { }. An argument that cannot be written
// (unbalanced braces together with white space, white space at an end) is an
// error and nothing changes.
func (s *Service) SetArgs(args []string) error {
	if s.file == nil {
		return ErrDeleted
	}
	want, err := parseArgs(args)
	if err != nil {
		return err
	}
	if sameArgs(s.args, want) {
		return nil
	}
	// The steps are made on a copy, so that a failure leaves nothing behind.
	c := s.file.Clone()
	i := slices.Index(s.file.all(), s)
	if err := c.all()[i].setArgs(want); err != nil {
		return err
	}
	return s.file.try([]diag.Edit{diffEdit(s.file.src, c.src)}, s, nil, s.expect(want))
}

// diffEdit returns the one edit that makes b of a.
func diffEdit(a, b []byte) diag.Edit {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	m := 0
	for m < len(a)-n && m < len(b)-n && a[len(a)-1-m] == b[len(b)-1-m] {
		m++
	}
	return diag.Edit{Start: n, End: len(a) - m, New: string(b[n : len(b)-m])}
}

func (s *Service) setArgs(want []argument) error {
	same := func(i, j int) bool { return s.args[i].kind == want[j].kind && s.args[i].text == want[j].text }
	head := 0
	for head < len(s.args) && head < len(want) && same(head, head) {
		head++
	}
	tail := 0
	for tail < len(s.args)-head && tail < len(want)-head && same(len(s.args)-1-tail, len(want)-1-tail) {
		tail++
	}
	// A "-o" and its value belong together, on either side of the cut.
	if head > 0 && want[head-1].kind == argO {
		head--
	}
	if tail > 0 && want[len(want)-tail].kind == argValue {
		tail--
	}
	if s.file.try(s.argEdits(want, head, tail), s, nil, s.expect(want)) == nil {
		return nil
	}
	// Not all at once: then step by step.
	next := slices.Clone(s.args)
	step := func(edits []diag.Edit) error { return s.file.try(edits, s, nil, s.expect(next)) }
	for len(next)-tail > head && len(want)-tail > head && next[head].kind == want[head].kind {
		a, w := s.args[head], want[head]
		next[head] = w
		var edits []diag.Edit
		switch {
		case w.kind == argO:
			head++
			continue
		case w.kind == argValue:
			edits = s.replaceValue(head, w.text)
		default:
			edits = s.text.replace(a.start, a.end, quote(w))
		}
		if a.text != w.text {
			if err := step(edits); err != nil {
				return err
			}
		}
		head++
	}
	for len(next)-tail > head {
		n := 1
		if next[head].kind == argO && head+1 < len(next)-tail {
			n = 2
		}
		next = slices.Delete(next, head, head+n)
		if err := step(s.remove(head, head+n-1)); err != nil {
			return err
		}
	}
	for len(want)-tail > head {
		n := 1
		if want[head].kind == argO && head+1 < len(want)-tail {
			n = 2
		}
		raw := []string{quote(want[head])}
		if n == 2 {
			raw = append(raw, want[head+1].text)
		}
		next = slices.Insert(next, head, want[head:head+n]...)
		if err := step(s.insert(head, raw)); err != nil {
			return err
		}
		head += n
	}
	return nil
}

// argEdits are the edits that make want of the arguments, of which the first
// head and the last tail stay.
func (s *Service) argEdits(want []argument, head, tail int) (edits []diag.Edit) {
	gone, come := len(s.args)-tail, len(want)-tail
	for ; head < gone && head < come && s.args[head].kind == want[head].kind; head++ {
		switch a, w := s.args[head], want[head]; {
		case w.kind == argO || a.text == w.text:
		case w.kind == argValue:
			edits = append(edits, s.replaceValue(head, w.text)...)
		default:
			edits = append(edits, s.text.replace(a.start, a.end, quote(w))...)
		}
	}
	if head < gone {
		edits = append(edits, s.remove(head, gone-1)...)
	}
	if head == come {
		return edits
	}
	var units [][]string
	for i := head; i < come; i++ {
		unit := []string{quote(want[i])}
		if want[i].kind == argO && i+1 < come {
			i++
			unit = append(unit, want[i].text)
		}
		units = append(units, unit)
	}
	return append(edits, s.insert(head, units...)...)
}

// expect returns a check that s has these arguments.
func (s *Service) expect(want []argument) func() error {
	return func() error {
		if s.file == nil || !sameArgs(s.args, want) {
			return errors.New("mastercf: the arguments cannot be written so that Postfix reads them again")
		}
		return nil
	}
}

// parseArgs gives the arguments their kinds, and takes options apart.
func parseArgs(args []string) ([]argument, error) {
	var b strings.Builder
	inOptions, value := true, false
	for i, a := range args {
		kind := argWord
		switch {
		case value:
			kind, value = argValue, false
		case inOptions && len(a) > 1 && a[0] == '-' && a != "--":
			kind = argFlag
			value = strings.HasSuffix(a, "o") && valueLetter(a) == len(a)-1
		default:
			inOptions = false
		}
		raw := quote(argument{kind: kind, text: a})
		if strings.ContainsAny(a, "\n\x00") || !readsAs(raw, kind, a) {
			return nil, fmt.Errorf("mastercf: argument %d, %q, cannot be written so that Postfix reads it again", i+1, a)
		}
		b.WriteString(raw + " ")
	}
	s := Service{text: text{s: b.String()}}
	s.splitArgs(tokens(b.String()))
	return s.args, nil
}

// quote returns the source text of an argument.
func quote(a argument) string {
	plain := a.text != "" && a.text[0] != '{' && !strings.ContainsAny(a.text, " \t\r\n")
	if plain || a.kind == argFlag || a.kind == argO {
		return a.text
	}
	if a.kind == argValue {
		if ns, ne, vs, ve, wrong := nameValue(a.text); wrong == "" {
			return "{ " + a.text[ns:ne] + " = " + a.text[vs:ve] + " }"
		}
	}
	return "{" + a.text + "}"
}

// readsAs reports whether raw is one token that reads as the argument.
func readsAs(raw string, kind argKind, want string) bool {
	toks := tokens(raw + " x")
	if len(toks) != 2 || toks[0].end != len(raw) {
		return false
	}
	switch kind {
	case argValue:
		a := optionValue(raw, toks[0])
		return a.wrong == "" && a.text == want || raw == want && a.inner.start == 0
	case argWord:
		a := word(raw, toks[0])
		return a.wrong == "" && a.text == want
	}
	return true
}

// replaceValue replaces the value behind a "-o", name included.
func (s *Service) replaceValue(i int, nameValue string) []diag.Edit {
	a := s.args[i]
	raw := quote(argument{kind: argValue, text: nameValue})
	if raw[0] == '{' && s.args[i-1].end == a.start {
		raw = " " + raw // was "-oname=value"
	}
	return s.text.replace(a.start, a.end, raw)
}

// remove deletes arguments first to last (included) with white space on one
// side.
func (s *Service) remove(first, last int) []diag.Edit {
	start, end := s.args[first].start, s.args[last].end
	str := s.text.s
	if first > 0 && s.args[first-1].end == start {
		return s.text.replace(start, end, "") // the "o" of "-vo name=value"
	}
	if last+1 < len(s.args) && s.args[last+1].start == end {
		return s.text.replace(start+1, end, "") // the "v" of "-vo name=value"
	}
	after := end
	for after < len(str) && isBlank(str[after]) && s.text.pieceOf(after) == s.text.pieceOf(end-1) {
		after++
	}
	if after < len(str) && s.text.pieceOf(after) == s.text.pieceOf(end-1) {
		if s.text.pieceOf(start) != s.text.pieceOf(end-1) {
			start = s.blanksBefore(first) // the last of its line goes
		}
		return s.text.replace(start, after, "")
	}
	return s.text.replace(s.blanksBefore(first), end, "")
}

// blanksBefore returns where the white space before an argument starts, on its
// line.
func (s *Service) blanksBefore(i int) int {
	start := s.args[i].start
	for start > 0 && isBlank(s.text.s[start-1]) && s.text.pieceOf(start-1) == s.text.pieceOf(s.args[i].start) {
		start--
	}
	return start
}

// insert puts units before argument at: each is an option with its value not
// yet quoted, or one argument as it is written. Options get a line of their
// own unless something follows on the line they would come behind.
func (s *Service) insert(at int, units ...[]string) []diag.Edit {
	end := s.fields[columns-1].end
	afterValue := false
	if at > 0 {
		end = s.args[at-1].end
		afterValue = s.args[at-1].kind == argValue
	}
	k := s.text.pieceOf(end - 1)
	p := s.text.pieces[k]
	follows := !blank(s.text.s[end : p.at+p.end-p.start])
	var here string    // what comes behind the argument before, on its line
	var lines []string // the lines that come behind that
	for _, raw := range units {
		unit, isOption := raw[0], len(raw) == 2
		if isOption {
			unit += " " + quote(argument{kind: argValue, text: raw[1]})
		}
		firstWord := !isOption && unit[0] != '-' && afterValue
		afterValue = isOption
		switch {
		case !follows && (isOption || firstWord):
			lines = append(lines, unit)
		case len(lines) > 0:
			lines[len(lines)-1] += " " + unit
		default:
			here += " " + unit
		}
	}
	var edits []diag.Edit
	if here != "" {
		if at > 0 && at < len(s.args) && s.args[at].start == end {
			here += " -" // inside "-vo name=value"
		}
		edits = s.text.replace(end, end, here)
	}
	if len(lines) == 0 {
		return edits
	}
	eol := "\n"
	src := s.file.src
	if p.lineEnd-2 >= p.lineStart && src[p.lineEnd-1] == '\n' && src[p.lineEnd-2] == '\r' {
		eol = "\r\n"
	}
	indent := s.indent(k)
	if s.disabled {
		indent = strings.Repeat("#", s.hashes) + indent
	}
	var text strings.Builder
	for _, line := range lines {
		if src[p.lineEnd-1] != '\n' {
			text.WriteString("\n" + indent + line)
		} else {
			text.WriteString(indent + line + eol)
		}
	}
	return append(edits, diag.Edit{Start: p.lineEnd, End: p.lineEnd, New: text.String()})
}

// indent is the white space a new line behind piece k starts with: that of
// the lines of this entry, or else of the file, or two spaces.
func (s *Service) indent(k int) string {
	for _, i := range []int{k, k + 1} {
		if i > 0 && i < len(s.text.pieces) {
			return s.leading(i)
		}
	}
	count, best := map[string]int{}, "  "
	for _, o := range s.file.active {
		for i := 1; i < len(o.text.pieces); i++ {
			in := o.leading(i)
			if count[in]++; count[in] > count[best] {
				best = in
			}
		}
	}
	return best
}

func (s *Service) leading(i int) string {
	p := s.text.pieces[i]
	line := s.file.src[p.start:p.end]
	n := 0
	for n < len(line) && cflines.IsSpace(line[n]) {
		n++
	}
	if n == 0 {
		return " "
	}
	return string(line[:n])
}
