// Package near compares names, to find the one that somebody who mistyped it
// may have meant.
package near

// longest is above the length of every name of Postfix.
const longest = 100

// Distance counts the letters to insert, to delete, to change or to swap with
// the next one that make b of a; upper and lower case are the same. It looks no
// further than most: what is more, or longer than any name, is most+1.
func Distance(a, b string, most int) int {
	if len(a)-len(b) > most || len(b)-len(a) > most || len(a) > longest || len(b) > longest {
		return most + 1
	}
	// The table of all beginnings of a (rows) and b (columns), three rows of it.
	var rows [3][longest + 1]uint8
	for j := range len(b) + 1 {
		rows[0][j] = uint8(j)
	}
	for i := 1; i <= len(a); i++ {
		row, above, before := &rows[i%3], &rows[(i+2)%3], &rows[(i+1)%3]
		row[0] = uint8(i)
		least := uint8(i)
		for j := 1; j <= len(b); j++ {
			cost := uint8(1)
			if lower(a[i-1]) == lower(b[j-1]) {
				cost = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+cost)
			if i > 1 && j > 1 && lower(a[i-1]) == lower(b[j-2]) && lower(a[i-2]) == lower(b[j-1]) {
				row[j] = min(row[j], before[j-2]+1)
			}
			least = min(least, row[j])
		}
		if int(least) > most {
			return most + 1
		}
	}
	return min(int(rows[len(a)%3][len(b)]), most+1)
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
