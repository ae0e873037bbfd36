package mastercf

import (
	"bytes"
	"fmt"
	"io/fs"
	"strings"

	"github.com/postfixkit/postfixkit/diag"
)

// missingError is a file that is not there, for errors.Is(err, fs.ErrNotExist).
type missingError struct{ path string }

func (e *missingError) Error() string { return e.path + ": no such file" }
func (e *missingError) Unwrap() error { return fs.ErrNotExist }

// A Spec is a service as data. An empty column means "-", the default; Name,
// Type and Command have none.
type Spec struct {
	Name         string
	Type         Type
	Private      string
	Unprivileged string
	Chroot       string
	Wakeup       string
	ProcessLimit string
	Command      string
	Args         []string // as Service.Args gives them
}

func (p Spec) fields() [columns]string {
	all := [columns]string{p.Name, string(p.Type), p.Private, p.Unprivileged, p.Chroot, p.Wakeup, p.ProcessLimit, p.Command}
	for i := range all {
		if all[i] == "" && i >= int(FieldPrivate)-1 && i <= int(FieldProcessLimit)-1 {
			all[i] = "-"
		}
	}
	return all
}

// ParseSpec reads the text of one entry, as after "postconf -M name/type=".
// It does not check the columns; too few are an error.
func ParseSpec(entry string) (Spec, error) {
	s := &Service{text: text{s: entry}}
	if !s.split() {
		return Spec{}, fmt.Errorf("mastercf: %d fields where a service has at least %d", len(tokens(entry)), columns)
	}
	return s.Spec(), nil
}

// Field returns a column; "-" for an empty one that has a default.
func (p Spec) Field(c Field) string {
	if c < FieldService || c > FieldCommand {
		return ""
	}
	return p.fields()[c-1]
}

// SetField changes a column and checks nothing.
func (p *Spec) SetField(c Field, v string) {
	typ := string(p.Type)
	if at := map[Field]*string{
		FieldService: &p.Name, FieldType: &typ, FieldPrivate: &p.Private, FieldUnprivileged: &p.Unprivileged,
		FieldChroot: &p.Chroot, FieldWakeup: &p.Wakeup, FieldProcessLimit: &p.ProcessLimit, FieldCommand: &p.Command,
	}[c]; at != nil {
		*at = v
	}
	p.Type = Type(typ)
}

// check returns what makes a Spec impossible to write.
func (p Spec) check() ([]argument, error) {
	for i, v := range p.fields() {
		if err := checkField(Field(i+1), v); err != nil {
			return nil, err
		}
	}
	return parseArgs(p.Args)
}

// Add puts a service at the end of the file, its columns aligned with those
// that are there, every -o on a line of its own. [ErrExists] when there is one
// of that name and type in force.
func (f *File) Add(spec Spec) (*Service, error) { return f.add(spec, len(f.src)) }

// AddAfter is [File.Add] with the place: behind the last line of s.
func (f *File) AddAfter(s *Service, spec Spec) (*Service, error) {
	if err := f.owns(s); err != nil {
		return nil, err
	}
	return f.add(spec, s.text.pieces[len(s.text.pieces)-1].lineEnd)
}

func (f *File) add(spec Spec, at int) (*Service, error) {
	if err := f.free(spec.Name, spec.Type); err != nil {
		return nil, err
	}
	args, err := spec.check()
	if err != nil {
		return nil, err
	}
	fresh := f.write(spec.fields(), args)
	return f.insertEntry(at, fresh, func(s *Service) bool { return !s.disabled && sameArgs(s.args, args) })
}

// Duplicate puts a copy of s behind it, comments between its lines included,
// under another name and type. A copy of a commented-out service is commented
// out. [ErrExists] when there is a service of that name and type in force.
func (f *File) Duplicate(s *Service, name string, typ Type) (*Service, error) {
	if err := f.owns(s); err != nil {
		return nil, err
	}
	if !s.disabled {
		if err := f.free(name, typ); err != nil {
			return nil, err
		}
	}
	first, lastPiece := s.text.pieces[0], s.text.pieces[len(s.text.pieces)-1]
	c := &File{}
	c.parse(bytes.Clone(f.src[first.lineStart:lastPiece.lineEnd]), nil)
	copied := c.all()
	if len(copied) == 0 || copied[0].disabled != s.disabled || !sameMeaning(copied[0], s) {
		return nil, fmt.Errorf("mastercf: %s/%s cannot be copied", s.Name(), s.Type())
	}
	for _, set := range []struct {
		c Field
		v string
	}{{FieldService, name}, {FieldType, string(typ)}} {
		if err := copied[0].SetField(set.c, set.v); err != nil {
			return nil, err
		}
	}
	return f.insertEntry(lastPiece.lineEnd, string(c.src), func(n *Service) bool {
		return n.disabled == s.disabled && n.Name() == name && n.Type() == typ && sameArgs(n.args, s.args)
	})
}

func (f *File) free(name string, typ Type) error {
	if other := f.Service(name, typ); other != nil {
		return fmt.Errorf("mastercf: %s/%s: %w (%s:%s)", name, typ, ErrExists, f.name, other.span)
	}
	return nil
}

