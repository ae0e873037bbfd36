package book

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"strings"
)

// Plot draws the ratios as an SVG: one bar for every benchmark whose name
// contains match and every peer, on a logarithmic axis. To the right of 1 the
// peer is slower, to the left it is faster.
func (b *Book) Plot(w io.Writer, match string) error {
	const left, right, row, top = 330, 80, 22, 46
	var ratios []Ratio
	low, high := 1.0, 10.0
	for _, r := range b.Ratios() {
		if strings.Contains(r.Name, match) {
			ratios = append(ratios, r)
			low, high = min(low, r.Times), max(high, r.Times)
		}
	}
	lo, hi := math.Floor(math.Log10(low)), math.Ceil(math.Log10(high))
	const width = 860
	x := func(times float64) float64 {
		return left + (math.Log10(times)-lo)/(hi-lo)*(width-left-right)
	}
	height := top + row*len(ratios) + 34
	var s bytes.Buffer
	fmt.Fprintf(&s, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(&s, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", width, height)
	fmt.Fprintf(&s, `<text x="12" y="20" font-size="14">Time of the peer, in times of postfixkit (same run; more is better)</text>`+"\n")
	for e := lo; e <= hi; e++ {
		at := x(math.Pow(10, e))
		fmt.Fprintf(&s, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#cccccc"/>`+"\n", at, top-8, at, height-26)
		fmt.Fprintf(&s, `<text x="%.1f" y="%d" text-anchor="middle" fill="#555555">%g</text>`+"\n", at, height-10, math.Pow(10, e))
	}
	for i, r := range ratios {
		y := top + i*row
		from, to := x(1), x(r.Times)
		color := "#2f6f9f"
		if r.Times < 1 {
			from, to, color = to, from, "#b5523b"
		}
		fmt.Fprintf(&s, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", left-10, y+13, escape(r.Name+" : "+r.Peer))
		fmt.Fprintf(&s, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n", from, y+2, max(to-from, 1), row-8, color)
		fmt.Fprintf(&s, `<text x="%.1f" y="%d">%.3g</text>`+"\n", max(from, to)+6, y+13, r.Times)
	}
	s.WriteString("</svg>\n")
	_, err := w.Write(s.Bytes())
	return err
}

func escape(s string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(s))
	return b.String()
}
