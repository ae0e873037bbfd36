package cidrmap

import (
	"encoding/binary"
	"net/netip"
)

// rule is one rule or the start of an "if" block. It has no pointers: a million
// rules are nothing to the garbage collector.
type rule struct {
	network key
	result  text // of the texts of the tree of its family
	line    uint32
	bits    uint8
	is4     bool
	negated bool
	isIf    bool
}

func (r *rule) prefix() netip.Prefix {
	return netip.PrefixFrom(r.network.addr(r.is4), int(r.bits))
}

func (r *rule) setPrefix(addr netip.Addr, bits int) {
	r.network, r.bits, r.is4 = keyOf(addr), uint8(bits), addr.Is4()
}

// keys returns the addresses in the network. Those of IPv4 go on below their 32
// bits.
func (r *rule) keys() keys {
	return keys{r.network, r.network.last(int(r.bits))}
}

// nest says what is around a rule.
type nest struct {
	block int32 // index of the innermost "if" around it, -1 for none
	end   int32 // of an "if": index of the rule after its block
}

// key is an address as a number of 128 bits. IPv4 is in the upper 32.
type key struct{ hi, lo uint64 }

var lastKey = key{^uint64(0), ^uint64(0)}

func keyOf(addr netip.Addr) key {
	if addr.Is4() {
		b := addr.As4()
		return key{hi: uint64(binary.BigEndian.Uint32(b[:])) << 32}
	}
	b := addr.As16()
	return key{binary.BigEndian.Uint64(b[:]), binary.BigEndian.Uint64(b[8:])}
}

func (k key) addr(is4 bool) netip.Addr {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], k.hi)
	binary.BigEndian.PutUint64(b[8:], k.lo)
	if is4 {
		return netip.AddrFrom4([4]byte(b[:4]))
	}
	return netip.AddrFrom16(b)
}

func (k key) less(l key) bool { return k.hi < l.hi || k.hi == l.hi && k.lo < l.lo }

func (k key) compare(l key) int {
	switch {
	case k == l:
		return 0
	case k.less(l):
		return -1
	}
	return 1
}

// next returns k+1; 0 after the last one.
func (k key) next() key {
	k.lo++
	if k.lo == 0 {
		k.hi++
	}
	return k
}

// before returns k-1.
func (k key) before() key {
	if k.lo == 0 {
		k.hi--
	}
	k.lo--
	return k
}

// first returns the first key whose first n bits are those of k.
func (k key) first(n int) key {
	if n <= 64 {
		return key{k.hi &^ (^uint64(0) >> n), 0}
	}
	k.lo &^= ^uint64(0) >> (n - 64)
	return k
}

// last returns the last key whose first n bits are those of k.
func (k key) last(n int) key {
	if n < 64 {
		return key{k.hi | ^uint64(0)>>n, ^uint64(0)}
	} else if n < 128 {
		k.lo |= ^uint64(0) >> (n - 64)
	}
	return k
}
