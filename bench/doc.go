// Package bench compares postfixkit with the real Postfix tools, with the C
// libraries behind them and with other Go packages, in one run on one machine.
//
// It is a module of its own, so that nobody who imports postfixkit sees what
// it needs. Every figure is a benchmark:
//
//	cd bench && go test -bench . -benchtime 3x
//
// A peer that is not installed is left out, and the run says so.
package bench
