package mastercf

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/internal/atomicfile"
	"github.com/postfixkit/postfixkit/internal/cflines"
)

// ErrExists is wrapped by the error for a service that would be there twice.
var ErrExists = errors.New("service exists already")

// ErrDeleted is returned by the edits of a service that is no longer in a file.
var ErrDeleted = errors.New("mastercf: service was deleted")

// UpdateFile reads the file at path, lets edit change it and writes it back,
// unless nothing has changed. The file is replaced by renaming; owner, mode,
// attributes and symbolic links stay. A missing file is an error that wraps
// [fs.ErrNotExist]. Lines Postfix would refuse are no reason not to edit the
// others; edit can ask [File.Findings].
//
// When edit returns an error nothing is written and that error is returned. When
// a program that does not wait for the lock, an editor, changes the file
// meanwhile, edit is called again with what it holds then.
func UpdateFile(path string, edit func(*File) error) (changed bool, err error) {
	res, err := atomicfile.Update(context.Background(), path, nil, func(old []byte, exists bool) ([]byte, error) {
		if !exists {
			return nil, fmt.Errorf("mastercf: %w", &missingError{path})
		}
		f, _ := Parse(path, old)
		if err := edit(f); err != nil {
			return nil, err
		}
		return f.src, nil
	})
	return res.Changed, err
}

// try makes the edits. They must leave every other service as it was, and
// satisfy check when it is not nil; otherwise nothing has changed and the
// error says what would have been.
func (f *File) try(edits []diag.Edit, target *Service, kill map[*Service]bool, check func() error) error {
	before := f.snapshot()
	all, saved := before.all, before.saved
	moved := make(map[int]*Service, len(all))
	slices.SortStableFunc(edits, func(a, b diag.Edit) int { return a.Start - b.Start })
	ends := make(map[*Service]int, len(all)) // where the names will be
	byPlace := slices.Clone(all)
	slices.SortFunc(byPlace, func(a, b *Service) int { return a.nameOffset() - b.nameOffset() })
	var shift shifter
	for _, s := range byPlace {
		ends[s] = shift.to(s.nameOffset(), edits)
	}
	for _, s := range all {
		if at := ends[s]; !kill[s] && moved[at] == nil {
			moved[at] = s
		}
	}
	src, err := diag.ApplyEdits(f.src, edits)
	if err != nil {
		return err
	}
	f.parse(src, moved)
	for s := range kill {
		s.file = nil
	}
	for i, s := range all {
		if s != target && !kill[s] && (s.file == nil || !sameMeaning(s, &saved[i])) {
			err = fmt.Errorf("mastercf: the edit would change the entry %s/%s at %s:%s", saved[i].Name(), saved[i].Type(), f.name, saved[i].span)
			break
		}
	}
	if err == nil && check != nil {
		err = check()
	}
	if err != nil {
		f.restore(before)
	}
	return err
}

// A snapshot is a File with its services as they were.
type snapshot struct {
	file  File
	all   []*Service
	saved []Service
}

func (f *File) snapshot() snapshot {
	b := snapshot{file: *f, all: f.all()}
	b.saved = make([]Service, len(b.all))
	for i, s := range b.all {
		b.saved[i] = *s
	}
	return b
}

func (f *File) restore(b snapshot) {
	*f = b.file
	for i, s := range b.all {
		*s = b.saved[i]
	}
}

func (f *File) all() []*Service { return append(slices.Clone(f.active), f.disabled...) }

// A shifter tells where bytes are after edits, which are in order. It is asked
// in the order of the bytes.
type shifter struct{ done, delta int }

func (h *shifter) to(off int, edits []diag.Edit) int {
	for ; h.done < len(edits); h.done++ {
		e := edits[h.done]
		if e.End > off {
			if e.Start <= off {
				return e.Start + h.delta
			}
			break
		}
		h.delta += len(e.New) - (e.End - e.Start)
	}
	return off + h.delta
}

func sameMeaning(a, b *Service) bool {
	for c := FieldService; c <= FieldCommand; c++ {
		if a.Field(c) != b.Field(c) {
			return false
		}
	}
	return a.disabled == b.disabled && sameArgs(a.args, b.args)
}

func sameArgs(a, b []argument) bool {
	return slices.EqualFunc(a, b, func(x, y argument) bool { return x.kind == y.kind && x.text == y.text })
}

// Delete removes the lines of services from the file, and comments right after
// one of them that read as arguments of it. Other comments between its lines
// stay, a commented-out service among them. On an error nothing has changed.
func (f *File) Delete(services ...*Service) error {
	kill := make(map[*Service]bool, len(services))
	for _, s := range services {
		if err := f.owns(s); err != nil {
			return err
		}
		kill[s] = true
	}
	if len(services) > 1 {
		var edits []diag.Edit
		for _, s := range services {
			mine, _ := f.deletion(s)
			edits = append(edits, mine...)
		}
		if f.try(edits, nil, kill, nil) == nil {
			return nil
		}
	}
	before := f.snapshot()
	for _, s := range services {
		if s.file == nil {
			continue // named twice
		}
		if err := f.deleteOne(s); err != nil {
			f.restore(before)
			return err
		}
	}
	return nil
}

