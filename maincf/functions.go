package maincf

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"
)

// functions are what ${name{text}} can call since Postfix 3.11.
//
// The conversions follow RFC 5891 with the lower-casing of UTS 46, which is
// what Postfix uses through ICU. Characters that UTS 46 would replace by
// others, or compose with their neighbours, are refused instead: the tables
// for that are not part of this package.
var functions = map[string]func(string) (string, error){
	"domain_to_ascii": domainToASCII,
	"domain_to_utf8":  domainToUTF8,
}

// domainToASCII returns the A-label form of a domain name. A name that is ASCII
// stays as it is.
func domainToASCII(name string) (string, error) {
	if isASCII(name) {
		return name, nil
	}
	labels := strings.FieldsFunc(name, isDot)
	for i, label := range labels {
		a, err := labelToASCII(label)
		if err != nil {
			return "", fmt.Errorf("bad domain argument in: 'domain_to_ascii{%s}': %w", name, err)
		}
		labels[i] = a
	}
	if len(labels) != 1+strings.Count(name, ".")+strings.Count(name, "\u3002")+strings.Count(name, "\uff0e")+strings.Count(name, "\uff61") {
		return "", fmt.Errorf("bad domain argument in: 'domain_to_ascii{%s}': %w", name, errors.New("empty label"))
	}
	return strings.Join(labels, "."), nil
}

