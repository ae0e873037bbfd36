//go:build race

package bdb

// raced is true under the race detector, which makes these tests ten times as
// slow: three page sizes have to do then. A plain go test has all of them.
const raced = true
