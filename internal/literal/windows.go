package literal

// Windows tells how often strings of a few bytes are to be expected in a text.
// It knows what mail headers are like, and counts what the literals of a set
// have in common: that is what the texts are like, too. The zero Windows has
// counted nothing.
type Windows struct {
	counts map[uint32]int32
	total  int
}

// Count adds the windows of a literal, once for the thing it belongs to.
func (w *Windows) Count(text string) {
	if w.counts == nil {
		w.counts = map[uint32]int32{}
	}
	w.total++
	for i := 0; i+longWindow <= len(text); i++ {
		w.counts[gram(text[i:], longWindow)]++
	}
}

// Cost estimates the share of texts that contain the literal's rarest window.
func (w *Windows) Cost(text string) float64 {
	if len(text) < longWindow {
		return min(1, 3*cost(text))
	}
	least := 2.0
	for i := 0; i+longWindow <= len(text); i++ {
		least = min(least, w.window(text[i:i+longWindow]))
	}
	return least
}

// window estimates the share of texts that contain a window.
func (w *Windows) window(text string) float64 {
	p := cost(text)
	if len(text) == longWindow && w.total > 0 {
		// The literal itself has been counted.
		p += 0.3 * float64(w.counts[gram(text, longWindow)]-1) / float64(w.total)
	}
	return p
}

// cost is the number of places in a text that a string is expected at, if its
// bytes were independent.
func cost(text string) float64 {
	p := 100.0 // places in a text
	for i := range len(text) {
		p *= frequency[text[i]]
	}
	return p
}

// rarest returns where in a literal the stretch of windows starts that is
// expected least.
func (w *Windows) rarest(text []byte, size, stretch int) (at int) {
	costs := make([]float64, len(text)-size+1)
	for i := range costs {
		costs[i] = w.window(string(text[i : i+size]))
	}
	total := 0.0
	for _, c := range costs[:stretch] {
		total += c
	}
	least := total
	for i := 1; i+stretch <= len(costs); i++ {
		total += costs[i+stretch-1] - costs[i-1]
		if total < least {
			least, at = total, i
		}
	}
	return at
}

// frequency is about how often a byte occurs in lower-cased mail headers.
var frequency = func() (f [256]float64) {
	for i := range f {
		f[i] = 0.0005
	}
	for i, c := range []byte(" etaoinsrhldcumfpgwybvkxjqz") {
		f[c] = 0.13 / (1 + 0.35*float64(i))
	}
	for _, c := range []byte("0123456789.") {
		f[c] = 0.02
	}
	for _, c := range []byte("-:;=\"<>@/_,()") {
		f[c] = 0.008
	}
	return f
}()