// domainToUTF8 returns the U-label form of a domain name. A name that is not
// ASCII stays as it is.
func domainToUTF8(name string) (string, error) {
	if !isASCII(name) {
		return name, nil
	}
	labels := strings.Split(strings.ToLower(name), ".")
	for i, label := range labels {
		rest, ok := strings.CutPrefix(label, "xn--")
		if !ok {
			continue
		}
		u, err := punyDecode(rest)
		if err == nil {
			// Only what encodes back to the same label is one.
			if a, e := labelToASCII(u); e != nil || a != label {
				err = errors.New("not an internationalized label: " + label)
			}
		}
		if err != nil {
			return "", fmt.Errorf("bad domain argument in: 'domain_to_utf8{%s}': %w", name, err)
		}
		labels[i] = u
	}
	u := strings.Join(labels, ".")
	// The other labels have to be those of a domain name, too.
	if _, err := domainToASCII(u); err != nil {
		return "", fmt.Errorf("bad domain argument in: 'domain_to_utf8{%s}': %w", name, errors.Unwrap(err))
	}
	return u, nil
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// isDot knows the dots of UTS 46.
func isDot(r rune) bool { return r == '.' || r == '\u3002' || r == '\uff0e' || r == '\uff61' }

func labelToASCII(label string) (string, error) {
	if !utf8.ValidString(label) {
		return "", errors.New("malformed UTF-8")
	}
	if label == "" {
		return "", errors.New("empty label")
	}
	runes := []rune(label)
	for i, r := range runes {
		r = unicode.ToLower(r)
		if err := checkRune(r); err != nil {
			return "", err
		}
		runes[i] = r
	}
	if runes[0] == '-' || runes[len(runes)-1] == '-' {
		return "", errors.New("label starts or ends with a hyphen")
	}
	if unicode.Is(unicode.M, runes[0]) {
		return "", errors.New("label starts with a combining mark")
	}
	a := string(runes)
	if !isASCII(a) {
		p, err := punyEncode(runes)
		if err != nil {
			return "", err
		}
		a = "xn--" + p
	}
	if len(a) > 63 {
		return "", errors.New("label is longer than 63 bytes")
	}
	return a, nil
}

// checkRune refuses what is not allowed in a label, and what would have to be
// mapped or composed first.
func checkRune(r rune) error {
	switch {
	case r == '-' || r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z':
		return nil
	case r < utf8.RuneSelf:
		return fmt.Errorf("character %q is not allowed in a domain name", r)
	case 0x300 <= r && r <= 0x36f:
		return fmt.Errorf("character %U would have to be composed with the one before it", r)
	case r == 0x1e9e, 0x2000 <= r && r <= 0x2fff, 0xfb00 <= r && r <= 0xfdff, 0xfe00 <= r && r <= 0xffff,
		0x1d400 <= r && r <= 0x1d7ff, 0xf900 <= r && r <= 0xfaff, 0x3130 <= r && r <= 0x318f,
		r == 0xaa, r == 0xba, r == 0xb5, r == 0x17f, 0x132 <= r && r <= 0x133, 0x1c4 <= r && r <= 0x1cc, 0x1f1 <= r && r <= 0x1f3:
		return fmt.Errorf("character %U would have to be replaced by another", r)
	case unicode.IsLetter(r) || unicode.Is(unicode.Nd, r) || unicode.Is(unicode.M, r):
		return nil
	}
	return fmt.Errorf("character %U is not allowed in a domain name", r)
}

// The numbers of RFC 3492 for domain names.
const (
	punyBase, punyMin, punyMax = 36, 1, 26
	punySkew, punyDamp         = 38, 700
	punyBias, punyFirst        = 72, 128
	punyDigits                 = "abcdefghijklmnopqrstuvwxyz0123456789"
	punyLongest                = 1000 // runes; a label has 63 bytes at most
)

func punyAdapt(delta, points int, first bool) int {
	if first {
		delta /= punyDamp
	} else {
		delta /= 2
	}
	delta += delta / points
	k := 0
	for ; delta > (punyBase-punyMin)*punyMax/2; k += punyBase {
		delta /= punyBase - punyMin
	}
	return k + (punyBase-punyMin+1)*delta/(delta+punySkew)
}

func punyThreshold(k, bias int) int { return min(max(k-bias, punyMin), punyMax) }

func punyEncode(runes []rune) (string, error) {
	if len(runes) > punyLongest {
		return "", errors.New("label is longer than 63 bytes")
	}
	var out []byte
	for _, r := range runes {
		if r < utf8.RuneSelf {
			out = append(out, byte(r))
		}
	}
	basic := len(out)
	if basic > 0 {
		out = append(out, '-')
	}
	n, delta, bias := rune(punyFirst), 0, punyBias
	for done := basic; done < len(runes); {
		next := rune(math.MaxInt32)
		for _, r := range runes {
			if r >= n && r < next {
				next = r
			}
		}
		step := int64(next-n) * int64(done+1)
		if int64(delta)+step > math.MaxInt32/2 {
			return "", errors.New("label is too long")
		}
		delta += int(step)
		n = next
		for _, r := range runes {
			if r < n {
				delta++
			}
			if r != n {
				continue
			}
			q := delta
			for k := punyBase; ; k += punyBase {
				t := punyThreshold(k, bias)
				if q < t {
					break
				}
				out = append(out, punyDigits[t+(q-t)%(punyBase-t)])
				q = (q - t) / (punyBase - t)
			}
			out = append(out, punyDigits[q])
			bias = punyAdapt(delta, done+1, done == basic)
			delta = 0
			done++
		}
		delta++
		n++
	}
	return string(out), nil
}

func punyDecode(s string) (string, error) {
	bad := errors.New("malformed ASCII label")
	if len(s) > punyLongest {
		return "", bad
	}
	var out []rune
	if i := strings.LastIndexByte(s, '-'); i >= 0 {
		out = []rune(s[:i])
		s = s[i+1:]
	}
	n, at, bias := punyFirst, 0, punyBias
	for len(s) > 0 {
		before, weight := at, 1
		for k := punyBase; ; k += punyBase {
			if s == "" {
				return "", bad
			}
			digit := strings.IndexByte(punyDigits, s[0])
			s = s[1:]
			if digit < 0 || digit > (math.MaxInt32-at)/weight {
				return "", bad
			}
			at += digit * weight
			t := punyThreshold(k, bias)
			if digit < t {
				break
			}
			if weight > math.MaxInt32/(punyBase-t) {
				return "", bad
			}
			weight *= punyBase - t
		}
		points := len(out) + 1
		bias = punyAdapt(at-before, points, before == 0)
		n += at / points
		at %= points
		if n > unicode.MaxRune || n >= 0xd800 && n <= 0xdfff {
			return "", bad
		}
		out = append(out[:at], append([]rune{rune(n)}, out[at:]...)...)
		at++
	}
	return string(out), nil
}
