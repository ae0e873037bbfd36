package engine

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/postfixkit/postfixkit/regexpmap/internal/pattern"
)

// A machine that always keeps everything: cuts only drop choices.
func (m *machine) cutSlowly(height int) {
	out := height
	for _, e := range m.stack[height:] {
		if e.kind >= 0 || e.kind <= frameBack {
			m.stack[out] = e
			out++
		}
	}
	m.stack = m.stack[:out]
}

// Undoing what a cut keeps is undoing everything.
func TestCut(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for range 5000 {
		prog := &program{}
		fresh := func() *machine {
			return &machine{prog: prog, slots: []int32{-1, -1, -1, -1}, kept: make([]uint32, 4), frame: -1}
		}
		one, other := fresh(), fresh()
		both := func(f func(m *machine)) { f(one); f(other) }
		var heights []int // of one and of other, in turn
		for range r.IntN(60) {
			switch k, v := int32(r.IntN(4)), r.Int32N(100); r.IntN(6) {
			case 0, 1:
				both(func(m *machine) { m.set(k, v) })
			case 2:
				both(func(m *machine) { m.stack = append(m.stack, entry{kind: choice}) })
			case 3: // a call
				both(func(m *machine) {
					m.stack = append(m.stack, entry{kind: framesBack, pos: int32(len(m.saved)), pc: int32(len(m.frames))}, entry{kind: frameBack, pos: m.frame})
					m.frames = append(m.frames, frame{parent: m.frame, saved: int32(len(m.saved))})
					m.saved = append(m.saved, m.slots...)
					m.frame = int32(len(m.frames) - 1)
				})
				heights = append(heights, -1)
			case 4:
				heights = append(heights, len(one.stack), len(other.stack))
			case 5: // what was opened last ends
				n := len(heights)
				switch {
				case n == 0:
				case heights[n-1] < 0:
					heights = heights[:n-1]
					both(func(m *machine) {
						m.stack = append(m.stack, entry{kind: frameBack, pos: m.frame})
						m.frame = m.frames[m.frame].parent
					})
				default:
					one.cut(heights[n-2])
					other.cutSlowly(heights[n-1])
					heights = heights[:n-2]
				}
			}
			if len(one.stack) > len(other.stack) || len(one.frames) > len(other.frames) {
				t.Fatal("more is kept")
			}
		}
		// Back to each choice in turn, until nothing is left.
		for {
			back := func(m *machine) bool {
				for n := len(m.stack); n > 0; n = len(m.stack) {
					e := m.stack[n-1]
					m.stack = m.stack[:n-1]
					if e.kind == choice {
						return true
					}
					m.undo(e)
				}
				return false
			}
			a, b := back(one), back(other)
			same := a == b && chain(one) == chain(other)
			for i := range one.slots {
				same = same && one.slots[i] == other.slots[i]
			}
			if !same {
				t.Fatalf("%v %v, slots %v and %v, calls %s and %s", a, b, one.slots, other.slots, chain(one), chain(other))
			}
			if !a {
				break
			}
		}
		if len(one.frames) != 0 || len(one.saved) != 0 || one.frame != -1 {
			t.Fatalf("left: %d frames, %d saved, frame %d", len(one.frames), len(one.saved), one.frame)
		}
	}
}

// Loops of so many rounds that they are counted: as many as possible, or as few.
func TestCountedLoops(t *testing.T) {
	text := []byte(strings.Repeat("ab", 250))
	for src, end := range map[string]int{
		"(?=a)(?:ab){200,240}": 480, "(?=a)(?:ab){200,240}?": 400, "(?=a)(?:ab){200,240}+b|a": 1, "(?=a)(?:ab){220,}": 500, "(?=a)(?:ab){220,}?": 440, "(?=a)(?:ab){200,240}?aba": 403,
		"(?=a)(?:ab){251,}": -1, "(?=a)(?:ab|){300,400}": 500,
	} {
		p, err := pattern.ParsePCRE(src, pattern.PCREFlags{})
		if err != nil {
			t.Fatal(err)
		}
		bounds, ok, err := Compile(p).Groups(text, p.Groups)
		if got := append(bounds, 0, -1)[1]; err != nil || ok != (end >= 0) || got != end {
			t.Errorf("%s: %v, %v, %v; want the end %d", src, bounds, ok, err, end)
		}
	}
}

// chain is what the calls in progress have saved.
func chain(m *machine) (s string) {
	for f := m.frame; f >= 0; f = m.frames[f].parent {
		for _, v := range m.saved[m.frames[f].saved : m.frames[f].saved+4] {
			s += string(rune('A' + v))
		}
		s += " "
	}
	return s
}
