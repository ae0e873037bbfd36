package aliases

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/internal/casefold"
	"github.com/postfixkit/postfixkit/internal/cflines"
	"github.com/postfixkit/postfixkit/internal/mailaddr"
)

// Check ids of the findings of a [Graph].
const (
	CheckLoop            = "alias-loop"       // aliases that lead back to themselves: local(8) returns the mail
	CheckIncludeLoop     = "include-loop"     // :include: files that name each other: local(8) reads each once
	CheckDanglingInclude = "dangling-include" // an :include: file that is missing or not used
	CheckEmptyInclude    = "empty-include"    // an :include: file without targets: its mail disappears
	CheckNotAllowed      = "not-allowed"      // a command or file in an :include: file, where local(8) refuses them
	CheckUnknownUser     = "unknown-user"     // neither an alias nor a user
)

// A Graph is how the aliases of a file and the :include: files they name hang
// together. It answers questions about the whole file that [Expander.Expand]
// answers for one name. It shows the file as it was when the Graph was made,
// and is safe for concurrent use.
type Graph struct {
	x     *Expander
	opts  Options
	ids   map[place]int32
	nodes []vertex
	into  [][]int32 // edges turned around
	found diag.List
}

// place is what mail can be on its way to.
type place struct {
	kind placeKind
	name string // folded, apart from commands and file names
}

type placeKind uint8

const (
	atAlias placeKind = iota
	atMailbox
	atRemote
	atPath
	atCommand
	atInclude
)

type vertex struct {
	place
	alias *Alias  // of atAlias
	order int     // of atAlias: number in the file
	to    []int32 // nodes
}

// NewGraph reads how the aliases of f hang together. Of the Expander the file
// system, domains, delimiters and limits matter, and Users, when set; its
// tables are not asked. x may be nil: then there are no :include: files, and
// only addresses without domain are local. The Graph is never nil; the error
// wraps [ErrLimit] when the :include: files are larger than [Expander.MaxSize]
// or have more than MaxTargets targets, or is that of ctx. The Graph ends there
// then.
func NewGraph(ctx context.Context, f *File, x *Expander) (*Graph, error) {
	if x == nil {
		x = &Expander{}
	}
	g := &Graph{x: x, opts: f.opts, ids: map[place]int32{}}
	b := &builder{Graph: g, ctx: ctx, file: f.name}
	for a := range f.All() {
		if f.Find(a.name) == a {
			id := g.id(place{atAlias, f.fold(a.name)})
			g.nodes[id].alias, g.nodes[id].order = a, len(g.nodes)
		}
	}
	aliases := len(g.nodes)
	for id := int32(0); id < int32(aliases) && b.err == nil; id++ {
		a := g.nodes[id].alias
		b.list(id, []byte(a.Value()), b.inAlias(a), g.nodes[id].name)
		// What a file names is read after the file, not from within: files that
		// name each other may be as many as there are.
		for len(b.unread) > 0 && b.err == nil {
			next := b.unread[0]
			b.unread = b.unread[1:]
			b.readInclude(next)
		}
		if b.err == nil {
			b.err = ctx.Err()
		}
	}
	if b.err == nil {
		b.loops()
	}
	g.found.Sort()
	g.into = make([][]int32, len(g.nodes))
	for id := range g.nodes {
		for _, to := range g.nodes[id].to {
			g.into[to] = append(g.into[to], int32(id))
		}
	}
	return g, b.err
}

func (g *Graph) id(p place) int32 {
	id, ok := g.ids[p]
	if !ok {
		id = int32(len(g.nodes))
		g.ids[p] = id
		g.nodes = append(g.nodes, vertex{place: p})
	}
	return id
}

// inAlias tells the places of the targets of an alias. It cuts the alias once,
// when it is first asked.
func (b *builder) inAlias(a *Alias) where {
	var text cflines.Text
	var toks []mailaddr.Token
	var groups []mailaddr.Group
	return func(n int) (string, diag.Span) {
		if groups == nil {
			var p parsed
			text, p = a.parts()
			toks = mailaddr.WithoutComments(p.value())
			groups = mailaddr.Addresses(toks)
		}
		if n >= len(groups) {
			return b.file, a.NameSpan()
		}
		g := toks[groups[n].Start:groups[n].End]
		return b.file, a.span(text, g[0].Start, g[len(g)-1].End)
	}
}

