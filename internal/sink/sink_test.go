package sink

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"testing"
)

// limited takes so many bytes, then fails; quiet when it should give no error.
type limited struct {
	bytes.Buffer
	room  int
	quiet bool
}

var errFull = errors.New("full")

func (l *limited) Write(p []byte) (int, error) {
	n, _ := l.Buffer.Write(p[:min(len(p), l.room)])
	l.room -= n
	if n < len(p) && !l.quiet {
		return n, errFull
	}
	return n, nil
}

// pieces writes the same bytes in one of several ways.
func pieces(w *Writer) (want []byte) {
	for i := range 3000 {
		p := bytes.Repeat([]byte{byte(i)}, i%200)
		want = append(want, p...)
		w.Bytes(p)
		want = binary.LittleEndian.AppendUint32(want, uint32(i))
		want = binary.LittleEndian.AppendUint32(want, 7)
		w.Pair(uint32(i), 7)
	}
	large := bytes.Repeat([]byte("large"), bufferSize)
	want = append(want, large...)
	w.Bytes(large)
	w.Bytes(nil)
	part := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, i%777) }
	for _, batch := range []int{1, 10, 5000} {
		for i := range 500 {
			want = append(want, part(i)...)
		}
		w.Parts(500, batch, func(buf []byte, from, to int) []byte {
			for i := from; i < to; i++ {
				buf = append(buf, part(i)...)
			}
			return buf
		})
	}
	w.Parts(0, 10, nil)
	return want
}

func TestWriter(t *testing.T) {
	for _, procs := range []int{1, 4} {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
		var out bytes.Buffer
		w := New(&out)
		want := pieces(w)
		if n, err := w.Flush(); n != int64(len(want)) || err != nil || !bytes.Equal(out.Bytes(), want) {
			t.Fatalf("%d processors: %d bytes, %v, want %d", procs, n, err, len(want))
		}
		for _, quiet := range []bool{false, true} {
			for _, room := range []int{0, 1, 1000, bufferSize, bufferSize + 1, len(want) / 2, len(want) - 1} {
				out := limited{room: room, quiet: quiet}
				w := New(&out)
				pieces(w)
				wantErr := errFull
				if quiet {
					wantErr = io.ErrShortWrite
				}
				if n, err := w.Flush(); n != int64(room) || err != wantErr || !w.Failed() || !bytes.Equal(out.Bytes(), want[:room]) {
					t.Errorf("%d processors, room for %d: %d bytes, %v", procs, room, n, err)
				}
			}
		}
	}
}
