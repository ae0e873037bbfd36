package mailaddr

// WithoutComments returns toks without its comments, in the same array.
func WithoutComments(toks []Token) []Token {
	kept := toks[:0]
	for _, t := range toks {
		if t.Kind != Comment {
			kept = append(kept, t)
		}
	}
	return kept
}

// A Group is one address of a list: toks[Start:End].
type Group struct{ Start, End int }

// Addresses finds the addresses in a list of tokens without comments, as
// Postfix reads the right-hand side of an alias, a line of an :include: file
// or a recipient header: separated by commas, or by nothing but white space,
// which counts as a forgotten comma. Of "Some Body <user@domain>" and of
// "name: user, user;" only the addresses are returned. Nothing is an error.
//
// The list is read from its end, because only the ">" or ";" at the end of a
// phrase tells that the words before it are one.
func Addresses(toks []Token) []Group { return AppendAddresses(nil, toks) }

// AppendAddresses is [Addresses] with a slice to append to.
func AppendAddresses(dst []Group, toks []Token) []Group {
	first := len(dst)
	right := len(toks) // end of the address being collected: toks[i+1:right]
	collect := func(left int) {
		if left+1 < right {
			dst = append(dst, Group{left + 1, right})
		}
	}
	wordFits, inGroup := true, false
	for i := len(toks) - 1; i >= 0; {
		t := toks[i]
		switch {
		case t.Op == ';':
			collect(i)
			right, wordFits, inGroup = i, true, true
		case t.Op == ':' && inGroup:
			collect(i)
			for i >= 0 && toks[i].Op != ',' { // the name of the group
				i--
			}
			right = i
			continue
		case t.Op == '>':
			collect(i)
			right = i
			for i >= 0 && toks[i].Op != '<' {
				i--
			}
			collect(i)
			for i >= 0 && !endsPhrase(toks[i].Op) {
				i--
			}
			right, wordFits = i, true
			continue
		case t.Kind != Operator:
			if !wordFits { // two words side by side: the comma was forgotten
				collect(i)
				right = i + 1
			}
			wordFits = false
		case t.Op == ',':
			collect(i)
			right, wordFits = i, true
		default:
			wordFits = true
		}
		i--
	}
	collect(-1)
	for i, j := first, len(dst)-1; i < j; i, j = i+1, j-1 {
		dst[i], dst[j] = dst[j], dst[i]
	}
	return dst
}

func endsPhrase(op byte) bool { return op == '>' || op == ';' || op == ',' || op == ':' }