// inLine tells the places of the targets in a line of a file that starts at
// start.
func inLine(file string, start diag.Position, line []byte) where {
	var toks []mailaddr.Token
	var groups []mailaddr.Group
	return func(n int) (string, diag.Span) {
		if groups == nil {
			toks = mailaddr.WithoutComments(mailaddr.Scan(nil, line))
			groups = mailaddr.Addresses(toks)
		}
		s := diag.Span{Start: start, End: start}
		first, last := toks[groups[n].Start], toks[groups[n].End-1]
		s.Start.Offset += first.Start
		s.Start.Col += first.Start
		s.End.Offset += last.End
		s.End.Col += last.End
		return file, s
	}
}

// builder is a Graph being made.
type builder struct {
	*Graph
	ctx     context.Context
	file    string
	read    int64
	targets int
	unread  []included
	err     error
}

// included is an :include: file that was named, by target number n of a list.
type included struct {
	id   int32
	name string
	at   where
	n    int
}

// where tells the place of target number n of a list.
type where func(n int) (file string, span diag.Span)

func (b *builder) add(at where, n int, check string, severity diag.Severity, format string, args ...any) {
	file, span := at(n)
	b.found = append(b.found, diag.Diagnostic{File: file, Span: span, Severity: severity, Check: check,
		Message: diag.Printable(fmt.Sprintf(format, args...))})
}

// list adds the edges from a node to the targets in a piece of text and
// returns their number. from is the alias that may list itself.
func (b *builder) list(id int32, text []byte, at where, from string) int {
	toks := mailaddr.WithoutComments(mailaddr.Scan(nil, text))
	groups := mailaddr.Addresses(toks)
	for n, gr := range groups {
		if b.err != nil {
			break
		}
		group := toks[gr.Start:gr.End]
		t := classify(string(mailaddr.AppendInternal(nil, text, group)))
		inFile := b.nodes[id].kind == atInclude
		in := InAlias
		if inFile {
			in = InInclude
			if b.targets++; b.targets > orDefault(b.x.MaxTargets, 1_000_000) {
				b.err = fmt.Errorf("aliases: more than %d targets in :include: files: %w", b.targets-1, ErrLimit)
			}
		}
		var to int32
		switch t.Kind {
		case Path:
			if in&b.x.AllowFiles.or(InAlias|InForward) == 0 {
				b.add(at, n, CheckNotAllowed, diag.Warning, "mail to file is restricted: %s", t.Value)
			}
			to = b.id(place{atPath, t.Value})
		case Command:
			if in&b.x.AllowCommands.or(InAlias|InForward) == 0 {
				b.add(at, n, CheckNotAllowed, diag.Warning, "mail to command is restricted: %s", t.Value)
			}
			to = b.id(place{atCommand, t.Value})
		case Include:
			to = b.include(t.Value, at, n)
		default:
			a := b.x.resolve(text, group)
			if a.bad {
				b.add(at, n, CheckBadAddress, diag.Warning, "bad recipient address syntax: %s", a.text)
			}
			to = b.address(a, from)
			if v := b.nodes[to]; v.kind == atMailbox && b.x.Users != nil {
				if _, ok := b.x.Users(v.name); !ok {
					b.add(at, n, CheckUnknownUser, diag.Warning, "unknown user: \"%s\"", v.name)
				}
			}
		}
		b.nodes[id].to = append(b.nodes[id].to, to)
	}
	return len(groups)
}

// address is the node of an address: an alias, for the address with extension
// or without, a mailbox, or another machine.
func (g *Graph) address(a resolved, from string) int32 {
	folded := casefold.String(a.text, true)
	if !a.local {
		return g.id(place{atRemote, folded})
	}
	local, _, _ := mailaddr.Split(folded)
	user, extension := g.x.splitter().Split(local)
	if strings.HasPrefix(local, "\\") {
		return g.id(place{atMailbox, user[1:]})
	}
	if strings.Contains(extension, "/") {
		local = user
	}
	for _, name := range []string{local, user} {
		name = g.opts.fold(name)
		if id, ok := g.ids[place{atAlias, name}]; ok && name != from {
			return id
		}
	}
	return g.id(place{atMailbox, user})
}

