package book

import (
	"fmt"
	"io"
)

// A Row is a benchmark in the words of the README.
type Row struct {
	Task, Name, Peer string
}

// Rows are the table and the plot of the README: what people come for, each
// beside what they use for it today.
var Rows = []Row{
	{"`postmap hash:` of a million entries", "PostmapBuild/hash/n=1000000", "postmap"},
	{"`postmap lmdb:` of a million entries", "PostmapBuild/lmdb/n=1000000", "postmap"},
	{"`postmap cdb:` of a million entries", "PostmapBuild/cdb/n=1000000", "postmap"},
	{"`postmap hash:` of 10,000 entries", "PostmapBuild/hash/n=10000", "postmap"},
	{"`postmap cdb:` of 10,000 entries", "PostmapBuild/cdb/n=10000", "postmap"},
	{"`postmap -q - hash:`, a million keys", "PostmapQuery/hash/n=1000000", "postmap"},
	{"`postmap -q - texthash:`, a million keys", "PostmapQuery/texthash/n=1000000", "postmap"},
	{"`postmap -q - hash:`, 10,000 keys", "PostmapQuery/hash/n=10000", "postmap"},
	{"`postmap -q - cdb:`, 10,000 keys", "PostmapQuery/cdb/n=10000", "postmap"},
	{"`postconf -n`", "Postconf/-n", "postconf"},
	{"a lookup, hash: of 100,000 entries", "LookupHash/n=100000/hit", "libdb"},
	{"a lookup, lmdb: of 100,000 entries", "LookupLMDB/n=100000/hit", "liblmdb"},
	{"a lookup, cdb: of 100,000 entries", "LookupCDB/n=100000/hit", "tinycdb"},
	{"a lookup, cidr: of 10,000 networks", "CIDR/n=10000", "postmap"},
	{"a lookup, regexp: of 1,000 header checks", "PatternTable/headers/regexp/n=1000", "postmap"},
	{"a lookup, pcre: of 1,000 header checks", "PatternTable/headers/pcre/n=1000", "postmap"},
}

// ReadmeTable writes the table of the README. A row that was not measured is
// an error.
func (b *Book) ReadmeTable(w io.Writer) error {
	rows, err := b.rows()
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "| | postfixkit | | peer | times faster |\n|---|--:|---|--:|--:|\n")
	for i, r := range rows {
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s |\n", Rows[i].Task, Duration(r.Ours), r.Peer, Duration(r.Theirs), factor(r.Times()))
	}
	return nil
}

// rows are the ratios of Rows.
func (b *Book) rows() (out []Ratio, err error) {
	all := map[[2]string]Ratio{}
	for _, r := range b.Ratios() {
		all[[2]string{r.Name, r.Peer}] = r
	}
	for _, row := range Rows {
		r, ok := all[[2]string{row.Name, row.Peer}]
		if !ok {
			return nil, fmt.Errorf("%s against %s was not measured", row.Name, row.Peer)
		}
		out = append(out, r)
	}
	return out, nil
}
