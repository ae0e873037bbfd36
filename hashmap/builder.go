package hashmap

// Duplicates says what becomes of a key that is added more than once.
type Duplicates uint8

const (
	RejectDuplicates Duplicates = iota // an error
	KeepFirst                          // what postmap does, with a warning
	KeepLast                           // postmap -r
	KeepAll                            // postmap -w on cdb: lookups find the first; elsewhere the same as KeepFirst
)