// include is the node of an :include: file. It will be read, once.
func (b *builder) include(name string, at where, n int) int32 {
	p := place{atInclude, name}
	if id, ok := b.ids[p]; ok {
		return id
	}
	id := b.id(p)
	if !strings.HasPrefix(name, "/") {
		b.add(at, n, CheckBadInclude, diag.Warning, ":include:%s uses a relative path", name)
		return id
	}
	b.unread = append(b.unread, included{id, name, at, n})
	return id
}

// readInclude adds the edges from an :include: file to its targets.
func (b *builder) readInclude(f included) {
	name := f.name
	if b.err = b.ctx.Err(); b.err != nil {
		return
	}
	d := delivery{x: b.x, ctx: b.ctx, read: b.read}
	text, err := d.readFile(&state{}, name)
	b.read = d.read
	switch {
	case d.stopped:
		b.err = fmt.Errorf("aliases: more than %d bytes in :include: files (%s): %w", orDefault(b.x.MaxSize, 64<<20), name, ErrLimit)
		return
	case err != nil && b.x.FS == nil:
		return // nothing is known about files
	case err != nil:
		b.add(f.at, f.n, CheckDanglingInclude, diag.Error, "unable to use :include: file %s: %v", name, err)
		return
	}
	targets, offset := 0, 0
	for line := 1; len(text) > 0 && b.err == nil; line++ {
		start := diag.Position{Offset: offset, Line: line, Col: 1}
		l, rest, _ := bytes.Cut(text, []byte("\n"))
		offset += len(l) + 1
		text = rest
		// Longer lines are broken by local(8), which is not followed here:
		// who writes them does not mean it.
		if len(l) == 0 || l[0] == '#' {
			continue
		}
		targets += b.list(f.id, l, inLine(name, start, l), "")
	}
	if targets == 0 && b.err == nil {
		b.add(f.at, f.n, CheckEmptyInclude, diag.Warning, ":include: file %s has no target: mail to it disappears", name)
	}
}

// Findings returns what is wrong with the whole: loops, :include: files that
// are missing, refused or empty, destinations local(8) refuses, and, when the
// Expander knows Users, names nobody has.
func (g *Graph) Findings() diag.List { return slices.Clone(g.found) }

// Reaching returns the aliases whose mail goes to a target, directly or by way
// of others, in the order of the file. An address is compared as mail to it is
// delivered: without regard to case, with its extension when an alias has that,
// and a local name is both the alias and the mailbox of that name.
func (g *Graph) Reaching(t Target) []*Alias {
	var start []int32
	known := func(p place) {
		if id, ok := g.ids[p]; ok {
			start = append(start, id)
		}
	}
	switch t.Kind {
	case Path:
		known(place{atPath, t.Value})
	case Command:
		known(place{atCommand, t.Value})
	case Include:
		known(place{atInclude, t.Value})
	case Address:
		src := []byte(mailaddr.Quote(t.Value))
		a := g.x.resolve(src, mailaddr.Scan(nil, src))
		folded := casefold.String(a.text, true)
		if !a.local {
			known(place{atRemote, folded})
			break
		}
		local, _, _ := mailaddr.Split(folded)
		user, _ := g.x.splitter().Split(local)
		known(place{atAlias, g.opts.fold(local)})
		known(place{atMailbox, user})
	}
	seen := make([]bool, len(g.nodes))
	for _, id := range start {
		seen[id] = true
	}
	var found []vertex
	for todo := slices.Clone(start); len(todo) > 0; {
		id := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, from := range g.into[id] {
			if !seen[from] {
				seen[from] = true
				todo = append(todo, from)
			}
		}
	}
	for id, v := range g.nodes {
		if seen[id] && v.alias != nil && !slices.Contains(start, int32(id)) {
			found = append(found, v)
		}
	}
	// An alias that lists its own name reaches the user of that name.
	for _, id := range start {
		if v := g.nodes[id]; v.alias != nil && slices.ContainsFunc(start, func(m int32) bool {
			return g.nodes[m].kind == atMailbox && slices.Contains(g.into[m], id)
		}) {
			found = append(found, v)
		}
	}
	slices.SortFunc(found, func(a, b vertex) int { return cmp.Compare(a.order, b.order) })
	out := make([]*Alias, len(found))
	for i, v := range found {
		out[i] = v.alias
	}
	return out
}

