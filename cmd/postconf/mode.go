package main

import (
	"math/bits"
	"strings"

	"github.com/postfixkit/postfixkit/maincf"
)

// mode is the options that say what to do.
type mode uint32

// The options, in the order in which messages name them.
const (
	saslServers    mode = 1 << iota // -a
	saslClients                     // -A
	expandBounce                    // -b
	paramClass                      // -C
	showDefaults                    // -d
	editConf                        // -e
	foldLines                       // -f
	masterFields                    // -F
	hideName                        // -h
	hideValue                       // -H
	showJSON                        // -j
	showLocks                       // -l
	showMaps                        // -m
	masterEntry                     // -M
	showNonDefault                  // -n
	override                        // -o
	mainParams                      // -p
	masterParam                     // -P
	dumpBounce                      // -t
	showTLS                         // -T
	expand                          // -x
	exclude                         // -X
	commentOut                      // -#
	masterPP                        // -PP
)

var modeNames = [...]string{"-a", "-A", "-b", "-C", "-d", "-e", "-f", "-F", "-h", "-H", "-j", "-l", "-m", "-M",
	"-n", "-o", "-p", "-P", "-t", "-T", "-x", "-X", "-#", "-PP"}

const (
	notOurs     = saslServers | saslClients | expandBounce | dumpBounce | showTLS
	masterModes = masterEntry | masterFields | masterParam
	editModes   = editConf | exclude | commentOut
	majorModes  = notOurs | showLocks | showMaps | mainParams | masterModes
)

func (m mode) names() string {
	var all []string
	for i, name := range modeNames {
		if m&(1<<i) != 0 {
			all = append(all, name)
		}
	}
	return strings.Join(all, " ")
}

// exclusive are options of which only one may be given.
var exclusive = []mode{
	majorModes,
	masterPP | editConf | commentOut | exclude,
	showDefaults | editConf | showNonDefault | commentOut | exclude,
	foldLines | editConf | commentOut | exclude,
	expand | editConf | commentOut | exclude,
	override | showDefaults | editConf | commentOut | exclude,
	hideName | editConf | commentOut | exclude | hideValue,
}

// compatible are options with the only others that may stand beside them.
var compatible = [][2]mode{
	{saslServers, 0}, {saslClients, 0}, {expandBounce, 0}, {showLocks, 0}, {showMaps, 0}, {showTLS, 0}, {dumpBounce, 0},
	{mainParams, editModes | foldLines | hideName | paramClass | expand | showDefaults | showNonDefault | override | hideValue | showJSON},
	{masterEntry, editModes | foldLines | override | expand | showJSON},
	{masterFields, editConf | foldLines | hideName | override | expand | hideValue | showJSON},
	{masterParam, editConf | exclude | foldLines | hideName | override | expand | hideValue | showJSON | masterPP},
	{masterPP, foldLines | hideName | override | expand | hideValue | showJSON | masterParam},
	{showJSON, mainParams | masterModes | override | expand | showNonDefault | showDefaults},
}

// check reports options that do not go together.
func (m mode) check() error {
	for _, e := range exclusive {
		if both := m & e; bits.OnesCount32(uint32(both)) > 1 {
			return fatalf("specify one of %s", both.names())
		}
	}
	for _, pair := range compatible {
		if m&pair[0] == 0 {
			continue
		}
		if excess := m &^ (pair[0] | pair[1]); excess != 0 {
			return fatalf("with option %s, do not specify %s", pair[0].names(), excess.names())
		}
	}
	return nil
}

// allClasses is the meaning of "-C all".
const allClasses = 1<<maincf.Builtin | 1<<maincf.Service | 1<<maincf.User

// parseClasses reads the argument of -C.
func parseClasses(text string) (classes uint8, err error) {
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(", \t\r\n", r) }) {
		switch strings.ToLower(word) {
		case "builtin":
			classes |= 1 << maincf.Builtin
		case "service":
			classes |= 1 << maincf.Service
		case "user":
			classes |= 1 << maincf.User
		case "all":
			classes |= allClasses
		default:
			return 0, fatalf("unknown -C option value %q in %q", word, text)
		}
	}
	return classes, nil
}
