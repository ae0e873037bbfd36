package engine

import (
	"errors"

	"github.com/postfixkit/postfixkit/regexpmap/internal/pattern"
)

// ErrLimit says that a match took more steps than the budget allows.
var ErrLimit = errors.New("match limit exceeded")

// ErrRecursion says that a pattern calls itself without getting anywhere.
var ErrRecursion = errors.New("nested recursion at the same subject position")

// Steps is how many instructions a pattern may use on one key. It is counted,
// not timed: the same key gets the same answer on a busy host. PCRE2 allows as
// many for each place a match could start at.
const Steps = 10_000_000

// maxStack bounds the memory of one match.
const maxStack = 4 << 20

// An entry of the stack is a choice not yet tried (kind below 0) or a slot's
// former value, restored when matching goes back past it.
type entry struct {
	kind int32 // slot, or one of the kinds below
	pos  int32 // position, or former value
	pc   int32
	low  int32 // of a run: the position it must not shrink past or grow to
}

const (
	choice     int32 = -1
	choiceRun  int32 = -2 // pc is the iRun; pos can shrink to low
	choiceLazy int32 = -3 // pc is the iRunLazy; pos can grow to low
	frameBack  int32 = -4 // the frame was pos
	framesBack int32 = -5 // pos and pc are how long saved and frames were
)

// A frame is a subroutine call in progress.
type frame struct {
	parent int32
	group  int32
	ret    int32
	pos    int32
	saved  int32 // where its copy of all slots begins
	height int32 // of the stack
}

// machine is the state of one backtracking match; it is reused.
type machine struct {
	prog   *program
	text   []byte
	stack  []entry
	slots  []int32 // bounds of groups, group starts, registers
	frames []frame
	saved  []int32
	frame  int32
	starts int32 // first group start
	regs   int32 // first register
	best   []int32
	found  bool
	kept   []uint32 // by slot: the last cut that kept its former value
	cuts   uint32
}

