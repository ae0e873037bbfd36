package regexpmap

type prefilter struct{}

func newPrefilter(t *Table) *prefilter { return nil }

func (f *prefilter) find(key []byte) *Rule { return nil }
