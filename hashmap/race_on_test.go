//go:build race

package hashmap

// raceEnabled: the detector makes sync.Pool drop what it is given, and
// everything slow.
const raceEnabled = true