// run looks for a match in text. With longest set it finds, at the leftmost
// place that has one, the longest match, and the first of that length.
// The bounds are in m.slots, or m.best with longest.
func (m *machine) run(prog *program, text []byte, longest bool, steps int) (bool, error) {
	if prog.failed { // see TooLarge
		return false, ErrLimit
	}
	m.prog, m.text = prog, text
	n := prog.groups + 1
	m.starts, m.regs = int32(2*n), int32(3*n)
	size := 3*n + prog.regs
	if cap(m.slots) < size {
		m.slots = make([]int32, size)
	}
	m.slots = m.slots[:size]
	for i := range m.slots {
		m.slots[i] = -1
	}
	if len(m.kept) < size {
		m.kept, m.cuts = make([]uint32, size), 0
	}
	for start := 0; start <= len(text); start++ {
		if start > 0 && prog.anchor {
			break
		}
		if start < len(text) && !prog.first.Has(text[start]) || start == len(text) && prog.first != pattern.Any() {
			continue
		}
		// Going back all the way has made all slots -1 again.
		m.stack, m.frames, m.saved = m.stack[:0], m.frames[:0], m.saved[:0]
		m.frame, m.found = -1, false
		ok, err := m.from(int32(start), longest, &steps)
		if ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// release gives a machine back. A hostile key must not hold memory for ever.
func (m *machine) release() {
	if cap(m.stack) > 1<<16 {
		m.stack = nil
	}
	if cap(m.saved) > 1<<16 || cap(m.frames) > 1<<16 {
		m.saved, m.frames = nil, nil
	}
	if cap(m.slots) > 1<<16 {
		m.slots, m.best, m.kept = nil, nil, nil
	}
	m.prog, m.text = nil, nil
	machines.Put(m)
}

func (m *machine) set(slot, value int32) {
	m.stack = append(m.stack, entry{kind: slot, pos: m.slots[slot]})
	m.slots[slot] = value
}

// pop undoes entries down to height.
func (m *machine) pop(height int) {
	for len(m.stack) > height {
		m.undo(m.stack[len(m.stack)-1])
		m.stack = m.stack[:len(m.stack)-1]
	}
}

func (m *machine) undo(e entry) {
	switch {
	case e.kind >= 0:
		m.slots[e.kind] = e.pos
	case e.kind == frameBack:
		m.frame = e.pos
	case e.kind == framesBack:
		m.frames = m.frames[:e.pc]
		m.saved = m.saved[:e.pos]
	}
}

// cut drops choices above height, and keeps what must be undone. That is then
// undone all at once, so of each slot only the oldest value is kept, and the
// cuts around this one have little to look at again. It returns the number of
// entries there were.
func (m *machine) cut(height int) int {
	looked := len(m.stack) - height
	if m.cuts++; m.cuts == 0 {
		clear(m.kept)
		m.cuts = 1
	}
	out := height
	frame := false
	made := len(m.frames) // before
	for _, e := range m.stack[height:] {
		switch {
		case e.kind >= 0:
			if m.kept[e.kind] == m.cuts {
				continue
			}
			m.kept[e.kind] = m.cuts
		case e.kind == frameBack:
			if frame {
				continue
			}
			frame = true
		case e.kind == framesBack:
			if int(e.pc) >= made {
				continue
			}
			made = int(e.pc)
		default:
			continue
		}
		m.stack[out] = e
		out++
	}
	m.stack = m.stack[:out]
	// Nobody goes back into calls that were made since and have returned.
	if in := max(made, int(m.frame)+1); in < len(m.frames) {
		m.saved = m.saved[:m.frames[in].saved]
		m.frames = m.frames[:in]
	}
	return looked
}

func (m *machine) from(start int32, longest bool, budget *int) (bool, error) {
	prog, text := m.prog, m.text
	code := prog.code
	end := int32(len(text))
	pos, pc := start, int32(0)
	steps := *budget
	defer func() { *budget = steps }()
	for {
		steps--
		if steps < 0 || len(m.stack) > maxStack || len(m.saved) > maxStack {
			return false, ErrLimit
		}
		in := &code[pc]
		switch in.op {
		case iFail:
			goto fail
		case iMatch:
			if prog.inner >= 0 && m.slots[m.regs+prog.inner] == pos {
				goto fail // the newline after an EndInner must be matched too
			}
			m.slots[0], m.slots[1] = start, pos
			if !longest {
				return true, nil
			}
			if !m.found || pos > m.best[1] {
				m.found = true
				m.best = append(m.best[:0], m.slots[:m.starts]...)
			}
			if pos == end {
				return true, nil
			}
			goto fail
		case iByte:
			if pos >= end || text[pos] != byte(in.x) {
				goto fail
			}
			pos++
			pc++
		case iSet:
			if pos >= end || !prog.sets[in.x].Has(text[pos]) {
				goto fail
			}
			pos++
			pc++
		case iRun, iRunAll:
			set := &prog.sets[in.x]
			i, most := pos, end
			if in.z < end-pos {
				most = pos + in.z
			}
			for i < most && set.Has(text[i]) {
				i++
			}
			steps -= int(i-pos) >> 3
			if i-pos < in.y {
				goto fail
			}
			if low := pos + in.y; in.op == iRun && i > low {
				m.stack = append(m.stack, entry{kind: choiceRun, pos: i, pc: pc, low: low})
			}
			pos = i
			pc++
		case iRunLazy:
			set := &prog.sets[in.x]
			i, most := pos, end
			if in.z < end-pos {
				most = pos + in.z
			}
			low := pos + in.y
			if low > most {
				goto fail
			}
			for i < low && set.Has(text[i]) {
				i++
			}
			steps -= int(i-pos) >> 3
			if i < low {
				goto fail
			}
			if i < most {
				m.stack = append(m.stack, entry{kind: choiceLazy, pos: i, pc: pc, low: most})
			}
			pos = i
			pc++
		case iJump:
			pc = in.x
		case iSplit:
			m.stack = append(m.stack, entry{kind: choice, pos: pos, pc: in.y})
			pc = in.x
		case iOpen:
			m.set(m.starts+in.x, pos)
			pc++
		case iClose:
			m.set(2*in.x, m.slots[m.starts+in.x])
			m.set(2*in.x+1, pos)
			pc++
		case iAssert:
			switch at := pattern.At(in.x); at {
			case pattern.BeginInner:
				if pos != 0 && (pos == start || text[pos-1] != '\n') {
					goto fail
				}
			case pattern.EndInner:
				if pos != end {
					if text[pos] != '\n' {
						goto fail
					}
					m.set(m.regs+prog.inner, pos)
				}
			default:
				if !holds(at, text, int(pos)) {
					goto fail
				}
			}
			pc++
		case iMark:
			m.set(m.regs+in.x, pos)
			pc++
		case iMoved:
			if m.slots[m.regs+in.x] == pos {
				pc = in.y
			} else {
				pc++
			}
		case iZero:
			m.set(m.regs+in.x, 0)
			pc++
		case iCount:
			l := &prog.loops[in.x]
			switch n := m.slots[m.regs+l.reg]; {
			case n < l.min:
				pc++
			case l.max >= 0 && n >= l.max, n > 0 && l.empties && l.max < 0 && m.slots[m.regs+l.reg+1] == pos:
				pc = in.y
			case l.lazy:
				m.stack = append(m.stack, entry{kind: choice, pos: pos, pc: pc + 1})
				pc = in.y
			default:
				m.stack = append(m.stack, entry{kind: choice, pos: pos, pc: in.y})
				pc++
			}
		case iCountIn:
			r := m.regs + in.x
			m.set(r, m.slots[r]+1)
			m.set(r+1, pos)
			pc++
		case iHeight:
			r := m.regs + in.x
			m.set(r, 0)
			m.set(r+1, pos)
			m.slots[r] = int32(len(m.stack))
			pc++
		case iCut:
			steps -= m.cut(int(m.slots[m.regs+in.x])) >> 3
			pc++
		case iCutBack:
			steps -= m.cut(int(m.slots[m.regs+in.x])) >> 3
			pos = m.slots[m.regs+in.x+1]
			pc++
		case iStepBack:
			pos = m.slots[m.regs+in.x+1]
			pc++
		case iUndo:
			r := m.regs + in.x
			pos = m.slots[r+1]
			m.pop(int(m.slots[r]))
			if in.y < 0 {
				goto fail
			}
			pc = in.y
		case iBack:
			if pos < in.x {
				goto fail
			}
			pos -= in.x
			pc++
		case iBackref, iBackrefFold:
			ok := false
			steps -= len(prog.lists[in.x]) >> 3
			for _, g := range prog.lists[in.x] {
				from, to := m.slots[2*g], m.slots[2*g+1]
				if from < 0 {
					continue
				}
				n := to - from
				steps -= int(n) >> 3
				if n <= end-pos && same(text[from:to], text[pos:pos+n], in.op == iBackrefFold) {
					ok = true
					pos += n
				}
				break
			}
			if !ok {
				goto fail
			}
			pc++
		case iIfGroup:
			pc++
			steps -= len(prog.lists[in.x]) >> 3
			if !m.anySet(prog.lists[in.x]) {
				pc = in.y
			}
		case iIfIn:
			pc++
			if !m.inside(in.x) {
				pc = in.y
			}
		case iCall:
			inner := m.regs + in.z
			if f := m.slots[inner]; f >= 0 && m.frames[f].pos == pos {
				return false, ErrRecursion
			}
			m.stack = append(m.stack, entry{kind: framesBack, pos: int32(len(m.saved)), pc: int32(len(m.frames))}, entry{kind: frameBack, pos: m.frame})
			m.frames = append(m.frames, frame{parent: m.frame, group: in.y, ret: pc + 1, pos: pos, saved: int32(len(m.saved)), height: int32(len(m.stack))})
			m.saved = append(m.saved, m.slots...)
			steps -= len(m.slots) >> 3
			m.frame = int32(len(m.frames) - 1)
			m.set(inner, m.frame) // until the return: it restores all slots
			pc = in.x
		case iReturn:
			f := m.frames[m.frame]
			steps -= len(m.slots) >> 3
			for i, v := range m.saved[f.saved : int(f.saved)+len(m.slots)] {
				if m.slots[i] != v {
					m.set(int32(i), v)
				}
			}
			if f.group == 0 {
				steps -= m.cut(int(f.height)) >> 3 // PCRE2 never goes back into (?R)
			}
			m.stack = append(m.stack, entry{kind: frameBack, pos: m.frame})
			m.frame = f.parent
			pc = f.ret
		}
		continue
	fail:
		for {
			if len(m.stack) == 0 {
				return m.found, nil
			}
			top := &m.stack[len(m.stack)-1]
			if top.kind >= 0 || top.kind <= frameBack {
				m.undo(*top)
				m.stack = m.stack[:len(m.stack)-1]
				continue
			}
			pc = top.pc
			switch top.kind {
			case choice:
				pos = top.pos
				m.stack = m.stack[:len(m.stack)-1]
			case choiceRun:
				top.pos--
				pos = top.pos
				if top.pos == top.low {
					m.stack = m.stack[:len(m.stack)-1]
				}
				pc++
			case choiceLazy:
				if !prog.sets[code[pc].x].Has(text[top.pos]) {
					m.stack = m.stack[:len(m.stack)-1]
					continue
				}
				top.pos++
				pos = top.pos
				if top.pos == top.low {
					m.stack = m.stack[:len(m.stack)-1]
				}
				pc++
			}
			break
		}
	}
}

func (m *machine) anySet(groups []int) bool {
	for _, g := range groups {
		if m.slots[2*g] >= 0 {
			return true
		}
	}
	return false
}

// inside reports whether the innermost call is of a group of list; list < 0:
// whether there is a call.
func (m *machine) inside(list int32) bool {
	if m.frame < 0 || list < 0 {
		return m.frame >= 0
	}
	for _, g := range m.prog.lists[list] {
		if int32(g) == m.frames[m.frame].group {
			return true
		}
	}
	return false
}

func same(a, b []byte, fold bool) bool {
	if !fold {
		return string(a) == string(b)
	}
	for i := range a {
		if a[i] != b[i] && pattern.Lower(a[i]) != pattern.Lower(b[i]) {
			return false
		}
	}
	return true
}

var wordSet = pattern.Word()

// holds reports whether a condition is true at text[i:].
func holds(at pattern.At, text []byte, i int) bool {
	switch at {
	case pattern.BeginText:
		return i == 0
	case pattern.EndText:
		return i == len(text)
	case pattern.EndTextNewline:
		return i == len(text) || i == len(text)-1 && text[i] == '\n'
	case pattern.BeginLine:
		return i == 0 || text[i-1] == '\n'
	case pattern.BeginLineInside:
		return i == 0 || text[i-1] == '\n' && i < len(text)
	case pattern.EndLine:
		return i == len(text) || text[i] == '\n'
	}
	before := i > 0 && wordSet.Has(text[i-1])
	after := i < len(text) && wordSet.Has(text[i])
	switch at {
	case pattern.WordEdge:
		return before != after
	case pattern.NotWordEdge:
		return before == after
	case pattern.WordStart:
		return !before && after
	case pattern.WordEnd:
		return before && !after
	}
	return false
}
