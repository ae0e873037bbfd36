//go:build unix

package bench

import (
	"syscall"
	"time"
)

// cpuTime returns the processor time this process has used. On a machine that
// does other things it is a better measure than the clock.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
