package book

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"strings"
)

// A Bar is a line of the plot.
type Bar struct {
	Label string
	Times float64
}

// ReadmeBars are the rows of the README.
func (b *Book) ReadmeBars() (bars []Bar, err error) {
	rows, err := b.rows()
	for i, r := range rows {
		bars = append(bars, Bar{strings.ReplaceAll(Rows[i].Task, "`", "") + " · " + r.Peer, r.Times()})
	}
	return bars, err
}

// Bars are all ratios whose name contains match.
func (b *Book) Bars(match string) (bars []Bar) {
	for _, r := range b.Ratios() {
		if strings.Contains(r.Name, match) {
			bars = append(bars, Bar{r.Name + " · " + r.Peer, r.Times()})
		}
	}
	return bars
}

// Plot draws bars as an SVG on a logarithmic axis. To the right of 1 the peer
// is slower, to the left it is faster.
func Plot(w io.Writer, bars []Bar) error {
	const left, right, row, top, width = 400, 70, 24, 50, 900
	low, high := 1.0, 10.0
	for _, b := range bars {
		low, high = min(low, b.Times), max(high, b.Times)
	}
	// Half a decade to the left is enough for a peer that is a little faster.
	lo, hi := math.Floor(2*math.Log10(low))/2, math.Log10(high)
	x := func(times float64) float64 {
		return left + (math.Log10(times)-lo)/(hi-lo)*(width-left-right)
	}
	height := top + row*len(bars) + 30
	var s bytes.Buffer
	fmt.Fprintf(&s, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13">`+"\n", width, height)
	fmt.Fprintf(&s, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", width, height)
	fmt.Fprintf(&s, `<text x="12" y="22" font-size="15">How many times the time of postfixkit the other program needs (more is better for postfixkit)</text>`+"\n")
	for e := math.Ceil(lo); e <= hi; e++ {
		at, color := x(math.Pow(10, e)), "#dddddd"
		if e == 0 {
			color = "#777777"
		}
		fmt.Fprintf(&s, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="%s"/>`+"\n", at, top-8, at, height-24, color)
		fmt.Fprintf(&s, `<text x="%.1f" y="%d" text-anchor="middle" fill="#555555">%g×</text>`+"\n", at, height-8, math.Pow(10, e))
	}
	for i, b := range bars {
		y := top + i*row
		from, to := x(1), x(b.Times)
		color := "#2f6f9f"
		if b.Times < 1 {
			from, to, color = to, from, "#b5523b"
		}
		fmt.Fprintf(&s, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", left-12, y+15, escape(b.Label))
		fmt.Fprintf(&s, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n", from, y+3, max(to-from, 1), row-8, color)
		fmt.Fprintf(&s, `<text x="%.1f" y="%d">%s</text>`+"\n", to+6, y+15, factor(b.Times))
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