// insertEntry puts the lines of a new entry at an offset that starts a line.
func (f *File) insertEntry(at int, lines string, is func(*Service) bool) (added *Service, err error) {
	if !strings.HasSuffix(lines, "\n") {
		lines += "\n"
	}
	start := at
	if at > 0 && f.src[at-1] != '\n' {
		lines = "\n" + lines
		start++
	}
	err = f.try([]diag.Edit{{Start: at, End: at, New: lines}}, nil, nil, func() error {
		for _, s := range f.all() {
			if s.text.pieces[0].lineStart == start && is(s) {
				added = s
				return nil
			}
		}
		return fmt.Errorf("mastercf: the new entry would not read as it should")
	})
	return added, err
}

// stockColumns is where the columns of the file Postfix ships start.
var stockColumns = [columns]int{0, 10, 16, 24, 32, 40, 48, 56}

// write lays a new entry out like those of the file.
func (f *File) write(fields [columns]string, args []argument) string {
	goal, tabs := f.layout()
	var b strings.Builder
	line := ""
	for i, v := range fields {
		if i > 0 {
			line += gap(width(line), goal[i], tabs)
		}
		line += v
	}
	b.WriteString(line)
	indent := (&Service{file: f}).indent(0)
	eol := "\n"
	if bytes.Count(f.src, []byte("\r\n"))*2 > bytes.Count(f.src, []byte("\n")) {
		eol = "\r\n"
	}
	for i, a := range args {
		switch {
		case a.kind == argO, a.kind == argWord && (i == 0 || args[i-1].kind != argWord):
			b.WriteString(eol + indent)
		default:
			b.WriteByte(' ')
		}
		b.WriteString(quote(a))
	}
	b.WriteString(eol)
	return b.String()
}

func gap(at, goal int, tabs bool) string {
	switch {
	case at >= goal && tabs:
		return "\t"
	case at >= goal:
		return " "
	case tabs && goal%8 == 0:
		return strings.Repeat("\t", (goal-at+7)/8)
	}
	return strings.Repeat(" ", goal-at)
}

// layout returns the usual start of each column on screen and whether tabs
// are what separates them.
func (f *File) layout() (goal [columns]int, tabs bool) {
	goal = stockColumns
	var count [columns]map[int]int
	lines, tabbed := 0, 0
	for _, s := range f.active {
		first := s.text.pieces[0]
		line := s.text.s[:first.end-first.start]
		if s.fields[columns-1].end > len(line) {
			continue
		}
		lines++
		head := line[:s.fields[columns-1].start]
		if strings.Contains(head, "\t") {
			tabbed++
		}
		for i := range columns {
			if count[i] == nil {
				count[i] = map[int]int{}
			}
			w := width(line[:s.fields[i].start])
			if count[i][w]++; count[i][w] > count[i][goal[i]] {
				goal[i] = w
			}
		}
	}
	return goal, 2*tabbed > lines
}

// The layout of postconf(1): columns one further right than in the stock file,
// lines folded at 80.
var postconfColumns = [columns]int{0, 11, 17, 25, 33, 41, 49, 57}

const (
	foldAt     = 80
	foldIndent = "    "
)

// FormatArgs returns the arguments as postconf(1) prints them, an option with
// its value in one string, text that needs it in { }.
func (p Spec) FormatArgs() (items []string) {
	inOptions := true
	for i := 0; i < len(p.Args); i++ {
		item := p.Args[i]
		inOptions = inOptions && len(item) > 1 && item[0] == '-' && item != "--"
		switch {
		case inOptions && item[1] == 'o' && i+1 < len(p.Args):
			i++
			value := p.Args[i]
			if strings.ContainsAny(value, " \t\r\n") {
				value = "{" + value + "}"
			}
			item += " " + value
		case !inOptions:
			item = quote(argument{kind: argWord, text: item})
		}
		items = append(items, item)
	}
	return items
}

// Format returns the entry as postconf(1) -M prints it, with fold as -Mf
// does, ending in a line end.
func (p Spec) Format(fold bool) string {
	var b strings.Builder
	n := 0
	add := func(t string) { b.WriteString(t); n += len(t) }
	for i, v := range p.fields() {
		if i > 0 {
			add(strings.Repeat(" ", max(1, postconfColumns[i]-n)))
		}
		add(v)
	}
	inOptions := true
	for _, item := range p.FormatArgs() {
		inOptions = inOptions && len(item) > 1 && item[0] == '-' && item != "--"
		size := len(item)
		hasValue := inOptions && strings.HasPrefix(item, "-o ")
		if hasValue {
			n = foldAt // a line of its own
			size += 2
		} else if !inOptions && item[0] == '{' {
			size -= 2 // postconf leaves the braces of a word out of the sum
		}
		if n > len(foldIndent) {
			if !fold || n+1+size < foldAt {
				add(" ")
			} else {
				b.WriteString("\n" + foldIndent)
				n = len(foldIndent)
			}
		}
		add(item)
		if hasValue {
			n = foldAt
		}
	}
	b.WriteByte('\n')
	return b.String()
}