// deletion are the edits that take a service away. foreign: there is another,
// commented-out one between its lines.
func (f *File) deletion(s *Service) (edits []diag.Edit, foreign bool) {
	own := map[int]bool{}
	for _, p := range s.text.pieces {
		own[p.lineStart] = true
	}
	end := s.text.pieces[len(s.text.pieces)-1].lineEnd
	for r := range f.lines(s.text.pieces[0].lineStart, end) {
		switch {
		case own[r.start]:
		case !r.isComment || r.bare():
			continue
		case f.header(r.remark) != nil:
			foreign = true
			continue
		case foreign || !likeArgs(f.src[r.body:r.stop]):
			continue
		}
		edits = append(edits, diag.Edit{Start: r.start, End: r.end})
	}
	return edits, foreign
}

func (f *File) deleteOne(s *Service) error {
	kill := map[*Service]bool{s: true}
	edits, foreign := f.deletion(s)
	err := f.try(edits, nil, kill, nil)
	if err == nil || foreign {
		return err
	}
	// Comments behind the entry that read as its arguments would become those
	// of a commented-out service before it: they go too.
	for r := range f.lines(s.text.pieces[len(s.text.pieces)-1].lineEnd, len(f.src)) {
		if !r.isComment && !blank(f.src[r.start:r.end]) || r.isComment && f.header(r.remark) != nil {
			break
		}
		if r.isComment && !r.bare() && likeArgs(f.src[r.body:r.stop]) {
			edits = append(edits, diag.Edit{Start: r.start, End: r.end})
		}
	}
	return f.try(edits, nil, kill, nil)
}

// CommentOut puts a "#" before each line of a service. It stays a service, in
// [File.Disabled]; [File.Enable] brings back the same bytes. For that, comments
// that read as arguments of the entry get one more "#". An argument line that
// reads as prose ("reject" on a line of its own) is not found again.
func (f *File) CommentOut(s *Service) error {
	if err := f.owns(s); err != nil {
		return err
	}
	if s.disabled {
		return nil
	}
	var edits []diag.Edit
	own := map[int]bool{}
	for _, p := range s.text.pieces {
		own[p.lineStart] = true
	}
	hash := func(at int) { edits = append(edits, diag.Edit{Start: at, End: at, New: "#"}) }
	end := s.text.pieces[len(s.text.pieces)-1].lineEnd
	for r := range f.lines(s.text.pieces[0].lineStart, end) {
		if own[r.start] {
			hash(r.start)
		} else if r.isComment && f.argsOrHeader(r.remark) {
			hash(r.mark)
		}
	}
	gap := false
	for r := range f.lines(end, len(f.src)) {
		switch {
		case !r.isComment && !blank(f.src[r.start:r.end]), r.isComment && !r.bare() && f.header(r.remark) != nil:
		case !r.isComment || r.bare():
			gap = true
			continue
		case likeArgs(f.src[r.body:r.stop]):
			hash(r.mark)
			gap = false
			continue
		case !gap:
			continue
		}
		break
	}
	return f.try(edits, s, nil, func() error {
		if s.file == nil || !s.disabled {
			return fmt.Errorf("mastercf: %s/%s has an invalid column; it would not be found again", s.Name(), s.Type())
		}
		return nil
	})
}

// Enable makes a commented-out service one in force: the "#" before its first
// line and before the lines with its arguments go away, prose between them
// stays a comment. It fails with [ErrExists] when a service of that name and
// type is in force, and when the entry stands between the lines of another
// one, which would become its arguments.
func (f *File) Enable(s *Service) error {
	if err := f.owns(s); err != nil {
		return err
	}
	if !s.disabled {
		return nil
	}
	if other := f.Service(s.Name(), s.Type()); other != nil {
		return fmt.Errorf("mastercf: %s/%s: %w (%s:%s)", s.Name(), s.Type(), ErrExists, f.name, other.span)
	}
	if s.stray {
		return fmt.Errorf("mastercf: %s:%s: the lines after %s/%s belong to another service and would become its arguments", f.name, s.span, s.Name(), s.Type())
	}
	var edits []diag.Edit
	for i, m := range s.marks {
		e := diag.Edit{Start: m.start, End: m.end}
		if i > 0 && !cflines.IsSpace(f.src[m.end]) {
			e.New = " "
		}
		edits = append(edits, e)
	}
	for _, d := range s.deeper {
		edits = append(edits, diag.Edit{Start: d.mark, End: d.mark + 1})
	}
	want := *s
	return f.try(edits, s, nil, func() error {
		if s.file == nil || s.disabled || !sameArgs(s.args, want.args) {
			return fmt.Errorf("mastercf: enabling %s/%s would not give the same service", want.Name(), want.Type())
		}
		return nil
	})
}