// Unreferenced returns the aliases that no other alias and no :include: file
// mentions, in the order of the file: those only mail from outside finds. An
// owner- alias is mentioned by its list.
func (g *Graph) Unreferenced() []*Alias {
	var out []*Alias
	for id, v := range g.nodes {
		if v.alias == nil {
			continue
		}
		used := slices.ContainsFunc(g.into[id], func(from int32) bool { return from != int32(id) })
		if list, ok := strings.CutPrefix(v.name, "owner-"); ok && !g.x.NoOwnerSpecial {
			_, ok = g.ids[place{atAlias, list}]
			used = used || ok
		}
		if !used {
			out = append(out, v.alias)
		}
	}
	return out
}

// loops finds the groups of nodes that lead back to themselves, by Tarjan's
// algorithm with a stack of its own.
func (b *builder) loops() {
	const unseen = 0
	n := len(b.nodes)
	index, low := make([]int32, n), make([]int32, n)
	onStack := make([]bool, n)
	var stack []int32
	type frame struct {
		id   int32
		next int
	}
	count := int32(0)
	var frames []frame
	enter := func(id int32) {
		count++
		index[id], low[id], onStack[id] = count, count, true
		stack = append(stack, id)
		frames = append(frames, frame{id: id})
	}
	for root := range int32(n) {
		if index[root] != unseen {
			continue
		}
		for enter(root); len(frames) > 0; {
			f := &frames[len(frames)-1]
			if to := b.nodes[f.id].to; f.next < len(to) {
				next := to[f.next]
				f.next++
				if index[next] == unseen {
					enter(next)
				} else if onStack[next] {
					low[f.id] = min(low[f.id], index[next])
				}
				continue
			}
			id := f.id
			frames = frames[:len(frames)-1]
			if len(frames) > 0 {
				up := frames[len(frames)-1].id
				low[up] = min(low[up], low[id])
			}
			if low[id] != index[id] {
				continue
			}
			at := len(stack) - 1 // the stack may be deep, and a group is at its end
			for stack[at] != id {
				at--
			}
			members := stack[at:]
			for _, m := range members {
				onStack[m] = false
			}
			if len(members) > 1 || slices.Contains(b.nodes[id].to, id) {
				b.loop(slices.Clone(members))
			}
			stack = stack[:at]
		}
	}
}

// loop reports a group of nodes that lead to each other, by one way round.
func (b *builder) loop(members []int32) {
	var first *vertex
	start := members[0]
	for _, m := range members {
		if v := &b.nodes[m]; v.alias != nil && (first == nil || v.order < first.order) {
			first, start = v, m
		}
	}
	// The shortest way from start back to start.
	inside := map[int32]bool{}
	for _, m := range members {
		inside[m] = true
	}
	from := map[int32]int32{}
	queue := []int32{start}
	for len(queue) > 0 {
		id := queue[0]
		queue = queue[1:]
		for _, to := range b.nodes[id].to {
			if _, ok := from[to]; !ok && inside[to] {
				from[to] = id
				queue = append(queue, to)
			}
		}
	}
	way := []string{b.nodes[start].String()}
	var related []diag.Related
	for id := from[start]; id != start; id = from[id] {
		if len(way) > 20 {
			way = append(way, "…")
			break
		}
		v := &b.nodes[id]
		way = append(way, v.String())
		if v.alias != nil {
			related = append(related, diag.Related{File: b.file, Span: v.alias.NameSpan(), Message: v.String() + " is part of the loop"})
		}
	}
	way = append(way, b.nodes[start].String())
	slices.Reverse(way)
	slices.Reverse(related)
	d := diag.Diagnostic{File: b.file, Severity: diag.Error, Check: CheckLoop, Related: related,
		Message: diag.Printable("mail loop: " + strings.Join(way, " -> "))}
	if first != nil {
		d.Span = first.alias.NameSpan()
	} else {
		d.File, d.Severity, d.Check = b.nodes[start].name, diag.Warning, CheckIncludeLoop
		d.Message = strings.Replace(d.Message, "mail loop", "files name each other", 1)
	}
	b.found = append(b.found, d)
}

// String names a place as a target is written.
func (p place) String() string {
	switch p.kind {
	case atCommand:
		return Target{Command, p.name}.String()
	case atInclude:
		return Target{Include, p.name}.String()
	case atAlias:
		return formatName(p.name)
	}
	return p.name
}