func (f *File) owns(s *Service) error {
	switch {
	case s.file == nil:
		return ErrDeleted
	case s.file != f:
		return errors.New("mastercf: the service is in another file")
	}
	return nil
}

// A lineOf is a physical line, taken apart when it is a comment.
type lineOf struct {
	remark
	isComment bool
}

func (f *File) lines(from, to int) iter.Seq[lineOf] {
	return func(yield func(lineOf) bool) {
		for at := from; at < to; {
			r, isComment := newRemark(f.src, at, 0)
			if !yield(lineOf{r, isComment}) {
				return
			}
			at = r.end
		}
	}
}

func (f *File) argsOrHeader(r remark) bool {
	return !r.bare() && (likeArgs(f.src[r.body:r.stop]) || f.header(r) != nil)
}

// Rename gives a service another name. [ErrExists] when there is one of that
// name and the same type.
func (f *File) Rename(s *Service, name string) error {
	if err := f.owns(s); err != nil {
		return err
	}
	return s.SetField(FieldService, name)
}

// SetField changes a column. Columns behind it keep their place as far as the
// space between them allows. The value "-" stands for the default, which
// service, type and command do not have.
func (s *Service) SetField(c Field, v string) error {
	if s.file == nil {
		return ErrDeleted
	}
	if c < FieldService || c > FieldCommand {
		return errors.New("mastercf: invalid column")
	}
	if err := checkField(c, v); err != nil {
		return err
	}
	if s.Field(c) == v {
		return nil
	}
	if c == FieldService || c == FieldType {
		name, typ := s.Name(), s.Type()
		if c == FieldService {
			name = v
		} else {
			typ = Type(v)
		}
		if other := s.file.Service(name, typ); other != nil && !s.disabled {
			return fmt.Errorf("mastercf: %s/%s: %w (%s:%s)", name, typ, ErrExists, s.file.name, other.span)
		}
	}
	want := *s
	return s.file.try(s.fieldEdits(c, v), s, nil, func() error {
		if s.file == nil || s.Field(c) != v || !sameArgs(s.args, want.args) {
			return fmt.Errorf("mastercf: %s cannot be %q here", c, v)
		}
		return nil
	})
}

func checkField(c Field, v string) error {
	switch {
	case v == "" || strings.ContainsAny(v, " \t\r\n\v\f\x00"):
		return fmt.Errorf("mastercf: %s %q: want text without white space", c, v)
	case c == FieldService && v[0] == '#':
		return fmt.Errorf("mastercf: %s %q would be a comment", c, v)
	case (c == FieldService || c == FieldCommand) && v == "-":
		return fmt.Errorf("mastercf: %s has no default", c)
	}
	if m := wrongField(c, v); m != "" {
		return errors.New("mastercf: " + m)
	}
	return nil
}

// fieldEdits replaces a column and makes up for the change of its length in
// the space behind it, and behind the next ones.
func (s *Service) fieldEdits(c Field, v string) []diag.Edit {
	t := s.fields[c-1]
	edits := s.text.replace(t.start, t.end, v)
	carry := len(v) - (t.end - t.start)
	for i := int(c) - 1; i+1 < columns && carry != 0; i++ {
		from, to := s.fields[i].end, s.fields[i+1].start
		if s.text.pieceOf(from) != s.text.pieceOf(to) {
			break
		}
		gap := s.text.s[from:to]
		if strings.Trim(gap, " ") != "" {
			if i == int(c)-1 {
				edits = append(edits, s.tabGap(from, to, v, t)...)
			}
			break
		}
		size := max(1, len(gap)-carry)
		if size != len(gap) {
			edits = append(edits, s.text.replace(from, to, strings.Repeat(" ", size))...)
		}
		carry -= len(gap) - size
	}
	return edits
}

// tabGap gives the edit of a gap of tabs right behind a column: as many tabs
// as lead to the same place on screen.
func (s *Service) tabGap(from, to int, v string, t token) []diag.Edit {
	if strings.Trim(s.text.s[from:to], "\t") != "" || s.text.pieceOf(t.start) != s.text.pieceOf(to) {
		return nil
	}
	lead := string(s.file.src[s.text.pieces[s.text.pieceOf(t.start)].lineStart:s.text.pos(t.start).Offset])
	goal, now := width(lead+s.text.s[t.start:to]), width(lead+v)
	n := max(1, (goal-now+7)/8)
	if n == to-from {
		return nil
	}
	return s.text.replace(from, to, strings.Repeat("\t", n))
}

// width is the screen column behind text, tabs every eight.
func width(text string) int {
	w := 0
	for i := range len(text) {
		if text[i] == '\t' {
			w += 8 - w%8
		} else {
			w++
		}
	}
	return w
}
